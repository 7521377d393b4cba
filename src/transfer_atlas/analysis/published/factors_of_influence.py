"""The printed cells of "Factors of Influence" (Mensink et al. 2021) as the tables `gains` and `domain_distances`."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from transfer_atlas.analysis.tables.schema import GAINS
from transfer_atlas.analysis.tables.transfers import effect, relation
from transfer_atlas.analysis.tables.uncertainty import decided_effect
from transfer_atlas.errors import DatasetError

HALF_UNIT = 0.5  # gains and distances are printed as integers
METRICS = {  # section 4 and appendix A
    "segmentation": ("mean_iou", True),
    "detection": ("coco_map", True),
    "keypoints": ("ap50", True),
    "depth": ("rmse", False),
}
AT_HALF_OVERLAP = ("detection/pascal_voc_2007", "detection/underwater_trash")  # appendix A
MULTI_SOURCES = {  # section 5.1
    "multi_segmentation": ("isaid", "coco", "mapillary", "scannet", "suim", "vgallery", "vkitti2"),
    "multi_depth": ("sun_rgbd", "vgallery", "vkitti2"),
    "multi_detection": ("coco", "bdd_100k", "pascal_voc_2007", "underwater_trash"),
}
UNREAD = "unread/"  # sources of Table 4b whose columns cannot be named
# Datasets that share their images, which Table 9 calls the same: boxes and masks of one collection have names of
# their own here, since their training sets differ.
SAME_IMAGES = {"bdd_100k": "bdd", "pascal_voc_2007": "pascal_voc"}


def read(folder: Path | str, name: str) -> pd.DataFrame:
    """One file of resources/published. Raises DatasetError where it is missing."""
    path = Path(folder) / name
    if not path.exists():
        raise DatasetError(
            f"{path} does not exist; the printed tables are in resources/published of the repository"
        )
    return pd.read_csv(path, keep_default_na=False, na_values={"n_train": [""], "n_val": [""]})


def published_datasets(folder: Path | str) -> pd.DataFrame:
    """Table 1, by the project's name of the dataset: name, domain, n_train."""
    return read(folder, "foi_datasets.csv").set_index("dataset")


def published_gains(folder: Path | str) -> pd.DataFrame:
    """Tables 3, 4 and 5 as the table `gains`: what was printed, its interval what rounding leaves open.

    Sources and targets have the project's names, so that a study's gains can be set beside them. The eleven
    cross-task-type columns of Table 4b that cannot be named are sources `unread/...`, of unknown domain. `value` and
    `baseline` are known for segmentation (appendix A). One seed, no keys.
    """
    datasets = published_datasets(folder)
    iou = read(folder, "foi_iou.csv").set_index(["regime", "target", "source"])["iou_refined"].to_dict()
    rows = []
    for cell in read(folder, "foi_gains.csv").itertuples():
        target_task_type, target_dataset = cell.target.split("/")
        metric, higher = METRICS[target_task_type]
        if cell.target in AT_HALF_OVERLAP:
            metric = "ap50"
        absolute = "small_target" if cell.regime == "small_source_small_target" else cell.regime
        row = {"source": cell.source, "target": cell.target, "regime": cell.regime}
        row |= _source(cell.source, datasets)
        row |= {"target_task_type": target_task_type, "target_dataset": target_dataset}
        row |= {f"target_{name}": datasets.loc[target_dataset, name] for name in ("domain", "n_train")}
        row |= relation(row)
        if cell.source.startswith(UNREAD):
            row["within_domain"] = None
        row |= {"metric": metric, "higher_is_better": higher, "gain": float(cell.gain)}
        row |= {"gain_std": math.nan, "gain_min": float(cell.gain), "gain_max": float(cell.gain)}
        row |= {"gain_low": cell.gain - HALF_UNIT, "gain_high": cell.gain + HALF_UNIT}
        row |= {"interval_covers": "rounding", "effect": effect(cell.gain)}
        row["decided_effect"] = decided_effect(row["gain_low"], row["gain_high"])
        row |= {"p_value": math.nan, "p_adjusted": math.nan, "n_seeds": 1, "n_failed": 0}
        row["value"] = float(iou.get((cell.regime, cell.target, cell.source), math.nan))
        row["baseline"] = float(iou.get((absolute, cell.target, "ilsvrc"), math.nan))
        row |= {"baseline_at_chance": False, "status": "finished", "reason": None}
        row |= {"seeds": [0], "keys": [None], "baseline_keys": [None], "differs_in": None}
        rows.append(row)
    return GAINS.conform(pd.DataFrame(rows))


def published_distances(folder: Path | str) -> pd.DataFrame:
    """Figure 8 and what follows from it, as source, target, assignment, distance: an integer, or a mean of two."""
    printed = read(folder, "foi_domain_distance.csv")[["source", "target", "distance"]]
    turned = printed.rename(columns={"source": "target", "target": "source"})
    both = printed.merge(turned, on=["source", "target"], suffixes=("", "_turned"))
    mean = (both["distance"] + both["distance_turned"]) / 2
    parts = [
        both.assign(assignment="target_to_source"),
        both.assign(assignment="source_to_target", distance=both["distance_turned"]),
        both.assign(assignment="symmetric", distance=mean),
    ]
    table = pd.concat(parts)[["assignment", "target", "source", "distance"]]
    return table.sort_values(["assignment", "target", "source"]).reset_index(drop=True)


def _source(source: str, datasets: pd.DataFrame) -> dict[str, object]:
    """Task type, dataset, domains and size of a source; see the columns `source_*` of `gains`."""
    if source in ("scratch", "ilsvrc"):
        task_type = "classification" if source == "ilsvrc" else None
        values: tuple = (task_type, source, None, [], None)
    elif source in MULTI_SOURCES:
        members = datasets.loc[list(MULTI_SOURCES[source])]
        task_type = source.removeprefix("multi_")
        values = (task_type, "multi", "multi", sorted(set(members["domain"])), members["n_train"].sum())
    elif source.startswith(UNREAD):
        values = ("unread", source.removeprefix(UNREAD), None, [], None)
    else:
        task_type, dataset = source.split("/")
        entry = datasets.loc[dataset]
        values = (task_type, dataset, entry["domain"], [entry["domain"]], entry["n_train"])
    names = ("task_type", "dataset", "domain", "domains", "n_train")
    return {f"source_{name}": value for name, value in zip(names, values, strict=True)}
