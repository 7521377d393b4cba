"""How long tables, tables of scores and report of a study of the paper's size take; memory; the page's size.

    python benchmarks/report.py [--images 100] [--keep folder]

A synthetic study: the transfers of studies/paper.yaml (1,305), whose run.json files hold made-up metrics, classes,
curves and results image by image, a few of them failed; and scores of 272 pairs by 18 metrics. Nothing in it was
measured. Each part runs in a process of its own, whose largest resident memory is told. With Chromium (Debian's) and
Playwright installed the page is opened, and its time until it can be used is told.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from transfer_atlas.analysis.published.factors_of_influence import published_datasets, published_gains
from transfer_atlas.planning.facts import facts_of_cards, facts_of_report, facts_of_tables
from transfer_atlas.planning.plan import make_plan
from transfer_atlas.planning.workflow import Workflow
from transfer_atlas.store.files import write_json
from transfer_atlas.study.parse import parse_study
from transfer_atlas.study.reading import read_values

REPOSITORY = Path(__file__).resolve().parents[1]
PUBLISHED = REPOSITORY / "resources/published"
FIGURES = 8
METRICS = [f"metric_{number:02d}" for number in range(1, 19)]
MEASURES = {
    "segmentation": ("mean_iou", True),
    "detection": ("coco_map", True),
    "keypoints": ("ap50", True),
    "depth": ("rmse", False),
}


def paper_study(folder: Path) -> Workflow:
    """The paper's study, planned as if its datasets were there, with its store and results in a folder."""
    values = read_values(REPOSITORY / "studies/paper.yaml")
    values |= {"store": str(folder / "store"), "results": str(folder / "results")}
    study = parse_study(values)
    versions = {name: f"version of {name}" for name in study.datasets}
    return Workflow(study, make_plan(study, versions, "version of the checkpoint"))


def write_runs(flow: Workflow, images: int, seed: int = 0) -> None:
    """A run.json for every transfer, its gain the printed one where there is one, else drawn; one in 150 diverged."""
    generator = np.random.default_rng(seed)
    printed = published_gains(PUBLISHED).set_index(["source", "target", "regime"])["gain"].to_dict()
    baselines: dict[tuple[str, str], float] = {}
    for each in flow.plan.wanted_of("transfer"):
        source, target, regime = (each[name] for name in ("source", "target", "regime"))
        task_type = target.split("/")[0]
        metric, higher = MEASURES[task_type]
        base = baselines.setdefault((target, regime), float(generator.uniform(0.25, 0.7)))
        gain = 0.0 if source == "ilsvrc" else printed.get((source, target, regime), generator.normal(0, 8))
        value = base * (1 + (gain if higher else -gain) / 100) * float(np.exp(generator.normal(0, 0.01)))
        failed = source not in ("ilsvrc", "scratch") and generator.random() < 1 / 150
        folder = each.run.folder(flow.study.store)
        folder.mkdir(parents=True, exist_ok=True)
        classes = {} if task_type == "depth" else {f"class {c:02d}": value for c in range(20)}
        steps = np.arange(1, 21) * 50
        curve = [[int(s), float(2 * np.exp(-s / 400) + 0.3 + generator.normal(0, 0.02))] for s in steps]
        grid = [{"learning_rate": rate, "curve": curve, "value": value} for rate in (0.1, 0.03, 0.01)]
        metrics = {
            "primary": metric,
            "value": value,
            "higher_is_better": higher,
            "per_class": classes,
            "grid": grid,
        }
        metrics |= {
            "best_learning_rate": 0.03,
            "available_images": 1000,
            "source_images": 10_000,
            "panels": _panels(folder),
        }
        record = {
            "kind": "transfer",
            "name": each.run.name,
            "key": each.run.key,
            "status": "diverged" if failed else "finished",
            "reason": "the loss is no longer finite at step 120" if failed else None,
            "metrics": None if failed else metrics,
            "settings": {},
            "parents": {role: parent.key for role, parent in each.run.parents.items()},
            "code_versions": {"training": 1},
            "versions": {},
            "files": {},
            "packages": {"torch": "synthetic"},
            "git_commit": "0" * 40,
            "device": "synthetic",
            "seconds": float(generator.uniform(600, 6000)),
            "peak_memory_host_bytes": 4_000_000_000,
            "peak_memory_device_bytes": 12_000_000_000,
            "created": "2024-01-01T00:00:00+00:00",
        }
        write_json(folder / "run.json", record)
        if not failed:
            write_images(folder, task_type, value, images, generator)


