"""Reads masks as they are on disk (grey, palette, 1 to 16 bits, colours) and maps them to class indices."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from transfer_atlas.datasets.adapters.image_bytes import undecodable
from transfer_atlas.datasets.encoding import (
    BITS_PER_SAMPLE,
    DECODING_ERRORS,
    LARGEST_MEGAPIXELS,
    look_up,
    open_any,
    png_header,
    values_in,
)
from transfer_atlas.datasets.problems import Problems

IGNORE = "ignore"  # the name that stands for "neither trained nor evaluated" in maps from disk to classes
UNKNOWN = -1
SHOWN = 12  # classes named in a message: enough to see of what kind they are
CHANNELS = {"red": 0, "green": 1, "blue": 2}
LOSSY = ("JPEG", "MPO", "JPEG2000")
SCALES = {2: 85, 4: 17}  # what Pillow multiplies grey of so many bits with


@dataclass(frozen=True)
class ValueRule:
    """How the value of a pixel is taken: from which channel, and divided by what.

    channel: red, green or blue of a colour image; divide: integer division of values from `divide_from` on.
    """

    channel: str | None = None
    divide: int = 1
    divide_from: int = 0


def known_values(values: dict) -> str:
    """The entries of a map for a message: the first few, and how many there are."""
    first = ", ".join(f"{value}: {name}" for value, name in list(values.items())[:SHOWN])
    return f"{{{first}{f', ... ({len(values)} in all)' if len(values) > SHOWN else ''}}}"


class LabelMap:
    """From values on disk to class indices, as a table of all values of 16 bits."""

    def __init__(
        self,
        classes: list[str],
        ignore: int,
        ignore_on_disk: int | None,
        labels: dict[int, str] | None,
        ignore_unknown: bool = False,
        rule: ValueRule | None = None,
        ambiguous: bool = False,
        largest: float = LARGEST_MEGAPIXELS,
    ) -> None:
        """Make the table.

        classes: their names, in the order of their indices; ignore: what ignored pixels become;
        ignore_on_disk: value of ignored pixels on disk; labels: value on disk -> class name or `ignore`, by
        default the class indices themselves; ignore_unknown: any other value is ignored, not a problem; rule: how
        values are taken; ambiguous: nobody said that 255 is ignored, so that masks of 0 and 255 alone, of two
        classes, are refused; largest: megapixels.
        """
        self.ignore, self.ignore_unknown = ignore, ignore_unknown
        self.rule, self.largest, self.classes = rule or ValueRule(), largest, classes
        self.ambiguous = ambiguous and labels is None and len(classes) == 2
        self.dtype = np.uint8 if ignore < 256 else np.uint16
        indices = {name: index for index, name in enumerate(classes)} | {IGNORE: ignore}
        values = dict(enumerate(classes)) if labels is None else dict(labels)
        if ignore_on_disk is not None:
            values.setdefault(ignore_on_disk, IGNORE)
        self.values = values
        self.table = np.full(65536, UNKNOWN, dtype=np.int32)
        for value, name in values.items():
            self.table[value] = indices[name]
        # what an unknown value becomes where it is ignored; a value that is in no map stands for those out of range
        self.lookup = np.where(self.table == UNKNOWN, ignore, self.table).astype(self.dtype)
        self.unmapped = int(np.argmin(self.table))
        self.plain = int(
            np.argmin(self.table == np.arange(len(self.table)))
        )  # values from 0 on that stay as they are

    def read(self, path: Path | bytes, where: str, problems: Problems) -> np.ndarray | None:
        """Return the mask (H, W) of class indices; None, and a problem, if it cannot be read or mapped."""
        image = open_mask(path, where, problems, self.largest)
        values = None if image is None else values_of(image, where, problems, self.rule)
        if values is None:
            return None
        if image.mode == "L" and values.dtype == self.dtype and values.max(initial=0) < self.plain:
            return values  # as most masks are; found out in a tenth of the time that listing the values takes
        present = values_in(values)
        if self._is_ambiguous(image, present):
            greys = greys_of(image)[present].tolist()
            found = f"indices {present.tolist()[:SHOWN]} that stand for the greys {greys[:SHOWN]}: either may be meant"
            # tools that make files smaller number the colours of a palette anew
            remedy = "Save it in grey, or give the greys in `mask_colours` if they are the labels."
            problems.add(where, found, "indices or greys that are classes, not both", remedy)
            return None
        if self.ambiguous and set(present.tolist()) == {0, 255}:
            problems.add(
                where,
                "values 0 and 255 alone, of which 255 would be ignored, in a dataset of two classes",
                "to know what 255 means",
                f"Say it: `labels: {{0: {self.classes[0]}, 255: {self.classes[1]}}}`, or `ignore_label: 255`.",
            )
            return None
        outside = (present < 0) | (present > 65535)
        unknown = present[outside | (self.table[np.where(outside, 0, present)] == UNKNOWN)]
        if unknown.size and not self.ignore_unknown:
            counts = [int((values == value).sum()) for value in unknown[:10]]
            pairs = zip(unknown[:10].tolist(), counts, strict=True)
            found = "value " + ", ".join(f"{value} ({count} pixels)" for value, count in pairs)
            remedy = "Add it to `labels` (a class or ignore), or set `ignore_label` or `unknown: ignore`."
            problems.add(where, found, f"one of {known_values(dict(sorted(self.values.items())))}", remedy)
            return None
        if outside.any():
            values = np.where((values < 0) | (values > 65535), self.unmapped, values)
        elif values.dtype == self.dtype and (self.lookup[present] == present).all():
            return values  # most masks hold the indices themselves
        return look_up(self.lookup, values)

    def _is_ambiguous(self, image: Image.Image, present: np.ndarray) -> bool:
        """Whether a palette's indices and its greys are both values of classes, and differ."""
        greys = greys_of(image)
        if greys is None or present.max(initial=0) >= len(greys) or (greys[present] == present).all():
            return False
        return (
            all((self.table[read] != UNKNOWN).all() for read in (present, greys[present]))
            and not (self.table[greys[present]] == self.ignore).any()
        )


