"""State on a machine's own disk, and its copy that other machines see."""

import os
import time

import pytest

from transfer_atlas.running.state_copy import copied_state, copy_newer


def put(path, text, seconds=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    at = time.time() + seconds
    os.utime(path, (at, at))


def test_a_run_goes_on_on_another_machine(tmp_path):
    shared = tmp_path / "shared/key"
    with pytest.raises(KeyboardInterrupt), copied_state(tmp_path / "one/key", shared):
        put(tmp_path / "one/key/state-0.safetensors", "step 40")
        put(tmp_path / "one/key/shown-0/per_image.parquet", "rows")
        put(tmp_path / "one/key/output/model.safetensors", "half")
        raise KeyboardInterrupt
    assert not (shared / "output").exists()
    with copied_state(tmp_path / "two/key", shared):
        assert (tmp_path / "two/key/state-0.safetensors").read_text() == "step 40"
        assert (tmp_path / "two/key/shown-0/per_image.parquet").read_text() == "rows"
        for path in sorted((tmp_path / "two/key").rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        (tmp_path / "two/key").rmdir()  # as a run does that is finished
    assert not shared.exists()


def test_the_copy_follows_while_a_run_goes_on(tmp_path):
    with copied_state(tmp_path / "key", tmp_path / "copy", every=0.05):
        put(tmp_path / "key/state.safetensors", "step 20")
        end = time.monotonic() + 30
        while not (tmp_path / "copy/state.safetensors").exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert (tmp_path / "copy/state.safetensors").read_text() == "step 20"  # a kill would lose no more


def test_what_is_newer_stays(tmp_path):
    put(tmp_path / "one/state", "old", -100)
    put(tmp_path / "two/state", "new")
    put(tmp_path / "two/.state.17.part", "half")
    copy_newer(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two/state").read_text() == "new"
    copy_newer(tmp_path / "two", tmp_path / "one")
    assert (tmp_path / "one/state").read_text() == "new" and len(list((tmp_path / "one").iterdir())) == 1


def test_what_says_that_a_rate_is_done_comes_after_what_belongs_to_it(tmp_path, monkeypatch):
    from transfer_atlas.running import state_copy

    put(tmp_path / "one/rate-0.json", "{}")
    put(tmp_path / "one/shown-0/rows", "rows")
    order = []
    copy = state_copy.shutil.copy2
    monkeypatch.setattr(state_copy.shutil, "copy2", lambda a, b: (order.append(a.name), copy(a, b)))
    copy_newer(tmp_path / "one", tmp_path / "two")
    assert order == ["rows", "rate-0.json"]


def test_without_a_copy_nothing_happens(tmp_path):
    with copied_state(tmp_path / "key", None):
        put(tmp_path / "key/state", "kept")
    assert (tmp_path / "key/state").exists()
