"""What readers of simulators' images share: classes in the red channel, depth in all three."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.official.base import Item, MaskSettings, SeveralTaskTypes, decoded_values
from transfer_atlas.datasets.official.mask_reader import MaskReader
from transfer_atlas.datasets.problems import Problems


class CodedSettings(MaskSettings, SeveralTaskTypes):
    """Settings of both."""

    factor: float = Field(
        1000.0,
        gt=0,
        description="Depth of the largest code, in metres; others give 5000 for older SYNTHIA releases.",
    )
    minimum: float = Field(0.0, ge=0, description="Nearer depth is invalid, in metres.")
    maximum: float = Field(
        999.0, gt=0, description="Farther depth is invalid, in metres: the sky has the largest code."
    )


class CodedReader(MaskReader):
    """Reads masks by their red channel, and depth as (R + 256 G + 65536 B) / (2^24 - 1) * factor."""

    def description(self) -> dict[str, Any]:
        """Per task type, the fields of its description."""
        described = super().description() if "segmentation" in self.task_types else {}
        if "depth" in self.task_types:
            low, high = self.settings.minimum, self.settings.maximum
            described["depth"] = {"unit": "metre", "minimum": low, "maximum": high}
        return described

    def values(self, item: Item, problems: Problems) -> np.ndarray | None:
        """The red channel, where the classes are."""
        pixels = decoded_values(self, item.files["mask"], "mask", problems, "colours")
        return None if pixels is None else pixels[..., 0]

    def depth(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Depth in metres."""
        pixels = decoded_values(self, item.files["depth"], "depth map", problems, "colours")
        if pixels is None:
            return None
        wide = pixels.astype(np.float64)
        code = wide[..., 0] + 256 * wide[..., 1] + 65536 * wide[..., 2]
        return (code / (2**24 - 1) * self.settings.factor).astype(np.float32)
