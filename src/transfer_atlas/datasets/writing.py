"""Writes a prepared dataset: streams records into Parquet shards, then the index and dataset.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transfer_atlas.datasets import encoding
from transfer_atlas.datasets.prepared import DatasetDescription, Entry, Record
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.statistics import Statistics
from transfer_atlas.datasets.validation import check_description, check_record, opened_image

SHARD_BYTES = 256 * 2**20
# One image is read by reading its row group, so a group is small beside what it takes to decode one image.
ROW_GROUP_BYTES = 256 * 2**10
ROW_GROUP_ROWS = 64

_ALWAYS = [("id", pa.string()), ("split", pa.string()), ("width", pa.int32()), ("height", pa.int32())]
_OBJECTS = [
    ("boxes", pa.list_(pa.list_(pa.float32()))),
    ("labels", pa.list_(pa.int64())),
    ("crowd", pa.list_(pa.bool_())),
    ("area", pa.list_(pa.float32())),
]


def schema_of(description: DatasetDescription) -> pa.Schema:
    """Columns of the shards: image, and those of the task types the description has."""
    fields = [*_ALWAYS, ("image", pa.binary())]
    if description.segmentation:
        fields.append(("mask", pa.binary()))
    if description.detection or description.keypoints:
        fields.extend(_OBJECTS)
    if description.keypoints:
        fields.append(("keypoints", pa.list_(pa.list_(pa.float32()))))
    if description.depth:
        fields.extend([("depth", pa.binary()), ("depth_scale", pa.float64())])
    if description.classification:
        fields.append(("label", pa.int64()))
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in fields])


class _SplitWriter:
    """Writes the rows of one split into its shards, a row group at a time."""

    def __init__(self, folder: Path, split: str, schema: pa.Schema) -> None:
        self.folder, self.split, self.schema = folder, split, schema
        self.index: list[tuple[str, str, str, int, int]] = []
        self.rows: list[dict[str, Any]] = []
        self.group_bytes = self.shard_bytes = self.shard = self.group = 0
        self.writer: pq.ParquetWriter | None = None

    def add(self, row: dict[str, Any]) -> None:
        """Append one row."""
        self.rows.append(row)
        self.group_bytes += sum(len(value) for value in row.values() if isinstance(value, bytes))
        if self.group_bytes >= ROW_GROUP_BYTES or len(self.rows) >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self.rows:
            return
        name = f"{self.split}-{self.shard:05d}.parquet"
        if self.writer is None:
            self.writer = pq.ParquetWriter(
                self.folder / name,
                self.schema,
                compression="none",  # images, masks and depth are compressed already
                use_dictionary=["split"],
                write_statistics=["id", "split"],
            )
        self.writer.write_table(pa.Table.from_pylist(self.rows, schema=self.schema))
        self.index += [(row["id"], self.split, name, self.group, at) for at, row in enumerate(self.rows)]
        self.shard_bytes += self.group_bytes
        self.rows, self.group_bytes, self.group = [], 0, self.group + 1
        if self.shard_bytes >= SHARD_BYTES:
            self.close()

    def close(self) -> None:
        """Finish the shard at hand; a later row starts the next one."""
        self._flush()
        if self.writer is not None:
            self.writer.close()
            self.writer = None
            self.shard, self.shard_bytes, self.group = self.shard + 1, 0, 0


def write_prepared(
    folder: Path,
    description_without_counts: dict[str, Any],
    records: Iterable[Entry | Record],
    *,
    splits: Sequence[str] = ("train", "val"),
    problems: Problems | None = None,
) -> DatasetDescription:
    """Write records as a prepared dataset and return its description; one row group is in memory at a time.

    folder: is created; an older prepared dataset in it is replaced. description_without_counts: the fields of
    DatasetDescription but counts, mean and std. splits: each must have an image. problems: those the adapter
    behind `records` adds to while they are drawn.

    The same records give identical files. dataset.json is written last: without it, writing was cut off.

    Raises:
        DatasetError: up to 20 problems, each with file, what was found, what was expected and a remedy.
    """
    folder = Path(folder)
    shards = folder / "shards"
    shards.mkdir(parents=True, exist_ok=True)
    _clear(folder)
    counted = {"counts": {}, "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    description = DatasetDescription.model_validate({**description_without_counts, **counted})
    problems = Problems(description.name) if problems is None else problems
    check_description(description, problems)
    problems.raise_if_any()

    statistics, identifiers = Statistics(), set()
    writers: dict[str, _SplitWriter] = {}
    try:
        for listed in records:
            record = listed.read(problems) if isinstance(listed, Entry) else listed
            if record is None:
                continue
            if record.id in identifiers:
                remedy = "Give each image of the dataset its own id, in one split only."
                problems.add(
                    record.id, f"this id occurs twice (again in split {record.split})", "once", remedy
                )
            identifiers.add(record.id)
            row = _row(record, description, statistics, problems)
            if row is None or problems:
                continue  # nothing more is written, but the remaining problems are found
            if record.split not in writers:
                writers[record.split] = _SplitWriter(shards, record.split, schema_of(description))
            writers[record.split].add(row)
        statistics.check(description, problems)
        for split in splits:
            # where images were refused, the split is not empty for want of images
            if not statistics.counts.get(split) and not problems:
                remedy = "Check the pattern, the list file or the number of images of this split."
                problems.add(f"split {split}", "no image", "at least one", remedy)
        problems.raise_if_any()
    finally:
        for writer in writers.values():
            writer.close()
        if problems:
            _clear(folder)
    _write_index(folder, writers)
    description = statistics.complete(description)
    text = json.dumps(description.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / "dataset.json").write_text(text + "\n", encoding="utf-8")
    return description


def _clear(folder: Path) -> None:
    """Remove what an earlier call wrote."""
    for path in [folder / "dataset.json", folder / "index.parquet", *(folder / "shards").glob("*.parquet")]:
        path.unlink(missing_ok=True)


def _row(
    record: Record, description: DatasetDescription, statistics: Statistics, problems: Problems
) -> dict[str, Any] | None:
    """Check and encode one record; None (and a problem) if it is not in order."""
    opened = opened_image(record, problems)
    if opened is None:
        return None
    encoded, image = opened
    width, height = image.size
    if not check_record(record, width, height, description, problems):
        return None
    split = record.split
    statistics.counts[split] = statistics.counts.get(split, 0) + 1
    if split == "train":
        statistics.pixels += np.array(image.histogram(), dtype=np.int64).reshape(3, 256)
    row = {"id": record.id, "split": split, "width": width, "height": height, "image": encoded}
    if description.segmentation:
        ignore = description.segmentation.ignore_label
        row["mask"] = encoding.encode_mask(record.mask.astype(np.uint8 if ignore == 255 else np.uint16))
        statistics.note("segmentation", split, record.mask)
        if (record.mask == ignore).all():
            statistics.unlabelled[split] = statistics.unlabelled.get(split, 0) + 1
    if description.detection or description.keypoints:
        objects = record.objects
        row |= {name: getattr(objects, name).tolist() for name in ("boxes", "labels", "crowd", "area")}
        statistics.note("detection", split, objects.labels)
    if description.keypoints:
        row["keypoints"] = [points.ravel().tolist() for points in record.objects.keypoints]
    if description.depth:
        depth = description.depth
        row["depth"] = encoding.encode_depth(record.depth, depth.step, depth.minimum, depth.maximum)
        row["depth_scale"] = depth.step
        statistics.note_depth(split, record.depth, depth)
    if description.classification:
        row["label"] = int(record.label)
        statistics.note("classification", split, np.array(record.label))
    return row


def _write_index(folder: Path, writers: dict[str, _SplitWriter]) -> None:
    """Write where each image is, splits in alphabetical order, images in the order of the records."""
    rows = [row for split in sorted(writers) for row in writers[split].index]
    names = ("id", "split", "shard", "row_group", "row")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    kinds = (pa.string(), pa.string(), pa.string(), pa.int32(), pa.int32())
    arrays = [pa.array(columns[name], kind) for name, kind in zip(names, kinds, strict=True)]
    pq.write_table(pa.table(arrays, names=names), folder / "index.parquet", compression="zstd")
