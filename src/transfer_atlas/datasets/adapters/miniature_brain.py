"""Generated slices of brains in several modalities: rendered on the spot, nothing to fetch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from transfer_atlas.datasets.adapters.modalities import ChosenModalities
from transfer_atlas.datasets.prepared import Record, TaskType
from transfer_atlas.datasets.problems import Problems


class Settings(ChosenModalities):
    """Settings of the adapter."""

    name: Literal["miniature_brain"] = "miniature_brain"
    modalities: list[Literal["t1", "t1ce", "t2", "flair"]] = Field(
        ["t1", "t1ce", "flair"],
        min_length=1,
        max_length=3,
        description="Modalities that images show, as their channels: one as grey, or up to three as colours.",
    )
    seed: int = Field(0, ge=0, description="Seed of the generator.")
    image_size: int = Field(64, ge=32, description="Side of the square images in pixels.")
    n_train: int = Field(96, ge=1, description="Number of training images.")
    n_val: int = Field(32, ge=1, description="Number of validation images.")

    @property
    def known_modalities(self) -> tuple[str, ...]:
        """What can be chosen."""
        return ("t1", "t1ce", "t2", "flair")


def raw_path(settings: Settings) -> None:
    """No raw files: the settings and the generator's code are the version."""
    return None


def task_types(settings: Settings) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold."""
    return ("segmentation",)


def describe(settings: Settings, root: Path, dataset: str) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, counts, mean and std."""
    from transfer_atlas.datasets.miniature.brain import CLASSES, COLOURS  # reading a study needs no renderer

    return {
        "segmentation": {"classes": list(CLASSES), "colours": list(COLOURS)},
        "source": "Miniature world of Transfer Atlas: slices shaped after iSeg-2019 and FeTS, not those datasets.",
        "licence": "generated",
    }


def records(settings: Settings, root: Path, problems: Problems) -> Iterator[Record]:
    """Yield the images of split train, then val, in the order of their indices."""
    from transfer_atlas.datasets.miniature.brain import render

    for split, number in (("train", settings.n_train), ("val", settings.n_val)):
        for index in range(number):
            yield render(split, index, settings.modalities, seed=settings.seed, size=settings.image_size)
