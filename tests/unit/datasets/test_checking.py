"""What is prepared is what its version names: half-present, edited and changing data are refused."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from adapter_examples import parse, save
from prepared_examples import pixels

from transfer_atlas.datasets import prepare as preparing
from transfer_atlas.datasets.manifest import write_manifest
from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.datasets.versions import dataset_version
from transfer_atlas.errors import DatasetError

SETTINGS = parse("{name: image_mask_folders, path: toy, images: 'images/{split}/*.png', classes: [a, b]}")


@pytest.fixture
def root(tmp_path) -> Path:
    """A DVC repository with a dataset of four images."""
    subprocess.run(
        [Path(sys.executable).with_name("dvc"), "init", "--no-scm", "-q"], cwd=tmp_path, check=True
    )
    for split in ("train", "val"):
        for index in range(2):
            save(tmp_path / f"toy/images/{split}/{index}.png", pixels(4, 6, seed=index))
            save(tmp_path / f"toy/masks/{split}/{index}.png", np.eye(4, 6, dtype=np.uint8))
    return tmp_path


def add(root: Path, name: str = "toy") -> None:
    subprocess.run([Path(sys.executable).with_name("dvc"), "add", "-q", name], cwd=root, check=True)


def prepare(root: Path, version: str | None = None, **options):
    version = dataset_version(root / "toy") if version is None else version
    return prepare_dataset(SETTINGS, root, root / "out", dataset="toy", version=version, **options)


@pytest.mark.parametrize("how", ["plain", "dvc", "manifest", "above"])
def test_whole_data_are_prepared(root, how):
    if how == "dvc":
        add(root)
    elif how == "manifest":
        write_manifest(root / "toy")
    elif how == "above":
        (root / "data").mkdir()
        (root / "toy").rename(root / "data/toy")
        add(root, "data")
        root = root / "data"
    assert prepare(root).counts == {"train": 2, "val": 2}


@pytest.mark.parametrize("how", ["dvc", "manifest"])
def test_half_present_data_are_refused(root, how):
    add(root) if how == "dvc" else write_manifest(root / "toy")
    (root / "toy/images/val/1.png").unlink()
    (root / "toy/masks/val/1.png").unlink()
    with pytest.raises(
        DatasetError, match=r"6 of 8 files are in .*toy.*(`dvc pull .*toy`|Restore the files)"
    ):
        prepare(root)
    assert not (root / "out/dataset.json").exists()


def test_half_of_a_part_of_a_folder_under_dvc_is_refused(root):
    (root / "data").mkdir()
    (root / "toy").rename(root / "data/toy")
    add(root, "data")
    (root / "data/toy/images/val/1.png").unlink()
    with pytest.raises(DatasetError, match=r"7 of 8 files are in .*data/toy.*`dvc pull .*data/toy`"):
        prepare(root / "data")


@pytest.mark.parametrize("same_size", [False, True])
def test_an_edited_file_is_refused_by_name(root, same_size):
    add(root)
    file = root / "toy/masks/train/0.png"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.unlink()  # DVC's own copy may share the inode
    file.write_bytes(content if same_size else content + b"x")
    expected = "masks/train/0.png in .* differ from what toy.dvc records" if same_size else "bytes, not the"
    with pytest.raises(DatasetError, match=expected):
        prepare(root)


def test_data_changed_since_planning_are_refused(root):
    planned = dataset_version(root / "toy")
    save(root / "toy/masks/train/0.png", np.zeros((4, 6), np.uint8))
    with pytest.raises(DatasetError, match=r"were changed since\. Run snakemake again"):
        prepare(root, planned)
    add(root)
    with pytest.raises(DatasetError, match=r"now records .*; the run was planned with"):
        prepare(root, planned)


@pytest.mark.parametrize("what", ["changed", "added", "removed"])
def test_files_that_change_while_they_are_read_are_refused(root, monkeypatch, what):
    original = preparing.ADAPTERS["image_mask_folders"].describe

    def describe(*arguments):
        file = root / "toy/masks/val/0.png"
        if what == "changed":
            save(file, np.zeros((4, 6), np.uint8))
        elif what == "added":
            shutil.copy(file, root / "toy/images/val/2.png")
            shutil.copy(file, root / "toy/masks/val/2.png")
        else:
            (root / "toy/masks/val/1.png").unlink()
            (root / "toy/images/val/1.png").unlink()
        return original(*arguments)

    monkeypatch.setattr(preparing.ADAPTERS["image_mask_folders"], "describe", describe)
    with pytest.raises(DatasetError, match="changed while it was read"):
        prepare(root)


def test_a_touched_file_is_no_change(root, monkeypatch):
    original = preparing.ADAPTERS["image_mask_folders"].describe

    def describe(*arguments):
        os.utime(root / "toy/masks/val/0.png", ns=(1, 1))
        return original(*arguments)

    monkeypatch.setattr(preparing.ADAPTERS["image_mask_folders"], "describe", describe)
    assert prepare(root).counts["val"] == 2


def test_folders_that_dvc_does_not_follow_are_refused(root):
    (root / "toy/images/val").rename(root / "elsewhere")
    (root / "toy/images/val").symlink_to(root / "elsewhere")
    assert prepare(root).counts["val"] == 2  # hashed here
    add(root)
    with pytest.raises(DatasetError, match=r"of 6 files|images/val in .* are links to folders"):
        prepare(root)


def test_md5s_are_remembered_between_planning_and_preparing(root, monkeypatch):
    cache = root / "versions.json"
    version = dataset_version(root / "toy", cache)
    assert len(next(iter(json.loads(cache.read_text()).values()))) == 8
    monkeypatch.setattr("transfer_atlas.datasets.hashing._md5", lambda file: "read again")
    assert prepare(root, version, cache_file=cache).counts["val"] == 2
