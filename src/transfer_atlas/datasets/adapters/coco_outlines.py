"""Draws masks of COCO's outlines: polygons, and run lengths as COCO's tools write them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.adapters.mask_files import spread_colours
from transfer_atlas.datasets.prepared import IGNORE_LABEL, IGNORE_LABEL_16_BITS
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.strict import Strict

# pixels: the library walks along an outline step by step, and where the steps fill the memory the process ends
FARTHEST = 1e6


class OutlineMasks(Strict):
    """What masks are drawn of the objects' outlines."""

    background: str | None = Field(
        "background",
        min_length=1,
        description="Class of the pixels that no outline covers; null: they are ignored.",
    )
    crowd: Literal["class", "ignore"] = Field(
        "class", description="What outlines of crowds (`iscrowd: 1`) are: their class, or ignored pixels."
    )


def describe_outlines(settings: OutlineMasks, classes: list[str]) -> dict[str, Any]:
    """Return the fields of a SegmentationDescription: the background, if any, and then the classes of the boxes."""
    names = classes if settings.background is None else [settings.background, *classes]
    return {"classes": names, "colours": spread_colours(len(names))}


class OutlineReader:
    """Draws the mask of an image of its annotations."""

    def __init__(self, settings: OutlineMasks, classes: int) -> None:
        """classes: number of classes of the boxes."""
        self.settings = settings
        self.first = 0 if settings.background is None else 1
        self.ignore = IGNORE_LABEL if classes + self.first <= IGNORE_LABEL else IGNORE_LABEL_16_BITS

    def draw(
        self,
        annotations: list[tuple[dict[str, Any], int, bool, str]],
        size: tuple[int, int],
        problems: Problems,
    ) -> np.ndarray | None:
        """Return the mask (H, W); None, and a problem, if an outline is not in order.

        annotations: each with its class, whether it is a crowd, and how messages call it; size: width, height.
        Large objects are drawn first, so that small ones before them are seen; of equal ones, the later is on top.
        """
        width, height = size
        kind = np.uint8 if self.ignore == IGNORE_LABEL else np.uint16
        mask = np.full((height, width), self.ignore if self.first == 0 else 0, dtype=kind)
        drawn, before = [], len(problems.texts)
        for annotation, label, crowd, where in annotations:
            covered = _covered(annotation.get("segmentation"), width, height, where, problems)
            if covered is not None:
                ignored = crowd and self.settings.crowd == "ignore"
                drawn.append((covered, self.ignore if ignored else label + self.first))
        for covered, value in sorted(drawn, key=lambda one: -int(one[0].sum())):
            mask[covered] = value
        return mask if len(problems.texts) == before else None


def _covered(outline: Any, width: int, height: int, where: str, problems: Problems) -> np.ndarray | None:
    """Pixels (H, W) bool inside an outline; None, and a problem, if it is none."""
    from faster_coco_eval.core import mask as coco_mask  # takes a second to import

    try:
        if isinstance(outline, list) and outline:
            if any(polygon.ndim != 1 or polygon.size < 6 or polygon.size % 2 for polygon in outline):
                raise ValueError("a polygon needs three corners or more, x and y of each")
            if not all((np.abs(polygon) < FARTHEST).all() for polygon in outline):
                raise ValueError("coordinates that are no numbers, or no places near a picture")
            runs = coco_mask.frPyObjects([polygon.tolist() for polygon in outline], height, width)
            return coco_mask.decode(coco_mask.merge(runs)).astype(bool)
        if isinstance(outline, dict) and outline.get("size") == [height, width]:
            if isinstance(outline["counts"], list):
                if not all(
                    type(count) is int and 0 <= count <= height * width for count in outline["counts"]
                ):
                    raise ValueError("counts that are no whole numbers of pixels")
                outline = coco_mask.frPyObjects(outline, height, width)
            return coco_mask.decode(outline).astype(bool)
        found = "no outline"
        if isinstance(outline, dict):
            found = f"run lengths of a picture of {outline.get('size')} (height, width)"
    except (ValueError, RuntimeError, TypeError, KeyError, AttributeError, OverflowError) as error:
        found = f"an outline that is not in order ({error})"
    expected = f"polygons, or run lengths of {[height, width]}"
    problems.add(where, found, expected, "Correct the annotation, or leave `outlines` out.")
    return None
