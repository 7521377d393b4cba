"""Decodes every image and annotation of a raw dataset, as its preparation would, and says all that is not in order.

Of each image by itself, and of all together: an id given twice, a split without images, masks of a single class.

Nothing is written but a list of what is known to be in order, so that a second call looks only at the rest: at what an
interrupted one had not reached, at images with problems, and at those whose files have changed since.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from transfer_atlas.datasets.encoding import LARGEST_MEGAPIXELS
from transfer_atlas.datasets.prepared import SPLITS, DatasetDescription, Entry, Record
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.raw_files import list_raw_files
from transfer_atlas.datasets.registry import ADAPTERS, raw_folder, root_of
from transfer_atlas.datasets.shards import row_of
from transfer_atlas.datasets.statistics import Statistics
from transfer_atlas.datasets.validation import check_description, check_once
from transfer_atlas.errors import DatasetError

GROUPS = 1024  # images are told apart by their ids: one that is added changes its own group alone
PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".exr", ".npy")
NO_LIMIT = 10**9


@dataclass(frozen=True)
class _Group:
    """What is known of some images that are in order.

    ids: digest of theirs and of their splits; files: that they are read from; stamp: of these files; counted: over
    the images, as JSON (`Statistics.as_json`), but for the values of pixels, which nothing is judged by.
    """

    number: int
    ids: str
    files: list[str]
    stamp: str
    counted: dict[str, Any]

    @property
    def statistics(self) -> Statistics:
        return Statistics.from_json(self.counted | {"pixels": 0})


@dataclass(frozen=True)
class Decoded:
    """What was found in a dataset. images: in order; looked_at: of all, those that were decoded by this call;
    problems: of the others, each with file, finding and remedy; broken: files that cannot be decoded, which
    `tolerate_broken` leaves out.
    """

    images: int
    looked_at: int
    problems: tuple[str, ...]
    broken: dict[str, str]


@dataclass(frozen=True)
class _Work:
    """What every process needs; handed over by forking, for entries cannot be pickled."""

    description: DatasetDescription
    groups: dict[int, list[Entry | Record]]
    root: Path
    largest: float
    tolerate: float


def decode_all(
    settings: Any,
    data_root: Path,
    dataset: str,
    *,
    kept: Path,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Decoded:
    """Read all images of a dataset with their annotations, in several processes.

    kept: file of what is known to be in order; a damaged one counts as none. progress: called with images done and
    all. Raises DatasetError if the dataset cannot be listed, or if a process ends from outside.
    """
    root, adapter = root_of(settings, data_root), ADAPTERS[settings.name]
    tolerate = getattr(settings, "tolerate_broken", 0.0)
    problems = Problems(dataset, NO_LIMIT, tolerate)
    fields = {"name": dataset, "counts": {}, "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    description = DatasetDescription.model_validate({**adapter.describe(settings, root, dataset), **fields})
    check_description(description, problems)
    groups: dict[int, list[Entry | Record]] = {}
    identifiers: set[str] = set()
    for entry in adapter.records(settings, root, problems):
        check_once(entry, identifiers, problems)
        groups.setdefault(zlib.crc32(entry.id.encode()) % GROUPS, []).append(entry)
    largest = getattr(settings, "largest_megapixels", LARGEST_MEGAPIXELS)
    work = _Work(description, groups, root, largest, tolerate)
    total = sum(map(len, groups.values()))
    kept_list = _KeptList(kept, _signature(settings, raw_folder(settings, data_root)))
    good = {number: known for number, known in kept_list.groups.items() if _still_good(known, work)}
    left = [number for number in sorted(groups) if number not in good]
    together = Statistics()
    for known in good.values():
        together.add(known.statistics)
    done = sum(len(groups[number]) for number in good)
    kept_list.begin(good.values())
    for group, texts, broken in _looked_into(work, left, min(max(workers, 1), max(len(left), 1))):
        together.add(group.statistics)
        done += len(groups[group.number])
        problems.merge(texts, broken, {})
        if not texts and not broken:
            kept_list.add(group)
        if progress is not None:
            progress(done, total)
    together.check(description, SPLITS, problems)
    looked_at = sum(len(groups[number]) for number in left)
    return Decoded(
        sum(together.counts.values()),
        looked_at,
        tuple(problems.texts),
        dict(sorted(problems.broken_texts.items())),
    )


def _looked_into(
    work: _Work, left: list[int], workers: int
) -> Iterator[tuple[_Group, list[str], dict[str, str]]]:
    """Yield what is found in each group, as it is found."""
    if workers == 1:
        _WORK[:] = [work]
        yield from map(_look_into, left)
        return
    with ProcessPoolExecutor(workers, get_context("fork"), _take_work, (work,)) as pool:
        try:
            for future in as_completed([pool.submit(_look_into, number) for number in left]):
                yield future.result()
        except BrokenProcessPool as error:
            raise DatasetError(
                f"Dataset '{work.description.name}': a process that decoded images ended from outside, as happens when "
                "memory runs out. Call again with fewer workers: what was looked at is kept."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_WORK: list[_Work] = []  # of a forked process: what it was forked for


def _take_work(work: _Work) -> None:
    _WORK[:] = [work]


def _look_into(number: int) -> tuple[_Group, list[str], dict[str, str]]:
    work, files, counted = _WORK[0], set(), Statistics()
    entries = work.groups[number]
    problems = Problems(work.description.name, NO_LIMIT, work.tolerate)
    for entry in entries:
        record = entry.read(problems) if isinstance(entry, Entry) else entry
        if record is not None and row_of(record, work.description, counted, problems, work.largest):
            files |= {name for kind, name in record.extra.items() if kind.endswith("_file")}
    read = sorted(files)
    known = {name: value for name, value in counted.as_json().items() if name != "pixels"}
    group = _Group(number, _ids(entries), read, _stamp(work.root, read), known)
    return group, problems.texts, problems.broken_texts


def _still_good(known: _Group, work: _Work) -> bool:
    """Whether a group has the images it had, and their files are as they were."""
    entries = work.groups.get(known.number, [])
    return known.ids == _ids(entries) and known.stamp == _stamp(work.root, known.files)


def _ids(entries: Iterable[Entry | Record]) -> str:
    return _digest(f"{entry.split}|{entry.id}" for entry in entries)


def _stamp(root: Path, files: Iterable[str]) -> str:
    """A digest of size and time of files, as they are now."""
    lines = []
    for name in files:
        try:
            status = os.stat(root / name)  # noqa: PTH116 (there may be a million)
            lines.append(f"{name}|{status.st_size}|{status.st_mtime_ns}")
        except OSError:
            lines.append(f"{name}|")  # a picture in an archive, which has a stamp of its own
    return _digest(lines)


def _signature(settings: Any, folder: Path | None) -> str:
    """Of what all images depend on: the settings, and the files that are no picture, as lists of annotations are."""
    lines = [json.dumps(settings.model_dump(mode="json"), sort_keys=True)]
    if folder is not None:
        listed = list_raw_files(folder).files
        lines += [file.key for file in listed if not file.relative.lower().endswith(PICTURES)]
    return _digest(lines)


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


class _KeptList:
    """The file of groups that are in order: a signature, then a line each, added as they are found."""

    def __init__(self, file: Path, signature: str) -> None:
        """Read what an earlier call found of a dataset of the same signature."""
        self.file, self.signature = file, signature
        self.groups: dict[int, _Group] = {}
        try:
            first, *lines = file.read_text(encoding="utf-8").splitlines()
            if json.loads(first) == signature:
                for line in lines:
                    group = _Group(**json.loads(line))
                    Statistics().add(group.statistics)  # or it is of another version
                    self.groups[group.number] = group
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            pass  # cut off, or of another version: what was read until there counts

    def begin(self, good: Iterable[_Group]) -> None:
        """Write anew, with what still counts."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(self.signature), *(json.dumps(asdict(group)) for group in good)]
        part = self.file.with_suffix(f".{os.getpid()}.part")
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
        part.replace(self.file)

    def add(self, group: _Group) -> None:
        """Add a group."""
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(group)) + "\n")
