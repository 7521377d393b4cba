"""DVC's cache as far as sharing needs it: where content lies, putting it into the store, lists of folders.

`dvc checkout` is not used for runs: where one object is missing, or the disk is full, it removes the whole folder of
the layer, with runs that nobody has recorded yet (seen with DVC 3.67).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from transfer_atlas.sharing.records import Files, Records
from transfer_atlas.sharing.repository import Repository, SharingError, alone_with
from transfer_atlas.store import checked
from transfer_atlas.store.checked import Unacceptable, inside

Check = Callable[[Path], list[str]]
LINKS = "reflink,copy"  # what DVC does where cache.type is not set; a reflink is made by copying


def cache_file(repository: Repository, md5: str) -> Path:
    """Where the cache keeps the content with this md5 (a folder's list ends in .dir).

    Raises Unacceptable for what is no md5.
    """
    checked.md5(md5, folder=md5.endswith(".dir"))
    value, folder = repository.settings.get("cache.dir", ("cache", repository.folder / ".dvc"))
    return folder / Path(value).expanduser() / "files" / "md5" / md5[:2] / md5[2:]


def is_cached(repository: Repository, files: Files) -> bool:
    """Whether all content of a run is in the cache, with the sizes it should have."""
    for digest, size in files.values():
        try:
            if cache_file(repository, digest).stat().st_size != size:
                return False
        except OSError:
            return False
    return True


def missing(repository: Repository, files: Files) -> list[str]:
    """Files of a run whose content is not in the cache."""
    return [name for name, (digest, _) in files.items() if not cache_file(repository, digest).exists()]


def discard_damaged(repository: Repository, files: Files) -> None:
    """Remove from the cache what is not what its name says, so that it can be fetched again."""
    for digest, _ in files.values():
        cached = cache_file(repository, digest)
        if cached.is_file() and md5_of(cached) != digest:
            cached.chmod(0o644)
            cached.unlink()


def place(repository: Repository, files: Files, folder: Path, within: Path, check: Check) -> list[str]:
    """Put a run's files from the cache into its folder, all or none: aside first, then renamed.

    Links or copies, as cache.type says. What was there before is replaced only by what `check` finds nothing wrong
    with; else returns its problems. Raises SharingError if the folder leads out of `within` or somebody is computing
    the run, OSError as the file system does.
    """
    aside = folder.parent / f".{os.getpid()}.part"
    part = aside / folder.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink() or not (inside(within, folder) and inside(within, part)):
        raise SharingError(f"{folder} leads out of {within}, so nothing is put there.")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        for name, (digest, _) in files.items():
            target = part / checked.file_name(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            link(repository, digest, target)
        if problems := check(part):
            return [problem.replace(str(part), str(folder)) for problem in problems]
        with alone_with(folder):
            shutil.rmtree(folder, ignore_errors=True)
            part.replace(folder)
        return []
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def place_file(repository: Repository, md5: str, target: Path, within: Path) -> None:
    """Put one file from the cache under its name. Raises SharingError if that leads out of `within`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not inside(within, target):
        raise SharingError(f"{target} leads out of {within}, so nothing is put there.")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    link(repository, md5, part)
    part.replace(target)


def link(repository: Repository, md5: str, target: Path) -> None:
    """Link or copy cached content to a path where nothing is."""
    source = cache_file(repository, md5).resolve()
    for kind in (repository.setting("cache.type") or LINKS).split(","):
        try:
            if kind.strip() == "hardlink":
                os.link(source, target)
            elif kind.strip() == "symlink":
                target.symlink_to(source)
            elif kind.strip() in ("copy", "reflink"):
                shutil.copyfile(source, target)
            else:
                continue
            return
        except OSError:
            target.unlink(missing_ok=True)
            if kind.strip() == "copy":
                raise
    shutil.copyfile(source, target)  # other file system, or another user's file: as DVC does in the end


def keep_listing(repository: Repository, records: Records) -> str:
    """Put DVC's list of a folder with these runs into the cache. Returns its version."""
    listing, version = records.listing(), records.version()
    listed = cache_file(repository, version)
    if listed.is_file() and listed.read_bytes() == listing:
        return version
    shared = repository.setting("cache.shared") == "group"
    if not listed.parent.exists():
        listed.parent.mkdir(parents=True, exist_ok=True)
        if shared:
            listed.parent.chmod(0o2775)
    part = listed.with_name(f".{listed.name}.{os.getpid()}.part")
    part.write_bytes(listing)
    part.chmod(0o444)
    part.replace(listed)
    return version


def md5_of(path: Path) -> str:
    """md5 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def cached_text(repository: Repository, md5: str) -> bytes:
    """Cached content whose md5 is right. Raises SharingError if it is missing or damaged."""
    try:
        content = cache_file(repository, md5).read_bytes()
    except (OSError, Unacceptable) as error:
        raise SharingError(f"{md5} cannot be read from DVC's cache ({error}).") from None
    if hashlib.md5(content).hexdigest() != md5.removesuffix(".dir"):
        raise SharingError(f"{cache_file(repository, md5)} is damaged; remove it, and pull again.")
    return content
