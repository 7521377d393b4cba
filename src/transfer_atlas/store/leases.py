"""One lease per key: no two processes, on one machine or on several, compute or publish the same run at once.

A lease is a file in `<store>/.leases`, created exclusively, which says host and process of its holder; the holder
touches it again and again (the heartbeat). A lease is dead if its process is, or, where that cannot be seen because it
is on another machine, if the heartbeat has stopped for longer than `patience`, judged by the clock of whoever waits.
Only exclusive creation, renaming and times of change are used, which network file systems offer.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transfer_atlas.errors import AtlasError

HEARTBEAT = 10.0  # seconds between two touches
PATIENCE = 120.0  # seconds without a heartbeat after which a holder that cannot be seen counts as dead
POLL = 0.5  # seconds between two looks at a lease that another holds
BREAKING = 30.0  # seconds after which whoever was breaking a dead lease counts as dead, too


class LeaseLostError(AtlasError):
    """The lease was taken from its holder, who may have slept for too long to be believed alive."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lease: `host` names the machine and, in a container, the process name space."""

    host: str
    process: int
    started: str
    token: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.host.split('/')[0]}"

    def is_dead(self) -> bool:
        """Whether the holder is on this machine and has ended; another machine's is never known to have."""
        return self.host == this_host() and start_of(self.process) != self.started


@dataclass
class Lease:
    """A lease that this process holds, with its heartbeat."""

    path: Path
    holder: Holder
    heartbeat: float = HEARTBEAT
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to touch the file."""
        threading.Thread(target=self._beat, daemon=True).start()

    def check(self) -> None:
        """Raises LeaseLostError if another has taken it."""
        found = holder_of(self.path)
        if found is None or found.token != self.holder.token:
            by = f"by {found}" if found else "away"
            raise LeaseLostError(
                f"the lease {self.path} was taken {by} while this process held it: it must have been stopped for "
                "longer than others wait. Its result is thrown away; run snakemake again."
            )

    def release(self) -> None:
        """Give it back; nothing if another has taken it."""
        self._over.set()
        found = holder_of(self.path)
        if found is not None and found.token == self.holder.token:
            self.path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._over.wait(self.heartbeat):
            with contextlib.suppress(OSError):  # a hiccup of the file system; the next beat may come through
                os.utime(self.path)


@contextlib.contextmanager
def leased(
    path: Path,
    *,
    waiting: Callable[[Holder], None] = lambda holder: None,
    patience: float = PATIENCE,
    heartbeat: float = HEARTBEAT,
    about: dict[str, Any] | None = None,
) -> Iterator[Lease]:
    """Hold the lease at `path`, waiting while a living process holds it; `waiting` is told of each such holder once.

    about: what the file tells people besides.
    """
    lease = _take(path, waiting, patience, heartbeat, about or {})
    lease.start()
    try:
        yield lease
    finally:
        lease.release()


def _take(
    path: Path,
    waiting: Callable[[Holder], None],
    patience: float,
    heartbeat: float,
    about: dict[str, Any],
) -> Lease:
    path.parent.mkdir(parents=True, exist_ok=True)
    told: set[str] = set()
    seen: tuple[Any, float] = (None, time.monotonic())
    while True:
        mine = Holder(this_host(), os.getpid(), start_of(os.getpid()), secrets.token_hex(8))
        if _create(path, json.dumps(mine.__dict__ | {"about": about})):
            return Lease(path, mine, heartbeat)
        holder, beat = holder_of(path), _time_of_change(path)
        if beat is None:
            continue  # it has just been given back
        sign = (holder.token if holder else None, beat)
        if sign != seen[0]:
            seen = (sign, time.monotonic())
        silent = time.monotonic() - seen[1] > patience
        if silent or (holder is not None and holder.is_dead()):
            _break(path, holder)
            continue
        if holder is not None and holder.token not in told:
            told.add(holder.token)
            waiting(holder)
        time.sleep(POLL)


def _break(path: Path, dead: Holder | None) -> None:
    """Remove a dead lease, unless somebody else has done so and taken it: one breaks at a time, and looks again."""
    breaking = path.with_name(f"{path.name}.breaking")
    if not _create(breaking, str(os.getpid())):
        began = _time_of_change(breaking)
        now = _now_of(path.parent)
        if began is not None and now - began > BREAKING:
            breaking.unlink(missing_ok=True)
        time.sleep(POLL)
        return
    try:
        found = holder_of(path)
        if (found and found.token) == (dead and dead.token):
            path.unlink(missing_ok=True)
    finally:
        breaking.unlink(missing_ok=True)


def _create(path: Path, text: str) -> bool:
    """Create a file with its content in one step; False if there is one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    part.write_text(text, encoding="utf-8")
    try:
        os.link(part, path)  # unlike an exclusive opening, no reader ever sees the file empty
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            return False
    finally:
        part.unlink(missing_ok=True)
    return True


def holder_of(path: Path) -> Holder | None:
    """Who holds a lease; None if nobody does, or the file does not say."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Holder(str(found["host"]), int(found["process"]), str(found["started"]), str(found["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _time_of_change(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


def _now_of(folder: Path) -> float:
    """The time by the file system's clock, which may differ from this machine's."""
    probe = folder / f".now.{os.getpid()}.{secrets.token_hex(4)}"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def this_host() -> str:
    """This machine, and the name space in which its numbers of processes count."""
    try:
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 (no path)
    except OSError:
        space = ""
    return f"{socket.gethostname()}/{space}"


def start_of(process: int) -> str:
    """When a process of this machine started, as a text that no later process of its number shares; empty if none."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        pass
    if Path("/proc/self/stat").exists():
        return ""
    try:  # no /proc: whether it is alive is all that can be known
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "alive"
