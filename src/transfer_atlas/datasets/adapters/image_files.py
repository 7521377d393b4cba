"""Where the images of a dataset are: the part of the settings that all adapters of image files share."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Self

from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import RawSettings
from transfer_atlas.datasets.adapters.patterns import fields_of, find
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError


class ImageFiles(RawSettings):
    """Folder, pattern and splits of the images."""

    path: str = Field(description="Folder of the raw dataset, relative to the data root.")
    images: str = Field(
        "images/{split}/*.jpg",
        description="Pattern of the images below `path`. {split} is the split's name on disk; `*` and other "
        "{names} match within one folder or file name.",
    )
    splits: dict[str, str] = Field(
        {"train": "train", "val": "val"}, min_length=1, description="Split -> its name on disk, for {split}."
    )

    def used(self, splits: Collection[str] | None = None) -> list[str]:
        """Names of the splits, sorted: the order in the settings means nothing. splits: only these of them."""
        names = sorted(getattr(self, "lists", None) or self.splits)
        return [name for name in names if splits is None or name in splits]

    def check_pattern(self, name: str, pattern: str) -> None:
        """Raise ValueError if a pattern of files that belong to images has parts no image matches."""
        unknown = fields_of(pattern) - fields_of(self.images) - {"split", "stem", "parent"}
        if unknown:
            raise ValueError(f"{name}: {sorted(unknown)} do not occur in images")


class ListedImageFiles(ImageFiles):
    """Images whose splits are told by folders, or by list files."""

    lists: dict[str, str] | None = Field(
        None,
        description="Split -> text file below `path`, one {stem} (or path of an image) a line, "
        "where folders do not tell splits.",
    )

    @model_validator(mode="after")
    def _splits_differ(self) -> Self:
        if self.lists is None and len(self.splits) > 1 and "{split}" not in self.images:
            raise ValueError("images: without {split} all splits would be the same; add it, or `lists`")
        return self


def images_of(
    settings: ImageFiles, folder: Path, split: str, problems: Problems
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield the images of a split in the order of their paths, with the parts of the pattern they matched."""
    known = {"split": settings.splits.get(split, split)}
    found = list(find(folder, settings.images, known))
    if not found:
        where = f"{folder}/{settings.images.replace('{split}', known['split'])}"
        remedy = "Correct `images`, `splits` or `path`; suffixes are case-sensitive."
        problems.add(where, f"no file matches (split {split})", "the images of the split", remedy)
    yield from found


def listed_images(
    settings: ListedImageFiles, folder: Path, split: str, problems: Problems
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield the images of a split as `images_of` does, or those of its list file, in the order of the file."""
    found = list(images_of(settings, folder, split, problems))
    if settings.lists is None or not found:
        yield from found
        return
    by_stem: dict[str, list[tuple[Path, dict[str, str]]]] = {}
    for path, parts in found:
        by_stem.setdefault(parts["stem"], []).append((path, parts))
    list_file = folder / settings.lists[split]
    if not list_file.is_file():
        raise DatasetError(
            f"Dataset '{problems.dataset}': the list file {list_file} does not exist. Expected a text file "
            f"with one image's stem a line for split {split}: correct `lists`, or fetch the file."
        )
    for number, line in enumerate(list_file.read_text(encoding="utf-8").splitlines(), start=1):
        stem = _stem(line, by_stem)
        if stem and len(by_stem.get(stem, [])) != 1:
            found_text = f"'{stem}' is the stem of {len(by_stem.get(stem, []))} images"
            remedy = "Correct the list or the `images` pattern."
            problems.add(f"{list_file}, line {number}", found_text, "of exactly one", remedy)
        elif stem:
            yield by_stem[stem][0]


def _stem(line: str, known: Collection[str]) -> str:
    """Stem that a line of a list file names: itself, or as (the first word of it) a path."""
    line = line.strip()
    paths = [PurePosixPath(text) for text in (line, *line.split()[:1])]
    return next((stem for stem in (line, *(path.stem for path in paths)) if stem in known), line)
