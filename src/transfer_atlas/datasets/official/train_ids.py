"""The 19 classes of Cityscapes' benchmark, which other datasets with labelIds share."""

from __future__ import annotations

from transfer_atlas.datasets.official.label_tables import LabelTable, Unknown, regrouped, table
from transfer_atlas.datasets.prepared import IGNORE_LABEL


def train_ids(unknown: Unknown = "ignore") -> LabelTable:
    """The benchmark's 19 classes, from labelIds; everything else is ignored."""
    entries = table("cityscapes_labelids")["classes"]
    kept = sorted((e for e in entries if e["trainId"] not in (255, -1)), key=lambda e: e["trainId"])
    base = LabelTable(tuple(e["name"] for e in kept), tuple(tuple(e["color"]) for e in kept), {}, {}, unknown)
    groups = {
        e["id"]: e["trainId"] if 0 <= e["trainId"] < 19 else IGNORE_LABEL for e in entries if e["id"] >= 0
    }
    return regrouped(base, groups | {255: IGNORE_LABEL}, list(base.classes))
