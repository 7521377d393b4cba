"""USPS: handwritten digits of 16 x 16 pixels, as LIBSVM distributes them, in idx files, or in folders."""

from __future__ import annotations

import bz2
import functools
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.official.base import Item, OfficialAdapter, OfficialSettings, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.digits_reader import DigitsReader
from transfer_atlas.datasets.official.files import find_files
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

SIDE = 16
CARD = Card(
    title="USPS",
    obtain="https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass.html#usps",
    archives=("usps.bz2 and usps.t.bz2",),
    layout=("usps.bz2 and usps.t.bz2; or idx files as of MNIST; or {train,test}/{0..9}/*.png",),
    gigabytes=0.01,
    licence="not stated; cite",
    citation="Hull, A Database for Handwritten Text Recognition Research, IEEE PAMI 1994",
    expected={"classification": {"train": 7291, "val": 2007}},
    differences=("LIBSVM counts digits from 1, and pixels from -1 to 1: they are 0 to 9 and 0 to 255 here.",),
)


class Settings(OfficialSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("classification",)
    name: Literal["usps"] = "usps"
    path: str = Field("usps", description="Folder with the files, or with train and test.")
    splits: dict[str, str] = Field(
        {"train": "train", "val": "test"},
        min_length=1,
        description="Split -> the dataset's own split it is made of.",
    )


@functools.lru_cache(maxsize=2)
def _read_libsvm(path: Path, size: int, changed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 16, 16) uint8 and digits (N,) of a file of lines `digit+1 1:value ... 256:value`."""
    content = path.read_bytes()
    try:
        text = (bz2.decompress(content) if content[:3] == b"BZh" else content).decode("ascii")
        images, digits = [], []
        for line in filter(None, text.splitlines()):
            digit, *pairs = line.split()
            pixels = np.full(SIDE * SIDE, -1.0)
            for pair in pairs:
                index, value = pair.split(":")
                pixels[int(index) - 1] = float(value)
            images.append(np.rint((pixels + 1) * 127.5).clip(0, 255).astype(np.uint8).reshape(SIDE, SIDE))
            digits.append(int(float(digit)) - 1)
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise ValueError(str(error)) from error
    if not digits or not set(digits) <= set(range(10)):
        raise ValueError("digits that are not counted from 1 to 10")
    return np.stack(images), np.array(digits)


class UspsReader(DigitsReader):
    """LIBSVM's files where they are there."""

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images by line."""
        own = split_on_disk(self.settings, split, ("train", "test"), self.dataset)
        name = "usps.t" if own == "test" else "usps"
        files = [path for ending in (".bz2", "") for path in find_files(self.folder, f"**/{name}{ending}")]
        if not files:
            return super().items(split, problems)
        try:
            digits = _libsvm(files[0])[1]
        except ValueError as error:
            raise DatasetError(
                f"Dataset '{self.dataset}': {files[0]} is not as expected ({error}). Expected LIBSVM's usps.bz2: fetch "
                "it anew."
            ) from error
        return [
            Item(f"{own}/{at:05d}", split, files[0], known=("libsvm", digit, at))
            for at, digit in enumerate(digits.tolist())
        ]

    def image(self, item: Item, problems: Problems) -> bytes | np.ndarray | None:
        """The image, (16, 16, 3) uint8 of LIBSVM's files, else as MNIST's."""
        if isinstance(item.known, tuple) and item.known[0] == "libsvm":
            return np.repeat(_libsvm(item.image)[0][item.known[2]][..., None], 3, axis=2)
        return super().image(item, problems)


def _libsvm(path: Path) -> tuple[np.ndarray, np.ndarray]:
    status = path.stat()
    return _read_libsvm(path, status.st_size, status.st_mtime_ns)


ADAPTER = OfficialAdapter(Settings, UspsReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
