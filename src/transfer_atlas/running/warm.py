"""A warm process: it imports what runs need once, and forks for every job that asks.

Importing torch and timm takes longer than many a miniature run. On one machine the workflow therefore starts one
process that imports them (`serve`); a job asks it to fork, and the fork carries the job out, with the job's own
environment. Where there is none, as on a cluster, or before a fork has said that it accepted the job, the job does the
work itself. Results are the same.

    job process --(Unix socket: request, its own stderr)--> warm process --fork--> "accepted" ... exit status
                --("stop", if it gets SIGTERM)--> fork
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.process.stopping import ask_to_stop, heed

SOCKET_VARIABLE = "TRANSFER_ATLAS_WARM_PROCESS"
LENGTH = struct.Struct("!Q")
ACCEPTED = b"+"
MOST_FILES = 250  # that the kernel passes at once, less some
STOP = b"!"  # from a job that was asked to stop (SIGTERM) to its fork
LONGEST_ADDRESS = 90  # bytes; the kernel takes 107 for a Unix socket
ALSO = {
    "transfer_atlas.scoring.score_runs": ("ot", "sklearn.cluster")
}  # what its functions import when called

CarryOut = Callable[[dict[str, Any]], int]  # of a job: its exit status


def start(runners: Iterable[str], *, wait: float = 30.0) -> str | None:
    """Start a warm process that imports some runners, given as `module:function`.

    Returns the address of its socket, which jobs find in SOCKET_VARIABLE; None if it has ended, or did not come up
    within `wait` seconds: a busy machine needs some, and without it every job imports for itself. With 0, it is not
    waited for: whoever asks before it has come up does the work itself.
    """
    folder = Path(tempfile.mkdtemp(prefix="transfer-atlas-", dir=_short_folder()))
    address = folder / "socket"
    modules = sorted({runner.split(":")[0] for runner in runners})
    process = subprocess.Popen(
        [sys.executable, "-m", "transfer_atlas.running.serving", str(address), str(os.getpid()), *modules],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if not wait:
        return str(address)
    end = time.monotonic() + wait
    while time.monotonic() < end and process.poll() is None:
        if address.exists():
            return str(address)
        time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)
    return None


def start_in_job(arguments: Iterable[str]) -> None:
    """Start a warm process for a job that runs elsewhere than its workflow, such as on a node of a cluster.

    arguments: of the job's Snakemake, which name its rules. The process lives in the job, with its limits and devices,
    and serves all runs of the job; it imports while Snakemake reads the workflow and plans. Where the job starts
    another Snakemake, the first has done it.
    """
    if os.environ.get(SOCKET_VARIABLE):
        return
    rules = {argument.split(":")[0] for argument in arguments}
    runners = [kind.runner for kind in KINDS.values() if kind.uses_torch and kind.rule in rules]
    if runners and (address := start(runners, wait=0)):
        os.environ[SOCKET_VARIABLE] = address


def ask(address: str, job: dict[str, Any], files: Sequence[int] = ()) -> int | None:
    """Have the warm process carry out a job. None if there is none, or it did not accept the job: do it yourself.

    files: open files that the fork keeps open as long as it lives, such as those that lend it a device.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
        except OSError:
            return None
        return _served(connection, job, files)


def in_a_fork(job: dict[str, Any], carry_out: CarryOut) -> int:
    """Carry out a job in a fork of this process, which imported what it needs, as a warm process would; its status.

    For a process that carries out the runs of a job one after another: none finds what another has left behind in
    memory, and one that is ended from outside ends no other.
    """
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        _serve_one(theirs, carry_out)
    theirs.close()
    with ours:
        status = _served(ours, job)
    os.waitpid(child, 0)
    return 1 if status is None else status


def _served(connection: socket.socket, job: dict[str, Any], files: Sequence[int] = ()) -> int | None:
    """Hand a job to the process behind a connection; its exit status, or None if it was not accepted."""
    try:
        payload = json.dumps(job | {"environment": dict(os.environ)}).encode()
        socket.send_fds(connection, [LENGTH.pack(len(payload))], [2, *files])
        connection.sendall(payload)
        if connection.recv(1) != ACCEPTED:
            return None
    except OSError:
        return None

    def stop(number: int, frame: FrameType | None) -> None:
        connection.send(STOP)
        if callable(earlier):
            earlier(number, frame)

    earlier = signal.signal(signal.SIGTERM, stop)
    try:
        answer = connection.recv(1)
    except OSError:
        answer = b""
    finally:
        signal.signal(signal.SIGTERM, earlier)
    if not answer:
        print(
            f"\n{job['request']['name']} was ended from outside, as happens when memory runs out. "
            f"The log is {job['log']}. Run snakemake again: it continues from its last saved state.\n",
            file=sys.stderr,
        )
    return answer[0] if answer else 1


def serve(address: str, parent: int, modules: Iterable[str], carry_out: CarryOut) -> None:
    """Import modules, then fork for every job that connects, until process `parent` is gone."""
    starter = os.getppid()
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen(64)
    server.settimeout(1.0)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the imports; each run sets its own number of threads
    try:
        for module in modules:
            for name in (module, *ALSO.get(module, ())):
                import_module(name)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # finished forks need no waiting for
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted workflow ends its jobs itself
        # A parent that has ended but was not waited for keeps its number; to its children it is gone at once.
        while os.getppid() == starter and _alive(parent):
            with contextlib.suppress(TimeoutError):
                connection, _ = server.accept()
                if os.fork() == 0:
                    server.close()
                    _serve_one(connection, carry_out)
                connection.close()
    finally:
        shutil.rmtree(Path(address).parent, ignore_errors=True)


def _serve_one(connection: socket.socket, carry_out: CarryOut) -> None:
    """In the fork: receive the job, accept it, carry it out, answer with its exit status. Does not return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    heed()
    connection.settimeout(None)
    header, files, _, _ = socket.recv_fds(connection, LENGTH.size, MOST_FILES)
    if len(header) < LENGTH.size:
        os._exit(1)  # the job was killed while it asked
    (size,) = LENGTH.unpack(header)
    payload = b""
    while len(payload) < size:
        piece = connection.recv(size - len(payload))
        if not piece:
            os._exit(1)
        payload += piece
    job = json.loads(payload)
    os.environ.clear()
    os.environ.update(job["environment"])  # the job's own: its device, its cluster's variables
    os.chdir(job["folder"])
    os.dup2(files[0], 2)  # the others only need to stay open
    connection.sendall(ACCEPTED)
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    status = carry_out(job)
    connection.sendall(bytes([status]))
    sys.stdout.flush()
    os._exit(0)


def _end_with(connection: socket.socket) -> None:
    """End this process when the job that asked for it ends, so that killing a job kills its run.

    A job that is asked to stop asks its run first; asked twice, it ends. A scheduler asks both, which is once.
    """
    if connection.recv(1) == STOP:
        ask_to_stop()
        connection.recv(1)
    os._exit(1)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _short_folder() -> str | None:
    """Where the socket's folder goes: the temporary folder, unless its path is too long for a socket's address."""
    usual = tempfile.gettempdir()
    room = len(os.fsencode(usual)) + len("/transfer-atlas-xxxxxxxx/socket") <= LONGEST_ADDRESS
    return None if room else "/tmp"
