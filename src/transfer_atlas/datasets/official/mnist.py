"""MNIST: handwritten digits in idx files, or in folders of ten classes."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import OfficialAdapter, OfficialSettings
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.digits_reader import DigitsReader
from transfer_atlas.datasets.prepared import TaskType

CARD = Card(
    title="MNIST",
    obtain="http://yann.lecun.com/exdb/mnist, mirrored at https://ossci-datasets.s3.amazonaws.com/mnist",
    archives=("{train,t10k}-images-idx3-ubyte.gz", "{train,t10k}-labels-idx1-ubyte.gz"),
    layout=("train-images-idx3-ubyte and the three others, plain or .gz; or {train,test}/{0..9}/*.png",),
    gigabytes=0.01,
    licence="CC BY-SA 3.0 (as commonly stated)",
    citation="LeCun et al., Gradient-based Learning Applied to Document Recognition, Proceedings of the IEEE 1998",
    expected={"classification": {"train": 60000, "val": 10000}},
    unverified=("The licence.",),
)


class Settings(OfficialSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("classification",)
    name: Literal["mnist"] = "mnist"
    path: str = Field("mnist", description="Folder with the idx files, or with train and test.")
    splits: dict[str, str] = Field(
        {"train": "train", "val": "test"},
        min_length=1,
        description="Split -> the dataset's own split it is made of.",
    )


ADAPTER = OfficialAdapter(Settings, DigitsReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
