"""Content versions of raw datasets."""

import builtins
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from small_disks import small_disk

from transfer_atlas.datasets.versions import dataset_version, is_absent
from transfer_atlas.errors import DatasetError


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "camvid"
    for name, content in {"images/a.jpg": b"first", "images/b.jpg": b"second", "masks/a.png": b""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def opened(monkeypatch):
    """Names of the raw files whose content was read."""
    names, original = [], io.open

    def open_(file, mode="r", *arguments, **options):
        if "b" in mode and "r" in mode:
            names.append(Path(file).name)
        return original(file, mode, *arguments, **options)

    monkeypatch.setattr(io, "open", open_)
    monkeypatch.setattr(builtins, "open", open_)
    return names


def test_the_version_is_that_of_the_content_wherever_it_lies(raw, tmp_path):
    version = dataset_version(raw)
    assert version.endswith(".dir") and int(version.removesuffix(".dir"), 16) >= 0
    shutil.copytree(raw, tmp_path / "elsewhere" / "other_name")
    assert dataset_version(tmp_path / "elsewhere" / "other_name") == version


@pytest.fixture
def full_disk(tmp_path):
    """A real file system without room."""
    with small_disk(tmp_path / "full_disk", "16k") as folder:
        (folder / "filling").write_bytes(bytes(shutil.disk_usage(folder).free))
        yield folder


def test_a_full_disk_costs_the_cache_and_not_the_plan(raw, full_disk):
    with pytest.warns(UserWarning, match=r"versions.json cannot be written .*No space left.*`cache`"):
        assert dataset_version(raw, full_disk / "versions.json") == dataset_version(raw)
    assert [path.name for path in full_disk.iterdir()] == ["filling"]


def test_nor_does_a_cache_that_cannot_be_there(raw, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.warns(UserWarning, match="cannot be written"):
        assert dataset_version(raw, tmp_path / "file" / "versions.json") == dataset_version(raw)


def test_a_second_call_reads_no_file_and_touch_changes_nothing(raw, tmp_path, opened):
    cache = tmp_path / "cache" / "versions.json"
    version = dataset_version(raw, cache)
    assert sorted(opened) == ["a.jpg", "a.png", "b.jpg"]
    opened.clear()
    assert dataset_version(raw, cache) == version
    assert opened == []
    os.utime(raw / "images/b.jpg", ns=(1, 1))
    assert dataset_version(raw, cache) == version
    assert opened == ["b.jpg"]


@pytest.mark.parametrize("change", ["content", "name", "added", "removed"])
def test_any_change_of_content_changes_the_version(raw, tmp_path, change):
    cache = tmp_path / "versions.json"
    version = dataset_version(raw, cache)
    if change == "content":  # of the same size
        (raw / "images/a.jpg").write_bytes(b"FIRST")
        os.utime(raw / "images/a.jpg", ns=(1, 1))
    elif change == "name":
        (raw / "images/a.jpg").rename(raw / "images/c.jpg")
    elif change == "added":
        (raw / "masks/b.png").write_bytes(b"")
    else:
        (raw / "masks/a.png").unlink()
    assert dataset_version(raw, cache) != version
    assert dataset_version(raw, cache) == dataset_version(raw)


def test_datasets_that_share_a_cache_do_not_mix(raw, tmp_path):
    # archives are often unpacked with the same times, and masks of one size are often equally large
    twin, cache = tmp_path / "twin", tmp_path / "versions.json"
    shutil.copytree(raw, twin)
    (twin / "images/a.jpg").write_bytes(b"other")
    for folder in (raw, twin):
        os.utime(folder / "images/a.jpg", ns=(1, 1))
    versions = [dataset_version(folder, cache) for folder in (raw, twin)]
    assert versions == [dataset_version(folder) for folder in (raw, twin)] and versions[0] != versions[1]
    assert versions == [dataset_version(folder, cache) for folder in (raw, twin)]


def test_leftovers_of_file_managers_do_not_count_and_other_hidden_files_do(raw):
    version = dataset_version(raw)
    for name in (".DS_Store", "Thumbs.db", "images/._a.jpg", "images/.ipynb_checkpoints/a.jpg"):
        (raw / name).parent.mkdir(exist_ok=True)
        (raw / name).write_bytes(b"x")
    assert dataset_version(raw) == version
    (raw / ".cache").mkdir()
    (raw / ".cache/file").write_bytes(b"x")
    assert dataset_version(raw) != version  # as `dvc add` has it


def test_an_edit_with_the_time_put_back_is_seen(raw, tmp_path):
    cache, file = tmp_path / "versions.json", raw / "images/a.jpg"
    version, before = dataset_version(raw, cache), file.stat()
    file.write_bytes(b"FIRST")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert dataset_version(raw, cache) != version


def test_links_to_nowhere_loops_and_pipes_are_passed_over(raw):
    version = dataset_version(raw)
    (raw / "nowhere.jpg").symlink_to("gone.jpg")
    (raw / "circle.jpg").symlink_to("circle.jpg")
    (raw / "masks/up").symlink_to("..")
    os.mkfifo(raw / "pipe")
    assert dataset_version(raw) == version


def dvc(repository, *arguments):
    command = [Path(sys.executable).with_name("dvc"), *arguments]
    subprocess.run(command, cwd=repository, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path):
    """A DVC repository without git, with a dataset of awkward names, and ignore files."""
    dvc(tmp_path, "init", "--no-scm")
    (tmp_path / ".dvcignore").write_text("*.tmp\n/data/toy/left_out/\n")
    for name in (
        "a b.jpg",
        "ü.txt",
        ".hidden/h",
        "sub-x/1",
        "sub/2",
        "zero",
        "x.tmp",
        "left_out/y",
        "sub/k.tmp",
    ):
        file = tmp_path / "data" / "toy" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"" if name == "zero" else name.encode())
    (tmp_path / "data/.dvcignore").write_text("!sub/k.tmp\n")
    (tmp_path / "data/toy/link").symlink_to("zero")
    return tmp_path


def test_a_plain_folder_has_the_version_dvc_gives_it(repository):
    plain = dataset_version(repository / "data/toy")
    dvc(repository, "add", "data/toy")
    assert (repository / "data/toy.dvc").is_file()
    assert dataset_version(repository / "data/toy") == plain


def test_a_part_of_a_folder_under_dvc_has_the_version_it_would_have_alone(repository):
    plain = dataset_version(repository / "data/toy/sub")
    dvc(repository, "add", "data/toy")
    assert dataset_version(repository / "data/toy/sub") == plain
    shutil.rmtree(repository / "data/toy")
    assert not is_absent(repository / "data/toy/sub")
    assert dataset_version(repository / "data/toy/sub") == plain  # from DVC's list of the folder above
    shutil.rmtree(repository / ".dvc/cache")
    record = yaml.safe_load((repository / "data/toy.dvc").read_text())["outs"][0]["md5"]
    assert dataset_version(repository / "data/toy/sub") == f"{record}/sub"


def test_a_damaged_cache_is_computed_again(raw, tmp_path):
    cache = tmp_path / "versions.json"
    for text in ("{", "[]", '{"x": 1}'):
        cache.write_text(text)
        assert dataset_version(raw, cache) == dataset_version(raw)


def test_what_dvc_recorded_counts_even_without_the_files(raw):
    raw.with_name("camvid.dvc").write_text(
        "outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  path: camvid\n"
    )
    recorded = "0123456789abcdef0123456789abcdef.dir"
    assert dataset_version(raw) == recorded
    shutil.rmtree(raw)
    assert dataset_version(raw) == recorded


@pytest.mark.parametrize(
    "text",
    [
        "",
        "outs: []",
        "outs:\n- path: x",
        ":\n:",
        "a: [",
        "outs:\n- md5: null",
        "outs:\n- md5: ../../x\n",
        "outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  path: other",
    ],
)
def test_a_dvc_file_without_a_version_is_an_error(raw, text):
    raw.with_name("camvid.dvc").write_text(text)
    with pytest.raises(DatasetError, match=r"(?s)camvid\.dvc records no version.*dvc add"):
        dataset_version(raw)


def test_a_missing_or_empty_dataset_is_an_error_with_a_remedy(tmp_path):
    with pytest.raises(
        DatasetError, match=r"does not exist, and there is no camvid\.dvc.*put the files there"
    ):
        dataset_version(tmp_path / "camvid")
    (tmp_path / "camvid").mkdir()
    with pytest.raises(DatasetError, match="is empty"):
        dataset_version(tmp_path / "camvid")


def test_versions_import_little():
    code = (
        "import sys; import transfer_atlas.datasets.versions;"
        "assert not {'torch', 'pandas', 'dvc', 'pyarrow', 'numpy'} & set(sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
