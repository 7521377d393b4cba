"""The files of a raw dataset: those DVC would record, with what tells that a file is still the same."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from pathspec import GitIgnoreSpec

IGNORE_FILE = ".dvcignore"
NEVER = (".dvc", ".git", ".hg")  # folders that DVC passes over, whatever its ignore files say
# Outside a DVC repository, what the .dvcignore of this project leaves out: leftovers of file managers and editors.
LEFTOVERS = (".*.part", ".DS_Store", "._*", "Thumbs.db", "desktop.ini", ".ipynb_checkpoints/", "__MACOSX/")


@dataclass(frozen=True)
class RawFile:
    """One file of a raw dataset; relative: its path below the folder, with forward slashes."""

    relative: str
    path: str
    size: int
    stamp: tuple[int, int, int, int]

    @property
    def key(self) -> str:
        """What changes when the content may have: path, size, both times, inode and device."""
        return "|".join(map(str, (self.relative, self.size, *self.stamp)))


@dataclass(frozen=True)
class RawFiles:
    """Files of a folder, sorted by relative path, and what cannot be recorded: links to nowhere, pipes, loops.

    linked: folders inside that are links, which DVC does not follow.
    """

    folder: Path
    files: tuple[RawFile, ...]
    unusable: tuple[str, ...]
    linked: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def only(self, patterns: Sequence[str]) -> RawFiles:
        """Those of the files that a part of the dataset is made of, by patterns of relative paths."""
        return replace(self, files=tuple(file for file in self.files if belongs(file.relative, patterns)))


def belongs(relative: str, patterns: Sequence[str]) -> bool:
    """Whether a file belongs to a part of a dataset; `*` in a pattern also stands for folders below."""
    return any(fnmatchcase(relative, pattern) for pattern in patterns)


def repository_of(path: Path) -> Path | None:
    """The folder with `.dvc/` that a path lies in, by name and not through links; None if there is none."""
    path = Path(os.path.abspath(path))  # noqa: PTH100 (resolve would follow links)
    return next((folder for folder in (path, *path.parents) if (folder / ".dvc").is_dir()), None)


def list_raw_files(folder: Path) -> RawFiles:
    """List the files of a raw dataset as `dvc add` would, but for links to folders, which are followed.

    Opens no file. What cannot be read is named, and no error: whether it matters shows when it is needed.
    """
    folder = Path(folder)
    ignored = _Ignored(folder)
    files: list[RawFile] = []
    unusable: list[str] = []
    linked: list[str] = []
    for entry, relative in _walk(str(folder), "", ignored, unusable, linked, ()):
        try:
            status = entry.stat()
        except OSError:  # a link to nowhere, or in a circle
            unusable.append(relative)
            continue
        stamp = (status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)
        files.append(RawFile(relative, entry.path, status.st_size, stamp))
    files.sort(key=lambda file: file.relative)
    return RawFiles(folder, tuple(files), tuple(sorted(unusable)), tuple(sorted(linked)))


def _walk(
    folder: str,
    below: str,
    ignored: _Ignored,
    unusable: list[str],
    linked: list[str],
    above: tuple[tuple[int, int], ...],
) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yield the files below a folder; above: the folders it is in, against links that lead back."""
    try:
        status = os.stat(folder)  # noqa: PTH116 (a million files: strings are enough)
        with os.scandir(folder) as scanned:
            entries = list(scanned)
    except OSError:
        unusable.append(f"{below}/" if below else folder)
        return
    here = (status.st_dev, status.st_ino)
    if here in above:
        unusable.append(f"{below}/")
        return
    for entry in entries:
        relative = f"{below}/{entry.name}" if below else entry.name
        try:
            is_folder = entry.is_dir()
            is_file = entry.is_file()
        except OSError:
            is_folder = is_file = False
        if is_folder:
            if entry.name in NEVER or ignored(relative, True):
                continue
            if entry.is_symlink():
                linked.append(relative)
            yield from _walk(entry.path, relative, ignored, unusable, linked, (*above, here))
        elif not ignored(relative, False):
            if is_file:
                yield entry, relative
            else:
                unusable.append(relative)


class _Ignored:
    """Says what the ignore files of the DVC repository leave out, or LEFTOVERS where there is no repository."""

    def __init__(self, folder: Path) -> None:
        repository = repository_of(folder)
        self.specs: list[
            tuple[str, GitIgnoreSpec]
        ] = []  # (path of the folder from the ignore file's, its patterns)
        if repository is None:
            self.specs.append(("", GitIgnoreSpec.from_lines(LEFTOVERS)))
            return
        absolute = Path(os.path.abspath(folder))  # noqa: PTH100
        for place in (*reversed(absolute.parents), absolute)[len(repository.parents) : -1]:
            file = place / IGNORE_FILE
            if file.is_file():
                lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
                prefix = absolute.relative_to(place).as_posix() + "/"
                self.specs.append((prefix, GitIgnoreSpec.from_lines(lines)))

    def __call__(self, relative: str, is_folder: bool) -> bool:
        said = False
        for prefix, spec in self.specs:
            found = spec.check_file(f"{prefix}{relative}{'/' if is_folder else ''}").include
            said = said if found is None else found
        return said
