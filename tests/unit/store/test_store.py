"""The store: results arrive whole or not at all, also when the disk is full."""

import errno
import hashlib
import json
import os
import subprocess

import pytest
import torch

from transfer_atlas.models.checkpoints import save_checkpoint
from transfer_atlas.store.store import StoreError, publish, read_run, run_folder, write_json


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 64 KiB; needs the right to mount."""
    folder = tmp_path / "small_disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("a small file system to fill up cannot be mounted here (not root, or not allowed)")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def leftovers(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_folders_are_named_by_kind_name_and_key(tmp_path):
    assert run_folder(tmp_path, "source", "segmentation-coco", "0f") == (
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
    work = tmp_path / "work"
    (work / "shards").mkdir(parents=True)
    (work / "shards" / "big").write_bytes(bytes(200_000))
    with pytest.raises(OSError):
        publish(work, small_disk / "k", {"key": "k"})
    assert leftovers(small_disk) == []
    assert leftovers(work) == ["big"]


def test_a_published_result_is_whole_and_says_how_to_verify_it(tmp_path):
    work, folder = tmp_path / "work", tmp_path / "store" / "k"
    (work / "shards").mkdir(parents=True)
    (work / "shards" / "a.parquet").write_bytes(b"shard")
    (work / "model.safetensors").write_bytes(b"weights")
    publish(work, folder, {"key": "k", "metrics": {"value": 0.5}})
    record = read_run(folder)
    assert record["metrics"] == {"value": 0.5}
    assert record["files"] == {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in {"shards/a.parquet": b"shard", "model.safetensors": b"weights"}.items()
    }
    assert leftovers(folder) == ["a.parquet", "model.safetensors", "run.json"]
    assert leftovers(work) == []


def test_publishing_again_replaces_files_and_folders(tmp_path):
    folder = tmp_path / "store" / "k"
    for content in (b"one", b"two"):
        work = tmp_path / "work"
        (work / "shards").mkdir(parents=True, exist_ok=True)
        (work / "shards" / content.decode()).write_bytes(content)
        (work / "model").write_bytes(content)
        publish(work, folder, {"key": "k"})
    assert leftovers(folder) == ["model", "run.json", "two"]
    assert (folder / "model").read_bytes() == b"two"


def test_a_result_that_is_being_replaced_does_not_count_as_complete(small_disk, tmp_path):
    folder = small_disk / "k"
    for size in (10, 200_000):
        work = tmp_path / f"work{size}"
        work.mkdir()
        (work / "model").write_bytes(bytes(size))
        if size == 10:
            publish(work, folder, {"key": "k"})
            continue
        with pytest.raises(OSError):
            publish(work, folder, {"key": "k"})
    with pytest.raises(StoreError, match="is missing"):
        read_run(folder)


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
