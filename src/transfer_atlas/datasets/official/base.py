"""What the adapters of published datasets share: settings, the list of images, and one image read at a time.

A module of this package names a dataset's `Settings` and a `Reader`; its `ADAPTER` offers what
`adapters.base.Adapter` asks for. Listing is cheap (names only), reading one item is independent of all others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import RawSettings, existing_folder, leads_out, relative_to
from transfer_atlas.datasets.adapters.camera import Camera, with_normals
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import decoded, image_size
from transfer_atlas.datasets.official.label_tables import LabelTable, Unknown
from transfer_atlas.datasets.prepared import Entry, Objects, Record, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError
from transfer_atlas.strict import Introduced


class OfficialSettings(RawSettings):
    """What the settings of every official adapter hold."""

    available: ClassVar[tuple[TaskType, ...]]  # what the dataset annotates, in the order of the documentation
    path: str = Field(description="Folder the archives were unpacked into, relative to the data root.")
    splits: dict[str, str] = Field(
        {"train": "train", "val": "val"},
        min_length=1,
        description="Split -> the dataset's own split it is made of.",
    )

    camera: Annotated[Camera | None, Introduced(None)] = Field(
        None,
        description="Of datasets with depth: the camera of all images; with it they have surface normals as well.",
    )

    @model_validator(mode="after")
    def _camera_needs_depth(self) -> Any:
        if self.camera is not None and "depth" not in self.read_task_types:
            raise ValueError(
                "camera: normals are derived from depth, which this dataset has not, or is not read"
            )
        return self

    @property
    def read_task_types(self) -> tuple[TaskType, ...]:
        """Task types whose annotations are read."""
        chosen = getattr(self, "task_types", None)
        return self.available if chosen is None else tuple(t for t in self.available if t in chosen)

    def unused(self) -> set[str]:
        """The range of depth, where depth is not read."""
        return set() if "depth" in self.read_task_types else {"minimum", "maximum"}

    def hashed(self, **options: Any) -> dict[str, Any]:
        """As every section; the lists of these adapters choose among things, and their order means nothing."""
        plain = super().hashed(**options)
        return {name: value if name == "camera" else _as_set(value) for name, value in plain.items()}


def _as_set(value: Any) -> Any:
    """A list of names sorted, each once; also within a mapping."""
    if isinstance(value, dict):
        return {name: _as_set(inner) for name, inner in value.items()}
    return sorted(set(value)) if isinstance(value, list) else value


class SeveralTaskTypes(OfficialSettings):
    """Settings of datasets with annotations of several task types, of which some may not be fetched."""

    task_types: list[TaskType] | None = Field(
        None,
        min_length=1,
        description="Task types whose annotations are read, and must be there; by default all of the dataset's.",
    )

    @model_validator(mode="after")
    def _are_available(self) -> Any:
        unknown = sorted(set(self.task_types or ()) - set(self.available))
        if unknown:
            raise ValueError(f"task_types: {unknown} are not annotated; there are {list(self.available)}")
        return self


class MaskSettings(OfficialSettings):
    """Settings of datasets with masks."""

    ignore_background: bool = Field(
        True,
        description="Whether pixels of the label map's id 0 (unlabelled, void) are ignored, or trained and "
        "evaluated as a class of their own, the first.",
    )
    unknown: Unknown = Field(
        "ignore",
        description="What values or colours of masks are that the label map does not name: ignored (and "
        "counted), the first class, or an error.",
    )

    def unused(self) -> set[str]:
        """What masks mean, where they are not read."""
        masks = {"ignore_background", "unknown", "labels"}
        return super().unused() | (set() if "segmentation" in self.read_task_types else masks)


NO_FILES: dict[str, Path] = {}  # one for all items: nobody changes it


class Item:
    """One image to be read: files by what they hold, and whatever else its reader needs to know.

    There may be a million: the image's path is kept as text, which takes a quarter of what a Path does.
    """

    __slots__ = ("_image", "files", "id", "known", "split")

    def __init__(
        self,
        id: str,
        split: str,
        image: Path,
        files: dict[str, Path] | None = None,
        known: Any = None,
    ) -> None:
        self.id, self.split, self._image = id, split, str(image)
        self.files, self.known = NO_FILES if files is None else files, known

    @property
    def image(self) -> Path:
        """The image's file."""
        return Path(self._image)


