"""Reads the files of images: their bytes, sizes and orientation, with a problem for what is not in order."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from transfer_atlas.datasets.encoding import DECODING_ERRORS, open_any, open_image, orientation_of
from transfer_atlas.datasets.problems import Problems

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)  # orientations that swap width and height


@dataclass(frozen=True)
class ReadImage:
    """An image as it goes into a record: content (bytes, or (H, W, 3) uint8 if it had to be turned), and its size."""

    content: bytes | np.ndarray
    size: tuple[int, int]


def read_image(path: Path, where: str, settings: Any, problems: Problems) -> ReadImage | None:
    """Read an image file; None, and a problem, if it is no image or its orientation is open.

    settings: with `orientation` (as_stored, as_shown, or None: refuse what is turned) and `largest_megapixels`.
    """
    content = read_bytes(path, where, problems)
    return None if content is None else taken_image(content, where, settings, problems)


def taken_image(content: bytes, where: str, settings: Any, problems: Problems) -> ReadImage | None:
    """As `read_image`, of the content of a file."""
    try:
        with open_any(io.BytesIO(content), settings.largest_megapixels) as opened:
            size, turned, kind = opened.size, orientation_of(opened), opened.format
    except DECODING_ERRORS as error:
        problems.broken(
            where, undecodable(error), "a complete image", "Fetch the file anew, or leave it out."
        )
        return None
    if turned == 1 or (settings.orientation == "as_stored" and kind != "TIFF"):
        return ReadImage(content, size)
    if settings.orientation == "as_shown":
        return _as_shown(content, where, settings, problems)
    shown = size[::-1] if turned in SIDEWAYS else size
    remedy = (
        "Set `orientation: as_stored`, or `as_shown` if the annotations fit the picture as viewers show it."
    )
    if settings.orientation == "as_stored":
        remedy = "Convert it: of TIFF only the picture as shown can be had. Or set `orientation: as_shown`."
    problems.add(
        where,
        f"the orientation in its EXIF data ({turned}) turns {size[0]} x {size[1]} to {shown[0]} x {shown[1]}",
        "to know which of the two its annotations are drawn on",
        remedy,
    )
    return None


def _as_shown(content: bytes, where: str, settings: Any, problems: Problems) -> ReadImage | None:
    try:
        with open_any(io.BytesIO(content), settings.largest_megapixels) as opened:
            turned, kind = orientation_of(opened), opened.format
        _, image = open_image(content, settings.largest_megapixels)
    except DECODING_ERRORS as error:
        problems.broken(
            where, undecodable(error), "a complete image", "Fetch the file anew, or leave it out."
        )
        return None
    if kind != "TIFF":  # which Pillow turns by itself
        image = image.transpose(TURNS[turned])
    return ReadImage(np.asarray(image), image.size)


def read_bytes(path: Path, where: str, problems: Problems) -> bytes | None:
    """Content of a file; None, and a problem, if it is missing or may not be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        found = f"the file cannot be read ({error.strerror})"
        problems.add(
            where, found, "a file that is there and may be read", "Restore it, or correct its permissions."
        )
        return None


def undecodable(error: Exception) -> str:
    """What is wrong with an image, without the name of a buffer that nobody knows."""
    said = "it is no image" if isinstance(error, UnidentifiedImageError) else str(error)
    return f"the image cannot be decoded ({said})"
