"""CIFAR-100: a hundred classes, from the binary version of the archive."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import OfficialAdapter, OfficialSettings
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.cifar_reader import CifarReader
from transfer_atlas.datasets.prepared import TaskType

CARD = Card(
    title="CIFAR-100",
    obtain="https://www.cs.toronto.edu/~kriz/cifar.html",
    archives=("cifar-100-binary.tar.gz",),
    layout=("cifar-100-binary/*.bin",),
    gigabytes=0.2,
    licence="not stated; cite",
    citation="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    expected={"classification": {"train": 50000, "val": 10000}},
)


class Settings(OfficialSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("classification",)
    name: Literal["cifar100"] = "cifar100"
    path: str = Field("cifar100", description="Folder with cifar-100-binary.")
    splits: dict[str, str] = Field(
        {"train": "train", "val": "test"},
        min_length=1,
        description="Split -> the dataset's own split it is made of.",
    )


class Cifar100Reader(CifarReader):
    """Rows of 2 label byte(s) and 3072 bytes of pixels."""

    archive, names, labels = "cifar-100-binary", "fine_label_names.txt", 2
    files: ClassVar = {"train": ("train.bin",), "test": ("test.bin",)}


ADAPTER = OfficialAdapter(Settings, Cifar100Reader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
