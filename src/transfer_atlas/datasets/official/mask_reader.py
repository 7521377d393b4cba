"""What readers of datasets with one mask per image share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from transfer_atlas.datasets.official.base import Item, Reader, decoded_values
from transfer_atlas.datasets.official.label_tables import LabelTable
from transfer_atlas.datasets.problems import Problems


class MaskReader(Reader):
    """Reads masks by a label table; adapters say how values are stored by `colours` or by `values`."""

    colours = False  # whether the mask's colours are the labels, not its values

    def __init__(self, settings: Any, root: Path, dataset: str, labels: LabelTable) -> None:
        super().__init__(settings, root, dataset)
        self.labels = labels

    def description(self) -> dict[str, Any]:
        """Per task type, the fields of its description."""
        return {"segmentation": {"classes": list(self.labels.classes), "colours": list(self.labels.colours)}}

    def paired(
        self,
        images: list[Path],
        mask_of: Callable[[Path], Path],
        split: str,
        problems: Problems,
        expected: str,
    ) -> list[Item]:
        """Items of images with the mask each must have; a problem if there is no image."""
        if not images:
            remedy = "Unpack the images there, or correct `path`."
            problems.add(self.name(self.folder), f"no image (split {split})", expected, remedy)
        return [
            Item(id=self.identifier(path), split=split, image=path, files={"mask": mask_of(path)})
            for path in images
        ]

    def stored(self, item: Item, problems: Problems) -> np.ndarray | None:
        """The mask as stored: values (H, W), or colours (H, W, 3)."""
        kind = "colours" if self.colours else "values"
        return decoded_values(self, item.files["mask"], "mask", problems, kind)

    def values(self, item: Item, problems: Problems) -> np.ndarray | None:
        """What the label table maps."""
        return self.stored(item, problems)

    def mask(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Mask (H, W) of class indices."""
        values = self.values(item, problems)
        return None if values is None else self.mapped(self.labels, values, item.files["mask"], problems)
