"""A folder of tables that has something to say: the paper's gains and scores, and a few transfers of a small study."""

from __future__ import annotations

from pathlib import Path

from analysis_examples import DATASETS, PUBLISHED, transfer_record

from transfer_atlas.analysis.findings.table import findings_table
from transfer_atlas.analysis.published.factors_of_influence import published_distances, published_gains
from transfer_atlas.analysis.published.metric_pairs import segmentation_272_pairs
from transfer_atlas.analysis.published.tables import distances_table, published_datasets
from transfer_atlas.analysis.tables import effects
from transfer_atlas.analysis.tables import transfers as tables
from transfer_atlas.analysis.tables.details import curves_table, per_class_table
from transfer_atlas.analysis.tables.files import write_table
from transfer_atlas.analysis.tables.scores import metric_differences_table, metric_evaluation_table

SOURCE, TARGET = "segmentation/coco", "segmentation/camvid"


def write_example_tables(folder: Path) -> Path:
    """Write the tables as a study does; returns the folder."""
    gains, distances = published_gains(PUBLISHED), published_distances(PUBLISHED)
    pairs = segmentation_272_pairs(PUBLISHED)
    pairs = pairs[pairs["metric"].isin(["gbc", "source_size", "static_and_distance"])]
    records = [
        transfer_record("ilsvrc", TARGET, 0.4),
        transfer_record(SOURCE, TARGET, 0.5),
        transfer_record("segmentation/bdd", TARGET, None),
    ]
    for record, road in zip(records, (0.7, 0.8), strict=False):
        record["metrics"]["per_class"] = {"road": road, "bird": None}
        curve = [[10, 2.0], [20, 1.0 + road]]
        record["metrics"]["grid"] = [{"learning_rate": 0.01, "curve": curve, "value": road}]
    found = {
        "gains": gains,
        "transfers": tables.transfers_table(records, DATASETS),
        "effects": effects.effects_table(gains),
        "best_sources": effects.best_sources_table(gains),
        "findings": findings_table(gains, distances),
        "metric_evaluation": metric_evaluation_table(pairs, draws=50),
        "metric_differences": metric_differences_table(pairs),
        "domain_distances": distances_table(distances, published_datasets(PUBLISHED)),
        "per_class": per_class_table(records),
        "curves": curves_table(records),
    }
    for name, frame in found.items():
        write_table(frame, folder / f"{name}.parquet")
    return folder
