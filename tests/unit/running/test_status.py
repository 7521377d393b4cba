"""Where a study stands, told from leases, notices and run.json in the store alone."""

import io
import json
import os
import subprocess
import sys

import pytest
import study_examples as examples

from transfer_atlas.planning.workflow import Workflow
from transfer_atlas.running.status import command
from transfer_atlas.running.status.facts import last_lines, status_of
from transfer_atlas.running.status.text import as_text
from transfer_atlas.store.leases import leased, start_of, this_host
from transfer_atlas.store.notices import (
    Noted,
    about_this_job,
    attempt_at,
    failure_of,
    forget_failure,
    note_failure,
    said_of,
)
from transfer_atlas.store.store import lease_of


@pytest.fixture
def flow(tmp_path):
    changes = (("store", str(tmp_path / "store")),)
    return Workflow(examples.study(*changes), examples.plan(*changes))


def folder_of(flow, kind, place=0):
    return flow.plan.of_kind(kind)[place].folder(flow.study.store)


def finish(flow, kind, place=0, **changes):
    run = flow.plan.of_kind(kind)[place]
    folder = run.folder(flow.study.store)
    folder.mkdir(parents=True)
    for path in run.outputs(flow.study.store).values():
        path.touch()
    told = {"key": run.key, "status": "finished", "settings": run.settings, "seconds": 360.0}
    (folder / "run.json").write_text(json.dumps(told | changes))


def row(status, kind):
    found = next(each for each in status.kinds if each.kind == kind)
    return found.runs, found.done, found.running, found.queued, found.failed


def hold(flow, kind, place=0, **changes):
    """A lease as another process holds it."""
    path = lease_of(folder_of(flow, kind, place))
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"host": "node7/pid:[1]", "process": 12, "started": "1", "token": "ab", "about": {"log": None}}
    path.write_text(json.dumps(told | changes))
    return path


def test_an_empty_store_is_all_queue(flow):
    status = status_of(flow)
    assert row(status, "source") == (2, 0, 0, 2, 0) and not status.is_done
    assert all(each.hours_left is None and each.hours_spent == 0 for each in status.kinds)
    assert "unknown" in as_text(status)


def test_what_is_done_at_work_and_failed_is_counted_with_hours(flow, monkeypatch):
    finish(flow, "source")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a")
    folder = folder_of(flow, "source", 1)
    before = status_of(flow)
    with leased(lease_of(folder), about=about_this_job("some.log")):
        Noted(io.StringIO(), folder).write("  segmentation-camvid: step 75 of 100, loss 0.1\n")
        status = status_of(flow)
    assert row(status, "source") == (2, 1, 1, 0, 0)
    at_work = status.running[0]
    assert (at_work.attempt.gpus, at_work.attempt.process, at_work.share) == (["GPU-a"], os.getpid(), 0.75)
    left = [
        next(each.hours_left for each in told.kinds if each.kind == "source") for told in (before, status)
    ]
    assert left[1] == pytest.approx(left[0] / 4) and left[0] > 0
    assert next(each.hours_spent for each in status.kinds if each.kind == "source") == pytest.approx(0.1)
    assert "GPU GPU-a: step 75 of 100, loss 0.1" in as_text(status)
    assert row(status_of(flow), "source") == (2, 1, 0, 1, 0)  # the lease was given back


def test_a_run_that_was_killed_has_failed_and_one_of_another_node_goes_on_while_it_beats(flow):
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    hold(flow, "transfer", 0, host=this_host(), process=int(gone.stdout), started="5")
    hold(flow, "transfer", 1)
    silent = hold(flow, "transfer", 2)
    os.utime(silent, (1.0, 1.0))
    hold(flow, "transfer", 3, host=this_host(), process=os.getpid(), started=start_of(os.getpid()))
    status = status_of(flow)
    assert row(status, "transfer") == (10, 0, 2, 6, 2)
    assert sorted(each.attempt.node for each in status.running) == sorted(
        ["node7", this_host().split("/")[0]]
    )
    assert "ended from outside" in status.failed[0].attempt.failed
    assert "not heard of" in status.failed[1].attempt.failed


