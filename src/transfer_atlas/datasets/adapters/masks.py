"""Reads masks as they are on disk (grey, palette, 16 bits, colours) and maps them to class indices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from transfer_atlas.datasets.encoding import DECODING_ERRORS
from transfer_atlas.datasets.problems import Problems

IGNORE = "ignore"  # the name that stands for "neither trained nor evaluated" in maps from disk to classes
UNKNOWN = -1


class LabelMap:
    """From values on disk to class indices, as a table of all values of 16 bits."""

    def __init__(
        self,
        classes: list[str],
        ignore: int,
        ignore_on_disk: int | None,
        labels: dict[int, str] | None,
        ignore_unknown: bool = False,
    ) -> None:
        """Make the table.

        classes: their names, in the order of their indices; ignore: what ignored pixels become;
        ignore_on_disk: value of ignored pixels on disk; labels: value on disk -> class name or `ignore`, by
        default the class indices themselves; ignore_unknown: any other value is ignored, not a problem.
        """
        self.ignore, self.ignore_unknown = ignore, ignore_unknown
        self.dtype = np.uint8 if ignore < 256 else np.uint16
        indices = {name: index for index, name in enumerate(classes)} | {IGNORE: ignore}
        values = dict(enumerate(classes)) if labels is None else dict(labels)
        if ignore_on_disk is not None:
            values.setdefault(ignore_on_disk, IGNORE)
        self.values = values
        self.table = np.full(65536, UNKNOWN, dtype=np.int32)
        for value, name in values.items():
            self.table[value] = indices[name]

    def read(self, path: Path, where: str, problems: Problems) -> np.ndarray | None:
        """Return the mask (H, W) of class indices; None, and a problem, if it cannot be read or mapped."""
        image = open_mask(path, where, problems)
        if image is None:
            return None
        values = np.asarray(image)  # of a palette image: the indices, not the colours
        if values.ndim != 2:
            remedy = "Set `mask_colours` if its colours are the labels, else convert it to one channel."
            problems.add(where, f"a mask of mode {image.mode}", "a grey or palette image", remedy)
            return None
        values = values.astype(np.int64)
        outside = (values < 0) | (values > 65535)
        mask = self.table[np.where(outside, 0, values)]
        mask = np.where(outside, UNKNOWN, mask)
        if self.ignore_unknown:
            mask[mask == UNKNOWN] = self.ignore
        elif (mask == UNKNOWN).any():
            unknown, counts = np.unique(values[mask == UNKNOWN], return_counts=True)
            found = "value " + ", ".join(
                f"{value} ({count} pixels)" for value, count in list(zip(unknown, counts, strict=True))[:10]
            )
            known = ", ".join(f"{value}: {name}" for value, name in sorted(self.values.items()))
            remedy = "Add it to `labels` (a class or ignore), or set `ignore_label` or `unknown: ignore`."
            problems.add(where, found, f"one of {{{known}}}", remedy)
            return None
        return mask.astype(self.dtype)


class ColourMap:
    """From colours on disk to class indices."""

    def __init__(
        self,
        classes: list[str],
        ignore: int,
        colours: dict[str, tuple[int, int, int]],
        ignore_unknown: bool = False,
    ) -> None:
        """Make the map; colours: class name or `ignore` -> R, G, B; ignore_unknown: as in LabelMap."""
        self.ignore, self.ignore_unknown = ignore, ignore_unknown
        indices = {name: index for index, name in enumerate(classes)} | {IGNORE: ignore}
        self.dtype = np.uint8 if ignore < 256 else np.uint16
        self.colours = colours
        keys = {
            (red << 16) + (green << 8) + blue: indices[name] for name, (red, green, blue) in colours.items()
        }
        self.keys = np.array(sorted(keys), dtype=np.int64)
        self.labels = np.array([keys[key] for key in sorted(keys)], dtype=self.dtype)

    def read(self, path: Path, where: str, problems: Problems) -> np.ndarray | None:
        """Return the mask (H, W) of class indices; None, and a problem, if it cannot be read or mapped."""
        image = open_mask(path, where, problems)
        if image is None:
            return None
        # int64 first: shifts of uint8 would wrap
        red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")).astype(np.int64), 2, 0)
        keys = (red << 16) + (green << 8) + blue
        places = np.searchsorted(self.keys, keys).clip(0, len(self.keys) - 1)
        unknown = self.keys[places] != keys
        if unknown.any() and not self.ignore_unknown:
            values, counts = np.unique(keys[unknown], return_counts=True)
            common = sorted(zip(counts.tolist(), values.tolist(), strict=True), reverse=True)[:5]
            found = "colour " + ", ".join(
                f"{[key >> 16, key >> 8 & 255, key & 255]} ({count} pixels)" for count, key in common
            )
            known = ", ".join(f"{name}: {list(colour)}" for name, colour in self.colours.items())
            # blended colours at outlines, from resizing or lossy compression, are the usual case
            remedy = "Add it to `mask_colours` (a class or ignore), or set `unknown: ignore`."
            problems.add(where, found, f"one of {{{known}}}", remedy)
            return None
        return np.where(unknown, self.dtype(self.ignore), self.labels[places])


def open_mask(path: Path, where: str, problems: Problems) -> Image.Image | None:
    """Open and decode a mask; None, and a problem, if it is missing or cannot be decoded."""
    if not path.is_file():
        problems.add(where, "no such mask", "one mask per image", "Add it, or correct the `masks` pattern.")
        return None
    try:
        with Image.open(path) as image:
            image.load()
            return image.convert("L") if image.mode in ("1", "LA") else image
    except DECODING_ERRORS as error:
        found = f"the mask cannot be decoded ({error})"
        problems.add(where, found, "a complete PNG", "Fetch the file anew, or leave the image out.")
        return None
