"""The store: results arrive whole or not at all, also when the disk is full."""

import errno
import hashlib
import json

import pytest
import torch
from small_disks import small_disk

from transfer_atlas.models.checkpoints import save_checkpoint
from transfer_atlas.store.files import write_json
from transfer_atlas.store.keys import key_of
from transfer_atlas.store.store import StoreError, is_whole, publish, read_run, run_folder, tidy


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path):
    with small_disk(tmp_path / "small_disk", "64k") as folder:
        yield folder


def record_of(**more):
    """A record whose key follows from what it says."""
    told = {"kind": "source", "settings": {}, "versions": {}, "parents": {}}
    key = key_of(told | {"code": {}})
    return told | {"code_versions": {}, "key": key} | more


def place(store, record):
    return run_folder(store, "sources", "a-source", record["key"])


def work_with(folder, **files):
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_results_are_completed_where_the_study_says_on_the_same_file_system(tmp_path, small_disk):
    record = record_of()
    folder, publishing = place(tmp_path / "store", record), tmp_path / "publishing"
    assert publish(work_with(tmp_path / "work", model=b"1"), folder, record, publishing=publishing)
    assert (
        is_whole(folder) and not list(publishing.iterdir()) and not (tmp_path / "store/.publishing").exists()
    )
    with pytest.raises(StoreError, match="is on another file system than the store"):
        publish(
            work_with(tmp_path / "more", model=b"2"), folder, record, publishing=small_disk / "publishing"
        )
    (publishing / f"{folder.name}-1-2").mkdir()
    (tmp_path / "store/.publishing" / f"{folder.name}-3-4").mkdir(parents=True)  # the setting was another
    tidy(folder, publishing)
    assert not list(publishing.iterdir()) and not list((tmp_path / "store/.publishing").iterdir())


def leftovers(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_folders_are_named_by_kind_name_and_key(tmp_path):
    assert run_folder(tmp_path, "sources", "segmentation-coco", "0f") == (
        tmp_path / "sources/segmentation-coco/0f"
    )


def test_json_is_the_same_whatever_the_order_and_replaces_the_old_file(tmp_path):
    path = tmp_path / "new" / "a.json"
    write_json(path, {"b": 1, "a": [1.5, None]})
    first = path.read_bytes()
    write_json(path, {"a": [1.5, None], "b": 1})
    assert path.read_bytes() == first and first.endswith(b"\n")
    assert leftovers(tmp_path) == ["a.json"]


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": object()}])
def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path, value):
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises((TypeError, ValueError)):
        write_json(tmp_path / "a.json", {"first": "x" * 100_000} | value)
    assert json.loads((tmp_path / "a.json").read_text()) == {"old": 1}
    assert leftovers(tmp_path) == ["a.json"]


def test_a_full_disk_leaves_the_old_json_and_nothing_else(small_disk):
    write_json(small_disk / "a.json", {"old": 1})
    with pytest.raises(OSError) as caught:
        write_json(small_disk / "a.json", {"new": "x" * 200_000})
    assert caught.value.errno == errno.ENOSPC
    assert json.loads((small_disk / "a.json").read_text()) == {"old": 1}
    assert leftovers(small_disk) == ["a.json"]


def test_a_full_disk_leaves_the_old_checkpoint_and_is_told_as_a_full_disk(small_disk):
    path = small_disk / "model.safetensors"
    save_checkpoint(path, {"a": torch.ones(10)}, {})
    old = path.read_bytes()
    with pytest.raises(OSError) as caught:
        save_checkpoint(path, {"a": torch.ones(100_000)}, {})
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == old and leftovers(small_disk) == ["model.safetensors"]


def test_a_full_store_gets_no_part_of_a_result(small_disk, tmp_path):
    work = work_with(tmp_path / "work" / "shards", big=bytes(200_000)).parent
    record = record_of()
    with pytest.raises(OSError) as caught:
        publish(work, place(small_disk, record), record)
    assert caught.value.errno == errno.ENOSPC
    assert leftovers(small_disk) == []
    assert leftovers(work) == ["big"]


