"""A small study as the report takes it: two seeds, a failed and a missing transfer, pictures, a card, hostile names."""

import hashlib
import json
from pathlib import Path

from analysis_examples import DATASETS, PUBLISHED, transfer_record
from PIL import Image

from transfer_atlas.analysis.cards.card import dataset_card
from transfer_atlas.analysis.findings.table import findings_table
from transfer_atlas.analysis.report.study import ReportedStudy
from transfer_atlas.analysis.tables.best_sources import best_sources_table
from transfer_atlas.analysis.tables.details import curves_table, per_class_table
from transfer_atlas.analysis.tables.effects import best_effects_table, effects_table
from transfer_atlas.analysis.tables.scores import (
    domain_distances_table,
    metric_differences_table,
    metric_evaluation_table,
    metric_stability_table,
    scored_pairs,
    scores_table,
)
from transfer_atlas.analysis.tables.target_selection import target_selection_table
from transfer_atlas.analysis.tables.transfers import gains_table, runs_table, transfers_table

HOSTILE = "<script>alert('class')</script>"
VALUES = {  # by source and target, of two seeds; None diverged
    ("ilsvrc", "segmentation/camvid"): (0.50, 0.505),
    ("scratch", "segmentation/camvid"): (0.30, 0.31),
    ("segmentation/bdd", "segmentation/camvid"): (0.60, 0.607),
    ("segmentation/coco", "segmentation/camvid"): (0.52, 0.50),
    ("segmentation/sun", "segmentation/camvid"): (None, 0.45),
    ("ilsvrc", "segmentation/sun"): (0.40, 0.402),
    ("scratch", "segmentation/sun"): (0.25, 0.26),
    ("segmentation/coco", "segmentation/sun"): (0.41, 0.405),
    ("segmentation/bdd", "segmentation/sun"): (0.36, 0.35),
}
MISSING = {"source": "segmentation/camvid", "target": "segmentation/sun", "regime": "small_target", "seed": 0}


def reported_study(folder: Path, seeds=(0, 1), scores=True, **changes) -> ReportedStudy:
    """The study, with run.json files, panels and figures in a folder; changes: fields of `ReportedStudy`."""
    records, transfers = [], []
    for (source, target), values in VALUES.items():
        for seed in seeds:
            record = _record(source, target, values[seed], seed)
            place = folder / "store/transfers" / record["name"].replace("/", "-") / record["key"]
            place.mkdir(parents=True, exist_ok=True)
            if record["metrics"]:
                (place / "panels").mkdir(exist_ok=True)
                Image.new("RGB", (388, 96), (40 * seed, 90, 120)).save(place / "panels/0.jpg")
            (place / "run.json").write_text(json.dumps(record), encoding="utf-8")
            records.append(record)
            transfers.append([record["identity"], str(place)])
    table = transfers_table(records, DATASETS, expected=[MISSING])
    gains = gains_table(table)
    tables = {
        "runs": runs_table(records),
        "transfers": table,
        "gains": gains,
        "effects": effects_table(gains),
        "best_effects": best_effects_table(gains),
        "best_sources": best_sources_table(gains),
        "per_class": per_class_table(records),
        "curves": curves_table(records),
        "findings": findings_table(gains),
    }
    if scores:
        tables |= _score_tables(gains, tables["per_class"])
    (folder / "results/figures").mkdir(parents=True, exist_ok=True)
    figure = folder / "results/figures/effects_small_target.png"
    Image.new("RGB", (800, 300), (200, 220, 240)).save(figure)
    sheet = folder / "results/datasets/camvid.jpg"
    sheet.parent.mkdir(exist_ok=True)
    Image.new("RGB", (980, 320), (120, 160, 90)).save(sheet)
    card = dataset_card("camvid", "driving", "camvid", None, {"counts": {"train": 367, "val": 101}})
    facts = {
        "study": "example",
        "backbone": "hrnet_tiny",
        "ilsvrc": "train, dataset ilsvrc, seed 0",
        "planned": {
            "transfers": [place for _, place in transfers] + [str(folder / "store/transfers/x/0000")]
        },
        "regimes": {"small_target": "150 training images of each target"},
        "transfers": transfers,
    }
    fields = {
        "facts": facts,
        "tables": tables,
        "place": folder / "results",
        "figures": (figure,),
        "cards": ((card, sheet),),
        "published": PUBLISHED,
    }
    return ReportedStudy(**(fields | changes))


def _record(source, target, value, seed):
    record = transfer_record(source, target, value, seed)
    record["key"] = _key(source, target, seed)
    if record["metrics"]:
        base = record["metrics"]["value"]
        curve = [[step, 2.0 / step] for step in (10, 20, 30)]
        record["metrics"] |= {
            "per_class": {"road": base + 0.1, HOSTILE: base - 0.1},
            "grid": [{"learning_rate": rate, "curve": curve} for rate in (0.03, 0.01, 0.003)],
            "panels": [
                {
                    "file": "panels/0.jpg",
                    "image": HOSTILE,
                    "tiles": ["input", "annotation", "prediction", "error"],
                }
            ],
        }
    else:
        record["reason"] = f"loss not finite {HOSTILE}"
    return record


def _key(source, target, seed):
    return hashlib.md5(f"{source} {target} {seed}".encode()).hexdigest()[:16]


def _score_tables(gains, per_class):
    pairs = [pair for pair in VALUES if pair[0] not in ("ilsvrc", "scratch")]
    records = [
        {
            "identity": {"source": source, "target": target, "regime": "small_target", "metric": metric},
            "metrics": {"value": number + 0.1 * place, "repeats": 1, "samples": 10},
            "status": "finished" if metric == "logme" or place else "not_applicable",
            "reason": None if metric == "logme" or place else "no classes to compare",
            "key": f"{metric}{number}",
        }
        for place, metric in enumerate(("logme", "leep"))
        for number, (source, target) in enumerate(pairs)
    ]
    scores, distances = scores_table(records), domain_distances_table([])
    measured = scored_pairs(scores, gains, distances)
    return {
        "scores": scores,
        "domain_distances": distances,
        "metric_evaluation": metric_evaluation_table(measured, draws=200),
        "metric_differences": metric_differences_table(measured),
        "metric_stability": metric_stability_table(measured),
        "target_selection": target_selection_table(measured, per_class),
    }
