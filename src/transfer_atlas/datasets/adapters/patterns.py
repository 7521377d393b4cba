"""Finds files by patterns with named parts, such as `images/{split}/{city}/{stem}_image.{png,jpg}`.

`{name}` and `*` match within one folder or file name, `**` any number of folders, `{a,b}` one of the words. Nothing
hidden matches, and no pattern leads out of its folder: what is read is what the version of the data is taken of.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator

_PART = re.compile(r"\{(\w+)\}|\{([^{}]*,[^{}]*)\}|\*\*/|\*")
_SUFFIX = re.compile(r"\.(\{[^{}]*,[^{}]*\}|\w+)$")
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
# of photographs that a pattern without a suffix does not match: to be told of
OTHER_IMAGE_SUFFIXES = (".avif", ".heic", ".heif", ".jp2", ".j2k", ".jxl", ".dng", ".cr2", ".nef", ".arw")


def checked(pattern: str) -> str:
    """Return a pattern of files below a folder; ValueError if it is none, or leads elsewhere."""
    left = _PART.sub("", pattern)
    if "{" in left or "}" in left or "**" in left or re.search(r"[^/]\*\*/", pattern):
        raise ValueError(
            f"{pattern!r} is no pattern: braces hold a name ({{stem}}) or words ({{jpg,png}}), and ** stands for "
            "whole folders (**/)"
        )
    parts = re.sub(r"\{[^{}]*\}", "x", pattern).split("/")
    if not pattern or pattern.startswith("/") or re.match(r"[A-Za-z]:", pattern) or "\\" in pattern:
        raise ValueError(f"{pattern!r} is no path below the dataset's folder, with forward slashes")
    if any(part.startswith(".") and part != "." for part in parts):
        raise ValueError(
            f"{pattern!r} leads to hidden files, or out of the dataset's folder: they are in no version of the data"
        )
    return pattern


Pattern = Annotated[str, AfterValidator(checked)]


def fields_of(pattern: str) -> set[str]:
    """Names of the {parts} of a pattern."""
    return {match[1] for match in _PART.finditer(pattern) if match[1]}


def fill(pattern: str, parts: dict[str, str]) -> str:
    """Put the parts into a pattern. Raises KeyError for one that is not known."""
    return _PART.sub(lambda match: parts[match[1]] if match[1] else match[0], pattern)


def find(folder: Path, pattern: str, known: dict[str, str]) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield (file, parts) for the files below folder that match, sorted by path.

    A {part} given in `known` stands for its value. The suffix of the pattern matches in upper and lower case; a
    pattern without a suffix matches images of any kind. The parts yielded hold the known ones, those matched, and,
    unless matched by name, `stem` (the file name without its last suffix) and `parent` (the name of the folder the
    file is in).
    """
    for path, parts in find_all(folder, pattern, known):
        if parts is not None:
            yield path, parts


def find_all(
    folder: Path, pattern: str, known: dict[str, str], beyond: list[Path] | None = None
) -> Iterator[tuple[Path, dict[str, str] | None]]:
    """As `find`, and with None the files of the folders searched that do not match, hidden ones left out.

    beyond: takes the folders in those of the files, which the pattern does not lead into.
    """
    matches = _expression(pattern, tuple(sorted(known.items())))
    any_image = not _SUFFIX.search(pattern)
    for relative, path in sorted(set(_files(folder, pattern, known, beyond))):
        match = matches.fullmatch(relative)
        if match and any_image and PurePosixPath(relative).suffix.lower() not in IMAGE_SUFFIXES:
            match = None
        parts = None
        if match:
            default = {"stem": PurePosixPath(relative).stem, "parent": path.parent.name}
            parts = default | known | match.groupdict()
        yield path, parts


@lru_cache(maxsize=256)
def _expression(pattern: str, known: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    """The pattern as a regular expression of relative paths."""
    values, expression, at, seen = dict(known), "", 0, set()
    stem, suffix = os.path.splitext(pattern)  # noqa: PTH122 (a pattern is no path)
    plain = suffix if re.fullmatch(r"\.\w+", suffix) else ""
    pattern = stem if plain else pattern
    for match in _PART.finditer(pattern):
        expression += re.escape(pattern[at : match.start()])
        name, words, at = match[1], match[2], match.end()
        if words is not None:
            expression += "(?i:" + "|".join(re.escape(word.strip()) for word in words.split(",")) + ")"
        elif name in values:
            expression += re.escape(values[name])
        elif name in seen:
            expression += f"(?P={name})"
        elif match[0] == "**/":
            expression += r"(?:[^/]+/)*"
        else:
            expression += f"(?P<{name}>[^/]+)" if name else "[^/]*"
            seen |= {name} - {None}
    return re.compile(expression + re.escape(pattern[at:]) + (f"(?i:{re.escape(plain)})" if plain else ""))


def _files(
    folder: Path, pattern: str, known: dict[str, str], beyond: list[Path] | None
) -> Iterator[tuple[str, Path]]:
    """Files that a pattern could match, by relative path: those of the folders that its folders match."""
    # the value of a known part may lead through several folders
    pattern = _PART.sub(lambda match: known.get(match[1], match[0]) if match[1] else match[0], pattern)
    *folders, _ = [part for part in pattern.split("/") if part not in ("", ".")]
    yield from _descend(str(folder), "", folders, (), beyond)


def _descend(
    folder: str,
    below: str,
    folders: list[str],
    above: tuple[tuple[int, int], ...],
    beyond: list[Path] | None,
) -> Iterator[tuple[str, Path]]:
    """above: the folders this one is in, against links that lead back; beyond: takes those left out."""
    try:
        status = os.stat(folder)  # noqa: PTH116 (a million files: strings are enough)
        with os.scandir(folder) as scanned:
            entries = [entry for entry in scanned if not entry.name.startswith(".")]
    except OSError:
        return
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    deep = bool(folders) and folders[0] == "**"
    if not folders or (deep and len(folders) == 1):
        for entry in entries:
            if _is_file(entry):
                yield f"{below}{entry.name}", Path(entry.path)
    if not folders:
        if beyond is not None:
            beyond.extend(Path(entry.path) for entry in entries if _is_folder(entry))
        return
    rest = folders[1:] if deep else folders
    if deep and rest:
        yield from _descend(folder, below, rest, above, beyond)
    expression = None if deep else _expression(folders[0], ())
    for entry in entries:
        if (deep or expression.fullmatch(entry.name)) and _is_folder(entry):
            left = folders if deep else rest[1:]
            yield from _descend(entry.path, f"{below}{entry.name}/", left, (*above, here), beyond)


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a link to one that is not there: that is told when it is to be read."""
    try:
        return entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists())
    except OSError:  # a link in a circle
        return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def existing(folder: Path, relative: str) -> Path:
    """The file of that name below a folder, in whichever way its letters are composed or its suffix is written.

    Names from a Mac have their accents apart, those from elsewhere have them joined, and the two print alike. Where
    there is none, the path as given.
    """
    path = folder / relative
    if path.is_file():
        return path
    for form in ("NFC", "NFD"):
        other = folder / unicodedata.normalize(form, relative)
        if other.is_file():
            return other
    for suffix in {path.suffix.lower(), path.suffix.upper()} - {path.suffix}:
        if path.with_suffix(suffix).is_file():
            return path.with_suffix(suffix)
    return path
