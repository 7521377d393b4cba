"""What readers of datasets that are cut into squares share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from transfer_atlas.datasets.official.base import Item, MaskSettings
from transfer_atlas.datasets.official.files import image_size
from transfer_atlas.datasets.official.mask_reader import MaskReader
from transfer_atlas.datasets.official.patches import OVERLAP, SIZE, Window, cut, patch_name, windows
from transfer_atlas.datasets.problems import Problems


class PatchSettings(MaskSettings):
    """Settings of datasets that are cut."""

    size: int = Field(SIZE, ge=1, description="Side of the squares, in pixels.")
    overlap: int = Field(OVERLAP, ge=0, description="Overlap of neighbouring squares, in pixels.")

    @model_validator(mode="after")
    def _squares_advance(self) -> Self:
        if self.overlap >= self.size:
            raise ValueError(f"overlap: {self.overlap} of squares of {self.size}; expected less")
        return self


class PatchReader(MaskReader):
    """Reads squares of large images and of their masks, whose colours are the labels."""

    colours = True

    def cut_items(
        self, tiles: Iterable[tuple[str, Path, Path]], split: str, problems: Problems
    ) -> list[Item]:
        """Squares of (name, image, mask), in that order; the image's header tells how many."""
        items = []
        for base, image, mask in tiles:
            size = image_size(image)
            if size is None or not mask.is_file():
                self.missing(mask if size else image, "mask" if size else "image", problems)
                continue
            mask_size = image_size(mask)
            if mask_size != size:
                found = f"a mask of {mask_size} for an image of {size} (width, height)"
                problems.add(self.name(mask), found, "the same size", "Fetch both anew.")
                continue
            place = image.parent
            for window in windows(*size, self.settings.size, self.settings.overlap):
                identifier = self.identifier(place / f"{patch_name(base, window)}.png")
                items.append(Item(identifier, split, image, {"mask": mask}, known=window))
        return items

    def _cut(self, path: Path, window: Window, what: str, problems: Problems) -> np.ndarray | None:
        try:
            return cut(path, window, self.settings.largest_megapixels)
        except (ValueError, OSError) as error:
            problems.broken(
                self.name(path),
                f"the {what} cannot be read ({error})",
                "the file as distributed",
                "Fetch it.",
            )
            return None

    def image(self, item: Item, problems: Problems) -> np.ndarray | None:
        """The square, (h, w, 3) uint8."""
        return self._cut(item.image, item.known, "image", problems)

    def values(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Colours of the square of the mask."""
        return self._cut(item.files["mask"], item.known, "mask", problems)
