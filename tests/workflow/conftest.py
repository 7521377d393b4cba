"""Fixtures of the workflow's tests: a finished tiny study, made once, and copies of it for each test."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from clones import ALL_RUNS, TABLES_AND_FIGURES, Clone, checkout, cloned, commit, dvc_add
from tiny_data import draw_all

VERSIONED = ("things", "meadow", "street")  # harbour is under no version control: everybody has a copy of it


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def blank(tmp_path_factory) -> Clone:
    """A clone with raw data, of which harbour alone is not under version control; nothing has been run."""
    clone = checkout(tmp_path_factory.mktemp("blank") / "atlas")
    draw_all(clone.folder / "data")
    for name in VERSIONED:
        dvc_add(clone.folder / "data" / name)
    ignored = clone.folder / "data" / ".gitignore"
    ignored.write_text(ignored.read_text(encoding="utf-8") + "/harbour\n", encoding="utf-8")
    commit(clone.folder, "Datasets under version control")
    return clone


@pytest.fixture(scope="session")
def finished(blank, tmp_path_factory) -> Clone:
    """The tiny study, run. Tests copy it and leave it as it is."""
    clone = _copied(blank, tmp_path_factory.mktemp("finished") / "atlas")
    call = clone.snakemake().well()
    assert call.jobs == call.finished == ALL_RUNS | TABLES_AND_FIGURES
    return clone


@pytest.fixture
def begun(blank, tmp_path) -> Clone:
    """A clone with raw data of the test's own; nothing has been run."""
    return _copied(blank, tmp_path / "begun")


@pytest.fixture
def done(finished, tmp_path) -> Clone:
    """A finished study of the test's own, Snakemake's memory and file times included."""
    return _copied(finished, tmp_path / "done")


@pytest.fixture
def fresh(finished, tmp_path) -> Clone:
    """A fresh `git clone` of the finished study: what is under version control, and nothing else."""
    folder = tmp_path / "fresh"
    subprocess.run(["git", "clone", "--quiet", finished.folder, folder], check=True)
    return Clone(folder)


@pytest.fixture(scope="session")
def published(finished, tmp_path_factory) -> Clone:
    """The tiny study, run, recorded and pushed. Tests clone it and leave it as it is."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copytree(finished.folder, folder / "atlas", symlinks=True)
    clone = Clone(folder / "atlas")
    (folder / "remote").mkdir()
    clone.dvc("remote", "add", "--default", "storage", str(folder / "remote"))
    clone.dvc("add", *(f"data/{name}" for name in VERSIONED))
    said = clone.sharing("record")
    assert "transfers" in said and "7 of them new" in said
    commit(clone.folder, "The tiny study, recorded")
    clone.dvc("push")
    return clone


@pytest.fixture(scope="session")
def pulled_once(published, tmp_path_factory) -> Clone:
    """A fresh clone after `dvc pull`, with a copy of harbour."""
    clone = cloned(published, tmp_path_factory.mktemp("pulled") / "atlas")
    clone.dvc("pull")
    return clone


@pytest.fixture
def blank_clone(published, tmp_path) -> Clone:
    """A fresh clone, with a copy of harbour; nothing has been pulled."""
    return cloned(published, tmp_path / "blank")


@pytest.fixture
def pulled(pulled_once, tmp_path) -> Clone:
    """A fresh clone after `dvc pull`, of the test's own."""
    return _copied(pulled_once, tmp_path / "pulled")


def _copied(clone: Clone, folder: Path) -> Clone:
    shutil.copytree(clone.folder, folder, symlinks=True)  # keeps file times, as `cp -a` does
    return Clone(folder)
