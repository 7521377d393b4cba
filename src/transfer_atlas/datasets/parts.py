"""Parts of a prepared dataset that are tasks of their own: some classes, a few images of each, or one against all.

A part is made of the prepared dataset, so that a hundred sampled tasks need its raw files once.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from transfer_atlas.datasets.prepared import DatasetDescription, Record
from transfer_atlas.datasets.writing import write_prepared
from transfer_atlas.errors import DatasetError

BACKGROUND, FOREGROUND = "background", "foreground"  # classes of a binary part


def take_part(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """Write the part that a request names into its output folder. Returns counts, classes, and what it lacks."""
    settings = request["settings"]
    whole = Path(request["parents"]["whole"]["folder"])
    description = DatasetDescription.model_validate(
        json.loads((whole / "dataset.json").read_text(encoding="utf-8"))
    )
    take = _binary if "foreground" in settings["part"] else _classes
    written, told = take(whole, description, settings["part"], settings["name"], scratch / "output")
    return {"counts": written.counts, **told}


def sampled_classes(
    classes: Sequence[str], part: Mapping[str, Any], name: str, generator: np.random.Generator
) -> list[str]:
    """The classes of a part, in the order of the dataset: those it names, or a number drawn from those it is among.

    part: `classes`, a list of names; or `number`, or `numbers` [least, most], or `share` [least, most] of them, drawn
    uniformly; perhaps `among`, names to draw from. Raises DatasetError for unknown names, or fewer classes than asked.
    """
    chosen = part.get("classes")
    pool = list(classes) if chosen is None and part.get("among") is None else list(chosen or part["among"])
    unknown = sorted(set(pool) - set(classes))
    if unknown:
        raise DatasetError(
            f"{name}: no class {', '.join(unknown)}; the dataset has {', '.join(classes)}. Correct the part."
        )
    pool = [each for each in classes if each in set(pool)]
    if chosen is None:
        least, most = _bounds(part, len(pool))
        if most > len(pool):
            raise DatasetError(
                f"{name}: {most} classes are asked for, and there are {len(pool)} to draw from; ask for fewer."
            )
        number = int(generator.integers(least, most, endpoint=True))
        picked = set(generator.choice(len(pool), number, replace=False).tolist())
        pool = [each for at, each in enumerate(pool) if at in picked]
    return pool


def _bounds(part: Mapping[str, Any], available: int) -> tuple[int, int]:
    """Least and most classes of a sampled part."""
    if "share" in part:
        least, most = (max(2, round(share * available)) for share in part["share"])
        return least, max(least, most)
    return tuple(part["numbers"])  # type: ignore[return-value]


def _classes(
    whole: Path, description: DatasetDescription, part: Mapping[str, Any], name: str, output: Path
) -> tuple[DatasetDescription, dict[str, Any]]:
    """A part of some classes of images, and of a few images of each if it says so."""
    if description.classification is None:
        raise DatasetError(
            f"{name}: the dataset has no image classes to take a part by; name patterns of images."
        )
    generator = np.random.default_rng([part.get("seed", 0), part.get("number", 0)])
    classes = sampled_classes(description.classification.classes, part, name, generator)
    codes = {description.classification.classes.index(each): number for number, each in enumerate(classes)}
    index = pq.read_table(whole / "index.parquet", columns=["id", "split", "shard", "row_group", "row"])
    places = _by_label(whole, index.to_pylist())
    limits = {"train": part.get("shots"), "val": part.get("queries")}
    chosen, lacking = [], {}
    for split in ("train", "val"):
        for label, code in codes.items():
            rows = places.get((split, label), [])
            limit = limits[split]
            if limit is not None:
                if len(rows) < limit:
                    lacking[f"{classes[code]} ({split})"] = len(rows)
                rows = [rows[at] for at in sorted(generator.permutation(len(rows))[:limit].tolist())]
            chosen += [(row, code) for row in rows]
    chosen.sort(key=lambda each: each[0]["order"])
    described = _described(description, name, {"classification": {"classes": classes}})
    cells = _Cells(whole, ["image"])
    taken = [Record(row["id"], row["split"], cells.of(row)["image"], label=code) for row, code in chosen]
    written = write_prepared(output, described, taken)
    return written, {"classes": classes, "lacking": lacking}


def _by_label(whole: Path, index: list[dict[str, Any]]) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Rows of the index by split and label, in their order."""
    tables: dict[tuple[str, int], Any] = {}
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for order, row in enumerate(index):
        place = (row["shard"], row["row_group"])
        if place not in tables:
            file = pq.ParquetFile(whole / "shards" / row["shard"])
            tables[place] = file.read_row_group(row["row_group"], columns=["label"])["label"].to_pylist()
        label = tables[place][row["row"]]
        found.setdefault((row["split"], label), []).append(row | {"order": order})
    return found


class _Cells:
    """Encoded cells of rows of the index, whose row groups are read once as long as rows come in order."""

    def __init__(self, whole: Path, columns: list[str]) -> None:
        self.whole, self.columns = whole, columns
        self.place: tuple[str, int] | None = None
        self.table: Any = None

    def of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        place = (row["shard"], row["row_group"])
        if place != self.place:
            file = pq.ParquetFile(self.whole / "shards" / row["shard"])
            self.place, self.table = place, file.read_row_group(row["row_group"], columns=self.columns)
        return {name: self.table[name][row["row"]].as_py() for name in self.columns}


def _binary(
    whole: Path, description: DatasetDescription, part: Mapping[str, Any], name: str, output: Path
) -> tuple[DatasetDescription, dict[str, Any]]:
    """A part of all images, in which some classes of pixels are foreground and the others background."""
    if description.segmentation is None:
        raise DatasetError(f"{name}: the dataset has no classes of pixels that could be foreground.")
    names = description.segmentation.classes
    unknown = sorted(set(part["foreground"]) - set(names))
    if unknown:
        raise DatasetError(
            f"{name}: no class {', '.join(unknown)}; the dataset has {', '.join(names)}. Correct the part."
        )
    ignore = description.segmentation.ignore_label
    table = np.full(max(256, ignore + 1, len(names)), 255, np.uint8)
    table[: len(names)] = [each in part["foreground"] for each in names]
    index = pq.read_table(
        whole / "index.parquet", columns=["id", "split", "shard", "row_group", "row"]
    ).to_pylist()
    shown, encoded = 0, _Cells(whole, ["image", "mask"])

    def records() -> Iterator[Record]:
        nonlocal shown
        for row in index:
            cells = encoded.of(row)
            mask = table[np.asarray(Image.open(io.BytesIO(cells["mask"]))).astype(np.int64)]
            shown += bool((mask == 1).any())
            yield Record(row["id"], row["split"], cells["image"], mask=mask)

    segmentation = {"classes": [BACKGROUND, FOREGROUND], "colours": [(0, 0, 0), (255, 255, 255)]}
    written = write_prepared(output, _described(description, name, {"segmentation": segmentation}), records())
    return written, {"foreground": list(part["foreground"]), "images_with_foreground": shown}


def _described(description: DatasetDescription, name: str, annotation: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "source": description.source, "licence": description.licence, **annotation}
