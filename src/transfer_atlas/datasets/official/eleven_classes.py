"""The 11 classes that AT/DT compares across SYNTHIA-SF, CARLA and Cityscapes: names are the paper's, merges ours."""

from __future__ import annotations

from typing import Any

import numpy as np

from transfer_atlas.datasets.official.label_tables import LabelTable, Unknown, table
from transfer_atlas.datasets.prepared import IGNORE_LABEL

# colours of Cityscapes where a class has its name
COLOURS = (
    (128, 64, 128), (244, 35, 232), (102, 102, 156), (190, 153, 153), (220, 20, 60), (153, 153, 153),
    (107, 142, 35), (0, 0, 142), (220, 220, 0), (70, 70, 70), (70, 130, 180),
)  # fmt: skip


def eleven_classes(origin: str, unknown: Unknown) -> LabelTable:
    """Table from values on disk to the 11 classes.

    origin: `synthia_sf`, `carla` or `cityscapes` (labelIds). Whatever has no class is ignored.
    """
    about: dict[str, Any] = table("carla")
    if origin == "cityscapes":
        merged = about["atdt_from_cityscapes_trainid"]
        entries = table("cityscapes_labelids")["classes"]
        groups = {e["id"]: merged.get(e["trainId"], IGNORE_LABEL) for e in entries if e["id"] >= 0}
    else:
        merged = about[f"atdt_from_{origin}"]
        groups = {value: to if isinstance(to, int) else IGNORE_LABEL for value, to in merged.items()}
    names = tuple(about["atdt_11"])
    return LabelTable(names, COLOURS, groups | {255: IGNORE_LABEL}, {}, unknown)


def with_sky(mask: np.ndarray, values: np.ndarray, depth: np.ndarray, from_metres: float) -> np.ndarray:
    """Mask in which pixels of no class (value 0) that are as far as that are sky; depth (H, W) in metres."""
    sky = table("carla")["atdt_11"].index("Sky")
    return np.where((values == 0) & (depth >= from_metres), np.uint8(sky), mask)