def _panels(folder: Path) -> list[dict[str, Any]]:
    """Two pictures of noise, as wide as four tiles of 256 pixels: harder to compress than what runs keep."""
    shown = []
    for number in range(2):
        file = folder / f"panels/{number}.jpg"
        file.parent.mkdir(exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (24, 130, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((1036, 192)).save(file, quality=85)
        shown.append(
            {
                "file": f"panels/{number}.jpg",
                "image": f"image_{number}",
                "tiles": ["input", "annotation", "prediction", "error"],
            }
        )
    return shown


def write_images(
    folder: Path, task_type: str, value: float, images: int, generator: np.random.Generator
) -> None:
    """Results image by image: of average precision right and wrong finds, of others sums, five classes in each."""
    rows = []
    for image in range(images):
        if task_type in ("detection", "keypoints"):
            found = generator.integers(0, 2, 5)
            rows.append(
                {
                    "image": f"{image:04d}",
                    "part": "all",
                    "annotated": 5,
                    "scores": generator.random(5),
                    "matched": found,
                }
            )
            continue
        for part in range(1 if task_type == "depth" else 5):
            total = float(generator.uniform(500, 1500))
            share = float(np.clip(value + generator.normal(0, 0.1), 0.01, 3))
            rows.append(
                {"image": f"{image:04d}", "part": f"{part}", "numerator": share * total, "denominator": total}
            )
    pd.DataFrame(rows).to_parquet(folder / "per_image.parquet")


def score_records(flow: Workflow, seed: int = 1) -> list[dict[str, Any]]:
    """Records of scores of the 272 pairs by 18 metrics, each as much like the gain as its number says."""
    pairs = pd.read_csv(PUBLISHED / "gbc_segmentation_272_pairs.csv")[["target", "source", "mean_iou"]]
    generator = np.random.default_rng(seed)
    return [
        {
            "identity": {
                "source": pair.source,
                "target": pair.target,
                "regime": "small_target",
                "metric": metric,
            },
            "metrics": {
                "value": pair.mean_iou + generator.normal(0, 0.02 * (number + 1)),
                "repeats": 1,
                "samples": 5000,
            },
            "status": "finished",
            "reason": None,
            "key": f"{metric}-{pair.source}-{pair.target}",
        }
        for pair in pairs.itertuples()
        for number, metric in enumerate(METRICS)
    ]


def make_tables(flow: Workflow) -> None:
    """What the rule `tables` does; sizes of training sets are the printed ones."""
    from transfer_atlas.analysis.tables.of_study import study_tables, write_tables
    from transfer_atlas.analysis.tables.records import read_records

    facts = facts_of_tables(flow)
    records = read_records(facts["transfers"], {})
    sizes = published_datasets(PUBLISHED)["n_train"].to_dict()
    datasets: dict[str, Any] = {
        name: {"domain": domain, "n_train": int(sizes.get(name) or 1000)}
        for name, domain in facts["domains"].items()
    }
    for name, members in facts["multi_sources"].items():
        domains = sorted({facts["domains"][member.split("@")[0]] for member in members})
        datasets[name] = {"domains": domains, "n_train": 100_000}
    tables = study_tables(records, datasets, facts["transfers"], facts["multi_sources"])
    write_tables(tables, flow.study.results / "tables")


def make_score_tables(flow: Workflow) -> None:
    """What the rule `score_tables` does, with 10,000 draws."""
    from transfer_atlas.analysis.published.factors_of_influence import published_distances
    from transfer_atlas.analysis.recommendation.prior import load_prior
    from transfer_atlas.analysis.tables.files import read_table, write_table
    from transfer_atlas.analysis.tables.of_scores import score_tables
    from transfer_atlas.analysis.tables.scores import scores_table
    from transfer_atlas.planning.facts import facts_of_score_tables

    place, facts = flow.study.results / "tables", facts_of_score_tables(flow)
    domains = published_datasets(PUBLISHED)["domain"]
    distances = published_distances(PUBLISHED).assign(
        backbone="ilsvrc", source_images=1000, target_images=1000, source_key="", target_key=""
    )
    for side in ("source", "target"):
        distances[f"{side}_domain"] = distances[side].map(domains).fillna("consumer")
    tables = score_tables(
        scores_table(score_records(flow)),
        distances,
        read_table(place / "gains.parquet"),
        read_table(place / "subtask_transfers.parquet"),
        read_table(place / "per_class.parquet"),
        load_prior(facts["prior"]).transfers,
        facts["multi_sources"],
    )
    for name, frame in tables.items():
        write_table(frame, place / f"{name}.parquet")


def _noise(file: Path, width: int, height: int) -> None:
    """A picture of coarse noise, in place of a contact sheet or a figure: harder to compress than these."""
    file.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((width, height)).save(file)


def make_cards(flow: Workflow) -> None:
    """What the rule `dataset_cards` does, of datasets that are not here."""
    from transfer_atlas.analysis.cards.files import write_card

    for name, about in facts_of_cards(flow).items():
        write_card(
            name,
            about,
            *(flow.study.results / f"datasets/{name}.{suffix}" for suffix in ("json", "jpg", "md")),
        )


def draw_pictures(flow: Workflow) -> None:
    """Pictures of noise in place of contact sheets and figures; not measured."""
    for name in facts_of_cards(flow):
        _noise(flow.study.results / f"datasets/{name}.jpg", 980, 740)
    for number in range(FIGURES):
        _noise(flow.study.results / f"figures/figure_{number}.png", 1500, 1000)


def make_report(flow: Workflow) -> None:
    """What the rule `report` does."""
    from transfer_atlas.analysis.report.page import write_report
    from transfer_atlas.analysis.report.study import ReportedStudy, StudyTables
    from transfer_atlas.planning.products import FINDINGS, TABLES

    results = flow.study.results
    cards = sorted((results / "datasets").glob("*.json"))
    study = ReportedStudy(
        facts=facts_of_report(flow),
        figures=tuple(sorted((results / "figures").glob("*.png"))),
        tables=StudyTables(results / "tables", [*TABLES["tables"], *TABLES["score_tables"], FINDINGS]),
        place=results,
        cards=tuple(
            (json.loads(path.read_text(encoding="utf-8")), path.with_suffix(".jpg")) for path in cards
        ),
        published=PUBLISHED,
    )
    write_report(study, results / "report.html")


def measured(part: Callable[[Workflow], None], folder: Path) -> tuple[float, float, float]:
    """Seconds, those of the processor, and GB of memory at most, of a part in a process of its own, with its imports.

    The processor's seconds are what to go by where the machine does other work as well.
    """
    reader, writer = multiprocessing.get_context("spawn").Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_measure, args=(part, folder, writer))
    process.start()
    writer.close()  # so that the end of the process ends the waiting
    try:
        return reader.recv()
    except EOFError:
        raise SystemExit(f"{part.__name__} failed") from None
    finally:
        process.join()


def _measure(part: Callable[[Workflow], None], folder: Path, writer: Any) -> None:
    flow = paper_study(folder)
    began, worked = time.perf_counter(), time.process_time()
    part(flow)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    writer.send((time.perf_counter() - began, time.process_time() - worked, memory))


def time_to_use(page: Path) -> str:
    """Milliseconds until the page can be used in Chromium, median of three; a reason where it is not here."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        return "not measured: Playwright is not installed"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            times = []
            for _ in range(3):
                tab = browser.new_page()
                tab.goto(page.resolve().as_uri())
                tab.wait_for_selector("html[data-ready]")
                times.append(float(tab.evaluate("document.documentElement.dataset.ready")))
                tab.close()
            browser.close()
        return f"{sorted(times)[1]:.0f} ms ({min(times):.0f} to {max(times):.0f})"
    except Error as error:
        return f"not measured: {str(error).splitlines()[0]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=100, help="evaluation images of every transfer")
    parser.add_argument("--keep", type=Path, help="folder to leave the study in")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.keep or Path(temporary)
        flow = paper_study(folder)
        print(
            f"{len(flow.plan.wanted_of('transfer'))} transfers, 272 pairs x {len(METRICS)} metrics",
            flush=True,
        )
        if not (folder / "store").exists():
            write_runs(flow, chosen.images)
        total = worked = 0.0
        for name, part in (
            ("tables", make_tables),
            ("tables of scores", make_score_tables),
            ("dataset cards", make_cards),
            ("report", make_report),
        ):
            if part is make_report:
                draw_pictures(flow)
            seconds, processor, size = measured(part, folder)
            total, worked = total + seconds, worked + processor
            print(
                f"{name:<18} {seconds:6.1f} s, of the processor {processor:5.1f} s  {size:5.2f} GB",
                flush=True,
            )
        page = flow.study.results / "report.html"
        told = f"{page.stat().st_size / 1e6:.2f} MB, usable after {time_to_use(page)}"
        print(f"{'all':<18} {total:6.1f} s, of the processor {worked:5.1f} s\npage: {told}")


if __name__ == "__main__":
    main()
