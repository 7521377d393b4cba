"""Segmented volumes in NIfTI or Analyze files (BraTS, FeTS, iSeg): slices of one axis, modalities as channels."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import RawSettings, existing_folder, relative_to
from transfer_atlas.datasets.adapters.mask_files import spread_colours
from transfer_atlas.datasets.adapters.modalities import ChosenModalities, as_colours
from transfer_atlas.datasets.adapters.patterns import Pattern, existing, fields_of, fill, find
from transfer_atlas.datasets.adapters.split_rules import split_by_share
from transfer_atlas.datasets.adapters.volume_files import SUFFIXES, Volume, read_volume, same_grid
from transfer_atlas.datasets.prepared import Entry, Record, TaskType
from transfer_atlas.datasets.problems import Problems

AXES = {"sagittal": 0, "coronal": 1, "axial": 2}  # of volumes turned to right, anterior, superior
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Settings(ChosenModalities, RawSettings):
    """Settings of the adapter."""

    name: Literal["nifti_volumes"] = "nifti_volumes"
    path: str = Field(description="Folder of the raw dataset, relative to the data root.")
    images: dict[Name, Pattern] = Field(
        min_length=1,
        description="Modality -> its file below `path`, one volume a {case}: `{case}/{case}_t1.nii.gz`.",
    )
    labels: Pattern = Field(
        description="File of a case's labels: `{case}/{case}_seg.nii.gz`. Cases without one are passed over."
    )
    classes: dict[str, int | list[int]] = Field(
        min_length=2,
        description="Class -> its value, or values, in the labels; the first by value is what surrounds the others.",
    )
    modalities: list[str] = Field(
        [],
        description="Modalities that images show, as their channels: one as grey, or up to three as colours. By "
        "default the first three by name.",
    )
    axis: Literal["axial", "coronal", "sagittal"] = Field(
        "axial", description="Axis that slices are cut along."
    )
    every: int = Field(1, ge=1, description="Every how manyth slice is taken.")
    least_labelled: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of a slice's pixels that must be of another class than the first.",
    )
    window: tuple[float, float] = Field(
        (0.5, 99.5),
        description="Percentiles of a volume's voxels, zeros left out, that become black and white.",
    )
    split: float = Field(
        0.2, gt=0, lt=1, description="Share of the cases' slices for validation, whole cases."
    )
    split_seed: int = Field(0, ge=0, description="Seed of `split`.")
    largest_megavoxels: float = Field(
        512.0,
        gt=0,
        description="Volumes with more voxels are refused: small files can be made to fill the memory.",
    )

    @property
    def known_modalities(self) -> tuple[str, ...]:
        """What can be chosen: the modalities of `images`, by name."""
        return tuple(sorted(self.images))

    @property
    def values(self) -> dict[int, int]:
        """Value on disk -> index of its class."""
        return {
            value: index
            for index, name in enumerate(self.class_names)
            for value in _values(self.classes[name])
        }

    @property
    def class_names(self) -> list[str]:
        """Names of the classes by their smallest value: the order in the settings means nothing."""
        return sorted(self.classes, key=lambda name: (min(_values(self.classes[name])), name))

    @model_validator(mode="before")
    @classmethod
    def _first_three(cls, values: Any) -> Any:
        if (
            isinstance(values, dict)
            and not values.get("modalities")
            and isinstance(values.get("images"), dict)
        ):
            return values | {"modalities": sorted(map(str, values["images"]))[:3]}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, pattern in {"labels": self.labels, **self.images}.items():
            if fields_of(pattern) != {"case"}:
                raise ValueError(
                    f"{name}: expected a pattern with {{case}} and no other name (found {pattern})"
                )
            if not pattern.lower().endswith(SUFFIXES):
                raise ValueError(
                    f"{name}: expected a file that ends in {', '.join(SUFFIXES)} (found {pattern})"
                )
        every = [value for values in self.classes.values() for value in _values(values)]
        if not all(map(_values, self.classes.values())) or len(set(every)) != len(every):
            raise ValueError("classes: each has a value at least, and no two the same")
        if not 0 <= self.window[0] < self.window[1] <= 100:
            raise ValueError(f"window is {list(self.window)}; expected 0 <= least < most <= 100")
        return self


def _values(values: int | list[int]) -> list[int]:
    return [values] if isinstance(values, int) else list(values)


def raw_path(settings: Settings) -> str:
    """Path of the raw files relative to the data root."""
    return settings.path


def task_types(settings: Settings) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold."""
    return ("segmentation",)


