"""The git and DVC repository a study lives in: its command lines and its configuration."""

from __future__ import annotations

import fcntl
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from transfer_atlas.errors import AtlasError
from transfer_atlas.store.checked import inside
from transfer_atlas.store.leases import Holder, leased
from transfer_atlas.store.store import lease_of

LOCKED = "Unable to acquire lock"
BATCH = 2000  # targets of one dvc command: operating systems limit the length of a command line


class SharingError(AtlasError):
    """Something about recorded results is not as it should be, or cannot be done now."""


@dataclass(frozen=True)
class Repository:
    """A folder with `.dvc` in it; `folder` is its root."""

    folder: Path

    @staticmethod
    def around(folder: Path) -> Repository:
        """The repository that `folder` lies in. Raises SharingError if there is none."""
        folder = Path(folder).resolve()
        for candidate in (folder, *folder.parents):
            if (candidate / ".dvc").is_dir():
                return Repository(candidate)
        raise SharingError(
            f"{folder} is in no DVC repository: no folder .dvc there or above. Run this in a clone of the "
            "project, or run `dvc init` first."
        )

    @functools.cached_property
    def settings(self) -> Mapping[str, tuple[str, Path]]:
        """DVC's configuration of all its levels, system and user included: value by name, and the folder it is of."""
        found = {}
        for line in self.dvc_well("config", "--list", "--show-origin").splitlines():
            origin, _, setting = line.partition("\t")
            name, equals, value = setting.partition("=")
            if equals:  # later levels win, and come later
                found[name.strip()] = (value, (self.folder / origin.strip()).parent)
        return found

    def setting(self, name: str) -> str | None:
        """The value of one setting, as `cache.type`."""
        return self.settings[name][0] if name in self.settings else None

    def has_remote(self) -> bool:
        """Whether any remote is configured, on any level."""
        return any(name.startswith("remote.") for name in self.settings)

    def dvc(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a dvc command and return what came of it, whatever its exit status.

        One dvc process at a time works in a repository; this one waits for its turn.
        """
        command = [*_dvc(), *map(str, arguments)]
        with self._turn():
            for attempt in range(300):
                done = subprocess.run(
                    command, cwd=self.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL
                )
                if done.returncode == 0 or LOCKED not in done.stderr:
                    return done
                if attempt == 0:
                    print("waiting for another dvc process in this repository", file=sys.stderr)
                time.sleep(2)
        return done

    def dvc_well(self, *arguments: str | Path) -> str:
        """As `dvc`, for a command that must succeed. Returns its standard output; raises SharingError."""
        done = self.dvc(*arguments)
        if done.returncode:
            shown = " ".join(map(str, arguments[:6])) + (" ..." if len(arguments) > 6 else "")
            raise SharingError(f"`dvc {shown}` failed:\n{_without_advice(done.stderr)}")
        return done.stdout

    def git(self, *arguments: str | Path) -> str | None:
        """Standard output of a git command; None if it failed."""
        done = self.git_done(*arguments)
        return None if done.returncode else done.stdout

    def git_done(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """What came of a git command, whatever its exit status."""
        return subprocess.run(
            ["git", *map(str, arguments)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
        )

    def relative(self, path: Path) -> Path | None:
        """A path relative to the repository; None if it is outside, where DVC keeps no versions."""
        path = Path(os.path.abspath(self.folder / path))  # noqa: PTH100 (links stay as they are)
        return path.relative_to(self.folder) if path.is_relative_to(self.folder) else None

    def remove(self, run: Path, within: Path) -> None:
        """Remove the folder of a run of a layer; both relative to the repository.

        Raises SharingError if it leads out of the layer's folder, by its name or by a link.
        """
        path = self.folder / run
        if path.is_symlink() or not inside(self.folder / within, path):
            raise SharingError(
                f"{run} leads out of {within}, so it is not removed. Look at it, and remove it by hand."
            )
        with alone_with(path):
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        (self.folder / ".dvc/tmp").mkdir(parents=True, exist_ok=True)
        with (self.folder / ".dvc/tmp/transfer_atlas.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@contextmanager
def alone_with(run: Path) -> Iterator[None]:
    """Hold the lease of a run, so that nobody computes, publishes or removes it meanwhile.

    Raises SharingError if somebody does so now: it is not waited for, which could take hours.
    """

    def refuse(holder: Holder) -> None:
        raise SharingError(f"{run} is left alone: {holder} is computing it. Try again when it has ended.")

    with leased(lease_of(run), waiting=refuse):
        yield


def why(done: subprocess.CompletedProcess[str]) -> str:
    """DVC's own reason: the warnings and errors that it printed, without its advice."""
    kept, keeping = [], False
    for line in done.stderr.splitlines():
        if line.startswith(("ERROR:", "WARNING:")):
            keeping = True
        elif line.startswith(("Everything", "Collecting", "Fetching", "<http")) or not line.strip():
            keeping = False
        if keeping:
            kept.append(line.strip().rstrip(":"))
    return "; ".join(dict.fromkeys(kept)) or _without_advice(done.stderr)


def batches(targets: Sequence[str]) -> Iterator[Sequence[str]]:
    """Targets in portions that fit on a command line."""
    for start in range(0, len(targets), BATCH):
        yield targets[start : start + BATCH]


def _dvc() -> list[str]:
    if importlib.util.find_spec("dvc") is not None:  # looks for it, and does not import it
        return [sys.executable, "-m", "dvc"]
    found = shutil.which("dvc")
    if found is None:
        raise SharingError(
            "dvc is not installed here; install it (`pip install dvc`), and the remote's plugin."
        )
    return [found]


def _without_advice(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return "\n".join(lines[-6:]) or "it said nothing"
