"""GPUs of one machine: which there are, and that each is lent to one run at a time, whatever is killed."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import transfer_atlas
from transfer_atlas.running.devices import (
    DEVICES_VARIABLE,
    FOLDER_VARIABLE,
    SHARING_VARIABLE,
    VISIBLE_VARIABLE,
    DeviceError,
    lent,
    listed,
)
from transfer_atlas.training import device

LISTING = """GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa0000-1111)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bbbb0000-1111)
  MIG 3g.40gb     Device  0: (UUID: MIG-11111111-aaaa)
  MIG 3g.40gb     Device  1: (UUID: MIG-22222222-aaaa)
GPU 2: NVIDIA A100-SXM4-80GB (UUID: GPU-cccc0000-1111)
"""
SOURCE = str(Path(transfer_atlas.__file__).resolve().parents[1])
# Takes devices, notes when it has them and when it ends, and works meanwhile: by itself, or by a child that inherits.
RUN = """
import os, subprocess, sys, time
from transfer_atlas.running.devices import lent
log, count, seconds, child = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "child"
with lent(count) as loan:
    note = "import os,sys,time; line = lambda what: os.write(int(sys.argv[1]), "
    note += "f'{what} {sys.argv[2]} {os.getpid()}\\\\n'.encode())"
    note += "; line('begin'); time.sleep(float(sys.argv[3])); line('end')"
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    call = [sys.executable, "-c", note, str(file), ",".join(loan.devices), str(seconds)]
    if child:
        subprocess.Popen(call, pass_fds=(file, *loan.files))
        time.sleep(60)
    else:
        for each in loan.files: os.set_inheritable(each, True)
        os.set_inheritable(file, True)
        os.execv(sys.executable, call)
