"""From values and colours in official masks to class indices, by the tables in `labels/`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from transfer_atlas.datasets.prepared import IGNORE_LABEL

HERE = Path(__file__).parent
Unknown = Literal["ignore", "background", "error"]
Colour = tuple[int, int, int]


@functools.cache
def table(name: str) -> dict[str, Any]:
    """Contents of `labels/<name>.yaml`; do not change what is returned."""
    return yaml.safe_load((HERE / "labels" / f"{name}.yaml").read_text(encoding="utf-8"))


@functools.cache
def listed(name: str) -> tuple[str, ...]:
    """Lines of `lists/<name>.txt`, in the order of the file."""
    return tuple((HERE / "lists" / f"{name}.txt").read_text(encoding="utf-8").split())


def spread_colours(number: int) -> list[Colour]:
    """Colours that tell classes apart: the colour map of Pascal VOC, which mixes bits of the index."""
    colours = []
    for index in range(number):
        red = green = blue = 0
        for shift in range(8):
            red |= (index >> (3 * shift) & 1) << (7 - shift)
            green |= (index >> (3 * shift + 1) & 1) << (7 - shift)
            blue |= (index >> (3 * shift + 2) & 1) << (7 - shift)
        colours.append((red, green, blue))
    return colours


@dataclass(frozen=True)
class LabelTable:
    """Classes of a dataset, and what stands for them on disk.

    sources: value on disk -> class index or IGNORE_LABEL; by_colour: colour on disk -> the same; unknown: what
    any other value or colour is. Index 0 is the table's id 0 unless the background is ignored.
    """

    classes: tuple[str, ...]
    colours: tuple[Colour, ...]
    sources: dict[int, int]
    by_colour: dict[Colour, int]
    unknown: Unknown = "ignore"

    @property
    def rest(self) -> int:
        """What unknown values become where they are no error."""
        return 0 if self.unknown == "background" else IGNORE_LABEL

    def from_values(self, values: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
        """Map values (H, W) of any integer type to (mask (H, W) uint8, unknown value -> number of pixels)."""
        lookup = np.full(65537, -1, np.int16)
        for value, index in self.sources.items():
            lookup[value] = index
        wide = values.astype(np.int64)  # comparisons in the type on disk could wrap
        mask = lookup[np.where((wide < 0) | (wide > 65535), 65536, wide)]
        return self._finished(mask, wide)

    def from_colours(self, pixels: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
        """Map colours (H, W, 3) uint8 to (mask (H, W) uint8, unknown colour -> number of pixels)."""
        wide = pixels.astype(np.int64)  # shifts of uint8 would wrap
        keys = (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
        known = sorted(((r << 16) | (g << 8) | b, index) for (r, g, b), index in self.by_colour.items())
        table_keys = np.array([key for key, _ in known], np.int64)
        indices = np.array([index for _, index in known], np.int16)
        places = np.searchsorted(table_keys, keys).clip(0, len(known) - 1)
        mask = np.where(table_keys[places] == keys, indices[places], np.int16(-1))
        return self._finished(mask, keys, colours=True)

    def _finished(
        self, mask: np.ndarray, values: np.ndarray, colours: bool = False
    ) -> tuple[np.ndarray, dict[str, int]]:
        missing, found = mask < 0, {}
        if missing.any():
            unknown, counts = np.unique(values[missing], return_counts=True)
            for value, count in zip(unknown.tolist(), counts.tolist(), strict=True):
                name = str([value >> 16, value >> 8 & 255, value & 255]) if colours else str(value)
                found[name] = count
            mask = np.where(missing, self.rest, mask)
        return mask.astype(np.uint8), found


def label_table(
    name: str,
    ignore_background: bool,
    unknown: Unknown = "ignore",
    also_ignored: tuple[int, ...] = (255,),
    colours_of: str | None = None,
) -> LabelTable:
    """Return the table of `labels/<name>.yaml`.

    ignore_background: id 0 (unlabelled pixels of most datasets) is no class but ignored, and every other
    index is one less than the id; also_ignored: values on disk that mean "ignored" whatever the table says;
    colours_of: another table whose colours classes of the same name have in figures.
    """
    entries = sorted(table(name)["classes"], key=lambda entry: entry["id"])
    first = 1 if ignore_background else 0
    index = {e["id"]: e["id"] - first if e["id"] >= first else IGNORE_LABEL for e in entries}
    sources = dict.fromkeys(also_ignored, IGNORE_LABEL)
    sources |= {value: index[e["id"]] for e in entries for value in e.get("source", [e["id"]])}
    by_colour = {tuple(e["color"]): index[e["id"]] for e in entries if "color" in e}
    named = {e["name"]: tuple(e["color"]) for e in entries if "color" in e}
    if colours_of is not None:
        named |= {e["name"]: tuple(e["color"]) for e in table(colours_of)["classes"]}
    kept = [e for e in entries if e["id"] >= first]
    spread = spread_colours(len(entries) + 1)
    return LabelTable(
        classes=tuple(e["name"] for e in kept),
        colours=tuple(named.get(e["name"], spread[e["id"]]) for e in kept),
        sources=sources,
        by_colour=by_colour,
        unknown=unknown,
    )


def regrouped(base: LabelTable, groups: dict[int, int], classes: list[str]) -> LabelTable:
    """A coarser view of a table.

    base: one whose class indices are its values on disk; groups: value on disk -> index into `classes`, or
    IGNORE_LABEL.
    """
    by_name = dict(zip(base.classes, base.colours, strict=True))
    spread = spread_colours(len(classes) + 1)
    colours = tuple(by_name.get(name, spread[at + 1]) for at, name in enumerate(classes))
    return LabelTable(tuple(classes), colours, dict(groups), {}, base.unknown)
