"""What of a dataset is there, by the names of files alone: present, partly there or missing, and where it comes from.

Nothing is decoded: a folder of a million images is looked at in seconds. `decoding_all.py` looks into the files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from transfer_atlas.datasets.adapters.base import RawSettings
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.raw_files import list_raw_files
from transfer_atlas.datasets.recorded import Recorded, recorded
from transfer_atlas.datasets.registry import ADAPTERS, raw_folder, root_of
from transfer_atlas.errors import DatasetError

State = Literal["present", "partly there", "missing", "generated"]
# Settings of official datasets that leave the number of images as it is.
NO_CHOICE = {
    *RawSettings.model_fields,
    "name",
    "path",
    "task_types",
    "ignore_background",
    "unknown",
    "labels",
}
NAMED = 3  # examples of each finding: enough to see what files have in common


@dataclass(frozen=True)
class FoundSplit:
    """Images of a split that were found, and how many a complete copy has, where that is known."""

    split: str
    images: int
    expected: int | None = None

    def __str__(self) -> str:
        of = f" of {self.expected:,}" if self.expected is not None and self.images < self.expected else ""
        return f"{self.split} {self.images:,}{of}"


@dataclass(frozen=True)
class Whereabouts:
    """What of one dataset is there.

    folder: where it is expected, None for generated ones; splits: what was found of each; findings: what is not in
    order, in words; files, size: number and bytes of all files in the folder; card: of an official dataset; record:
    what DVC or a manifest says of the folder.
    """

    dataset: str
    state: State
    folder: Path | None = None
    splits: tuple[FoundSplit, ...] = ()
    findings: tuple[str, ...] = ()
    files: int = 0
    size: int = 0
    card: Card | None = None
    source: str = ""
    record: Recorded | None = field(default=None, repr=False)

    @property
    def remedies(self) -> list[str]:
        """Where what is missing comes from: the record's remedy, the authors' archives, or the settings' source."""
        lines = [] if self.record is None else [f"{self.record.file} records it: {self.record.remedy}"]
        if self.card is not None:
            size = f" (about {self.card.gigabytes:g} GB)" if self.card.gigabytes else ""
            lines.append(f"from {self.card.obtain}: {'; '.join(self.card.archives)}{size}")
            lines.append(f"expected there: {'; '.join(self.card.layout)}")
            lines.append(f"licence: {self.card.licence}")
        elif self.source:
            lines.append(f"from {self.source}")
        return lines


def whereabouts(settings: Any, data_root: Path, dataset: str) -> Whereabouts:
    """Look for one dataset of a study, below its data root or the study's.

    Raises DatasetError where its settings name no place, or where what records it is damaged.
    """
    folder = raw_folder(settings, data_root)
    if folder is None:
        return Whereabouts(dataset, "generated")
    about = {
        "card": getattr(ADAPTERS[settings.name], "CARD", None),
        "source": settings.source if isinstance(settings, RawSettings) else "",
        "record": recorded(folder),
    }
    if not folder.is_dir():
        found = "is a file, not a folder" if folder.exists() else "does not exist"
        return Whereabouts(dataset, "missing", folder, findings=(f"the folder {found}",), **about)
    listed = list_raw_files(folder)
    about |= {"files": len(listed.files), "size": listed.size}
    if not listed.files:
        return Whereabouts(dataset, "missing", folder, findings=("the folder is empty",), **about)
    splits, findings = _looked_at(settings, root_of(settings, data_root), dataset)
    if listed.unusable:
        findings.append(_named("cannot be read, or are links to nowhere", listed.unusable))
    findings += _against_record(about["record"], folder, len(listed.files), listed.size)
    incomplete = [split for split in splits if not split.images or split.images < (split.expected or 0)]
    findings += [f"split {split.split}: no image" for split in incomplete if not split.images]
    state: State = "partly there" if findings or incomplete or not splits else "present"
    return Whereabouts(dataset, state, folder, tuple(splits), tuple(findings), **about)


def _looked_at(settings: Any, root: Path, dataset: str) -> tuple[list[FoundSplit], list[str]]:
    """Images by split, and what is not in order, as the adapter lists them."""
    adapter = ADAPTERS[settings.name]
    if hasattr(adapter, "ADAPTER"):
        return _official(adapter.ADAPTER, settings, root, dataset)
    problems, counts = Problems(dataset, limit=10**9), {}
    try:
        for entry in adapter.records(settings, root, problems):
            counts[entry.split] = counts.get(entry.split, 0) + 1
    except DatasetError as error:
        problems.texts.append(_told(error, dataset))
    found = [FoundSplit(split, counts.get(split, 0)) for split in _splits_of(settings, counts)]
    return found, _shortened(problems.texts)


def _official(adapter: Any, settings: Any, root: Path, dataset: str) -> tuple[list[FoundSplit], list[str]]:
    splits, findings = [], []
    for split in settings.splits:  # each on its own: where one fails, the others are counted all the same
        try:
            one = settings.model_copy(update={"splits": {split: settings.splits[split]}})
            (found,) = adapter.presence(one, root, dataset)
        except DatasetError as error:
            splits.append(FoundSplit(split, 0))
            findings.append(_told(error, dataset))
            continue
        splits.append(FoundSplit(split, found.images, None if _chooses(settings) else found.expected))
        if found.missing:
            findings.append(_named(f"files of annotations of {split} are missing", found.missing))
        findings += _shortened(found.problems)
    return splits, list(dict.fromkeys(findings))


def _chooses(settings: Any) -> bool:
    """Whether settings that decide which images there are differ from those of the card's counts."""
    fields = type(settings).model_fields
    return any(
        getattr(settings, name) != field.default for name, field in fields.items() if name not in NO_CHOICE
    )


def _splits_of(settings: Any, counts: dict[str, int]) -> list[str]:
    """Splits in the order train, val, others: those found, and train and val, which every study needs."""
    return sorted({"train", "val", *counts}, key=lambda name: (name != "train", name != "val", name))


def _against_record(record: Recorded | None, folder: Path, files: int, size: int) -> list[str]:
    """Number and size against what DVC, or a manifest, says: these cost nothing."""
    if record is None or record.folder != folder:
        return []
    if record.files is not None and files != record.files:
        return [f"{files:,} files of the {record.files:,} that {record.file.name} records"]
    if record.size is not None and size != record.size:
        return [f"{size:,} bytes, not the {record.size:,} that {record.file.name} records"]
    return []


def _told(error: DatasetError, dataset: str) -> str:
    """The message of an error without what the table says already."""
    return str(error).removeprefix(f"Dataset '{dataset}': ")


def _named(what: str, names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - NAMED:,} more" if len(listed) > NAMED else ""
    return f"{len(listed):,} {what}: {', '.join(listed[:NAMED])}{more}"


def _shortened(texts: Iterable[str]) -> list[str]:
    """The first problems, and how many more there are."""
    listed = list(texts)
    more = [f"and {len(listed) - NAMED:,} more such problems"] if len(listed) > NAMED else []
    return [*listed[:NAMED], *more]
