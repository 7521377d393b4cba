"""Runs that somebody is computing are left alone by pulling and removing; a store in no layer is said."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import study_examples as examples
from laboratories import REPOSITORY

from transfer_atlas.planning.presence import Presence
from transfer_atlas.sharing import cache
from transfer_atlas.sharing.layers import SHARED, layers_of, read_lock, write_lock
from transfer_atlas.sharing.pull import discard
from transfer_atlas.sharing.puller import Puller, leaves
from transfer_atlas.sharing.records import Version, records_of
from transfer_atlas.sharing.repository import Repository, SharingError
from transfer_atlas.store.leases import leased
from transfer_atlas.store.store import lease_of

RUN = Path("store/sources/meadow/0123456789abcdef")
MD5 = "5d41402abc4b2a76b9719d911017c592"  # of "hello"


@pytest.fixture
def repository(tmp_path):
    """A repository with the project's layers, a run's folder, and a cache with one content."""
    (tmp_path / ".dvc").mkdir()
    shutil.copy(REPOSITORY / "dvc.yaml", tmp_path)
    (tmp_path / RUN).mkdir(parents=True)
    (tmp_path / RUN / "run.json").write_text("here", encoding="utf-8")
    content = tmp_path / ".dvc/cache/files/md5" / MD5[:2] / MD5[2:]
    content.parent.mkdir(parents=True)
    content.write_text("hello", encoding="utf-8")
    found = Repository(tmp_path)
    found.__dict__["settings"] = {}  # as `dvc config` would say
    return found


def test_what_is_being_computed_is_neither_removed_nor_replaced(repository):
    folder, within = repository.folder / RUN, repository.folder / "store/sources"
    with leased(lease_of(folder)):
        with pytest.raises(SharingError, match="is computing it"):
            discard(repository, RUN)
        with pytest.raises(SharingError, match="is computing it"):
            cache.place(repository, {"run.json": (MD5, 5)}, folder, within, lambda part: [])
    assert (folder / "run.json").read_text(encoding="utf-8") == "here"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name], "nothing is left aside"
    assert cache.place(repository, {"run.json": (MD5, 5)}, folder, within, lambda part: []) == []
    assert (folder / "run.json").read_text(encoding="utf-8") == "hello"
    discard(repository, RUN)
    assert not folder.exists()


def test_what_does_not_pass_the_check_replaces_nothing(repository):
    folder, within = repository.folder / RUN, repository.folder / "store/sources"
    problems = cache.place(
        repository, {"run.json": (MD5, 5)}, folder, within, lambda part: [f"{part}/run.json is bad"]
    )
    assert problems == [f"{folder}/run.json is bad"]
    assert (folder / "run.json").read_text(encoding="utf-8") == "here"


def test_every_kind_that_is_shared_has_a_layer(repository):
    assert {layer.folder.name for layer in layers_of(repository) if layer.keyed} == SHARED


def test_a_store_in_no_layer_is_said(repository):
    plan = examples.plan()
    study = plan.study.model_copy(update={"store": Path("/elsewhere/store")})
    puller = Puller(study, Presence(study.store), print)
    with pytest.raises(
        SharingError, match=r"/elsewhere/store is in no layer of dvc.yaml: nothing of it is shared"
    ):
        puller.what(repository, leaves(plan))


def test_dvc_sees_raw_data_that_git_ignores(tmp_path):
    """DVC takes some patterns that ignore all folders in `data` for ones that ignore `data`, and sees no .dvc file."""
    shutil.copy(REPOSITORY / ".gitignore", tmp_path)
    (tmp_path / "data/meadow").mkdir(parents=True)
    (tmp_path / "data/meadow/image.png").write_bytes(b"x")
    (tmp_path / "data/meadow.dvc").write_text(f"outs: [{{md5: {MD5}.dir, path: meadow}}]", encoding="utf-8")

    def call(*command):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.split()

    call("git", "init", "--quiet")
    call(sys.executable, "-m", "dvc", "init", "--quiet")
    assert call("git", "check-ignore", "data/meadow", "data/meadow.dvc") == ["data/meadow"]
    shutil.rmtree(tmp_path / "data/meadow")
    assert "meadow" in call(sys.executable, "-m", "dvc", "list", ".", "data")


def test_pulling_leaves_dvc_lock_alone_where_only_the_study_was_edited(repository):
    layers = layers_of(repository)
    records = {layer: layer.records(repository) for layer in layers}
    (repository.folder / "config.yaml").write_text("study: ours", encoding="utf-8")
    assert write_lock(repository, {}, records)
    (repository.folder / "config.yaml").write_text("study: edited", encoding="utf-8")
    assert not write_lock(repository, read_lock(repository), records, careful=True)
    assert write_lock(repository, read_lock(repository), records), "but `record` writes down what there is"
    version = Version("a/0123456789abcdef", {"run.json": ("0" * 32, 1)})
    records[layers[0]] = records_of([version])
    assert write_lock(repository, read_lock(repository), records, careful=True)
    records[layers[0]] = records_of([], ["recorded/prepared/x.json is no JSON"])
    before = read_lock(repository)
    assert not write_lock(repository, before, records, careful=True), (
        "the file that was refused may tell of more"
    )