def test_a_published_result_is_whole_and_says_how_to_verify_it(tmp_path):
    work = work_with(tmp_path / "work", **{"model.safetensors": b"weights"})
    work_with(work / "shards", **{"a.parquet": b"shard"})
    record = record_of(metrics={"value": 0.5})
    folder = place(tmp_path / "store", record)
    assert publish(work, folder, record)
    found = read_run(folder)
    assert found["metrics"] == {"value": 0.5}
    assert found["files"] == {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in {"shards/a.parquet": b"shard", "model.safetensors": b"weights"}.items()
    }
    assert leftovers(folder) == ["a.parquet", "model.safetensors", "run.json"]
    assert leftovers(work) == [] and leftovers(tmp_path / "store" / ".publishing") == []
    assert is_whole(folder)


def test_a_whole_result_stays_unless_it_is_to_be_replaced(tmp_path):
    record = record_of()
    folder = place(tmp_path / "store", record)
    assert publish(work_with(tmp_path / "one", model=b"one", old=b"1"), folder, record)
    assert not publish(work_with(tmp_path / "two", model=b"two"), folder, record)
    assert (folder / "model").read_bytes() == b"one"
    assert publish(work_with(tmp_path / "three", model=b"three"), folder, record, replace=True)
    assert (folder / "model").read_bytes() == b"three" and leftovers(folder) == ["model", "run.json"]


@pytest.mark.parametrize("left", ["part", "empty"])
def test_what_an_interruption_left_is_replaced(tmp_path, left):
    record = record_of()
    folder = place(tmp_path / "store", record)
    folder.mkdir(parents=True)
    if left == "part":
        (folder / "model").write_bytes(b"half")
    assert not is_whole(folder)
    assert publish(work_with(tmp_path / "work", model=b"whole"), folder, record)
    assert (folder / "model").read_bytes() == b"whole" and is_whole(folder)


def test_a_replacement_that_does_not_fit_leaves_the_result_as_it_was(small_disk, tmp_path):
    record = record_of()
    folder = place(small_disk, record)
    assert publish(work_with(tmp_path / "one", model=b"one"), folder, record)
    with pytest.raises(OSError):
        publish(work_with(tmp_path / "two", model=bytes(200_000)), folder, record, replace=True)
    assert (folder / "model").read_bytes() == b"one" and is_whole(folder)


def test_a_killed_replacement_is_undone_and_a_killed_publication_cleared(tmp_path):
    record = record_of()
    folder = place(tmp_path / "store", record)
    publish(work_with(tmp_path / "one", model=b"one"), folder, record)
    publishing = tmp_path / "store" / ".publishing"
    # as between the two renamings of a replacement
    folder.rename(publishing / f"{record['key']}-77-abcd.old")
    work_with(publishing / f"{record['key']}-77-abcd", model=b"two")
    work_with(publishing / "fedcba9876543210-78-abcd", model=b"of another run, perhaps at work")
    tidy(folder)
    assert (folder / "model").read_bytes() == b"one" and is_whole(folder)
    assert [path.name for path in publishing.iterdir()] == ["fedcba9876543210-78-abcd"]


def test_a_missing_record_says_what_to_do(tmp_path):
    with pytest.raises(StoreError, match=r"run\.json is missing; run snakemake again"):
        read_run(tmp_path / "k")


@pytest.mark.parametrize("content", [b"", b'{"key": "k"', b"\xff\xfe", b"not json"])
def test_a_damaged_record_says_so(tmp_path, content):
    (tmp_path / "k").mkdir()
    (tmp_path / "k" / "run.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"run\.json is damaged .*; remove .* and run snakemake again"):
        read_run(tmp_path / "k")


@pytest.mark.parametrize("content", ['{"key": "other"}', "{}", "[]", "null", "3"])
def test_a_record_in_the_wrong_folder_says_so(tmp_path, content):
    (tmp_path / "k").mkdir()
    (tmp_path / "k" / "run.json").write_text(content)
    with pytest.raises(StoreError, match=r"stands in the folder of 'k'; results were moved by hand"):
        read_run(tmp_path / "k")
