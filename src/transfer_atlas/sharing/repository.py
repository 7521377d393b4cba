"""The git and DVC repository a study lives in: its dvc command line, its cache and its configuration."""

from __future__ import annotations

import configparser
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from transfer_atlas.errors import AtlasError

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

    def cache_file(self, md5: str) -> Path:
        """Where DVC's cache keeps the content with this md5 (a folder's list ends in .dir)."""
        return self._cache() / "files" / "md5" / md5[:2] / md5[2:]

    def has_remote(self) -> bool:
        """Whether any remote is configured."""
        return any(section.startswith(("remote", "'remote")) for section in self._configuration().sections())

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

    def git(self, *arguments: str) -> str | None:
        """Standard output of a git command; None if it failed."""
        done = subprocess.run(["git", *arguments], cwd=self.folder, capture_output=True, text=True)
        return None if done.returncode else done.stdout

    def relative(self, path: Path) -> Path | None:
        """A path relative to the repository; None if it is outside, where DVC keeps no versions."""
        path = Path(os.path.abspath(self.folder / path))  # noqa: PTH100 (links stay as they are)
        return path.relative_to(self.folder) if path.is_relative_to(self.folder) else None

    def _cache(self) -> Path:
        folder = self._configuration().get("cache", "dir", fallback=None)
        return self.folder / ".dvc" / (folder.strip("'\"") if folder else "cache")

    def _configuration(self) -> configparser.ConfigParser:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read([self.folder / ".dvc/config", self.folder / ".dvc/config.local"], encoding="utf-8")
        return parser

    @contextmanager
    def _turn(self) -> Iterator[None]:
        (self.folder / ".dvc/tmp").mkdir(parents=True, exist_ok=True)
        with (self.folder / ".dvc/tmp/transfer_atlas.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def why(done: subprocess.CompletedProcess[str]) -> str:
    """The last error that a dvc command printed."""
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
    return errors[-1].removeprefix("ERROR: ").rstrip(":") if errors else _without_advice(done.stderr)


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
