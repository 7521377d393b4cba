"""One shard of a prepared dataset: its schema, how a record becomes a row, and how rows become the file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transfer_atlas.datasets import encoding
from transfer_atlas.datasets.normals import coloured, normals_of
from transfer_atlas.datasets.prepared import DatasetDescription, Record
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.statistics import Statistics
from transfer_atlas.datasets.validation import check_record, opened_image

SHARD_IMAGES = 1024  # decides where shards begin: by number, which is known before an image is read
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


def shard_name(split: str, number: int) -> str:
    """File name of a shard."""
    return f"{split}-{number:05d}.parquet"


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
    if description.normals:
        fields.append(("normals", pa.binary()))
    if description.classification:
        fields.append(("label", pa.int64()))
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in fields])


@dataclass(frozen=True)
class Finished:
    """What is known of a shard that was written, or was not for its problems.

    index: (id, row group, row) of its images; texts: its problems; broken, passed_over: see `Problems`; signature:
    of what it was made of.
    """

    split: str
    index: list[tuple[str, int, int]]
    statistics: Statistics
    texts: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    passed_over: dict[str, int] = field(default_factory=dict)
    signature: str = ""

    def write(self, shard: Path) -> None:
        """Write it beside the shard; it is there only if the shard is whole."""
        size = shard.stat().st_size if self.index else 0
        content = vars(self) | {"statistics": self.statistics.as_json(), "bytes": size}
        part = shard.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(shard.with_suffix(".json"))

    @classmethod
    def read(cls, shard: Path) -> Finished | None:
        """Read what is known of a shard; None if it is not there, not whole, or not to be understood."""
        try:
            content = json.loads(shard.with_suffix(".json").read_text(encoding="utf-8"))
            size = content.pop("bytes")
            if content["index"] and size != shard.stat().st_size:
                return None
            content["statistics"] = Statistics.from_json(content["statistics"])
            content["index"] = [tuple(row) for row in content["index"]]
            return cls(**content)
        except (OSError, ValueError, KeyError, TypeError):
            return None


class ShardWriter:
    """Writes one shard, a row group at a time, under another name until it is whole."""

    def __init__(self, path: Path, split: str, schema: pa.Schema) -> None:
        self.path, self.split, self.schema = path, split, schema
        self.part = path.with_suffix(f".{os.getpid()}.part")
        self.statistics = Statistics()
        self.index: list[tuple[str, int, int]] = []
        self.rows: list[dict[str, Any]] = []
        self.group_bytes = self.group = self.rows_added = 0
        self.writer: pq.ParquetWriter | None = None

    def add(self, row: dict[str, Any]) -> None:
        """Append one row."""
        self.rows.append(row)
        self.rows_added += 1
        self.group_bytes += sum(len(value) for value in row.values() if isinstance(value, bytes))
        if self.group_bytes >= ROW_GROUP_BYTES or len(self.rows) >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self.rows:
            return
        if self.writer is None:
            self.writer = pq.ParquetWriter(
                self.part,
                self.schema,
                compression="none",  # images, masks and depth are compressed already
                use_dictionary=["split"],
                write_statistics=["id", "split"],
            )
        self.writer.write_table(pa.Table.from_pylist(self.rows, schema=self.schema))
        self.index += [(row["id"], self.group, at) for at, row in enumerate(self.rows)]
        self.group += 1
        self.group_bytes, self.rows = 0, []

    def finish(self, with_problems: bool) -> Finished:
        """Put the file under its name and return what is known of it; with problems, leave nothing behind."""
        if with_problems:
            self.abandon()
            return Finished(self.split, [], self.statistics)
        self._flush()
        if self.writer is not None:
            self.writer.close()
            self.part.replace(self.path)
        return Finished(self.split, self.index, self.statistics)

    def abandon(self) -> None:
        """Remove what was written."""
        if self.writer is not None:
            self.writer.close()
        self.part.unlink(missing_ok=True)


def row_of(
    record: Record,
    description: DatasetDescription,
    statistics: Statistics,
    problems: Problems,
    largest: float = encoding.LARGEST_MEGAPIXELS,
) -> dict[str, Any] | None:
    """Check and encode one record; None (and a problem) if it is not in order. largest: megapixels."""
    opened = opened_image(record, problems, largest)
    if opened is None:
        return None
    encoded, image = opened
    width, height = image.size
    with_mask = description.segmentation is not None and record.mask is not None
    values = encoding.values_in(record.mask) if with_mask else None
    if not check_record(record, width, height, description, problems, values):
        return None
    split = record.split
    statistics.counts[split] = statistics.counts.get(split, 0) + 1
    if split == "train":
        statistics.pixels += np.array(image.histogram(), dtype=np.int64).reshape(3, 256)
    row = {"id": record.id, "split": split, "width": width, "height": height, "image": encoded}
    if description.segmentation:
        ignore = description.segmentation.ignore_label
        row["mask"] = encoding.encode_mask(record.mask.astype(np.uint8 if ignore == 255 else np.uint16))
        statistics.note("segmentation", split, values)
        if values.tolist() == [ignore]:
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
    if description.normals:
        normals = normals_of(record, description)
        row["normals"] = encoding.encode_png(coloured(normals), level=4)
        statistics.note_normals(split, normals)
    if description.classification:
        row["label"] = int(record.label)
        statistics.note("classification", split, np.array([record.label]))
    return row
