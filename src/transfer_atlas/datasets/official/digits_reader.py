"""What readers of MNIST and USPS share: idx files, plain or compressed, and folders of ten classes."""

from __future__ import annotations

import functools
import gzip
import zlib
from pathlib import Path

import numpy as np

from transfer_atlas.datasets.official.base import Item, OfficialSettings, split_on_disk
from transfer_atlas.datasets.official.class_folders import IMAGES, ClassReader
from transfer_atlas.datasets.official.files import find_files
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

KINDS = {"images": "idx3", "labels": "idx1"}
PREFIXES = {"train": ("train",), "test": ("t10k", "test")}


def read_idx(path: Path) -> np.ndarray:
    """Contents of an idx file of bytes, compressed or not.

    Four bytes (0, 0, 8 for unsigned bytes, number of dimensions), the sizes as 32 bits with the high byte first,
    the values. Raises ValueError if it is something else, or incomplete.
    """
    content = path.read_bytes()
    try:
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"a damaged gzip file ({error})") from error
    if content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * content[3]:
        raise ValueError("no idx file of bytes")
    sizes = np.frombuffer(content, ">u4", count=content[3], offset=4).astype(int)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * len(sizes))
    if values.size != sizes.prod():
        raise ValueError(f"{values.size} values, not {' x '.join(map(str, sizes))}")
    return values.reshape(sizes)


@functools.lru_cache(maxsize=2)
def _remembered(path: Path, size: int, changed: int) -> np.ndarray:
    """An idx file; size and time of change tell an edited one from the one remembered."""
    return read_idx(path)


class DigitsReader(ClassReader):
    """Ten classes, `0` to `9`; grey images."""

    def __init__(self, settings: OfficialSettings, root: Path, dataset: str) -> None:
        super().__init__(settings, root, dataset)
        self.classes = [str(digit) for digit in range(10)]

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images by row of the idx files, or by class and name of the folders."""
        own = split_on_disk(self.settings, split, ("train", "test"), self.dataset)
        images, labels = (self._file(own, kind) for kind in KINDS)
        if images is not None and labels is not None:
            return self._rows(images, labels, own, split)
        for place in (self.folder, *sorted(path for path in self.folder.iterdir() if path.is_dir())):
            found = [p for digit in self.classes for p in find_files(place, f"{own}*/{digit}/*", IMAGES)]
            if found:
                self.place = place
                return self.labelled([(path, path.parent.name) for path in found], split)
        self.no_image(split, f"{own}-images-idx3-ubyte and its labels, or {own}/0 to {own}/9", problems)
        return []

    def _file(self, own: str, kind: str) -> Path | None:
        """The idx file of a split, with `-` or `.` before `idx`, compressed or not, in any folder."""
        for prefix in PREFIXES[own]:
            for mark in ("-", "."):
                found = find_files(self.folder, f"**/{prefix}-{kind}{mark}{KINDS[kind]}-ubyte*")
                if found:
                    return found[0]
        return None

    def _rows(self, images: Path, labels: Path, own: str, split: str) -> list[Item]:
        try:
            pixels, digits = _of(images), _of(labels)
            if pixels.ndim != 3 or digits.shape != pixels.shape[:1] or (digits > 9).any():
                raise ValueError(f"{pixels.shape} pixels for {digits.shape} digits")
        except ValueError as error:
            raise DatasetError(
                f"Dataset '{self.dataset}': {images} and {labels.name} are not as expected ({error}). Expected "
                "idx files of images and of as many digits: fetch them anew."
            ) from error
        return [
            Item(f"{own}/{at:05d}", split, images, known=(at, digit))
            for at, digit in enumerate(digits.tolist())
        ]

    def image(self, item: Item, problems: Problems) -> bytes | np.ndarray | None:
        """The image, (H, W, 3) uint8 of an idx file, or a file's bytes."""
        if not isinstance(item.known, tuple):
            return super().image(item, problems)
        grey = _of(item.image)[item.known[0]]
        return np.ascontiguousarray(np.repeat(grey[..., None], 3, axis=2))

    def label(self, item: Item, problems: Problems) -> int:
        """The digit."""
        return item.known[1] if isinstance(item.known, tuple) else item.known


def _of(path: Path) -> np.ndarray:
    status = path.stat()
    return _remembered(path, status.st_size, status.st_mtime_ns)
