"""Writes a prepared dataset: entries into Parquet shards, by several processes, then the index and dataset.json.

A shard is a fixed number of images of one split in the order of the adapter, and is written by one process alone. So
the bytes are the same for any number of processes, memory does not grow with the dataset, and a shard that was
finished before an interruption is not made again.
"""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from transfer_atlas.datasets import encoding
from transfer_atlas.datasets.prepared import SPLITS, DatasetDescription, Entry, Record
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.shards import (
    SHARD_IMAGES,
    Finished,
    ShardWriter,
    row_of,
    schema_of,
    shard_name,
)
from transfer_atlas.datasets.statistics import Statistics
from transfer_atlas.datasets.subsets import ranks
from transfer_atlas.datasets.validation import check_description, check_once
from transfer_atlas.errors import DatasetError

QUEUED = 2  # shards handed to each process ahead of time
UNFINISHED = "unfinished"  # folder for shards until all are there


@dataclass(frozen=True)
class _Work:
    """What every process needs to write shards; handed over by forking, so that entries are not pickled."""

    description: DatasetDescription
    folder: Path
    shards: list[_Shard]
    largest: float
    tolerate: float


@dataclass
class _Shard:
    split: str
    number: int
    entries: list[Entry | Record] = field(default_factory=list)

    @property
    def name(self) -> str:
        return shard_name(self.split, self.number)

    def signature(self, description: DatasetDescription) -> str:
        """What a finished shard must have been made of to be taken up: description and ids."""
        content = [description.model_dump(mode="json"), [entry.id for entry in self.entries]]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_prepared(
    folder: Path,
    description_without_counts: dict[str, Any],
    records: Iterable[Entry | Record],
    *,
    splits: Sequence[str] = SPLITS,
    problems: Problems | None = None,
    workers: int = 1,
    unfinished: Path | None = None,
    largest: float = encoding.LARGEST_MEGAPIXELS,
    progress: Callable[[int, int], None] | None = None,
) -> DatasetDescription:
    """Write entries (or records) as a prepared dataset and return its description.

    folder: is created; an older prepared dataset in it is replaced. description_without_counts: the fields of
    DatasetDescription but counts, mean and std. splits: each must have an image. problems: those the adapter
    behind `records` adds to while they are listed. workers: processes. unfinished: folder in which shards are kept
    until all are there, and from which those of an interrupted call with the same entries are taken up; by default
    inside `folder`, without taking up. largest: megapixels of a picture. progress: called with images done and all.

    The same entries give identical files. dataset.json is written last: without it, writing was cut off.

    Raises:
        DatasetError: up to 20 problems, each with file, what was found, what was expected and a remedy.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _clear(folder)
    counted = {"counts": {}, "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    description = DatasetDescription.model_validate({**description_without_counts, **counted})
    problems = Problems(description.name) if problems is None else problems
    check_description(description, problems)
    problems.raise_if_any()

    kept = folder / UNFINISHED if unfinished is None else Path(unfinished)
    if unfinished is None:
        shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True, exist_ok=True)
    try:
        work = _Work(description, kept, [], largest, problems.tolerate)
        finished = _written_as_listed(records, work, problems)
        finished |= _written(work, max(workers, 1), problems, progress)
        description = _publish(folder, kept, description, finished, splits, problems)
    finally:
        if problems:
            _clear(folder)
        if unfinished is None:
            shutil.rmtree(kept, ignore_errors=True)
    return description


def _clear(folder: Path) -> None:
    """Remove what an earlier call wrote."""
    for path in [folder / "dataset.json", folder / "index.parquet", *(folder / "shards").glob("*.parquet")]:
        path.unlink(missing_ok=True)


def _written_as_listed(
    records: Iterable[Entry | Record], work: _Work, problems: Problems
) -> dict[str, Finished]:
    """List all entries into the shards of the work; records are read already, and are written at once."""
    identifiers: set[str] = set()
    open_shards: dict[str, _Shard] = {}
    writers: dict[str, ShardWriter] = {}
    numbers: dict[str, int] = {}
    finished: dict[str, Finished] = {}
    try:
        for listed in records:
            check_once(listed, identifiers, problems)
            split = listed.split
            if isinstance(listed, Entry):
                shard = open_shards.get(split)
                if shard is None or len(shard.entries) >= SHARD_IMAGES:
                    shard = open_shards[split] = _Shard(split, numbers.setdefault(split, 0))
                    numbers[split] += 1
                    work.shards.append(shard)
                shard.entries.append(listed)
                continue
            if split not in writers:
                name = shard_name(split, numbers.setdefault(split, 0))
                writers[split] = ShardWriter(work.folder / name, split, schema_of(work.description))
                numbers[split] += 1
            writer = writers[split]
            row = row_of(listed, work.description, writer.statistics, problems, work.largest)
            if row is not None and not problems:  # nothing more is written, but remaining problems are found
                writer.add(row)
            if writer.rows_added >= SHARD_IMAGES:
                finished[writers.pop(split).path.name] = writer.finish(bool(problems))
    finally:
        for writer in writers.values():
            finished[writer.path.name] = writer.finish(bool(problems))
    return finished


def _written(
    work: _Work, workers: int, problems: Problems, progress: Callable[[int, int], None] | None
) -> dict[str, Finished]:
    """Write the shards that are not finished, and return what is known of all of them by file name."""
    total = sum(len(shard.entries) for shard in work.shards)
    finished = {} if problems else _taken_up(work)
    left = [at for at, shard in enumerate(work.shards) if shard.name not in finished]
    done = total - sum(len(work.shards[at].entries) for at in left)
    # the most images first would keep all busy to the end, but splits have few shards of other sizes
    for at, result in _carried_out(work, left, min(workers, len(left)), problems):
        shard = work.shards[at]
        finished[shard.name] = result
        done += len(shard.entries)
        if progress is not None:
            progress(done, total)
        problems.merge(result.texts, {}, {})
    for name in sorted(finished):
        problems.merge([], finished[name].broken, finished[name].passed_over)
    return finished


def _taken_up(work: _Work) -> dict[str, Finished]:
    """Shards that an interrupted call has finished."""
    finished = {}
    for shard in work.shards:
        found = Finished.read(work.folder / shard.name)
        if found is not None and found.signature == shard.signature(work.description):
            finished[shard.name] = found
    return finished


def _carried_out(
    work: _Work, left: list[int], workers: int, problems: Problems
) -> Iterator[tuple[int, Finished]]:
    """Yield (position, result) of each shard as it is done."""
    if workers <= 1:
        for at in left:
            yield at, _write_shard(work, at, problems.limit - len(problems.texts))
        return
    context = get_context("fork")  # entries hold open readers and functions that cannot be pickled
    # annotations of a large dataset are shared with the processes, until the collector of one of them writes to them
    gc.freeze()
    with ProcessPoolExecutor(workers, context, _take_work, (work,)) as pool:
        try:
            waiting, queue = {}, list(reversed(left))
            while queue or waiting:
                while queue and len(waiting) < QUEUED * workers:
                    at = queue.pop()
                    waiting[pool.submit(_write_shard_of_process, at, problems.limit)] = at
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), future.result()
        except BrokenProcessPool as error:
            raise DatasetError(
                f"Dataset '{work.description.name}': a process that wrote shards ended from outside, as happens when "
                "memory runs out. Run again with fewer threads: finished shards are kept."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            gc.unfreeze()


_WORK: list[_Work] = []  # of a forked process: what it was forked for


def _take_work(work: _Work) -> None:
    _WORK[:] = [work]


def _write_shard_of_process(at: int, limit: int) -> Finished:
    return _write_shard(_WORK[0], at, limit)


def _write_shard(work: _Work, at: int, limit: int) -> Finished:
    """Read the entries of a shard and write it; nothing is left of it if there are problems."""
    shard, problems = work.shards[at], Problems(work.description.name, limit + 1, work.tolerate)
    writer = ShardWriter(work.folder / shard.name, shard.split, schema_of(work.description))
    try:
        for entry in shard.entries:
            record = entry.read(problems)
            row = (
                None
                if record is None
                else row_of(record, work.description, writer.statistics, problems, work.largest)
            )
            if row is not None and not problems:
                writer.add(row)
            if len(problems.texts) >= limit:
                break
    except BaseException:
        writer.abandon()
        raise
    found = writer.finish(bool(problems))
    found = replace(
        found,
        texts=problems.texts,
        broken=problems.broken_texts,
        passed_over=problems.passed_over,
        signature=shard.signature(work.description),
    )
    if not problems:
        found.write(writer.path)
    return found


def _publish(
    folder: Path,
    kept: Path,
    description: DatasetDescription,
    finished: dict[str, Finished],
    splits: Sequence[str],
    problems: Problems,
) -> DatasetDescription:
    """Check what all shards show together, and put them under their names with index and description."""
    statistics = Statistics()
    for name in sorted(finished):
        statistics.add(finished[name].statistics)
    statistics.check(description, splits, problems)
    problems.raise_if_any()
    (folder / "shards").mkdir(exist_ok=True)
    for name in sorted(finished):
        if finished[name].index:
            shutil.move(kept / name, folder / "shards" / name)
    _write_index(folder, finished)
    description = statistics.complete(description).model_copy(
        update={
            "broken": dict(sorted(problems.broken_texts.items())),
            "passed_over": dict(sorted(problems.passed_over.items())),
        }
    )
    text = json.dumps(description.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / "dataset.json").write_text(text + "\n", encoding="utf-8")
    return description


def _write_index(folder: Path, finished: dict[str, Finished]) -> None:
    """Write where each image is, splits in alphabetical order, images in the order of the records; and its rank."""
    rows = [
        (identifier, result.split, name, group, row)
        for name, result in sorted(finished.items(), key=lambda item: (item[1].split, item[0]))
        for identifier, group, row in result.index
    ]
    names = ("id", "split", "shard", "row_group", "row")
    columns: dict[str, Sequence] = dict(zip(names, zip(*rows, strict=True), strict=True))
    columns["rank"] = ranks(columns["id"], columns["split"], seed=0)
    kinds = (pa.string(), pa.string(), pa.string(), pa.int32(), pa.int32(), pa.int32())
    arrays = [pa.array(columns[name], kind) for name, kind in zip((*names, "rank"), kinds, strict=True)]
    pq.write_table(pa.table(arrays, names=[*names, "rank"]), folder / "index.parquet", compression="zstd")