def test_a_failure_is_told_with_the_end_of_its_log_until_the_run_succeeds(flow, tmp_path):
    log, folder = tmp_path / "a.log", folder_of(flow, "prepared")
    log.write_text("".join(f"line {number}\n\n" for number in range(50)))
    for message in ("first", "second"):
        note_failure(folder, about_this_job(str(log)), message)
    (found,) = status_of(flow).failed
    assert (found.attempt.failed, found.attempt.attempts) == ("second", 2)
    assert found.lines == [f"line {number}" for number in range(42, 50)]
    assert "(attempt 2): second" in as_text(status_of(flow)) and "| line 49" in as_text(status_of(flow))
    log.unlink()
    assert "can't be read from here" in as_text(status_of(flow))
    with leased(lease_of(folder), about=about_this_job(str(log))):  # tried again
        assert not status_of(flow).failed and status_of(flow).running[0].attempt.attempts == 3
    forget_failure(folder)
    assert status_of(flow).failed == []


def test_results_without_a_value_and_damaged_ones_are_named(flow):
    finish(flow, "transfer", status="diverged", reason="the loss was nan", seconds=None)
    finish(flow, "transfer", 1, key="other")
    status = status_of(flow)
    assert [each.reason for each in status.without_result] == ["the loss was nan"]
    assert len(status.damaged) == 1 and "moved by hand" in status.damaged[0]
    assert row(status, "transfer")[1] == 2


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"message": 3, "gpus": 4, "log": [], "attempts": "x"}'])
def test_notices_of_any_content_stop_nothing(flow, content):
    folder = folder_of(flow, "source")
    for path in (failure_of(folder), said_of(folder), lease_of(folder)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    as_text(status_of(flow))
    hold(flow, "source", about=json.loads(content) if content.endswith("}") else content)
    said_of(folder).write_bytes(b"\x1b[2J\xff 9 of 0\n")
    text = as_text(status_of(flow))
    assert "\x1b" not in text and attempt_at(folder).node == "node7"


def test_what_is_written_passes_through_and_the_last_whole_line_is_noted(flow, monkeypatch):
    stream, folder = io.StringIO(), folder_of(flow, "source")
    said_of(folder).parent.mkdir(parents=True)
    noted = Noted(stream, folder)
    for text in ("  a: step 1", " of 4\n", "  a: st"):
        print(text, end="", file=noted, flush=True)
    assert stream.getvalue() == "  a: step 1 of 4\n  a: st"
    assert said_of(folder).read_text() == "a: step 1 of 4\n"
    noted.close()
    assert not said_of(folder).exists()


def test_no_notice_is_worth_a_failure(flow, monkeypatch):
    folder = folder_of(flow, "source")  # neither folder exists; one is a file
    flow.study.store.parent.mkdir(exist_ok=True)
    flow.study.store.write_text("a file")
    note_failure(folder, {}, "x")
    forget_failure(folder)
    Noted(io.StringIO(), folder).write("x\n")


def test_last_lines_of_long_and_strange_logs(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b"\xff\n" * 100_000 + b"x" * 1000 + b"\n")
    assert last_lines(str(log), 2) == ["\ufffd", "x" * 300]
    assert last_lines(str(tmp_path)) == last_lines("a\0b") == last_lines(None) == []


def test_the_command_says_it_for_people_and_machines(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command.main(["nothing.yaml"]) == 2
    over = tmp_path / "over.yaml"
    over.write_text("store: other\n")
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(examples.values()))
    assert command.main([str(path), str(over)]) == 0
    assert "store other" in capsys.readouterr().out
    assert command.main([str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["format"] == 1 and told["is_done"] is False and told["kinds"][0]["queued"] == 4
    with pytest.raises(SystemExit):
        command.main([str(path), "--watch", "0"])


def test_watching_ends_when_all_is_done(flow, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "_planned", lambda files: flow)
    monkeypatch.setattr(command.time, "sleep", lambda seconds: [finish(flow, *each) for each in places])
    places = [(kind.kind, place) for kind in status_of(flow).kinds for place in range(kind.runs)]
    assert command.main(["--watch", "1", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["is_done"] for line in lines] == [False, True]
