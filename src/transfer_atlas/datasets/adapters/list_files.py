"""List files: which images belong to a split, one a line, by name or by path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Generic, TypeVar

from transfer_atlas.datasets.adapters.patterns import IMAGE_SUFFIXES, existing
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

Thing = TypeVar("Thing")


def read_lines(file: Path, dataset: str, what: str, setting: str) -> list[tuple[int, str]]:
    """Numbered lines of a text file in UTF-8 that are not empty; a byte order mark is no part of them.

    what: the file is expected to hold; setting: that names it. Raises DatasetError if it is missing or not UTF-8.
    """
    file = existing(file.parent, file.name)
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DatasetError(
            f"Dataset '{dataset}': the list file {file} does not exist or cannot be read ({error.strerror}). "
            f"Expected a text file with {what}: correct `{setting}`, or fetch the file."
        ) from None
    except UnicodeDecodeError as error:
        start = file.read_bytes()[:2]
        coding = (
            "UTF-16, as editors on Windows write it" if start in (b"\xff\xfe", b"\xfe\xff") else "another"
        )
        raise DatasetError(
            f"Dataset '{dataset}': {file} is not in UTF-8 ({error.reason} at byte {error.start}); its encoding seems "
            f"to be {coding}. Save it as UTF-8."
        ) from None
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    return [(number, line) for number, line in lines if line]


@dataclass(frozen=True)
class _Match(Generic[Thing]):
    thing: Thing
    names: tuple[str, ...]  # the path of the file, last part (without suffix) first


class ByPath(Generic[Thing]):
    """Finds files by what a list calls them: a stem, a name, or a path of which the end counts."""

    def __init__(self, files: Iterable[tuple[str, Thing]]) -> None:
        """files: (path below the folder with forward slashes, anything)."""
        self.by_stem: dict[str, list[_Match[Thing]]] = {}
        for relative, thing in files:
            path = PurePosixPath(relative)
            match = _Match(thing, (path.name, *reversed(path.parts[:-1])))
            self.by_stem.setdefault(path.stem, []).append(match)
            if path.name != path.stem:
                self.by_stem.setdefault(path.name, []).append(match)

    def find(self, text: str) -> tuple[list[Thing], bool]:
        """Files that a text may mean (one if it is clear), and whether all of the text fits their paths.

        Of several, those are meant whose path has most of the text's folders; slashes may lean either way.
        """
        parts = [part for part in text.replace("\\", "/").split("/") if part not in ("", ".")]
        if not parts:
            return [], False
        *folders, name = parts
        found = self.by_stem.get(name, [])
        if not found and PurePosixPath(name).suffix.lower() in (*IMAGE_SUFFIXES, ".xml", ".txt", ".json"):
            found = self.by_stem.get(PurePosixPath(name).stem, [])
        fits = [_common(list(reversed(folders)), match.names[1:]) for match in found]
        best = max(fits, default=0)
        chosen = [match.thing for match, fit in zip(found, fits, strict=True) if fit == best]
        return chosen, best == len(folders)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many items two sequences share from their start."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def named_files(
    names: Sequence[tuple[str, str]], files: ByPath[Thing], problems: Problems, among: str
) -> list[tuple[int, Thing]]:
    """Return (position among the names, file) for the names that mean one file each; others become problems.

    names: (where it is said, what it says); among: what the files are, for messages. Names may have folders before
    them that are not here, as lists made on another machine do, if none of the others fits without; then a name
    with a folder that is not here is that of a missing file.
    """
    found = [files.find(text) for _, text in names]
    whole = any(
        complete and len(things) == 1 and "/" in text
        for (_, text), (things, complete) in _pairs(names, found)
    )
    chosen: list[tuple[int, Thing]] = []
    for at, ((where, text), (things, complete)) in enumerate(_pairs(names, found)):
        if len(things) == 1 and (complete or not whole):
            chosen.append((at, things[0]))
            continue
        if len(things) > 1:
            said, remedy = f"'{text}' is the name of {len(things)} files", "Write more of the path."
        else:
            said = f"'{text}' is not there" + (
                " (a file of that name is in another folder)" if things else ""
            )
            remedy = "Correct the name, or add the file."
        problems.add(where, said, f"one file among {among}", remedy)
    counts = Counter(id(thing) for _, thing in chosen)
    for at, thing in chosen:
        if counts[id(thing)] > 1:
            where, text = names[at]
            problems.add(
                where, f"'{text}' means a file that another entry means, too", "each file once", "Remove one."
            )
            counts[id(thing)] = 0
    return chosen


def _pairs(names: Sequence, found: Sequence) -> Iterable:
    return zip(names, found, strict=True)