"""


def environment(folder, devices="a,b", sharing=1):
    return os.environ | {
        DEVICES_VARIABLE: devices,
        SHARING_VARIABLE: str(sharing),
        FOLDER_VARIABLE: str(folder / "locks"),
        "PYTHONPATH": SOURCE,
    }


def begin(folder, count=1, seconds=0.3, how="self", **options):
    arguments = [str(folder / "log"), str(count), str(seconds), how]
    return subprocess.Popen([sys.executable, "-c", RUN, *arguments], env=environment(folder, **options))


def log_of(folder):
    path = folder / "log"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def await_lines(folder, count):
    end = time.monotonic() + 30
    while len(log_of(folder)) < count and time.monotonic() < end:
        time.sleep(0.02)
    return log_of(folder)


def most_at_once(lines):
    """Largest number of runs on each device at any time."""
    now, most = {}, {}
    for what, devices, process in lines:
        for name in devices.split(","):
            held = now.setdefault(name, set())
            held.add(process) if what == "begin" else held.discard(process)
            most[name] = max(most.get(name, 0), len(held))
    return most


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, ["GPU-aaaa0000-1111", "MIG-11111111-aaaa", "MIG-22222222-aaaa", "GPU-cccc0000-1111"]),
        ({VISIBLE_VARIABLE: "2,0"}, ["GPU-cccc0000-1111", "GPU-aaaa0000-1111"]),
        ({VISIBLE_VARIABLE: "GPU-cccc, 0,0"}, ["GPU-cccc0000-1111", "GPU-aaaa0000-1111"]),
        ({VISIBLE_VARIABLE: "1,-1,0"}, ["GPU-bbbb0000-1111"]),
        ({VISIBLE_VARIABLE: "MIG-22222222-aaaa"}, ["MIG-22222222-aaaa"]),
        ({VISIBLE_VARIABLE: ""}, []),
        ({VISIBLE_VARIABLE: "-1"}, []),
        ({DEVICES_VARIABLE: "7,8", VISIBLE_VARIABLE: "0"}, ["7", "8"]),
    ],
)
def test_devices_are_those_that_the_user_names_or_all(told, expected):
    assert listed(told, LISTING) == expected
    assert listed({}, "no devices were found") == []


def test_where_nobody_lends_nothing_is_shown_or_hidden(tmp_path):
    with lent(3, {}) as loan:
        assert loan.environment() == {}
    with lent(0, environment(tmp_path)) as loan:
        assert loan.environment() == {VISIBLE_VARIABLE: ""}


def test_a_device_has_one_run_and_the_next_waits(tmp_path):
    here = environment(tmp_path)
    with lent(1, here) as first, lent(1, here) as second:
        assert {*first.devices, *second.devices} == {"a", "b"}
        third = begin(tmp_path, seconds=0)
        time.sleep(1.0)
        assert log_of(tmp_path) == []
    assert third.wait(30) == 0
    with lent(2, here) as both:
        assert both.environment() == {VISIBLE_VARIABLE: "a,b"}


def test_whoever_waits_is_told_of_it_once_and_too_many_are_refused(tmp_path):
    here, told = environment(tmp_path, devices="a"), []
    holder = begin(tmp_path, seconds=1.2, devices="a")
    await_lines(tmp_path, 1)
    with lent(1, here, waiting=told.append):
        assert holder.wait(30) == 0 and told == [1]
    with pytest.raises(DeviceError, match=r"asks for 2 GPUs, and there are 1 .*gpu=1"), lent(2, here):
        pass


def test_runs_share_a_device_only_when_each_has_one_and_never_with_a_run_of_several(tmp_path):
    here = environment(tmp_path, sharing=2)
    loans = [lent(1, here) for _ in range(4)]
    found = [loan.__enter__().devices for loan in loans]
    assert found == [("a",), ("b",), ("a",), ("b",)]
    both = begin(tmp_path, count=2, sharing=2, seconds=0)
    alone = begin(tmp_path, sharing=1, seconds=0)
    for loan in loans[:3]:
        loan.__exit__(None, None, None)
    assert alone.wait(30) == 0  # on a, which nobody shares now
    assert both.poll() is None
    loans[3].__exit__(None, None, None)
    assert both.wait(30) == 0


def test_runs_that_want_several_do_not_wait_for_one_another(tmp_path):
    runs = [begin(tmp_path, count=2, seconds=0.05, devices="a,b,c") for _ in range(4)]
    assert [run.wait(60) for run in runs] == [0] * 4
    assert set(most_at_once(log_of(tmp_path)).values()) == {1}  # any two of the three, by who came when


def test_a_killed_run_gives_its_device_back_but_not_before_what_computes_it_has_ended(tmp_path):
    first = begin(tmp_path, seconds=2.0, how="child", devices="a")
    await_lines(tmp_path, 1)
    first.kill()
    second = begin(tmp_path, seconds=0, devices="a")
    assert first.wait(30) < 0 and second.wait(30) == 0
    assert [what for what, *_ in log_of(tmp_path)] == ["begin", "end", "begin", "end"]


@pytest.mark.parametrize("sharing", [1, 2])
def test_random_kills_lose_no_device_and_lend_none_twice(tmp_path, sharing):
    draw = random.Random(sharing)
    running, killed = [], 0
    for _ in range(12):
        running.append(begin(tmp_path, seconds=draw.uniform(0, 0.3), sharing=sharing))
        if draw.random() < 0.4:
            victim = draw.choice(running)
            victim.kill()
            killed += 1
        time.sleep(draw.uniform(0, 0.1))
    for run in running:
        run.wait(60)
    lines = log_of(tmp_path)
    ended = {process for what, _, process in lines if what == "end"}
    whole = [line for line in lines if line[2] in ended]  # of the killed nobody knows when they ended
    assert killed and max(most_at_once(whole).values()) <= sharing
    with lent(2, environment(tmp_path)) as both:
        assert both.devices == ("a", "b")


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    locks = tmp_path / "locks"
    locks.mkdir()
    (tmp_path / "precious").write_text("kept")
    (locks / "a").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic"), lent(1, environment(tmp_path)):
        pass
    assert (tmp_path / "precious").read_text() == "kept"


def test_both_sides_name_the_sharing_alike():
    assert device.SHARING_VARIABLE == SHARING_VARIABLE
