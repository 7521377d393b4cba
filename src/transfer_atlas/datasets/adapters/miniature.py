"""The generated miniature datasets: rendered on the spot, nothing to fetch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from transfer_atlas.datasets.prepared import Record, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import ConfigurationError
from transfer_atlas.strict import Introduced, Strict

CHUNK = 32  # images rendered at a time: enough to amortise a call, few enough to stay small in memory


class Settings(Strict):
    """Settings of the adapter."""

    name: Literal["miniature"] = "miniature"
    dataset: str = Field(description="Name of the miniature dataset.")
    seed: int = Field(0, description="Seed of the generator.")
    image_size: int = Field(128, ge=16, description="Side of the square images in pixels.")
    normals: Annotated[bool, Introduced(False)] = Field(
        False, description="Whether surface normals are derived from the depth, by each image's own camera."
    )
    n_train: int | None = Field(
        None, ge=1, description="Number of training images, if not the dataset's own."
    )
    n_val: int | None = Field(
        None, ge=1, description="Number of validation images, if not the dataset's own."
    )
    cities: Annotated[int | None, Introduced(None)] = Field(
        None,
        ge=2,
        le=100,
        description="Number of sub-domains, which differ in light, weather, colours and camera; ids of images begin "
        "with theirs, so that a part is `images: [city0_*]`. One domain if absent.",
    )
    modalities: Annotated[list[Literal["brightness", "thermal", "distance"]] | None, Introduced(None)] = (
        Field(
            None,
            min_length=1,
            max_length=3,
            description="What the channels of images show of the same scenes in place of colours: brightness, the heat "
            "of materials, distance; one as grey, or up to three.",
        )
    )

    @property
    def known_modalities(self) -> tuple[str, ...]:
        """What can be chosen, in the order in which channels show it."""
        return ("brightness", "thermal", "distance")

    @model_validator(mode="after")
    def _modalities_in_order(self) -> Self:
        if self.modalities is not None:
            chosen = [each for each in self.known_modalities if each in self.modalities]
            object.__setattr__(self, "modalities", chosen)
        return self


def raw_path(settings: Settings) -> None:
    """No raw files: the settings and the generator's code are the version."""
    return None


def task_types(settings: Settings) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold."""
    from transfer_atlas.datasets import miniature

    found = miniature.specification(settings.dataset).task_types
    return (*found, "normals") if settings.normals else found


def describe(settings: Settings, root: Path, dataset: str) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, counts, mean and std."""
    from transfer_atlas.datasets import miniature

    described = miniature.describe(settings.dataset)
    if settings.normals and described.get("depth") is None:
        raise ConfigurationError(
            f"{dataset}: normals are derived from depth, which {settings.dataset} does not have."
        )
    return described | {"normals": {}} if settings.normals else described


def records(settings: Settings, root: Path, problems: Problems) -> Iterator[Record]:
    """Yield the images of split train, then val, in the order of their indices."""
    from transfer_atlas.datasets import miniature
    from transfer_atlas.datasets.miniature.rendering import render  # reading a study needs no renderer

    specification = miniature.specification(settings.dataset)
    numbers = {
        "train": specification.n_train if settings.n_train is None else settings.n_train,
        "val": specification.n_val if settings.n_val is None else settings.n_val,
    }
    for split, number in numbers.items():
        for start in range(0, number, CHUNK):
            indices = range(start, min(start + CHUNK, number))
            yield from render(
                settings.dataset,
                split,
                indices,
                seed=settings.seed,
                image_size=settings.image_size,
                normals=settings.normals,
                cities=settings.cities,
                modalities=settings.modalities,
            )