class Reader:
    """Lists and reads the images of one dataset; adapters define `items` and what their task types need."""

    def __init__(self, settings: Any, root: Path, dataset: str) -> None:
        """root: of the data, which messages are relative to. DatasetError if the folder is not there."""
        self.settings, self.root, self.dataset = settings, Path(root), dataset
        self.folder = existing_folder(self.root, settings.path, dataset)
        self.place = self.folder  # the folder of the archive's own names, in it, which adapters look for
        self.task_types = settings.read_task_types

    # what an adapter defines

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images of a split in a fixed order, by the names of files alone."""
        raise NotImplementedError

    def description(self) -> dict[str, Any]:
        """Per task type, the fields of its description."""
        raise NotImplementedError

    def image(self, item: Item, problems: Problems) -> bytes | np.ndarray | None:
        """Encoded image, or (H, W, 3) uint8."""
        try:
            return item.image.read_bytes()
        except OSError as error:
            remedy = "Fetch the file anew, or make it readable."
            problems.broken(self.name(item.image), f"no file to be read ({error})", "an image", remedy)
            return None

    def mask(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Mask (H, W) of class indices."""
        raise NotImplementedError

    def objects(self, item: Item, problems: Problems) -> Objects | None:
        """Objects with boxes and keypoints."""
        raise NotImplementedError

    def depth(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Depth (H, W) float32 in metres, 0 where invalid."""
        raise NotImplementedError

    def label(self, item: Item, problems: Problems) -> int | None:
        """Index of the image-level class."""
        raise NotImplementedError

    # what they share

    def read(self, item: Item, problems: Problems) -> Record | None:
        """Read one image with its annotations; None, and a problem, if something is not in order."""
        image = self.image(item, problems)
        parts: dict[str, Any] = {"image": image}
        if "segmentation" in self.task_types:
            parts["mask"] = self.mask(item, problems)
        if "detection" in self.task_types or "keypoints" in self.task_types:
            parts["objects"] = self.objects(item, problems)
        if "depth" in self.task_types:
            parts["depth"] = self.depth(item, problems)
        if "classification" in self.task_types:
            parts["label"] = self.label(item, problems)
        if any(part is None for part in parts.values()):
            return None
        extra = {"image_file": self.name(item.image)}
        extra |= {f"{kind}_file": self.name(path) for kind, path in item.files.items()}
        return Record(id=item.id, split=item.split, extra=extra, **parts)

    def name(self, path: Path) -> str:
        """Name of a file in messages."""
        return relative_to(path, self.root)

    def identifier(self, path: Path) -> str:
        """Id of an image: its path in the archive without suffix, wherever that was unpacked."""
        place, whole = f"{self.place}/", str(path)
        relative = whole[len(place) :] if whole.startswith(place) else relative_to(path, self.place)
        return relative.removesuffix(path.suffix)

    def mapped(
        self, labels: LabelTable, values: np.ndarray, path: Path, problems: Problems
    ) -> np.ndarray | None:
        """Map values (H, W) or colours (H, W, 3) to class indices; what is unknown is counted or a problem."""
        mask, unknown = labels.from_values(values) if values.ndim == 2 else labels.from_colours(values)
        if not unknown:
            return mask
        kind = "colour" if values.ndim == 3 else "value"
        if labels.unknown == "error":
            common = sorted(unknown.items(), key=lambda one: -one[1])[:5]
            found = f"{kind} " + ", ".join(f"{value} ({count} pixels)" for value, count in common)
            remedy = "Check that these are the masks of this dataset, or set `unknown: ignore`."
            problems.add(self.name(path), found, f"a {kind} of the label map", remedy)
            return None
        problems.pass_over(
            f"pixels of masks with a {kind} the label map does not name", sum(unknown.values())
        )
        return mask

    def present(
        self, chosen: Sequence[Item], problems: Problems, what: str = "images of the official list"
    ) -> list[Item]:
        """The items whose image is there; the others are counted, and a problem if none is there."""
        there = [item for item in chosen if item.image.is_file()]
        problems.pass_over(f"{what} that are not there", len(chosen) - len(there))
        if not there:
            example = self.name(chosen[0].image) if chosen else self.name(self.folder)
            remedy = "Fetch the images, or correct `path`."
            problems.add(example, f"none of {len(chosen)} {what} is there", "at least one", remedy)
        return there

    def below(self, names: Iterable[str], listed: Path, problems: Problems) -> list[str]:
        """Names that a file gives of files in the dataset's folder; those that lead elsewhere are problems.

        listed: the file. Whatever asks for a file by a name that others wrote asks this first.
        """
        kept = []
        for name in names:
            if leads_out(name):
                self.outside(f"{self.name(listed)}, {name[:80]!r}", problems)
            else:
                kept.append(name)
        return kept

    def outside(self, where: str, problems: Problems) -> None:
        """Add the problem that a file would be read that is none of the dataset's."""
        remedy = "Fetch the list or annotations anew, from their authors."
        problems.add(where, "a name that leads out of the dataset's folder", "a file in it", remedy)

    def missing(self, path: Path, what: str, problems: Problems) -> None:
        """Add the problem that a file is not there."""
        remedy = "Fetch it, or correct `path`."
        problems.add(self.name(path), f"no such {what}", "the dataset's own layout", remedy)


@dataclass(frozen=True)
class OfficialAdapter:
    """One dataset's adapter: `functions` are what `adapters.base.Adapter` asks of a module."""

    settings_class: type[OfficialSettings]
    reader_class: type[Reader]
    card: Card

    @property
    def name(self) -> str:
        """The adapter's name in a study."""
        return self.settings_class.model_fields["name"].default

    @property
    def functions(self) -> tuple[Callable, Callable, Callable, Callable]:
        """What the module offers: records, describe, task_types, raw_path."""
        return self.records, self.describe, self.task_types, self.raw_path

    def raw_path(self, settings: OfficialSettings) -> str:
        """Path of the raw files relative to the data root."""
        return settings.path

    def task_types(self, settings: OfficialSettings) -> tuple[TaskType, ...]:
        """Task types whose annotations the records hold."""
        return settings.read_task_types + (() if settings.camera is None else ("normals",))

    def describe(self, settings: OfficialSettings, root: Path, dataset: str) -> dict[str, Any]:
        """Return the fields of DatasetDescription but name, counts, mean and std."""
        described = self.reader_class(settings, root, dataset).description()
        return with_normals(described, settings.camera) | {
            "source": settings.source or self.card.obtain,
            "licence": settings.licence or self.card.licence,
        }

    def records(
        self,
        settings: OfficialSettings,
        root: Path,
        problems: Problems,
        splits: Collection[str] | None = None,
    ) -> Iterator[Entry]:
        """Yield one entry per image, by split (train first) and in the order of `Reader.items`.

        splits: by default those of the settings; others that the dataset has itself may be asked for.
        """
        reader = self.reader_class(settings, root, problems.dataset)
        read = reader.read  # one method for all, of which there may be a million
        for split in splits or sorted(settings.splits, key=lambda name: (name != "train", name)):
            for item in self._items(reader, split, problems):
                yield Entry(item.id, item.split, partial(read, item))

    def _items(self, reader: Reader, split: str, problems: Problems) -> list[Item]:
        """The items of a split, of which none reads a file that is not below the dataset's folder."""
        start = "" if str(reader.folder) == "." else f"{reader.folder}/"

        def outside(path: str) -> bool:
            elsewhere = not path.startswith(start) if start else path.startswith("/")
            return elsewhere or "/../" in f"/{path}/"

        kept = []
        for item in reader.items(split, problems):
            if outside(str(item.image)) or any(outside(str(path)) for path in item.files.values()):
                reader.outside(item.id[:80], problems)
            else:
                kept.append(item)
        return kept

    def presence(self, settings: OfficialSettings, root: Path, dataset: str) -> list[SplitPresence]:
        """What of each split is there, by the names of files alone: for `doctor`, and before a long preparation.

        Raises DatasetError if the folder, or a file that all images need, is not there or damaged.
        """
        reader, found = self.reader_class(settings, root, dataset), []
        expected = [self.card.expected.get(task_type, {}) for task_type in settings.read_task_types]
        for split in settings.splits:
            problems = Problems(dataset, limit=10**9)
            items = self._items(reader, split, problems)
            missing = [file for item in items for file in item.files.values() if not file.is_file()]
            numbers = [counts[split] for counts in expected if split in counts]
            found.append(
                SplitPresence(
                    split=split,
                    images=len(items),
                    expected=min(numbers, default=None),
                    missing=tuple(reader.name(file) for file in missing),
                    problems=tuple(problems.texts),
                    passed_over=dict(problems.passed_over),
                )
            )
        return found


@dataclass(frozen=True)
class SplitPresence:
    """What of a split is there.

    images: found; expected: that a complete copy has, if that is known; missing: files of annotations that found
    images lack; problems: what else is wrong; passed_over: what is not used, and how often it was met.
    """

    split: str
    images: int
    expected: int | None
    missing: tuple[str, ...]
    problems: tuple[str, ...]
    passed_over: dict[str, int]

    @property
    def complete(self) -> bool:
        """Whether a preparation can be expected to give all images."""
        known = self.expected is None or self.images >= self.expected
        return known and self.images > 0 and not self.missing and not self.problems


def split_on_disk(settings: OfficialSettings, split: str, known: Sequence[str], dataset: str) -> str:
    """The dataset's own split that a split is made of; its own names are understood, too.

    Raises DatasetError if the dataset has no such split.
    """
    own = settings.splits.get(split, split)
    if own not in known:
        raise DatasetError(
            f"Dataset '{dataset}': there is no split '{own}'. Expected one of {', '.join(known)}: correct `splits`."
        )
    return own


def decoded_values(
    reader: Reader, path: Path, what: str, problems: Problems, kind: Literal["values", "colours"] = "values"
) -> np.ndarray | None:
    """Decode a mask or depth map: (H, W) of integers as stored, or (H, W, 3) uint8; None, and a problem, else."""
    if not path.is_file():
        reader.missing(path, what, problems)
        return None
    try:
        return decoded(path, kind, reader.settings.largest_megapixels)
    except ValueError as error:
        remedy = "Fetch the file anew; a converted copy is not read."
        found = f"the {what} cannot be read ({error})"
        problems.broken(reader.name(path), found, "the dataset's own file", remedy)
        return None


def size_of_image(reader: Reader, item: Item, problems: Problems) -> tuple[int, int] | None:
    """Width and height of an image by its header; None, and a problem, if there is none."""
    size = image_size(item.image)
    if size is None:
        remedy = "Fetch the file anew."
        problems.broken(reader.name(item.image), "a file that is no image", "a complete JPEG or PNG", remedy)
    return size
