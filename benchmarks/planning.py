"""How long planning takes: a dry run of 1,200 transfers from nothing, and with everything present.

    python benchmarks/planning.py [--transfers 1200] [--repetitions 3]

The study is the size of the paper's, its datasets exist as `.dvc` files only, and its results are empty files
where runs would have put theirs: planning must need neither. Floor: interpreter and imports (a plan of one
transfer), and one `stat` for each declared output.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import yaml

from transfer_atlas.planning.content_versions import content_versions
from transfer_atlas.planning.facts import facts_of_cards
from transfer_atlas.planning.load import load_workflow
from transfer_atlas.planning.plan import make_plan
from transfer_atlas.planning.products import figures, tables_by
from transfer_atlas.planning.shown import write_stamp
from transfer_atlas.study.parse import parse_study

REPOSITORY = Path(__file__).resolve().parents[1]


def study_of(transfers: int, folder: Path) -> dict:
    """A study of at least this many transfers: 20 datasets, as many seeds as it takes."""
    count = 20 if transfers > 20 else 2
    (folder / "data").mkdir()
    datasets = {}
    for index in range(count):
        name = f"dataset_{index:02d}"
        datasets[name] = {
            "domain": "driving",
            "adapter": {"name": "image_mask_folders", "path": name, "classes": ["road", "car"]},
            "tasks": {"segmentation": {}},
        }
        record = {"outs": [{"md5": f"{index:032x}.dir", "path": name}]}
        (folder / "data" / f"{name}.dvc").write_text(yaml.safe_dump(record), encoding="utf-8")
    pairs = count * (count + 1)  # every other dataset and two baselines, on every target
    return {
        "study": "planning",
        "data_root": str(folder / "data"),
        "store": str(folder / "store"),
        "scratch": str(folder / "scratch"),
        "results": str(folder / "results"),
        "backbone": {"name": "hrnet_w48"},
        "ilsvrc": {"origin": "timm", "model": "hrnet_w48.ms_in1k"},
        "datasets": datasets,
        "experiments": [
            {
                "sources": ["segmentation/*"],
                "targets": ["segmentation/*"],
                "seeds": list(range(-(-transfers // pairs))),
            }
        ],
    }


def finish(study_file: Path) -> None:
    """Put a file wherever the study declares an output: empty ones, and stamps that say which runs are shown."""
    flow = load_workflow(yaml.safe_load(study_file.read_text(encoding="utf-8")), without_data=False)
    names = {"prepared": "dataset.json", "ilsvrc": "model.safetensors", "source": "model.safetensors"}
    for run in flow.plan:
        folder = run.folder(flow.study.store)
        folder.mkdir(parents=True)
        for name in {"run.json", names.get(run.kind, "run.json")}:
            (folder / name).touch()
    results = Path(flow.study.results)
    files = [f"tables/{name}.parquet" for name in tables_by(flow, "tables")] + ["report.html"]
    files += [
        f"datasets/{name}.{suffix}" for name in facts_of_cards(flow) for suffix in ("json", "jpg", "md")
    ]
    files += [f"figures/{name}.{suffix}" for name in figures(flow) for suffix in ("png", "svg")]
    for file in files:
        (results / file).parent.mkdir(parents=True, exist_ok=True)
        (results / file).touch()
    folders = [str(run.folder(flow.study.store)) for run in flow.plan]
    for name in ("tables", "dataset_cards", "report", *figures(flow).values()):
        write_stamp(flow.shown.stamp(name), folders, flow.study.store, [])


def dry_run(study_file: Path, expected: str) -> float:
    """Seconds of one dry run, after checking that it says what it should."""
    command = [Path(sys.executable).parent / "snakemake", "-n", "--nolock", "--configfile", study_file]
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, env=os.environ, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode or expected not in done.stdout + done.stderr:
        raise SystemExit(f"unexpected output of {command}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--transfers", type=int, default=1200)
    parser.add_argument("--repetitions", type=int, default=3)
    chosen = parser.parse_args()
    seconds: dict[str, list[float]] = {}
    for name, transfers in (("one transfer", 1), (f"{chosen.transfers} transfers", chosen.transfers)):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            study_file = folder / "study.yaml"
            study = study_of(transfers, folder)
            study_file.write_text(yaml.safe_dump(study), encoding="utf-8")
            count = len(
                make_plan(parse_study(study), *content_versions(parse_study(study))).of_kind("transfer")
            )
            print(f"{name}: the study has {count} transfers", flush=True)
            for _ in range(chosen.repetitions):
                seconds.setdefault(f"{name}, dry run from nothing", []).append(
                    dry_run(study_file, "transfer")
                )
            finish(study_file)
            for _ in range(chosen.repetitions):
                seconds.setdefault(f"{name}, nothing to be done", []).append(
                    dry_run(study_file, "Nothing to be done")
                )
    for name, values in seconds.items():
        print(f"{name:<45} median {median(values):6.2f} s   from {min(values):.2f} to {max(values):.2f} s")


if __name__ == "__main__":
    main()
