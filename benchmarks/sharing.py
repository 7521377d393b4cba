"""How long recording and pushing takes: 1,300 runs with 40 checkpoints of 1 MB, against plain DVC.

    python benchmarks/sharing.py [--runs 1300] [--checkpoints 40] [--repetitions 3]

Reference: `dvc add store` and `dvc push` of the same files, with the same DVC configuration, in the same run of
this program, by turns. The remote is a folder on the same disk.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.store.files import write_json
from transfer_atlas.store.keys import key_of
from transfer_atlas.store.store import file_facts, run_folder

REPOSITORY = Path(__file__).resolve().parents[1]
ENVIRONMENT = os.environ | {"DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(REPOSITORY / "src")}


def make_store(folder: Path, runs: int, checkpoints: int) -> None:
    """Runs as a study leaves them: a run.json with a training curve, and a checkpoint where there is one."""
    generator = random.Random(0)
    for number in range(runs):
        kind = "source" if number < checkpoints else "transfer"
        identity = {"kind": kind, "settings": {"number": number}, "versions": {}, "parents": {}, "code": {}}
        key = key_of(identity)
        place = run_folder(folder, KINDS[kind].folder, f"{kind}-{number}", key)
        place.mkdir(parents=True)
        if kind == "source":
            (place / "model.safetensors").write_bytes(generator.randbytes(1_000_000))
        record = {name: identity[name] for name in ("kind", "settings", "versions", "parents")}
        curve = [[step, generator.random()] for step in range(100)]
        record |= {"code_versions": {}, "key": key, "metrics": {"curve": curve}, "files": file_facts(place)}
        write_json(place / "run.json", record)


def new_repository(folder: Path, store: Path) -> None:
    """A git and DVC repository with the project's DVC files, a remote beside it, and a copy of the store."""
    folder.mkdir()
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", "dvc.yaml", ".gitignore", "config.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, folder / name)
    call(folder, "git", "init", "--quiet")
    remote = folder.with_name(f"{folder.name}-remote")
    remote.mkdir()
    call(folder, sys.executable, "-m", "dvc", "remote", "add", "--quiet", "--default", "here", str(remote))
    shutil.copytree(store, folder / "store")


def call(folder: Path, *command: str) -> float:
    """Run a command in a folder. Returns its seconds."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - began


def plain(folder: Path) -> dict[str, float]:
    """Seconds of plain DVC."""
    (folder / "dvc.yaml").unlink()  # the store as one folder, which is what is quickest
    ignored = folder / ".gitignore"
    ignored.write_text(ignored.read_text(encoding="utf-8").replace("/store/\n", ""), encoding="utf-8")
    dvc = (sys.executable, "-m", "dvc")
    return {"record": call(folder, *dvc, "add", "--quiet", "store"), "push": call(folder, *dvc, "push", "-q")}


def ours(folder: Path) -> dict[str, float]:
    """Seconds of this project."""
    return {
        "record": call(folder, sys.executable, "-m", "transfer_atlas.sharing", "record"),
        "push": call(folder, sys.executable, "-m", "dvc", "push", "-q"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=1300)
    parser.add_argument("--checkpoints", type=int, default=40)
    parser.add_argument("--repetitions", type=int, default=3)
    chosen = parser.parse_args()
    totals: dict[str, list[float]] = {"plain DVC": [], "transfer atlas": []}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        make_store(root / "store", chosen.runs, chosen.checkpoints)
        for repetition in range(chosen.repetitions):
            for name, act in (("plain DVC", plain), ("transfer atlas", ours)):
                folder = root / f"{name.split()[0]}-{repetition}"
                new_repository(folder, root / "store")
                seconds = act(folder)
                totals[name].append(sum(seconds.values()))
                print(
                    f"{name:<16} record {seconds['record']:6.2f} s   push {seconds['push']:6.2f} s",
                    flush=True,
                )
                pushed = sum(1 for path in root.glob(f"{folder.name}-remote/files/md5/*/*") if path.is_file())
                if pushed < chosen.runs + chosen.checkpoints:
                    raise SystemExit(f"only {pushed} files reached the remote")
                shutil.rmtree(folder)
    for name, values in totals.items():
        print(
            f"{name:<16} both, median {median(values):6.2f} s   from {min(values):.2f} to {max(values):.2f} s"
        )
    print(f"ratio of medians {median(totals['transfer atlas']) / median(totals['plain DVC']):.2f}")


if __name__ == "__main__":
    main()
