"""Carries out a run as a job of the workflow: log file, one clear message on failure, a warm process if any.

Importing torch and timm takes longer than many a miniature run. On one machine the workflow therefore starts
one process that imports them once (`serve`); a job asks it to fork, and the fork carries the run out. Where
there is no such process, as on a cluster, the job does the work itself. Results are the same.

    job process --(Unix socket: request, its own stderr)--> warm process --fork--> the run
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from transfer_atlas.errors import AtlasError

SOCKET_VARIABLE = "TRANSFER_ATLAS_WARM_PROCESS"
SCORES_VARIABLE = "TRANSFER_ATLAS_WARM_SCORES"  # set: import what scores need, too
LENGTH = struct.Struct("!Q")


def run_job(request: dict[str, Any], log: Path, threads: int) -> None:
    """Carry out a run, in the warm process if there is one; exits the process with status 1 if it fails."""
    job = {"request": request, "log": str(Path(log).resolve()), "threads": threads, "folder": str(Path.cwd())}
    address = os.environ.get(SOCKET_VARIABLE)
    status = _ask(address, job) if address else None
    if status is None:
        status = _carry_out(job)
    if status:
        sys.exit(status)


def log_to(path: str | Path) -> None:
    """Send what this process and its libraries print to a log file."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("w", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)


def clear_other_stamps(stamp: Path) -> None:
    """Remove the stamps of what a table or figure showed before: `tables-<other key>` beside `tables-<key>`."""
    for other in stamp.parent.glob(f"{stamp.name.rpartition('-')[0]}-*"):
        if other.name != stamp.name:
            other.unlink()


def _carry_out(job: dict[str, Any]) -> int:
    """Do the work in this process: output goes to the log, progress and the one message to the terminal."""
    terminal = os.fdopen(os.dup(2), "w", buffering=1)
    log_to(job["log"])
    request = job["request"]
    try:
        if request["kind"] != "prepared":
            from transfer_atlas.training.device import use_threads

            use_threads(job["threads"])
        from transfer_atlas.running.execute import execute

        execute(request | {"threads": job["threads"]}, terminal)
    except AtlasError as error:
        traceback.print_exc()
        print(f"\n{request['name']} cannot be carried out: {error}\n", file=terminal)
        return 1
    except OSError as error:
        traceback.print_exc()
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            print(f"\n{request['name']} failed: {error}. The log is {job['log']}\n", file=terminal)
        else:
            print(
                f"\n{request['name']} stopped: the disk is full ({error.filename or request['folder']}). "
                "Finished runs are kept, and this one continues from its last saved state. "
                "Free some space and run snakemake again.\n",
                file=terminal,
            )
        return 1
    except (
        Exception
    ) as error:  # the job's last resort: whatever it is, the user sees one line and the log has all
        traceback.print_exc()
        print(
            f"\n{request['name']} failed: {type(error).__name__}: {error}. The log is {job['log']}\n",
            file=terminal,
        )
        return 1
    return 0


def _ask(address: str, job: dict[str, Any]) -> int | None:
    """Have the warm process carry out a job. None if there is no such process."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(address)
    except OSError:
        return None
    with connection:
        payload = json.dumps(job).encode()
        socket.send_fds(connection, [LENGTH.pack(len(payload))], [2])
        connection.sendall(payload)
        answer = connection.recv(1)
    if not answer:
        print(
            f"\n{job['request']['name']} was ended from outside, as happens when memory runs out. "
            f"The log is {job['log']}. Run snakemake again: it continues from its last saved state.\n",
            file=sys.stderr,
        )
    return answer[0] if answer else 1


def serve(address: str, parent: int) -> None:
    """Import what runs need, then fork for every job that connects, until process `parent` is gone."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen(64)
    server.settimeout(1.0)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the imports; each run sets its own number of threads
    import transfer_atlas.training.runners  # the point of it all

    if os.environ.get(SCORES_VARIABLE):
        import ot  # noqa: F401
        import sklearn.cluster  # noqa: F401

        import transfer_atlas.scoring.runners  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # finished forks need no waiting for
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted workflow ends its jobs itself
    starter = os.getppid()
    # A parent that has ended but was not waited for keeps its number; to its children it is gone at once.
    while os.getppid() == starter and _alive(parent):
        with contextlib.suppress(TimeoutError):
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _serve_one(connection)
            connection.close()
    Path(address).unlink(missing_ok=True)
    Path(address).parent.rmdir()


def _serve_one(connection: socket.socket) -> None:
    """In the fork: receive the job, carry it out, answer with its exit status. Does not return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    connection.settimeout(None)
    header, terminals, _, _ = socket.recv_fds(connection, LENGTH.size, 1)
    (size,) = LENGTH.unpack(header)
    payload = b""
    while len(payload) < size:
        piece = connection.recv(size - len(payload))
        if not piece:
            os._exit(1)  # the job was killed while it asked
        payload += piece
    job = json.loads(payload)
    os.chdir(job["folder"])
    os.dup2(terminals[0], 2)
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    status = _carry_out(job)
    connection.sendall(bytes([status]))
    sys.stdout.flush()
    os._exit(0)


def _end_with(connection: socket.socket) -> None:
    """End this process when the job that asked for it ends, so that killing a job kills its run."""
    connection.recv(1)
    os._exit(1)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for_socket(address: Path, seconds: float = 5.0) -> bool:
    """Whether the warm process listens by then; it may still be importing."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if address.exists():
            return True
        time.sleep(0.02)
    return False


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
