"""Settings of evaluation, where a task type leaves a choice."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from transfer_atlas.strict import Strict


class EvaluationSettings(Strict):
    """How predictions are scored, where a task type leaves a choice: detection does."""

    measure: Literal["coco_map", "ap50"] = Field(
        "coco_map",
        description="Average precision over overlaps of 0.5 to 0.95 (paper: COCO, BDD), or at 0.5 (Pascal VOC, "
        "Underwater Trash).",
    )
    nms: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Non-maximum suppression of boxes that overlap more (paper: 0.3 for Pascal VOC and Underwater "
        "Trash); none if absent.",
    )
