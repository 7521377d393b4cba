"""Opens any dataset for looking at its samples: official layouts and generic ones as they lie, or prepared ones."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, overload

import numpy as np

from transfer_atlas.datasets.encoding import LARGEST_MEGAPIXELS, in_range
from transfer_atlas.datasets.normals import normals_of
from transfer_atlas.datasets.prepared import (
    DatasetDescription,
    Entry,
    Objects,
    Record,
    TaskType,
    with_keypoints,
)
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.registry import ADAPTERS, settings_of
from transfer_atlas.datasets.validation import check_record, opened_image
from transfer_atlas.errors import DatasetError

PREPARED = "prepared"  # the name that opens a prepared dataset


@dataclass(frozen=True)
class OpenedSample:
    """One image with the annotation of one task type; what is not of this task type is None.

    image (H, W, 3) uint8 RGB; mask (H, W) integers, class indices and the dataset's `ignore_index`; boxes (N, 4)
    float32 x0, y0, x1, y1 in pixels, box_labels (N,) int64, crowd (N,) bool; keypoints (N, K, 3) float32 x, y,
    visibility (0 absent, 1 hidden, 2 visible) of the objects of `boxes`; depth (H, W) float32 in metres (or the
    dataset's unit), NaN where invalid; normals (H, W, 3) float32 of unit length, NaN where there is none;
    label: index of the image's class.
    """

    id: str
    image: np.ndarray
    mask: np.ndarray | None = None
    boxes: np.ndarray | None = None
    box_labels: np.ndarray | None = None
    crowd: np.ndarray | None = None
    keypoints: np.ndarray | None = None
    depth: np.ndarray | None = None
    normals: np.ndarray | None = None
    label: int | None = None


class OpenedDataset(Sequence[OpenedSample]):
    """The samples of one split of a dataset for one task type; images are read when they are asked for."""

    def __init__(self, description: DatasetDescription, split: str, task_type: TaskType) -> None:
        """description: of the dataset; it must have the task type, else DatasetError."""
        self.description, self.split, self.task_type = description, split, task_type
        described = getattr(description, task_type, None)
        if described is None:
            has = [name for name in TaskType.__args__ if getattr(description, name)]
            raise DatasetError(
                f"Dataset '{description.name}' has no annotation for {task_type}; it has {', '.join(has)}."
            )

    @property
    def classes(self) -> list[str]:
        """Names of the classes by index; of a keypoints dataset those whose objects have keypoints; [] for depth."""
        return list(getattr(getattr(self.description, self.task_type), "classes", []))

    @property
    def keypoint_names(self) -> list[str]:
        """Names of the keypoints by index; [] unless the task type is keypoints."""
        return list(self.description.keypoints.names) if self.task_type == "keypoints" else []

    @property
    def ignore_index(self) -> int | None:
        """Value of mask pixels that are neither trained nor evaluated; None unless the task type is segmentation."""
        return self.description.segmentation.ignore_label if self.task_type == "segmentation" else None

    @overload
    def __getitem__(self, index: int) -> OpenedSample: ...
    @overload
    def __getitem__(self, index: slice) -> list[OpenedSample]: ...
    def __getitem__(self, index: int | slice) -> OpenedSample | list[OpenedSample]:
        """Read one sample, or the samples of a slice. DatasetError if its files are not in order."""
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        number = len(self)
        if not -number <= index < number:
            raise IndexError(f"index {index} of split '{self.split}', which has {number} images")
        return self._read(index % number)

    def __iter__(self) -> Iterator[OpenedSample]:
        return (self[index] for index in range(len(self)))

    @property
    def ids(self) -> list[str]:
        """Ids of the images, in their order."""
        raise NotImplementedError

    def _read(self, index: int) -> OpenedSample:
        raise NotImplementedError


class _RawDataset(OpenedDataset):
    """A dataset as it lies on disk, through its adapter."""

    def __init__(self, adapter: str, root: Path, split: str, task_type: TaskType, options: dict[str, Any]):
        if adapter in ADAPTERS and "task_types" in ADAPTERS[adapter].Settings.model_fields:
            read = "depth" if task_type == "normals" else task_type  # of which normals are derived
            options = {"task_types": [read], **options}  # files of other task types may not be there
        settings, root = _located(adapter, root, options)
        described = ADAPTERS[adapter].describe(settings, root, adapter)
        fields = {"name": adapter, "counts": {}, "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
        super().__init__(DatasetDescription.model_validate({**described, **fields}), split, task_type)
        self._settings, records = settings, ADAPTERS[adapter].records
        problems = Problems(adapter)
        only = {"splits": (split,)} if "splits" in inspect.signature(records).parameters else {}
        listed = list(records(settings, root, problems, **only))
        self._entries: list[Entry | Record] = [entry for entry in listed if entry.split == split]
        problems.raise_if_any()
        self.passed_over: dict[str, int] = problems.passed_over | problems.mentioned
        if self.passed_over:
            told = ", ".join(f"{number} {what}" for what, number in sorted(self.passed_over.items()))
            warnings.warn(f"Dataset '{adapter}' below {root}: passed over {told}", stacklevel=4)
        if not self._entries:
            there = sorted({entry.split for entry in listed})
            found = f"; it has {', '.join(there)}" if there else ""
            raise DatasetError(f"Dataset '{adapter}' below {root} has no image of split '{split}'{found}.")

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def ids(self) -> list[str]:
        """Ids of the images, in their order."""
        return [entry.id for entry in self._entries]

    def _read(self, index: int) -> OpenedSample:
        entry, problems = self._entries[index], Problems(self.description.name)
        record = entry.read(problems) if isinstance(entry, Entry) else entry
        largest = getattr(self._settings, "largest_megapixels", LARGEST_MEGAPIXELS)
        opened = None if record is None else opened_image(record, problems, largest)
        if opened is not None:
            check_record(record, *opened[1].size, self.description, problems)
        problems.raise_if_any()
        if opened is None:
            raise DatasetError(f"Dataset '{self.description.name}': {entry.id} cannot be read.")
        return self._sample(record, np.array(opened[1]))

    def _sample(self, record: Record, image: np.ndarray) -> OpenedSample:
        if self.task_type == "segmentation":
            return OpenedSample(record.id, image, mask=record.mask)
        if self.task_type == "classification":
            return OpenedSample(record.id, image, label=int(record.label))
        if self.task_type == "depth":
            about = self.description.depth
            valid = in_range(record.depth, about.minimum, about.maximum)
            return OpenedSample(
                record.id, image, depth=np.where(valid, record.depth, np.float32(np.nan)).astype(np.float32)
            )
        if self.task_type == "normals":
            return OpenedSample(record.id, image, normals=_known(normals_of(record, self.description)))
        keypoints = self.task_type == "keypoints"
        objects = (
            with_keypoints(record.objects, self.description)
            if keypoints
            else replace(record.objects, keypoints=None)
        )
        return _with_objects(record.id, image, objects)


class _PreparedAsOpened(OpenedDataset):
    """A prepared dataset."""

    def __init__(self, folder: Path, split: str, task_type: TaskType) -> None:
        from transfer_atlas.datasets.reading import PreparedDataset  # needs Parquet

        self._dataset = PreparedDataset.open(folder)
        super().__init__(self._dataset.description, split, task_type)
        self._number = self._dataset.count(split)

    def __len__(self) -> int:
        return self._number

    @property
    def ids(self) -> list[str]:
        """Ids of the images, in their order."""
        return self._dataset.ids(self.split)

    def _read(self, index: int) -> OpenedSample:
        sample = self._dataset.read(self.split, [index], self.task_type)[0]
        image = np.ascontiguousarray(sample.image.permute(1, 2, 0).numpy())
        if sample.objects is not None:
            return _with_objects(sample.id, image, sample.objects)
        depth = None if sample.depth is None else sample.depth.numpy()
        if depth is not None:
            depth = np.where(depth == 0, np.float32(np.nan), depth)
        if sample.normals is not None:
            return OpenedSample(sample.id, image, normals=_known(sample.normals.permute(1, 2, 0).numpy()))
        mask = None if sample.mask is None else sample.mask.numpy()
        return OpenedSample(sample.id, image, mask=mask, depth=depth, label=sample.label)


ASKED = ("adapter", "root", "split", "task_type")


def open_dataset(*asked: Any, **options: Any) -> OpenedDataset:
    """Open one split of a dataset for one task type: a sequence of samples that are read when asked for.

    Called as open_dataset(adapter, root, split, task_type, **options), by place or by name.

    adapter: name of an official or generic adapter, or `prepared`; root: the folder of the dataset, or the data
    root it lies in (below the adapter's default `path`); a prepared dataset's own folder opens it under any
    adapter's name; split: `train`, `val`, or another that the dataset has; options: settings of the adapter. An
    adapter's own setting `split` (the share that is for validation) can be given where the four come by place.

    Raises DatasetError if the adapter, an option, the folder, the split or the task type is not there, or the
    files listed are not in order; those of one image are checked when it is read. TypeError if one of the four is
    not given.
    """
    if len(asked) > len(ASKED):
        raise TypeError(
            f"open_dataset takes {', '.join(ASKED)}, and options by name; {len(asked)} came by place"
        )
    given = dict(zip(ASKED, asked, strict=False))
    for name in ASKED[len(asked) :]:
        if name not in options:
            raise TypeError(f"open_dataset lacks `{name}`; it takes {', '.join(ASKED)}, and options by name")
        given[name] = options.pop(name)
    return _opened(**given, options=options)


def _opened(
    adapter: str, root: Path | str, split: str, task_type: TaskType, options: dict[str, Any]
) -> OpenedDataset:
    root = Path(root).expanduser()
    if task_type not in TaskType.__args__:
        known = ", ".join(TaskType.__args__)
        raise DatasetError(f"There is no task type {task_type!r}; expected one of {known}.")
    if adapter == PREPARED or ((root / "dataset.json").is_file() and (root / "index.parquet").is_file()):
        if options and adapter == PREPARED:
            raise DatasetError(
                f"A prepared dataset has no options; found {', '.join(sorted(options))}: leave them out."
            )
        return _PreparedAsOpened(root, split, task_type)
    return _RawDataset(adapter, root, split, task_type, options)


def _located(adapter: str, root: Path, options: dict[str, Any]) -> tuple[Any, Path]:
    """Settings whose `path` fits the root: the dataset's folder below it, or the root itself."""
    fields = ADAPTERS[adapter].Settings.model_fields if adapter in ADAPTERS else {}
    if "path" not in fields or "path" in options:
        return settings_of(adapter, **options), root
    default = fields["path"].default
    parts = PurePosixPath(default).parts if isinstance(default, str) else ()
    inside = (PurePosixPath(*parts[start:]).as_posix() for start in range(len(parts)))
    path = next((path for path in inside if (root / path).is_dir()), ".")
    return settings_of(adapter, path=path, **options), root


def _known(normals: np.ndarray) -> np.ndarray:
    """Normals (H, W, 3) with NaN where there is none."""
    return np.where((normals != 0).any(axis=-1, keepdims=True), normals, np.float32(np.nan)).astype(
        np.float32
    )


def _with_objects(identifier: str, image: np.ndarray, objects: Objects) -> OpenedSample:
    return OpenedSample(
        identifier,
        image,
        boxes=objects.boxes,
        box_labels=objects.labels,
        crowd=objects.crowd,
        keypoints=objects.keypoints,
    )
