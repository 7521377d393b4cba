"""CIFAR-10: ten classes, from the binary version of the archive."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import OfficialAdapter, OfficialSettings
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.cifar_reader import CifarReader
from transfer_atlas.datasets.prepared import TaskType

CARD = Card(
    title="CIFAR-10",
    obtain="https://www.cs.toronto.edu/~kriz/cifar.html",
    archives=("cifar-10-binary.tar.gz",),
    layout=("cifar-10-batches-bin/*.bin",),
    gigabytes=0.2,
    licence="not stated; cite",
    citation="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    expected={"classification": {"train": 50000, "val": 10000}},
)


class Settings(OfficialSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("classification",)
    name: Literal["cifar10"] = "cifar10"
    path: str = Field("cifar10", description="Folder with cifar-10-batches-bin.")
    splits: dict[str, str] = Field(
        {"train": "train", "val": "test"},
        min_length=1,
        description="Split -> the dataset's own split it is made of.",
    )


class Cifar10Reader(CifarReader):
    """Rows of 1 label byte(s) and 3072 bytes of pixels."""

    archive, names, labels = "cifar-10-batches-bin", "batches.meta.txt", 1
    files: ClassVar = {
        "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        "test": ("test_batch.bin",),
    }


ADAPTER = OfficialAdapter(Settings, Cifar10Reader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