def describe(settings: Settings, root: Path, dataset: str) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, counts, mean and std."""
    colours = [(0, 0, 0), *spread_colours(len(settings.classes) - 1)]
    return {
        "segmentation": {"classes": settings.class_names, "colours": colours},
        "source": settings.source,
        "licence": settings.licence,
    }


@dataclass(frozen=True)
class _Case:
    """A case as its labels tell it: the file, its name in messages, the grid, and the slices that are taken."""

    name: str
    path: Path
    where: str
    grid: Volume
    slices: list[int]


def records(
    settings: Settings, root: Path, problems: Problems, splits: Collection[str] | None = None
) -> Iterator[Entry]:
    """Yield one entry per slice, by split, case and place; ids: case and number of the slice.

    Labels are read while slices are listed, since they say which are taken; volumes with the entries.
    """
    folder = existing_folder(root, settings.path, problems.dataset)
    labelled = {parts["case"]: path for path, parts in find(folder, settings.labels, {})}
    if not labelled:
        where = f"{folder}/{settings.labels}"
        problems.add(where, "no file matches", "one file of labels a case", "Correct `labels` or `path`.")
    for modality in settings.modalities:
        without = {
            parts["case"] for _, parts in find(folder, settings.images[modality], {})
        } - labelled.keys()
        problems.mention(f"cases without a file of labels ({modality})", len(without))
    listed = (_listed(settings, root, name, path, problems) for name, path in sorted(labelled.items()))
    cases = [case for case in listed if case is not None]
    groups = [case.name for case in cases for _ in case.slices]
    if cases and len(set(groups)) < 2:
        found = f"slices of {len(set(groups))} case(s)"
        remedy = "Fetch more cases, or lower `least_labelled`; slices of one case are never divided."
        problems.add(f"{folder}/{settings.labels}", found, "two cases or more to divide", remedy)
    validation = dict(zip(groups, split_by_share(groups, settings.split, settings.split_seed), strict=True))
    reader = _Reader(settings, folder, root)
    for split in ("train", "val"):
        for case in cases:
            if (splits is None or split in splits) and validation.get(case.name) == (split == "val"):
                for number in case.slices:
                    identifier = f"{case.name}_{number:03d}"
                    yield Entry(identifier, split, partial(reader.read, identifier, split, case, number))


def _listed(settings: Settings, root: Path, name: str, path: Path, problems: Problems) -> _Case | None:
    """A case as its labels tell it; None, and a problem, if they are not in order."""
    where = relative_to(path, root)
    found = _labels(settings, path, where, problems)
    if found is None:
        return None
    mask, grid = found
    slices = np.moveaxis(mask, AXES[settings.axis], 0)
    shares = (slices.reshape(len(slices), -1) > 0).mean(axis=1)
    if not shares.any():
        told = f"no voxel of another class than {settings.class_names[0]}"
        problems.add(where, told, "a labelled voxel", "Leave the case out, or correct `classes`.")
        return None
    taken = [at for at in range(0, len(shares), settings.every) if shares[at] >= settings.least_labelled]
    return _Case(name, path, where, grid, taken)


def _labels(
    settings: Settings, path: Path, where: str, problems: Problems
) -> tuple[np.ndarray, Volume] | None:
    """Class indices (X, Y, Z) of a file of labels, and its grid; None, and a problem, if it is not in order."""
    volume = read_volume(path, where, settings.largest_megavoxels, problems)
    mask = None if volume is None else _mask(volume.values, settings, where, problems)
    return None if volume is None or mask is None else (mask, volume.without_values())


def _mask(values: np.ndarray, settings: Settings, where: str, problems: Problems) -> np.ndarray | None:
    """Class indices (X, Y, Z) of labels; None, and a problem, for what is no label of the settings."""
    found = np.unique(values)
    odd = found[~(np.isfinite(found) & (np.rint(found) == found))]
    if len(odd):
        remedy = "Labels that were resampled must be by the nearest voxel: take the original file."
        problems.add(where, f"the label {odd[0]:g}, which is no whole number", "whole numbers", remedy)
        return None
    indices = settings.values
    unknown = [int(value) for value in found if int(value) not in indices]
    if unknown:
        expected = ", ".join(map(str, sorted(indices)))
        remedy = "Name its class in `classes`, or correct the file."
        problems.add(where, f"the label {unknown[0]}", f"one of {expected}", remedy)
        return None
    table = np.array([indices[int(value)] for value in found], dtype=np.uint8)
    return table[np.searchsorted(found, values)]


class _Reader:
    """Reads slices, case after case: the volumes of the last one are kept."""

    def __init__(self, settings: Settings, folder: Path, root: Path) -> None:
        self.settings, self.folder, self.root = settings, folder, root
        self.case: str | None = None
        self.volumes: list[np.ndarray] = []  # brightness (X, Y, Z) of the modalities, then the mask; or none

    def read(
        self, identifier: str, split: str, case: _Case, number: int, problems: Problems
    ) -> Record | None:
        if self.case != case.name:
            self.case, self.volumes = case.name, []
            self.volumes = self._volumes(case, problems)
        if not self.volumes:
            return None
        *channels, mask = (_slice(each, self.settings.axis, number) for each in self.volumes)
        extra = {"image_file": f"{case.where} (slice {number})", "mask_file": case.where}
        return Record(identifier, split, as_colours(channels), mask=mask, extra=extra)

    def _volumes(self, case: _Case, problems: Problems) -> list[np.ndarray]:
        """Brightness of the modalities, and the mask; none, with a problem, if one is not in order."""
        labels = _labels(self.settings, case.path, case.where, problems)
        if labels is None:
            return []
        found = []
        for modality in self.settings.modalities:
            path = existing(self.folder, fill(self.settings.images[modality], {"case": case.name}))
            where = relative_to(path, self.root)
            volume = read_volume(path, where, self.settings.largest_megavoxels, problems)
            if volume is None or not same_grid(volume, case.grid, where, case.where, problems):
                return []
            shown = brightness(volume.values, self.settings.window)
            if shown is None:
                remedy = "Fetch the file anew, or leave the case out."
                problems.add(where, "voxels that are all alike", "an image", remedy)
                return []
            found.append(shown)
        return [*found, labels[0]]


def brightness(values: np.ndarray, window: tuple[float, float]) -> np.ndarray | None:
    """Values of a volume as brightness uint8, from the lower to the upper percentile of what is not 0.

    None where there is nothing between the two. What is 0 stays black: scanners and skull stripping leave it around
    the head.
    """
    inside = values[values != 0]
    if not len(inside):
        return None
    low, high = np.percentile(inside, window)
    if not high > low:
        low, high = float(inside.min()), float(inside.max())
        if not high > low:
            return None
    scaled = np.clip((values - low) / (high - low), 0, 1)
    return np.where(values == 0, 0, np.rint(255 * scaled)).astype(np.uint8)


def _slice(volume: np.ndarray, axis: str, number: int) -> np.ndarray:
    """One slice (H, W) of a volume in the directions right, anterior, superior; the last of them upwards."""
    return np.ascontiguousarray(np.take(volume, number, axis=AXES[axis]).T[::-1])
