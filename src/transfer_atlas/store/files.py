"""Files that a reader sees as they were or as they are, never in between; and hashes that are remembered."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def replace_text(path: Path, text: str) -> None:
    """Write a text file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON in one step. Raises ValueError for what JSON cannot say, such as a number that is not finite."""
    replace_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all in it; nothing if it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def printable(text: object) -> str:
    """A name that others chose, on one line: control characters and what is no text are escaped."""
    text = str(text)
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def move_into(source: Path, folder: Path) -> None:
    """Move a file or folder into a folder, perhaps on another file system.

    Raises OSError with ENOSPC where the disk is full, so that whoever meets it recognises it.
    """
    try:
        shutil.move(source, folder / source.name)
    except shutil.Error as error:  # of many files
        if f"[Errno {errno.ENOSPC}]" in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        raise


def digest_of(path: Path, algorithm: str = "sha256") -> str:
    """Hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


@dataclass
class RememberedDigests:
    """Hashes of files, kept between processes as long as a file's size, times and inode stay what they were.

    The memory is one small file per folder in the user's cache; where that cannot be written, nothing is remembered.
    """

    algorithm: str = "sha256"
    place: Path = field(default_factory=lambda: cache_folder() / "digests")

    def of(self, folder: Path, names: list[str], *, missing_too: bool = False) -> dict[str, str]:
        """Hashes of some files of a folder by name, with one look at each.

        Raises FileNotFoundError if one is missing; missing_too: leave those out instead.
        """
        folder = folder.absolute()
        memory = self.place / f"{hashlib.sha256(str(folder).encode()).hexdigest()[:32]}-{self.algorithm}.json"
        known = _read(memory)
        found, seen = {}, {}
        for name in names:
            try:
                stamp = _stamp(folder / name)
            except (FileNotFoundError, NotADirectoryError):
                if not missing_too:
                    raise
                continue
            entry = known.get(name)
            if not (isinstance(entry, list) and len(entry) == 2 and entry[0] == stamp):
                entry = [stamp, digest_of(folder / name, self.algorithm)]
            seen[name], found[name] = entry, entry[1]
        if any(known.get(name) != entry for name, entry in seen.items()):
            try:
                write_json(memory, known | seen)
            except OSError:  # a read-only home: the hash is computed anew each time
                return found
        return found


def cache_folder() -> Path:
    """Where this machine's user keeps what can be computed again."""
    base = os.environ.get("XDG_CACHE_HOME") or Path("~").expanduser() / ".cache"
    return Path(base) / "transfer_atlas"


def _stamp(path: Path) -> list[int]:
    """What changes when a file changes; the time of change of its inode cannot be set back by hand."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
