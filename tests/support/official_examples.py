"""What the tests of the official adapters share: a drawn dataset, its records, its description."""

from pathlib import Path
from typing import Any

from pseudo import DRAW

from transfer_atlas.datasets.prepared import Record
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.registry import ADAPTERS, settings_of

OFFICIAL = {name: adapter for name, adapter in ADAPTERS.items() if hasattr(adapter, "CARD")}


def drawn(name: str, root: Path) -> Path:
    """Draw a dataset below a data root, where its adapter expects it by default; returns its folder."""
    folder = root / OFFICIAL[name].Settings(name=name).path
    DRAW[name](folder)
    return folder


def records(name: str, root: Path, **options: Any) -> dict[str, Record]:
    """Records by the last part of their ids (where one repeats, by the whole); DatasetError if there are problems."""
    problems, chosen = Problems(name), settings_of(name, **options)
    entries = list(OFFICIAL[name].records(chosen, root, problems))
    found = [entry.read(problems) for entry in entries]
    problems.raise_if_any()
    assert [(entry.id, entry.split) for entry in entries] == [(record.id, record.split) for record in found]
    assert len({record.id for record in found}) == len(found)
    short = {record.id.rsplit("/", 1)[-1]: record for record in found}
    return short if len(short) == len(found) else {record.id: record for record in found}


def described(name: str, root: Path, **options: Any) -> dict[str, Any]:
    """The description, without counts."""
    return OFFICIAL[name].describe(settings_of(name, **options), root, name)


def column(record: Record) -> list[int]:
    """Class index of each band of a mask of stripes, from the top; bands must be even."""
    mask = record.mask
    assert (mask == mask[:, :1]).all()
    values = mask[:, 0].tolist()
    return [value for at, value in enumerate(values) if at == 0 or value != values[at - 1]]


def names_of(record: Record, classes: list[str], at: tuple[int, int]) -> str:
    """Name of the class of a pixel (row, column), or `ignored`."""
    value = int(record.mask[at])
    return "ignored" if value == 255 else classes[value]


def splits_of(found: dict[str, Record]) -> dict[str, list[str]]:
    """Split -> the last parts of its ids, in the order of the records."""
    grouped: dict[str, list[str]] = {}
    for name, record in found.items():
        grouped.setdefault(record.split, []).append(name)
    return grouped
