"""A prepared dataset as AT/DT sees it: classes that two domains share, depth up to a limit, the middle of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from transfer_atlas.datasets.prepared import (
    IGNORE_LABEL,
    DatasetDescription,
    DepthDescription,
    SegmentationDescription,
)
from transfer_atlas.datasets.reading import PreparedDataset, Sample, Stored
from transfer_atlas.errors import DatasetError


@dataclass(frozen=True)
class View:
    """Reads like a `PreparedDataset`.

    classes: of segmentation, by name, in the order of their indices; others are ignored. depth_maximum: in metres;
    farther depth counts as this far (supplement, section 3). centre_crop: (height, width) of the middle of the images.
    """

    dataset: PreparedDataset
    classes: tuple[str, ...] | None = None
    depth_maximum: float | None = None
    centre_crop: tuple[int, int] | None = None

    @property
    def threads(self) -> int:
        """Threads that the dataset was opened with."""
        return self.dataset.threads

    def count(self, split: str) -> int:
        """Number of images of a split."""
        return self.dataset.count(split)

    @cached_property
    def description(self) -> DatasetDescription:
        """The dataset's, with these classes and this range of depth."""
        own = self.dataset.description
        changed: dict[str, object] = {}
        if own.segmentation is not None and self.classes is not None:
            colours = dict(zip(own.segmentation.classes, own.segmentation.colours, strict=True))
            changed["segmentation"] = SegmentationDescription(
                classes=list(self.classes), colours=[colours.get(name, (0, 0, 0)) for name in self.classes]
            )
        if own.depth is not None and self.depth_maximum is not None:
            changed["depth"] = DepthDescription(
                unit=own.depth.unit,
                minimum=min(own.depth.minimum, self.depth_maximum / 2),
                maximum=self.depth_maximum,
            )
        return own.model_copy(update=changed)

    @cached_property
    def _indices(self) -> Tensor:
        """Index of each of the dataset's own mask values (256,) among the classes; ignored elsewhere."""
        own = self.dataset.description
        if own.segmentation is None or self.classes is None:
            raise DatasetError(f"{self.dataset.folder} has no annotation for segmentation.")
        lacking = [name for name in self.classes if name not in own.segmentation.classes]
        if lacking:
            raise DatasetError(
                f"{own.name} has no class {', '.join(lacking)} (it has {', '.join(own.segmentation.classes)}); correct "
                "`classes` of the AT/DT experiment."
            )
        table = torch.full((len(own.segmentation.classes) + 1,), IGNORE_LABEL, dtype=torch.uint8)
        for index, name in enumerate(self.classes):
            table[own.segmentation.classes.index(name)] = index
        return table

    def read(self, split: str, indices: Sequence[int], task_type: str) -> list[Sample]:
        """Samples as `PreparedDataset.read` has them, seen so."""
        return [self._seen(sample) for sample in self.dataset.read(split, indices, task_type)]

    def stored(self, split: str, indices: Sequence[int], task_type: str) -> list[Stored]:
        """Images as `PreparedDataset.stored` has them, seen so when they are decoded."""
        return [self._stored(image) for image in self.dataset.stored(split, indices, task_type)]

    def _stored(self, image: Stored) -> Stored:
        rows, columns = self._kept(image.outline.height, image.outline.width)
        outline = replace(image.outline, height=rows.stop - rows.start, width=columns.stop - columns.start)
        return Stored(outline, lambda: self._seen(image.decode()))

    def _kept(self, height: int, width: int) -> tuple[slice, slice]:
        """The rows and columns of an image that are seen."""
        rows, columns = (
            slice((side - min(side, wanted)) // 2, (side - min(side, wanted)) // 2 + min(side, wanted))
            for side, wanted in zip((height, width), self.centre_crop or (height, width), strict=True)
        )
        return rows, columns

    def _seen(self, sample: Sample) -> Sample:
        changed: dict[str, Tensor] = {}
        if sample.mask is not None:
            table = self._indices
            changed["mask"] = table[sample.mask.long().clamp(max=len(table) - 1)]
        if sample.depth is not None and self.depth_maximum is not None:
            changed["depth"] = sample.depth.clamp(max=self.depth_maximum)
        seen = replace(sample, **changed)
        if self.centre_crop is None:
            return seen
        rows, columns = self._kept(*sample.image.shape[1:])
        return replace(
            seen,
            image=seen.image[:, rows, columns],
            mask=None if seen.mask is None else seen.mask[rows, columns],
            depth=None if seen.depth is None else seen.depth[rows, columns],
            normals=None if seen.normals is None else seen.normals[:, rows, columns],
        )
