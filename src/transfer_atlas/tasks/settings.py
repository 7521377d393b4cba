"""Settings of evaluation, where a task type leaves a choice."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from transfer_atlas.strict import Introduced, Strict


class EvaluationSettings(Strict):
    """How predictions are scored, where a task type leaves a choice: detection does."""

    measure: Literal["coco_map", "ap50", "voc_ap50"] = Field(
        "coco_map",
        description="Average precision by COCO's rules over overlaps of 0.5 to 0.95 (paper: COCO, BDD) or at 0.5 "
        "(Underwater Trash), or at 0.5 by the rules of Pascal VOC's devkit, where what is difficult forgives less.",
    )
    interpolation: Annotated[Literal["area", "eleven_points"], Introduced("area")] = Field(
        "area",
        description="`voc_ap50` is the area under the curve (VOC since 2010), or its mean at 11 recalls (VOC 2007).",
    )
    nms: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Non-maximum suppression of boxes that overlap more (paper: 0.3 for Pascal VOC and Underwater "
        "Trash); none if absent.",
    )

    def unused(self) -> set[str]:
        """The reading of the curve matters to VOC's measure alone."""
        return set() if self.measure == "voc_ap50" else {"interpolation"}
