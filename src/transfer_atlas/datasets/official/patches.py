"""Cuts large images into overlapping squares, as the authors' data code does."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from transfer_atlas.datasets.official.files import decoded

SIZE, OVERLAP = 800, 200
Window = tuple[int, int, int, int]  # y0, y1, x0, x1


def windows(width: int, height: int, size: int = SIZE, overlap: int = OVERLAP) -> list[Window]:
    """Squares that cover an image, by row and then by column.

    They start every size - overlap pixels; one that would reach out is moved back to the border, and one that
    is there already is not repeated. An image that is smaller than a square in either direction stays whole.
    """
    if width < size or height < size:
        return [(0, height, 0, width)]

    def starts(length: int) -> list[int]:
        return list(dict.fromkeys(min(at, length - size) for at in range(0, length, size - overlap)))

    return [(y, y + size, x, x + size) for y in starts(height) for x in starts(width)]


def cut(path: Path, window: Window, largest: float) -> np.ndarray:
    """One square of an image in colours, (h, w, 3) uint8; ValueError if the file is damaged, or larger.

    largest: megapixels of the whole image.

    The last two images stay in memory, since their squares are read one after another.
    """
    status = path.stat()
    y0, y1, x0, x1 = window
    return _whole(path, status.st_size, status.st_mtime_ns, largest)[y0:y1, x0:x1]


@functools.lru_cache(maxsize=2)
def _whole(path: Path, size: int, changed: int, largest: float) -> np.ndarray:
    """The image; size and time of change tell an edited file from the one remembered."""
    return decoded(path, "colours", largest)


def patch_name(base: str, window: Window) -> str:
    """The name that the authors' data code gives a square."""
    return "_".join([base, *map(str, window)])
