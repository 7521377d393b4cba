"""What DVC, or a manifest, records of a raw dataset: its version, and how many files and bytes it has."""

from __future__ import annotations

import configparser
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from transfer_atlas.datasets.raw_files import repository_of
from transfer_atlas.errors import DatasetError

MANIFEST_SUFFIX = ".manifest.json"
VERSION = re.compile(r"[0-9a-f]{32}(\.dir)?")


@dataclass(frozen=True)
class Recorded:
    """The record of a folder. file: the .dvc file or manifest; folder: what it records; version: its md5."""

    file: Path
    folder: Path
    version: str
    files: int | None
    size: int | None

    @property
    def remedy(self) -> str:
        """What brings the recorded files back."""
        if self.file.name.endswith(MANIFEST_SUFFIX):
            return "Restore the files from where they came."
        return f"`dvc pull {self.folder}` brings them."


def manifest_file(path: Path) -> Path:
    """The manifest of a raw dataset."""
    return Path(path).with_name(Path(path).name + MANIFEST_SUFFIX)


def recorded(path: Path) -> Recorded | None:
    """The record of a raw dataset: a file beside it, or a .dvc file beside a folder that it lies in.

    Raises DatasetError if that file is damaged.
    """
    path = Path(path)
    dvc_file = path.with_name(path.name + ".dvc")
    if dvc_file.is_file():
        return read_dvc_file(dvc_file, path)
    if manifest_file(path).is_file():
        return read_manifest(manifest_file(path), path)
    repository = repository_of(path)
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 (a link keeps its name)
    for folder in absolute.parents if repository is not None else ():
        if folder == repository:
            break
        dvc_file = folder.with_name(folder.name + ".dvc")
        if dvc_file.is_file():
            return read_dvc_file(dvc_file, folder)
    return None


def read_dvc_file(file: Path, folder: Path) -> Recorded:
    """Read a .dvc file: the output that is the folder. Raises DatasetError if there is none with an md5."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        outputs = content["outs"]
        if content.get("wdir", ".") != ".":
            raise TypeError(f"wdir is {content['wdir']!r}")
        output = next((out for out in outputs if out.get("path", folder.name) == folder.name), outputs[0])
        version, number, size = output["md5"], output.get("nfiles"), output.get("size")
        if output.get("path", folder.name) != folder.name:
            raise TypeError(f"path is {output['path']!r}")
        if not isinstance(version, str) or not VERSION.fullmatch(version):
            raise TypeError(f"md5 is {version!r}")
    except (
        OSError,
        yaml.YAMLError,
        UnicodeDecodeError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
    ) as error:
        raise DatasetError(
            f"{file} records no version of {folder.name} ({type(error).__name__}: {error}). Expected outs[0].md5 "
            "as `dvc add` writes it: run `dvc add` again, or restore the file."
        ) from error
    whole = [value if isinstance(value, int) else None for value in (number, size)]
    return Recorded(file, folder, version, *whole)


def read_manifest(file: Path, folder: Path) -> Recorded:
    """Read a manifest. Raises DatasetError if it is damaged."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        version, number, size = content["md5"], content.get("files"), content.get("bytes")
        if not isinstance(version, str) or not VERSION.fullmatch(version):
            raise TypeError(f"md5 is {version!r}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{file} records no version ({type(error).__name__}: {error}). Expected what "
            "`transfer-atlas manifest` writes: run it again, or restore the file."
        ) from None
    whole = [value if isinstance(value, int) else None for value in (number, size)]
    return Recorded(file, folder, version, *whole)


def listed_files(record: Recorded) -> dict[str, str] | None:
    """Md5 by relative path of the files of a recorded folder, from the list in DVC's cache; None if it is not there."""
    repository = repository_of(record.folder)
    if repository is None or not record.version.endswith(".dir"):
        return None
    file = cache_folder(repository) / "files" / "md5" / record.version[:2] / record.version[2:]
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
        return {str(entry["relpath"]): str(entry["md5"]) for entry in listed}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def cache_folder(repository: Path) -> Path:
    """Where DVC keeps contents: `cache.dir` of its configuration files, the most local one first."""
    own = repository / ".dvc"
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "dvc" / "config"
    for file in (own / "config.local", own / "config", home):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # DVC itself says what is wrong with it
        folder = parser.get("cache", "dir", fallback="").strip("'\"")
        if folder:
            return own / Path(folder).expanduser()
    return own / "cache"
