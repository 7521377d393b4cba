"""Leases: one holder at a time, dead holders are found out, a lease that was lost is noticed."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import transfer_atlas
from transfer_atlas.store import leases
from transfer_atlas.store.leases import Holder, LeaseLostError, leased, start_of, this_host

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(transfer_atlas.__file__).resolve().parents[1])}
HOLD = """
import sys, time
from pathlib import Path
from transfer_atlas.store.leases import leased
with leased(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def holding(path: Path) -> subprocess.Popen:
    """A process that holds a lease, and has begun to."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    assert process.stdout.readline() == "held\n"
    return process


def write(path: Path, **changes) -> None:
    """A lease that says what it is told to."""
    holder = Holder(this_host(), os.getpid(), start_of(os.getpid()), "token")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(holder.__dict__ | changes))


def counts_up(path: Path, log: Path) -> None:
    for _ in range(5):
        with leased(path):
            before = int(log.read_text())
            time.sleep(0.002)
            log.write_text(str(before + 1))


def test_nobody_else_is_in_while_it_is_held(tmp_path):
    (tmp_path / "log").write_text("0")
    context = multiprocessing.get_context("fork")
    several = [
        context.Process(target=counts_up, args=(tmp_path / "a.json", tmp_path / "log")) for _ in range(4)
    ]
    for each in several:
        each.start()
    for each in several:
        each.join(60)
    assert int((tmp_path / "log").read_text()) == 20
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_whoever_waits_is_told_for_whom_and_goes_on_when_the_holder_is_killed(tmp_path):
    process = holding(tmp_path / "a.json")
    told = []
    threading.Timer(1.0, lambda: os.kill(process.pid, signal.SIGKILL)).start()
    began = time.monotonic()
    with leased(tmp_path / "a.json", waiting=told.append):
        waited = time.monotonic() - began
    process.wait()
    assert [holder.process for holder in told] == [process.pid] and f"process {process.pid} on " in str(
        told[0]
    )
    assert 0.9 < waited < 10  # not the patience that another machine's holder would get


def test_a_number_that_another_process_has_now_is_no_sign_of_life(tmp_path):
    write(tmp_path / "a.json", started="long ago")
    with leased(tmp_path / "a.json"):
        pass


def test_another_machines_holder_is_believed_as_long_as_its_heart_beats(tmp_path):
    path = tmp_path / "a.json"
    write(path, host="elsewhere")
    over = threading.Event()

    def beat():
        while not over.wait(0.2):
            os.utime(path)

    threading.Thread(target=beat, daemon=True).start()
    threading.Timer(2.0, over.set).start()
    began = time.monotonic()
    with leased(path, patience=1.0):
        assert time.monotonic() - began > 2.5  # two seconds of beats, one of patience


def test_clocks_that_differ_do_not_matter(tmp_path):
    path = tmp_path / "a.json"
    write(path, host="elsewhere")
    os.utime(path, (4_000_000_000, 4_000_000_000))  # its machine's clock is years ahead
    began = time.monotonic()
    with leased(path, patience=1.0):
        assert 0.9 < time.monotonic() - began < 5


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 3}', "null"])
def test_a_lease_that_says_nothing_is_waited_for_and_then_taken(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with leased(tmp_path / "a.json", patience=1.0) as lease:
        lease.check()


def test_a_lease_that_was_taken_away_is_noticed_and_not_given_back(tmp_path):
    path = tmp_path / "a.json"
    with leased(path) as lease:
        write(path, token="another's")
        with pytest.raises(LeaseLostError, match="taken by process"):
            lease.check()
    assert json.loads(path.read_text())["token"] == "another's"


def test_the_heart_beats(tmp_path):
    with leased(tmp_path / "a.json", heartbeat=0.1):
        os.utime(tmp_path / "a.json", (1, 1))
        time.sleep(0.5)
        assert (tmp_path / "a.json").stat().st_mtime > 1_000_000


def test_whoever_died_while_breaking_a_lease_stops_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "BREAKING", 0.5)
    write(tmp_path / "a.json", started="long ago")
    (tmp_path / "a.json.breaking").write_text("1")
    with leased(tmp_path / "a.json"):
        pass
