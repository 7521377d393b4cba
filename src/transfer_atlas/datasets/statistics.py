"""What is counted over all images of a dataset while it is written: exact, and independent of order and workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from transfer_atlas.datasets.encoding import in_range
from transfer_atlas.datasets.prepared import DatasetDescription, DepthDescription
from transfer_atlas.datasets.problems import Problems

LEAST_IN_RANGE = 0.01  # of the known depths of a split: fewer means a wrong scale, not a hard dataset


@dataclass
class DepthCounts:
    """Pixels of the depth maps of one split: all, with a known depth, with one in range; extremes of the known."""

    pixels: int = 0
    known: int = 0
    in_range: int = 0
    lowest: float = float("inf")
    highest: float = 0.0
    maps: int = 0
    maps_without: int = 0  # maps without one pixel in range

    def add(self, other: DepthCounts) -> None:
        """Count what another has counted."""
        for name in ("pixels", "known", "in_range", "maps", "maps_without"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.lowest, self.highest = min(self.lowest, other.lowest), max(self.highest, other.highest)


@dataclass
class Statistics:
    """Counts over images; those of parts of a dataset can be added up.

    pixels (3, 256) int64: of the training images, per channel and value; counts: images per split; seen: per kind
    and split, the labels that occur; unlabelled: per split, masks that are ignored throughout.
    """

    pixels: np.ndarray = field(default_factory=lambda: np.zeros((3, 256), dtype=np.int64))
    counts: dict[str, int] = field(default_factory=dict)
    seen: dict[str, dict[str, set[int]]] = field(default_factory=dict)
    unlabelled: dict[str, int] = field(default_factory=dict)
    depth: dict[str, DepthCounts] = field(default_factory=dict)
    normals: dict[str, tuple[int, int]] = field(
        default_factory=dict
    )  # per split: pixels, and those with a normal

    def note(self, kind: str, split: str, labels: np.ndarray) -> None:
        """Note that these labels (n,) of a kind of annotation occur in a split."""
        self.seen.setdefault(kind, {}).setdefault(split, set()).update(labels.tolist())

    def note_depth(self, split: str, depth: np.ndarray, about: DepthDescription) -> None:
        """Note a depth map (H, W) float32 in the unit, 0 or not finite where not known."""
        known = depth[np.isfinite(depth) & (depth > 0)]
        valid = int(in_range(known, about.minimum, about.maximum).sum())
        counted = DepthCounts(depth.size, known.size, valid, maps=1, maps_without=int(valid == 0))
        if known.size:
            counted.lowest, counted.highest = float(known.min()), float(known.max())
        self.depth.setdefault(split, DepthCounts()).add(counted)

    def note_normals(self, split: str, normals: np.ndarray) -> None:
        """Note a map of normals (H, W, 3), 0 where there is none."""
        known = int((normals != 0).any(axis=-1).sum())
        pixels, before = self.normals.get(split, (0, 0))
        self.normals[split] = pixels + normals[..., 0].size, before + known

    def add(self, other: Statistics) -> None:
        """Count what another has counted."""
        self.pixels = self.pixels + other.pixels
        for mine, its in ((self.counts, other.counts), (self.unlabelled, other.unlabelled)):
            for split, number in its.items():
                mine[split] = mine.get(split, 0) + number
        for kind, by_split in other.seen.items():
            for split, labels in by_split.items():
                self.seen.setdefault(kind, {}).setdefault(split, set()).update(labels)
        for split, counted in other.depth.items():
            self.depth.setdefault(split, DepthCounts()).add(counted)
        for split, (pixels, known) in other.normals.items():
            mine = self.normals.get(split, (0, 0))
            self.normals[split] = mine[0] + pixels, mine[1] + known

    def as_json(self) -> dict[str, Any]:
        """All of it in built-ins; see `from_json`."""
        seen = {
            kind: {split: sorted(labels) for split, labels in by_split.items()}
            for kind, by_split in self.seen.items()
        }
        depth = {split: vars(counted) | {"lowest": None} for split, counted in self.depth.items()}
        for split, counted in self.depth.items():
            depth[split]["lowest"] = counted.lowest if counted.known else None  # JSON knows no infinity
        return {
            "pixels": self.pixels.tolist(),
            "counts": self.counts,
            "seen": seen,
            "unlabelled": self.unlabelled,
            "depth": depth,
            "normals": {split: list(counted) for split, counted in self.normals.items()},
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Statistics:
        """Read what `as_json` gives."""
        depth = {
            split: DepthCounts(
                **(counted | {"lowest": float("inf") if counted["lowest"] is None else counted["lowest"]})
            )
            for split, counted in values["depth"].items()
        }
        seen = {
            kind: {split: set(labels) for split, labels in by_split.items()}
            for kind, by_split in values["seen"].items()
        }
        pixels = np.array(values["pixels"], dtype=np.int64)
        normals = {split: (pair[0], pair[1]) for split, pair in values.get("normals", {}).items()}
        return cls(pixels, values["counts"], seen, values["unlabelled"], depth, normals)

    def check(self, description: DatasetDescription, splits: Sequence[str], problems: Problems) -> None:
        """Add a problem where all images together show that something was misread, or is missing.

        splits: each must have an image.
        """
        problems.check_broken(sum(self.counts.values()))
        self._check_annotations(description, problems)
        for split in splits:
            # where images were refused, the split is not empty for want of images
            if not self.counts.get(split) and not problems:
                remedy = "Check the pattern, the list file or the number of images of this split."
                problems.add(f"split {split}", "no image", "at least one", remedy)

    def _check_annotations(self, description: DatasetDescription, problems: Problems) -> None:
        if description.segmentation is not None:
            self._check_classes(description, problems)
        if description.depth is not None:
            self._check_depth(description.depth, problems)
        for split, (_, known) in sorted(self.normals.items()):
            if not known:
                remedy = "Normals need neighbouring pixels of known depth: correct the depth, or leave normals out."
                problems.add(f"split {split}", "no pixel with a normal", "some", remedy)
        if description.classification is not None and len(description.classification.classes) < 2:
            found = f"'{description.classification.classes[0]}' is the only class"
            remedy = "Correct `path`, `splits` or `classes`."
            problems.add("classes of images", found, "two or more, or nothing can be learnt", remedy)

    def _check_classes(self, description: DatasetDescription, problems: Problems) -> None:
        about = description.segmentation
        seen = self.seen.get("segmentation", {}).get("train", set())
        labelled = seen - {about.ignore_label}
        if not self.counts.get("train") or len(labelled) >= 2:
            return
        names = ", ".join(f"'{about.classes[label]}'" for label in sorted(labelled)) or "no class"
        ignored = ", all else is ignored" if about.ignore_label in seen else ""
        problems.add(
            "masks of split train",
            f"{names} is all that occurs in {self.counts['train']} masks{ignored}",
            "at least two classes, or nothing can be learnt",
            "Say what the values of the masks mean: of masks of 0 and 255, `labels: {0: <class>, 255: <class>}`; "
            "`ignore_label` says which value is ignored (255 unless `labels` names it).",
        )

    def _check_depth(self, about: DepthDescription, problems: Problems) -> None:
        for split, counted in sorted(self.depth.items()):
            if counted.known and counted.in_range >= LEAST_IN_RANGE * counted.known:
                continue
            seen = "no known depth at all"
            if counted.known:
                share = 100 * counted.in_range / counted.known
                seen = f"{counted.lowest:g} to {counted.highest:g}, {share:.2g}% of it in range,"
            problems.add(
                f"split {split}",
                f"{seen} in {counted.maps} depth maps",
                f"depth of {about.minimum:g} to {about.maximum:g} {about.unit}",
                "Correct `scale`, `minimum`, `maximum` or `invalid`.",
            )

    def absent(self, kind: str, classes: list[str]) -> dict[str, list[str]]:
        """Per split that lacks some, the classes that do not occur."""
        lists = {}
        for split in sorted(self.counts):
            seen = self.seen.get(kind, {}).get(split, set())
            lists[split] = [name for label, name in enumerate(classes) if label not in seen]
        return {split: names for split, names in lists.items() if names}

    def mean_and_std(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation per channel, in 0..255, over all pixels of the training images."""
        values = np.arange(256, dtype=np.float64)
        weights = self.pixels / self.pixels.sum(axis=1, keepdims=True)
        mean = weights @ values
        variance = (weights * (values[None, :] - mean[:, None]) ** 2).sum(axis=1)
        return mean.tolist(), np.sqrt(variance).tolist()

    def complete(self, description: DatasetDescription) -> DatasetDescription:
        """Fill into a description what the images have shown."""
        mean, std = self.mean_and_std()
        fields = description.model_dump() | {
            "counts": dict(sorted(self.counts.items())),
            "mean": mean,
            "std": std,
        }
        for kind in ("segmentation", "detection", "classification"):
            if fields[kind]:
                fields[kind]["absent_classes"] = self.absent(kind, fields[kind]["classes"])
        if fields["segmentation"]:
            fields["segmentation"]["unlabelled_images"] = dict(sorted(self.unlabelled.items()))
        if fields["depth"]:
            splits = sorted(self.depth.items())
            fields["depth"] |= {
                "known": {split: counted.known / counted.pixels for split, counted in splits},
                "in_range": {split: counted.in_range / counted.known for split, counted in splits},
                "maps_without": {
                    split: counted.maps_without for split, counted in splits if counted.maps_without
                },
            }
        if fields.get("normals"):
            splits = sorted(self.normals.items())
            fields["normals"] |= {"known": {split: known / pixels for split, (pixels, known) in splits}}
        return DatasetDescription.model_validate(fields)
