"""Omniglot: characters of many alphabets, each drawn by the same twenty people."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import Item, OfficialAdapter, OfficialSettings, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.class_folders import ClassReader
from transfer_atlas.datasets.official.files import find_files, unpacked
from transfer_atlas.datasets.official.splits import held_out
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

CARD = Card(
    title="Omniglot",
    obtain="https://github.com/brendenlake/omniglot",
    archives=("images_background.zip", "images_evaluation.zip"),
    layout=("images_background/<alphabet>/<character>/*.png",),
    gigabytes=0.02,
    licence="MIT",
    citation="Lake et al., Human-level Concept Learning through Probabilistic Program Induction, Science 2015",
    differences=(
        "The two official parts have different characters, so that one cannot be evaluated on the other: within a "
        "part, drawings of a share of the twenty people are held out by a seeded rule.",
    ),
)


class Settings(OfficialSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("classification",)
    name: Literal["omniglot"] = "omniglot"
    path: str = Field("omniglot", description="Folder with images_background (and images_evaluation).")
    parts: list[Literal["background", "evaluation"]] = Field(
        ["background"], min_length=1, description="Official parts whose characters are the classes."
    )
    alphabets: list[str] | None = Field(
        None, min_length=1, description="Only these alphabets, by folder name; by default all."
    )
    held_out: float = Field(0.2, gt=0, lt=1, description="Share of the people to evaluate on.")
    seed: int = Field(0, ge=0, description="Seed of that division.")


class OmniglotReader(ClassReader):
    """A class is a character of an alphabet; the last number of a file's name is the person."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(settings, root, dataset)
        self.place = unpacked(self.folder, "omniglot", "images_*")
        self.images = [
            (path, f"{path.parents[1].name}/{path.parent.name}")
            for part in sorted(settings.parts)
            for path in find_files(self.place, f"images_{part}/*/*/*", (".png",))
            if settings.alphabets is None or path.parents[1].name in settings.alphabets
        ]
        self.classes = sorted({name for _, name in self.images})
        if not self.classes:
            raise DatasetError(
                f"Dataset '{dataset}': no character in {self.place}. Expected images_{settings.parts[0]}/<alphabet>/"
                "<character>/*.png: unpack the archive there, or correct `path` or `alphabets`."
            )

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Drawings by alphabet, character and person."""
        own = split_on_disk(self.settings, split, ("train", "val"), self.dataset)
        people = {path.stem.rpartition("_")[2] for path, _ in self.images}
        out = held_out(people, self.settings.held_out, self.settings.seed)
        chosen = [
            (path, name)
            for path, name in self.images
            if (path.stem.rpartition("_")[2] in out) == (own == "val")
        ]
        return self.labelled(chosen, split)


ADAPTER = OfficialAdapter(Settings, OmniglotReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
