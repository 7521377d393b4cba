"""Reading and writing the files of recorded runs. Whatever they say, nothing outside their folder is touched."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from transfer_atlas.sharing.records import Records, Version, parse_files, parse_version, records_of
from transfer_atlas.sharing.repository import SharingError
from transfer_atlas.store import checked
from transfer_atlas.store.checked import Unacceptable, inside
from transfer_atlas.store.files import printable
from transfer_atlas.store.store import RUN_FILE

LARGEST = 4 * 1024 * 1024  # bytes of one file; that of a run with a thousand shards has 100 kB
CONFLICT_MARKS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")
Parse = Callable[[bytes], Version]


def read_records(folder: Path, root: Path, parse: Parse = parse_version) -> Records:
    """Recorded versions of a layer: every file of `recorded/<layer>/` that is one, and what was refused.

    root: the repository; a folder of records that leads out of it by a link is refused as a whole.
    Lists of earlier releases (`recorded/<layer>.jsonl`, one run a line) are read as well.
    """
    versions: list[Version] = []
    problems: list[str] = []
    old_list = folder.with_name(f"{folder.name}.jsonl")
    for path in (folder, old_list):
        if (path.exists() or path.is_symlink()) and not inside(root, path):
            return Records({}, problems=(f"{path} leads out of the repository; nothing in it is read.",))
    for path in _files(folder):
        shown = printable(path.relative_to(root))
        try:
            if path.is_symlink() or path.stat().st_size > LARGEST:
                raise Unacceptable("is a link, or too large for a record.")
            version = parse(path.read_bytes())
            if path.relative_to(folder).as_posix() != version.place:
                raise Unacceptable(f"tells of {version.place}; it was moved or renamed.")
            versions.append(version)
        except (Unacceptable, OSError) as error:
            problems.append(f"{shown} {error} Restore it with git, or remove it.")
    for number, line in enumerate(_lines(old_list), 1):
        try:
            versions.append(_of_old_list(line))
        except Unacceptable as error:
            problems.append(f"{old_list.relative_to(root)}, run {number}, {error} Remove its line.")
    return records_of(versions, problems)


def write_records(folder: Path, root: Path, records: Records) -> None:
    """Write the files of all versions; files of versions that are no longer among them are removed.

    Files that were refused stay as they are, for a person to look at. Only what changes is written.
    """
    if folder.is_symlink() or not inside(root, folder):
        raise SharingError(f"{folder} leads out of the repository. Remove the link; git keeps the records.")
    wanted = {version.place: version.text() for found in records.versions.values() for version in found}
    for path in list(_files(folder)):
        shown = f"{printable(path.relative_to(root))} "
        refused = any(problem.startswith(shown) for problem in records.problems)
        if path.relative_to(folder).as_posix() not in wanted and not refused and not path.is_symlink():
            path.unlink()
    for place, text in wanted.items():
        path = folder / place
        if not inside(root, path):
            raise SharingError(f"{path} leads out of the repository. Remove the link; git keeps the records.")
        if path.is_symlink() or not path.is_file() or path.read_bytes() != text.encode():
            replace_file(path, text)
    old_list = folder.with_name(f"{folder.name}.jsonl")
    if old_list.is_file() and not old_list.is_symlink() and not records.problems:
        old_list.unlink()  # what it told is in files of its own now


def replace_file(path: Path, text: str) -> None:
    """Write a file in one step; a link in its place is replaced, not followed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _files(folder: Path) -> Iterator[Path]:
    """Files `<name>/<file>.json` of a folder of records, sorted; folders that are links are not entered."""
    if not folder.is_dir():
        return
    for name in sorted(folder.iterdir()):
        if name.is_dir() and not name.is_symlink():
            yield from sorted(path for path in name.iterdir() if path.suffix == ".json")


def _lines(path: Path) -> Iterable[bytes]:
    if path.is_symlink() or not path.is_file():
        return []
    marks = tuple(mark.encode() for mark in CONFLICT_MARKS)
    return [line for line in path.read_bytes().splitlines() if line.strip() and not line.startswith(marks)]


def _of_old_list(line: bytes) -> Version:
    content = checked.plain_json(line)
    if not isinstance(content, dict) or not isinstance(content.get("files"), dict):
        raise Unacceptable("is no recorded run.")
    files = parse_files(content["files"])
    if RUN_FILE not in files:
        raise Unacceptable(f"records no {RUN_FILE}.")
    return Version(checked.run_name(content.get("run")), files)


def both_sides(texts: Iterable[bytes | None], parse: Parse = parse_version) -> list[Version]:
    """Versions that the sides of a conflict tell, as many as are whole."""
    found = []
    for text in texts:
        try:
            found += [parse(text)] if text is not None else []
        except Unacceptable:
            continue  # the other side's may be whole; if neither is, the file is refused when it is read
    return found


def is_conflicted(path: Path) -> bool:
    """Whether git left marks of a conflict in a file."""
    return path.is_file() and any(
        line.startswith(CONFLICT_MARKS)
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
    )


def dump(value: object) -> str:
    """A value as one line of JSON for people: plain characters only, whatever others wrote."""
    return json.dumps(value, sort_keys=True, default=str)
