"""Reads prepared datasets: decoded samples of one task type, by split and index, fast."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from transfer_atlas.datasets.prepared import DatasetDescription, Objects, TaskType, with_keypoints
from transfer_atlas.datasets.subsets import subset
from transfer_atlas.errors import DatasetError

if TYPE_CHECKING:
    import torch

SIZE = ("height", "width")
COLUMNS: dict[str, tuple[str, ...]] = {
    "segmentation": ("mask",),
    "detection": ("boxes", "labels", "crowd", "area"),
    "keypoints": ("boxes", "labels", "crowd", "area", "keypoints"),
    "depth": ("depth", "depth_scale"),
    "normals": ("normals",),
    "classification": ("label",),
}


@dataclass(frozen=True)
class Sample:
    """One decoded image with the annotation of one task type; the others are None.

    image (3, H, W) uint8 RGB; mask (H, W) uint8 (int64 above 255 classes); objects in pixels; depth (H, W)
    float32 in the description's unit, 0 invalid; normals (3, H, W) float32 of unit length, 0 unknown;
    label: index of the image-level class.
    Tensors and arrays may be shared with the reader's cache: copy before changing them in place.
    """

    id: str
    image: torch.Tensor
    mask: torch.Tensor | None = None
    objects: Objects | None = None
    depth: torch.Tensor | None = None
    normals: torch.Tensor | None = None
    label: int | None = None

    @property
    def bytes(self) -> int:
        """Memory taken by the decoded arrays."""
        total = sum(x.nbytes for x in (self.image, self.mask, self.depth, self.normals) if x is not None)
        if self.objects is not None:
            total += sum(x.nbytes for x in vars(self.objects).values() if x is not None)
        return total


@dataclass(frozen=True)
class Outline:
    """Of an image what a crop depends on: its size, and the boxes (N, 4) of the objects asked for, if it has any."""

    height: int
    width: int
    boxes: np.ndarray | None


def outline_of(sample: Sample) -> Outline:
    """The outline of a decoded image."""
    return _outline(*sample.image.shape[1:], sample.objects)


def _outline(height: int, width: int, objects: Objects | None) -> Outline:
    return Outline(height, width, objects.boxes[objects.asked] if objects else None)


@dataclass(frozen=True)
class Stored:
    """An image that is read and not yet decoded: many can be held at once, and decoded where each is used."""

    outline: Outline
    decode: Callable[[], Sample]


class PreparedDataset:
    """A prepared dataset opened for reading; safe to use from several threads, and after a fork."""

    def __init__(
        self, folder: Path, description: DatasetDescription, index: pa.Table, cache_bytes: int, threads: int
    ) -> None:
        """Use `open`."""
        self.folder, self.description = folder, description
        self.cache_bytes, self.threads = cache_bytes, threads
        columns = {name: index[name].to_pylist() for name in ("id", "split", "shard")}
        groups, rows = index["row_group"].to_numpy(), index["row"].to_numpy()
        self._ids: dict[str, list[str]] = {split: [] for split in description.counts}
        self._places: dict[str, list[tuple[str, int, int]]] = {split: [] for split in description.counts}
        for at, (identifier, split, shard) in enumerate(zip(*columns.values(), strict=True)):
            self._ids[split].append(identifier)
            self._places[split].append((shard, int(groups[at]), int(rows[at])))
        self._cache: dict[tuple[str, int, str], Sample] = {}
        self._cached_bytes = 0
        self._start()

    def _start(self) -> None:
        """Set up what a process cannot share with another: open files, locks and threads."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._files = threading.local()  # of each thread its own: Parquet readers are not shared safely
        self._metadata: dict[str, pq.FileMetaData] = {}
        self._pool: ThreadPoolExecutor | None = None

    @classmethod
    def open(cls, folder: Path | str, *, cache_bytes: int = 0, threads: int = 1) -> PreparedDataset:
        """Open a prepared dataset.

        cache_bytes: keep decoded samples in memory up to this size (runs on small targets read the same 150
        images hundreds of times); threads: how many decode at once.
        Raises DatasetError if the folder is no (complete) prepared dataset.
        """
        folder = Path(folder)
        try:
            text = (folder / "dataset.json").read_text(encoding="utf-8")
            description = DatasetDescription.model_validate(json.loads(text))
            index = pq.read_table(folder / "index.parquet")
        except FileNotFoundError as error:
            raise DatasetError(
                f"{folder} is no prepared dataset: {error.filename or error} is missing; expected "
                "dataset.json, index.parquet and shards/. Prepare it (again): dataset.json is written last, "
                "so preparation was not run or did not end."
            ) from error
        except (ValueError, ValidationError, pa.ArrowInvalid) as error:
            raise DatasetError(f"{folder} is damaged: {error}. Prepare it again.") from error
        return cls(folder, description, index, cache_bytes, threads)

    def ids(self, split: str) -> list[str]:
        """Ids of the images of a split, in the order of their indices."""
        return list(self._of(self._ids, split))

    def count(self, split: str) -> int:
        """Number of images of a split."""
        return len(self._of(self._ids, split))

    def labels(self, split: str) -> np.ndarray:
        """Image-level class of every image of a split: (n,) int64. Raises DatasetError where none is annotated."""
        if self.description.classification is None:
            raise DatasetError(
                f"{self.folder} has no annotation for classification, hence no classes to choose by."
            )
        tables: dict[tuple[str, int], np.ndarray] = {}
        found = []
        for shard, group, row in self._of(self._places, split):
            if (shard, group) not in tables:
                file = pq.ParquetFile(self.folder / "shards" / shard)
                tables[shard, group] = file.read_row_group(group, columns=["label"])["label"].to_numpy()
            found.append(tables[shard, group][row])
        return np.array(found, dtype=np.int64)

    def subset(self, split: str, number: int | None, seed: int = 0) -> list[int]:
        """Sorted indices of a subset of a split, chosen by the ids; all if there are no more. See `subsets.py`."""
        return subset(self._of(self._ids, split), number, seed)

    def _of(self, table: dict[str, list], split: str) -> list:
        if split not in table:
            raise DatasetError(f"{self.folder} has no split '{split}'; it has {sorted(table)}.")
        return table[split]

    def read(self, split: str, indices: Sequence[int], task_type: TaskType) -> list[Sample]:
        """Read and decode images (by their index in the split) with the annotation of a task type, in order.

        Raises DatasetError for a split or task type the dataset lacks, IndexError for an index out of range.
        """
        return self._map(lambda image: image.decode(), self.stored(split, indices, task_type))

    def stored(self, split: str, indices: Sequence[int], task_type: TaskType) -> list[Stored]:
        """What `read` reads of images (by their index in the split), in order, each still to be decoded.

        Raises what `read` raises; DatasetError of a damaged picture when it is decoded.
        """
        if getattr(self.description, task_type, None) is None:
            has = [name for name in COLUMNS if getattr(self.description, name)]
            raise DatasetError(f"{self.folder} has no annotation for {task_type}; it has {has}.")
        if os.getpid() != self._process:
            self._start()
        places = self._of(self._places, split)
        indices = [int(index) for index in indices]
        for index in indices:
            if not 0 <= index < len(places):
                raise IndexError(f"index {index} of split '{split}', which has {len(places)} images")
        samples = {index: self._cache.get((split, index, task_type)) for index in indices}
        missing = [index for index, sample in samples.items() if sample is None]
        rows = self._rows([places[index] for index in missing], [*SIZE, "image", *COLUMNS[task_type]])
        fresh = {
            index: self._fresh((split, index, task_type), row)
            for index, row in zip(missing, rows, strict=True)
        }
        return [
            fresh[index]
            if (sample := samples[index]) is None
            else Stored(outline_of(sample), lambda x=sample: x)
            for index in indices
        ]

    def _fresh(self, key: tuple[str, int, TaskType], row: dict[str, pa.Scalar]) -> Stored:
        """An image that is not in memory; it is kept there, if there is room, when it is decoded."""
        split, index, task_type = key
        objects = OBJECTS[task_type](row, self.description) if task_type in OBJECTS else None
        height, width = (row[name].as_py() for name in SIZE)

        def decode() -> Sample:
            sample = _decode(self._ids[split][index], row, task_type, objects)
            self._keep(key, sample)
            return sample

        return Stored(_outline(height, width, objects), decode)

    def outlines(self, split: str, indices: Sequence[int], task_type: TaskType) -> list[Outline]:
        """Outlines of images (by their index in the split), in order; no picture is read."""
        places = self._of(self._places, split)
        columns = [*SIZE, *(COLUMNS[task_type] if task_type in OBJECTS else ())]
        found = []
        for row in self._rows([places[index] for index in indices], columns):
            objects = OBJECTS[task_type](row, self.description) if task_type in OBJECTS else None
            found.append(_outline(*(row[name].as_py() for name in SIZE), objects))
        return found

    def _rows(self, places: list[tuple[str, int, int]], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Read the encoded rows, each row group once."""

        def group_of(place: tuple[str, int]) -> pa.Table:
            shard, group = place
            return self._file(shard).read_row_group(group, list(columns), use_threads=False)

        wanted = sorted({(shard, group) for shard, group, _ in places})
        groups = dict(zip(wanted, self._map(group_of, wanted), strict=True))
        return [{name: groups[shard, group][name][row] for name in columns} for shard, group, row in places]

    def _file(self, shard: str) -> pq.ParquetFile:
        """Open a shard for the calling thread; its metadata is parsed once."""
        files = self._files.__dict__
        if shard not in files:
            path = self.folder / "shards" / shard
            try:
                # pre_buffer is for what lies far away: threads of its own, six times as slow where the file is memory
                files[shard] = pq.ParquetFile(
                    path, memory_map=True, pre_buffer=False, metadata=self._metadata.get(shard)
                )
            except (FileNotFoundError, pa.ArrowInvalid) as error:
                text = f"{path} is missing or damaged ({error}). Prepare the dataset again."
                raise DatasetError(text) from error
            self._metadata[shard] = files[shard].metadata
        return files[shard]

    def _map(self, function: Callable, jobs: list) -> list:
        if self.threads <= 1 or len(jobs) == 1:
            return [function(job) for job in jobs]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="decode")
        return list(self._pool.map(function, jobs))

    def _keep(self, key: tuple[str, int, str], sample: Sample) -> None:
        """Cache a sample while there is room.

        Nothing is evicted: epochs visit every image once in random order, where throwing out the least
        recently used image would throw out the ones about to be needed.
        """
        with self._lock:
            if key not in self._cache and self._cached_bytes + sample.bytes <= self.cache_bytes:
                self._cache[key] = sample
                self._cached_bytes += sample.bytes

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: not the open files, the threads and the cached samples."""
        unshared = {"_files": None, "_metadata": {}, "_lock": None, "_pool": None, "_process": -1}
        return self.__dict__ | {"_cache": {}, "_cached_bytes": 0} | unshared


def _decode(identifier: str, row: dict[str, pa.Scalar], task_type: str, objects: Objects | None) -> Sample:
    """Decode the pictures of one row."""
    from transfer_atlas.datasets import decoding  # imports torch: not needed to list what a dataset holds

    image = decoding.decode_image(row["image"].as_py())
    if task_type == "segmentation":
        return Sample(identifier, image, mask=decoding.decode_mask(row["mask"].as_py()))
    if task_type == "depth":
        depth = decoding.decode_depth(row["depth"].as_py(), row["depth_scale"].as_py())
        return Sample(identifier, image, depth=depth)
    if task_type == "normals":
        return Sample(identifier, image, normals=decoding.decode_normals(row["normals"].as_py()))
    if task_type == "classification":
        return Sample(identifier, image, label=row["label"].as_py())
    return Sample(identifier, image, objects=objects)


def _objects(row: dict[str, pa.Scalar], description: DatasetDescription) -> Objects:
    return Objects(
        boxes=np.array(row["boxes"].as_py(), dtype=np.float32).reshape(-1, 4),
        labels=np.array(row["labels"].as_py(), dtype=np.int64),
        crowd=np.array(row["crowd"].as_py(), dtype=bool),
        area=np.array(row["area"].as_py(), dtype=np.float32),
    )


def _with_keypoints(row: dict[str, pa.Scalar], description: DatasetDescription) -> Objects:
    objects = _objects(row, description)
    points = np.array(row["keypoints"].as_py(), dtype=np.float32)
    points = points.reshape(len(objects.boxes), len(description.keypoints.names), 3)
    return with_keypoints(replace(objects, keypoints=points), description)


OBJECTS: dict[str, Callable[[dict[str, pa.Scalar], DatasetDescription], Objects]] = {
    "detection": _objects,
    "keypoints": _with_keypoints,
}
