"""Preparing with several processes: the same bytes, taken up after an interruption, a few broken files tolerated."""

import hashlib
import json
import multiprocessing
import os
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from adapter_examples import parse, save
from prepared_examples import CLASSIFICATION, description, encoded, pixels

from transfer_atlas.datasets import writing
from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.datasets.prepared import Entry, Record
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.writing import write_prepared
from transfer_atlas.errors import DatasetError

ABOUT = description(classification=CLASSIFICATION)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(writing, "SHARD_IMAGES", 8)


def read(index: int, log: Path | None, problems: Problems) -> Record:
    if log is not None:
        with log.open("a") as file:
            file.write(f"{index}\n")
        if (log.parent / f"stop{index}").exists():
            time.sleep(60)
    if index < 0:
        problems.add(f"image{index}", "wrong", "right", "Mend it.")
        return None
    return Record(f"i{index}", split_of(index), encoded(pixels(20, 30, seed=index)), label=index % 2)


def split_of(index: int) -> str:
    return "val" if index % 3 == 0 else "train"


def entries(number: int = 60, log: Path | None = None) -> list[Entry]:
    return [Entry(f"i{index}", split_of(index), partial(read, index, log)) for index in range(number)]


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_bytes_are_the_same_for_any_number_of_processes_and_for_records(tmp_path):
    for workers in (1, 2, 3):
        found = write_prepared(tmp_path / str(workers), ABOUT, entries(), workers=workers)
        assert found.counts == {"train": 40, "val": 20}
    write_prepared(tmp_path / "read", ABOUT, [entry.read(Problems("")) for entry in entries()])
    assert digests(tmp_path / "1") == digests(tmp_path / "2") == digests(tmp_path / "3")
    assert digests(tmp_path / "1") == digests(tmp_path / "read")
    assert {path.name for path in (tmp_path / "1").iterdir()} == {"dataset.json", "index.parquet", "shards"}


def test_finished_shards_are_taken_up_after_a_kill(tmp_path):
    log = tmp_path / "log"
    (tmp_path / "stop41").touch()
    arguments = {"unfinished": tmp_path / "kept", "workers": 2}

    def interrupted():
        write_prepared(tmp_path / "out", ABOUT, entries(log=log), **arguments)

    process = multiprocessing.get_context("fork").Process(target=interrupted)
    process.start()
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "kept").glob("*.json"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (process.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    process.join()
    assert not (tmp_path / "out/dataset.json").exists()
    (tmp_path / "stop41").unlink()
    log.unlink()
    done = {path.stem for path in (tmp_path / "kept").glob("*.json")}
    write_prepared(tmp_path / "out", ABOUT, entries(log=log), **arguments)
    again = {int(line) for line in log.read_text().split()}
    assert 41 in again and len(again) <= 60 - 4 * 8 and len(done) >= 5
    write_prepared(tmp_path / "whole", ABOUT, entries())
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["cut", "other entries", "no shard"])
def test_a_shard_of_anything_else_is_made_again(tmp_path, damage):
    kept = tmp_path / "kept"
    write_prepared(tmp_path / "whole", ABOUT, entries())
    counted = {"counts": {}, "mean": (0, 0, 0), "std": (1, 1, 1)}
    about = writing.DatasetDescription.model_validate({**ABOUT, **counted})
    work = writing._Work(about, kept, [], 178, 0)
    kept.mkdir()
    writing._written_as_listed(entries(50 if damage == "other entries" else 60), work, Problems(""))
    writing._written(work, 1, Problems(""), None)
    assert len(list(kept.glob("*.json"))) == len(work.shards)
    for file in kept.glob("*.parquet"):
        if damage == "cut":
            file.write_bytes(file.read_bytes()[:-1])
        elif damage == "no shard":
            file.unlink()
    write_prepared(tmp_path / "out", ABOUT, entries(), unfinished=kept)
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


def test_problems_of_all_processes_are_told_and_nothing_is_published(tmp_path):
    wrong = [Entry(f"w{index}", "train", partial(read, -1 - index, None)) for index in range(12)]
    with pytest.raises(DatasetError, match=r"12 problem\(s\)"):
        write_prepared(tmp_path, ABOUT, entries() + wrong, workers=2)
    with pytest.raises(DatasetError, match="the first 20 problems"):
        wrong += [Entry(f"x{index}", "val", partial(read, -20 - index, None)) for index in range(12)]
        write_prepared(tmp_path, ABOUT, entries() + wrong, workers=2)
    assert not list(tmp_path.rglob("*.parquet")) and not (tmp_path / "dataset.json").exists()


def test_a_process_that_ends_is_an_error(tmp_path):
    def dies(problems):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(DatasetError, match=r"ended from outside.*fewer threads"):
        write_prepared(tmp_path, ABOUT, [*entries(), Entry("dies", "train", dies)], workers=2)


@pytest.fixture
def masked(tmp_path):
    """Forty images with masks, two of which are cut off."""
    for split, number in (("train", 30), ("val", 10)):
        for index in range(number):
            save(tmp_path / f"toy/images/{split}/{index:02}.png", pixels(8, 9, seed=index))
            save(tmp_path / f"toy/masks/{split}/{index:02}.png", np.eye(8, 9, dtype=np.uint8))
    for name in ("images/train/07.png", "masks/val/03.png"):
        file = tmp_path / "toy" / name
        file.write_bytes(file.read_bytes()[:-30])
    return tmp_path


def settings(**changed):
    return parse("{name: image_mask_folders, path: toy, classes: [a, b]}", **changed)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_few_broken_files_are_left_out_and_named_where_they_are_tolerated(masked, workers):
    with pytest.raises(DatasetError, match=r"2 problem\(s\)"):
        prepare_dataset(settings(), masked, masked / "out", dataset="toy", workers=workers)
    with pytest.raises(DatasetError, match=r"2 of 40 images: cannot be read \(.*at most 4%"):
        prepare_dataset(
            settings(tolerate_broken=0.04), masked, masked / "out", dataset="toy", workers=workers
        )
    chosen = settings(tolerate_broken=0.05)
    found = prepare_dataset(chosen, masked, masked / "out", dataset="toy", workers=workers)
    assert found.counts == {"train": 29, "val": 9}
    assert [name.split(" ")[0] for name in found.broken] == [
        "toy/images/train/07.png",
        "toy/masks/val/03.png",
    ]
    assert json.loads((masked / "out/dataset.json").read_text())["broken"] == found.broken


def test_a_subset_is_chosen_by_ids_and_stored_as_ranks(tmp_path):
    write_prepared(tmp_path / "a", ABOUT, entries(60))
    write_prepared(tmp_path / "b", ABOUT, [*entries(60)[3:], *entries(63)[60:]])
    one, other = (PreparedDataset.open(tmp_path / name) for name in "ab")
    chosen = [[data.ids("train")[at] for at in data.subset("train", 15)] for data in (one, other)]
    changed = {"i1", "i2", "i61", "i62"}
    assert len(chosen[0]) == 15 and len(set(chosen[0]) ^ set(chosen[1])) <= 2 * len(changed)
    assert set(chosen[0]) - changed - set(chosen[1]) == set() or len(changed & set(chosen[1])) > 0
    assert one.subset("train", 15, seed=1) != one.subset("train", 15)
    assert set(one.subset("train", 7)) < set(one.subset("train", 15)) and len(one.subset("train", 99)) == 40
    import pyarrow.parquet as pq

    index = pq.read_table(tmp_path / "a/index.parquet").to_pandas()
    stored = index[(index["split"] == "train") & (index["rank"] < 15)]["id"]
    assert sorted(stored) == sorted(chosen[0])
