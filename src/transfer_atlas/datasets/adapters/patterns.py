"""Finds files by patterns with named parts, such as `images/{split}/{city}/{stem}_image.png`."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_PART = re.compile(r"\{(\w+)\}|\*")


def fields_of(pattern: str) -> set[str]:
    """Names of the {parts} of a pattern."""
    return set(re.findall(r"\{(\w+)\}", pattern))


def find(folder: Path, pattern: str, known: dict[str, str]) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield (file, parts) for the files below folder that match, sorted by path.

    A {part} given in `known` stands for its value; any other, and `*`, matches within one path component.
    The parts yielded hold the known ones, those matched, and, unless matched by name, `stem` (the file name
    without its last suffix) and `parent` (the name of the folder the file is in).
    """
    pattern = _PART.sub(lambda match: known.get(match[1], match[0]), pattern)
    expression, at, seen = "", 0, set()
    for match in _PART.finditer(pattern):
        expression += re.escape(pattern[at : match.start()])
        name, at = match[1], match.end()
        if name in seen:
            expression += f"(?P={name})"
        else:
            expression += f"(?P<{name}>[^/]+)" if name else "[^/]*"
            seen |= {name} - {None}
    matches = re.compile(expression + re.escape(pattern[at:]))
    wildcards = "*".join(glob.escape(literal) for literal in _PART.sub("\0", pattern).split("\0"))
    files = ((path.relative_to(folder).as_posix(), path) for path in folder.glob(wildcards))
    for relative, path in sorted(files):
        match = matches.fullmatch(relative)
        # hidden files (left behind by file managers and synchronisers) are nobody's images
        if match and not path.name.startswith(".") and path.is_file():
            default = {"stem": PurePosixPath(relative).stem, "parent": path.parent.name}
            yield path, default | known | match.groupdict()
