"""What readers of datasets with one class an image share: class folders, and seeded splits within each class."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field

from transfer_atlas.datasets.official.base import Item, OfficialSettings, Reader
from transfer_atlas.datasets.official.splits import held_out
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

IMAGES = (".jpg", ".jpeg", ".png", ".bmp")


class SeededSettings(OfficialSettings):
    """Settings of datasets without an official split."""

    held_out: float = Field(0.2, gt=0, lt=1, description="Share of each class's images to evaluate on.")
    seed: int = Field(0, ge=0, description="Seed of that division.")


class ClassReader(Reader):
    """Readers whose items know their class index; `classes` is set by the adapter."""

    classes: list[str]

    def description(self) -> dict[str, Any]:
        """Per task type, the fields of its description."""
        return {"classification": {"classes": self.classes}}

    def label(self, item: Item, problems: Problems) -> int:
        """Index of the image's class."""
        return item.known

    def no_image(self, split: str, expected: str, problems: Problems) -> None:
        """Add the problem that a split is empty."""
        remedy = "Unpack the archive there, or correct `path`."
        problems.add(self.name(self.folder), f"no image (split {split})", expected, remedy)

    def labelled(self, images: Iterable[tuple[Path, str]], split: str) -> list[Item]:
        """Items of (image, class)."""
        indices = {name: at for at, name in enumerate(self.classes)}
        return [Item(self.identifier(path), split, path, known=indices[name]) for path, name in images]

    def divided(self, images: list[tuple[Path, str]], own: str) -> list[tuple[Path, str]]:
        """Those of (image, class) that are trained on, or of `val` those held out, of each class and folder alike."""
        groups: dict[Path, list[str]] = {}
        for path, _ in images:
            groups.setdefault(path.parent, []).append(path.name)
        out = {
            folder / name
            for folder, names in groups.items()
            for name in held_out(names, self.settings.held_out, self.settings.seed)
        }
        return [(path, name) for path, name in images if (path in out) == (own == "val")]


def checked_classes(found: set[str], number: int, where: Path, dataset: str) -> list[str]:
    """Class names, sorted; DatasetError if there are more than the dataset has, or none.

    Fewer are what a part of a dataset has, and are said in its card.
    """
    if found and len(found) <= number:
        return sorted(found)
    said = f"{len(found)} class folders" if found else "no class folder"
    raise DatasetError(
        f"Dataset '{dataset}': {said} in {where}. Expected {number}: unpack the archive there, or correct `path`."
    )