class ColourMap:
    """From colours on disk to class indices."""

    def __init__(
        self,
        classes: list[str],
        ignore: int,
        colours: dict[str, tuple[int, int, int]],
        ignore_unknown: bool = False,
        largest: float = LARGEST_MEGAPIXELS,
    ) -> None:
        """Make the map; colours: class name or `ignore` -> R, G, B; ignore_unknown, largest: as in LabelMap."""
        self.largest = largest
        self.ignore, self.ignore_unknown = ignore, ignore_unknown
        indices = {name: index for index, name in enumerate(classes)} | {IGNORE: ignore}
        self.dtype = np.uint8 if ignore < 256 else np.uint16
        self.colours = colours
        keys = {
            (red << 16) + (green << 8) + blue: indices[name] for name, (red, green, blue) in colours.items()
        }
        self.keys = np.array(sorted(keys), dtype=np.int64)
        self.labels = np.array([keys[key] for key in sorted(keys)], dtype=self.dtype)

    def read(self, path: Path | bytes, where: str, problems: Problems) -> np.ndarray | None:
        """Return the mask (H, W) of class indices; None, and a problem, if it cannot be read or mapped."""
        image = open_mask(path, where, problems, self.largest)
        if image is None:
            return None
        if image.info.get("bits", 8) > 8:
            found, remedy = "colours of 16 bits per channel", "Save it with 8 bits per channel."
            problems.add(where, found, "colours of 8 bits", remedy)
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
            known = known_values({name: list(colour) for name, colour in self.colours.items()})
            # blended colours at outlines, from resizing or lossy compression, are the usual case
            remedy = "Add it to `mask_colours` (a class or ignore), or set `unknown: ignore`."
            problems.add(where, found, f"one of {known}", remedy)
            return None
        return np.where(unknown, self.dtype(self.ignore), self.labels[places])


