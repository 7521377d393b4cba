"""Segmentation datasets of one image file and one mask file per image, in any folders."""

from __future__ import annotations

import colorsys
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import RawSettings, existing_folder, relative_to
from transfer_atlas.datasets.adapters.masks import IGNORE, ColourMap, LabelMap
from transfer_atlas.datasets.adapters.patterns import fields_of, find
from transfer_atlas.datasets.prepared import IGNORE_LABEL, IGNORE_LABEL_16_BITS, Record, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

Byte = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Byte, Byte, Byte]


class Settings(RawSettings):
    """Settings of the adapter."""

    name: Literal["image_mask_folders"] = "image_mask_folders"
    path: str = Field(description="Folder of the raw dataset, relative to the data root.")
    images: str = Field(
        "images/{split}/*.jpg",
        description="Pattern of the images below `path`. {split} is the split's name on disk; `*` and other "
        "{names} match within one folder or file name.",
    )
    masks: str = Field(
        "masks/{split}/{stem}.png",
        description="Path of an image's mask below `path`, with the parts its image matched; {stem} is "
        "the image's file name without suffix, {parent} its folder's name, unless matched by name.",
    )
    splits: dict[str, str] = Field(
        {"train": "train", "val": "val"}, min_length=1, description="Split -> its name on disk, for {split}."
    )
    lists: dict[str, str] | None = Field(
        None,
        description="Split -> text file below `path`, one {stem} (or path of an image) a line, "
        "where folders do not tell splits.",
    )
    classes: list[str] = Field(
        min_length=1, description="Names of the classes, in the order of their indices."
    )
    colours: list[Colour] | None = Field(
        None,
        description="Colour of each class in figures; by default those of the masks, or evenly spread hues.",
    )
    ignore_label: Annotated[int, Field(ge=0, le=65535)] | None = Field(
        255,
        description="Value on disk of pixels that are neither trained nor evaluated; null: there are none.",
    )
    labels: dict[Annotated[int, Field(ge=0, le=65535)], str] | None = Field(
        None, description="Value on disk -> class name or `ignore`; by default the index of the class."
    )
    mask_colours: dict[str, Colour] | None = Field(
        None, description="Class name or `ignore` -> R, G, B, where the masks' colours are the labels."
    )

    unknown: Literal["error", "ignore"] = Field(
        "error",
        description="What values or colours of masks that are in no map are: an error, or ignored pixels.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if IGNORE in self.classes:
            raise ValueError(f"classes: '{IGNORE}' stands for pixels left out, and cannot name a class")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes: a name occurs twice")
        if self.colours is not None and len(self.colours) != len(self.classes):
            raise ValueError(
                f"colours: {len(self.colours)} for {len(self.classes)} classes; expected one each"
            )
        if self.labels is not None and self.mask_colours is not None:
            raise ValueError("labels and mask_colours exclude each other: masks hold values or colours")
        for key, names in (
            ("labels", (self.labels or {}).values()),
            ("mask_colours", self.mask_colours or {}),
        ):
            unknown = sorted(set(names) - {*self.classes, IGNORE})
            if unknown:
                raise ValueError(f"{key}: {unknown} are not among the classes, nor '{IGNORE}'")
        if self.mask_colours is not None and len(set(self.mask_colours.values())) != len(self.mask_colours):
            raise ValueError("mask_colours: two classes have the same colour")
        if self.lists is None and len(self.splits) > 1 and "{split}" not in self.images:
            raise ValueError("images: without {split} all splits would be the same; add it, or `lists`")
        known = fields_of(self.images) | {"split", "stem", "parent"}
        if fields_of(self.masks) - known:
            raise ValueError(f"masks: {sorted(fields_of(self.masks) - known)} do not occur in images")
        return self


def raw_path(settings: Settings) -> str:
    """Path of the raw files relative to the data root."""
    return settings.path


def task_types(settings: Settings) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold."""
    return ("segmentation",)


def describe(settings: Settings, root: Path, dataset: str) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, domain, counts, mean and std."""
    colours = settings.colours
    if colours is None and settings.mask_colours and set(settings.classes) <= set(settings.mask_colours):
        colours = [settings.mask_colours[name] for name in settings.classes]
    if colours is None:
        hues = [index / len(settings.classes) for index in range(len(settings.classes))]
        colours = [tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.7, 0.9)) for hue in hues]
    return {
        "segmentation": {"classes": settings.classes, "colours": colours},
        "source": settings.source,
        "licence": settings.licence,
    }


def records(settings: Settings, root: Path, problems: Problems) -> Iterator[Record]:
    """Yield one record per image, by split and then by path; ids are paths below `path` without suffix."""
    folder = existing_folder(root, settings.path, problems.dataset)
    ignore = IGNORE_LABEL if len(settings.classes) <= IGNORE_LABEL else IGNORE_LABEL_16_BITS
    lenient = settings.unknown == "ignore"
    if settings.mask_colours is not None:
        masks = ColourMap(settings.classes, ignore, settings.mask_colours, lenient)
    else:
        masks = LabelMap(settings.classes, ignore, settings.ignore_label, settings.labels, lenient)
    for split in settings.lists or settings.splits:
        for path, parts in _images(settings, folder, split, problems):
            where = relative_to(path, root)
            mask_path = folder / settings.masks.format(**parts)
            mask_file = relative_to(mask_path, root)
            mask = masks.read(mask_path, f"{mask_file} (mask of {where})", problems)
            if mask is not None:
                yield Record(
                    id=relative_to(path, folder).removesuffix(path.suffix),
                    split=split,
                    image=path.read_bytes(),
                    mask=mask,
                    extra={"image_file": where, "mask_file": mask_file},
                )


def _images(
    settings: Settings, folder: Path, split: str, problems: Problems
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield the images of a split with the parts they matched."""
    known = {"split": settings.splits.get(split, split)}
    found = list(find(folder, settings.images, known))
    if not found:
        where = f"{folder}/{settings.images.replace('{split}', known['split'])}"
        remedy = "Correct `images`, `splits` or `path`; suffixes are case-sensitive."
        problems.add(where, f"no file matches (split {split})", "the images of the split", remedy)
        return
    if settings.lists is None:
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
