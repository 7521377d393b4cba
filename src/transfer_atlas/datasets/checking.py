"""Checks a raw dataset against the version that is asked for before it is read, and that it stays so meanwhile.

A key vouches for the content that its version names. So the files are counted and hashed before the first is read
(md5s are remembered by size, times and inode; planning has mostly taken them), and looked at again after the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transfer_atlas.datasets.hashing import UNREADABLE, folder_md5, hash_files
from transfer_atlas.datasets.raw_files import RawFiles, list_raw_files
from transfer_atlas.datasets.recorded import Recorded, listed_files, recorded
from transfer_atlas.datasets.versions import part_of
from transfer_atlas.errors import DatasetError

NAMED = 5  # files named in a message: enough to see what they have in common


@dataclass(frozen=True)
class CheckedFiles:
    """The files of a raw dataset as they were when their version was taken."""

    dataset: str
    found: RawFiles
    md5s: dict[str, str]
    patterns: Sequence[str] | None = None  # of a part of the dataset

    def check_unchanged(self, cache_file: Path | None = None) -> None:
        """Raise DatasetError if a file was changed, added or removed since."""
        now = _listed(self.found.folder, self.patterns)
        if now.files == self.found.files:
            return
        md5s = hash_files(
            now, cache_file, whole=self.patterns is None
        )  # times may have changed, and nothing else
        changed = sorted(
            name for name in md5s.keys() | self.md5s.keys() if md5s.get(name) != self.md5s.get(name)
        )
        if changed:
            raise DatasetError(
                f"Dataset '{self.dataset}': {_named(changed)} in {self.found.folder} changed while it was read. "
                "Expected the files to stay as they are: let nothing write there, and run again."
            )


def _listed(folder: Path, patterns: Sequence[str] | None) -> RawFiles:
    found = list_raw_files(folder)
    return found if patterns is None else found.only(patterns)


def check_raw_files(
    path: Path,
    version: str,
    *,
    dataset: str,
    cache_file: Path | None = None,
    patterns: Sequence[str] | None = None,
) -> CheckedFiles | None:
    """Return the files of the raw dataset at `path`, which are of this version; None if `path` is no folder.

    patterns: of the files that count, for a part of a dataset.

    Raises DatasetError if files are missing, too many, changed or unreadable: what was found, what is recorded, and
    what to do.
    """
    path = Path(path)
    if not path.is_dir():
        return None  # the adapter says what it expects there
    record = recorded(path)
    found = _listed(path, patterns)
    if record is not None and record.folder == path and patterns is None:
        _compare_with_record(found, record, version, dataset)
    md5s = hash_files(found, cache_file, whole=patterns is None)
    unreadable = sorted(name for name, md5 in md5s.items() if md5 == UNREADABLE)
    if unreadable:
        raise DatasetError(
            f"Dataset '{dataset}': {_named(unreadable)} in {path} cannot be read. Expected files that you may "
            "read: correct their permissions, or move them away."
        )
    if found.linked and record is not None:
        raise DatasetError(
            f"Dataset '{dataset}': {_named(list(found.linked))} in {path} are links to folders. {record.file.name} "
            "does not record what is in them, as DVC does not follow such links: put the folders themselves there, "
            "and record them again."
        )
    is_version = folder_md5(md5s.items())
    if is_version != version and patterns is not None:
        raise DatasetError(
            f"Dataset '{dataset}': the {len(md5s)} files in {path} that match {', '.join(patterns)} are of version "
            f"{is_version}; the run was planned with {version}. Bring the files that are missing, or run snakemake "
            "again if they were changed."
        )
    if is_version != version:
        raise DatasetError(_difference(path, record, version, is_version, md5s, dataset))
    return CheckedFiles(dataset, found, md5s, patterns)


def _compare_with_record(found: RawFiles, record: Recorded, version: str, dataset: str) -> None:
    """Number and size first: they cost nothing, and say what a half-finished download needs to be told."""
    if record.version != version:
        raise DatasetError(
            f"Dataset '{dataset}': {record.file} now records {record.version}; the run was planned with {version}. "
            "Run snakemake again."
        )
    number = len(found.files)
    if record.files is not None and number != record.files:
        what = record.remedy if number < record.files else _record_again(record)
        raise DatasetError(
            f"Dataset '{dataset}': {number} of {record.files} files are in {record.folder}. Expected what "
            f"{record.file.name} records: {what}"
        )
    if record.size is not None and found.size != record.size:
        raise DatasetError(
            f"Dataset '{dataset}': the {number} files in {record.folder} have {found.size} bytes, not the "
            f"{record.size} that {record.file.name} records: files were changed, or are not complete. "
            f"{record.remedy} {_record_again(record)}"
        )


def _record_again(record: Recorded) -> str:
    if record.file.suffix == ".dvc":
        return f"If the files are meant as they are, `dvc add {record.folder}` records them, under new keys."
    return "If the files are meant as they are, write the manifest again; what is made of them gets new keys."


def _difference(
    path: Path, record: Recorded | None, version: str, found: str, md5s: dict[str, str], dataset: str
) -> str:
    """What to say of files of another version."""
    if record is None:
        return (
            f"Dataset '{dataset}': the files in {path} are of version {found}; the run was planned with {version}, "
            "so they were changed since. Run snakemake again."
        )
    listed = listed_files(record) if record.folder == path else part_of(record, path)
    said = "files"
    if listed is not None:
        missing = sorted(listed.keys() - md5s.keys())
        if missing and record.folder != path:
            return (
                f"Dataset '{dataset}': {len(md5s)} of {len(listed)} files are in {path}. Expected what "
                f"{record.file.name} records: `dvc pull {path}` brings them."
            )
        changed = sorted(name for name in listed.keys() | md5s.keys() if listed.get(name) != md5s.get(name))
        said = _named(changed) if changed else said
    return (
        f"Dataset '{dataset}': {said} in {path} differ from what {record.file.name} records (version {found} instead "
        f"of {version}). `dvc checkout {record.folder}` or `dvc pull {record.folder}` restores them. "
        f"{_record_again(record)}"
    )


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