def open_mask(
    path: Path | bytes, where: str, problems: Problems, largest: float = LARGEST_MEGAPIXELS
) -> Image.Image | None:
    """Open and decode a mask; None, and a problem, if it is missing, cannot be decoded, or was compressed with loss.

    path: of the file, or its content.

    `info["bits"]` of what is returned: bits per sample in the file.
    """
    if isinstance(path, Path) and not path.is_file():
        problems.add(where, "no such mask", "one mask per image", "Add it, or correct the `masks` pattern.")
        return None
    try:
        content = path if isinstance(path, bytes) else path.read_bytes()
        header = png_header(content)
        with open_any(io.BytesIO(content), largest) as image:
            kind = image.format
            bits = header[0] if header else _bits_of_tiff(image)
            image.load()
    except DECODING_ERRORS as error:
        found = undecodable(error).replace("the image", "the mask", 1)
        problems.broken(where, found, "a complete PNG", "Fetch the file anew, or leave the image out.")
        return None
    if kind in LOSSY:
        remedy = "Fetch or export the masks as PNG: compression with loss changes labels at every outline."
        problems.add(where, f"a mask in {kind}", "a format that keeps values, such as PNG", remedy)
        return None
    image.info["bits"] = bits
    return image


def _bits_of_tiff(image: Image.Image) -> int:
    bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (8,))
    return int(bits[0] if isinstance(bits, tuple) else bits)


def greys_of(image: Image.Image) -> np.ndarray | None:
    """Greys (n,) of a palette of greys alone, of which there are more than black and white; else None."""
    if image.mode != "P":
        return None
    palette = np.array(image.getpalette("RGB"), dtype=np.int64).reshape(-1, 3)
    if len(palette) <= 2 or (palette != palette[:, :1]).any():
        return None
    return palette[:, 0]


def values_of(image: Image.Image, where: str, problems: Problems, rule: ValueRule) -> np.ndarray | None:
    """Return the values (H, W), of 8 or 16 bits or int64, as the file stores them.

    None, and a problem, if it does not hold one a pixel. image: of `open_mask`.

    Of a palette image the indices count, not the colours. Grey of 1, 2 and 4 bits is not stretched to 255, as
    decoders do for showing it.
    """
    bits = image.info["bits"]
    if rule.channel is not None and image.mode in ("RGB", "RGBA") and bits <= 8:
        values = np.asarray(image)[..., CHANNELS[rule.channel]]
    elif image.mode == "1":
        values = np.asarray(image).astype(np.uint8)
    elif image.mode in ("L", "LA"):
        grey = image.getchannel("L") if image.mode == "LA" else image
        values = np.asarray(grey)
        if bits in SCALES:
            values = values // SCALES[bits]
        if bits > 8:
            found = "grey of 16 bits with transparency"
            problems.add(where, found, "one channel", "Save it without its transparency.")
            return None
    elif image.mode == "F":
        floats = np.asarray(image)
        values = np.nan_to_num(floats, nan=-1, posinf=-1, neginf=-1).astype(np.int64)
        if (values != floats).any():
            odd = ", ".join(f"{value:g}" for value in np.unique(floats[values != floats])[:5])
            remedy = "Save class indices as integers: fractions come from resizing or averaging."
            problems.add(where, f"value {odd}", "whole numbers", remedy)
            return None
    elif image.mode == "P" or image.mode.startswith("I"):
        values = np.asarray(image)
        if values.dtype not in (np.uint8, np.uint16):
            values = values.astype(np.int64)
    elif bits > 8 and image.mode in ("RGB", "RGBA"):
        remedy = "Save it with 8 bits per channel, or in one channel."
        problems.add(where, f"a mask of mode {image.mode} with {bits} bits per channel", "8 bits", remedy)
        return None
    else:
        remedy = (
            "Set `mask_colours` if its colours are the labels, `channel` if one channel holds them (CARLA: red), "
            "else convert it to one channel."
        )
        problems.add(where, f"a mask of mode {image.mode}", "a grey or palette image", remedy)
        return None
    if rule.divide > 1:
        values = np.where(values >= rule.divide_from, values // rule.divide, values)
    return values
