"""What is known of a published dataset beside its files: counts, licence, where to get it, and surprises."""

from __future__ import annotations

from dataclasses import dataclass, field

from transfer_atlas.datasets.prepared import TaskType


@dataclass(frozen=True)
class Card:
    """Facts about one published dataset, for its dataset card and for what is said where files are missing.

    expected: task type -> split -> number of images that a complete copy gives with the default settings;
    table1: what Table 1 of Factors of Influence prints (classes by task type, train and val images);
    archives: files to fetch, as distributed; layout: patterns of files below `path`, of which a complete copy
    has at least one each; gigabytes: size of the archives, roughly; differences: between a complete copy and
    Table 1 or the authors' data code, each explained; unverified: facts taken from memory, never seen on the
    real archive.
    """

    title: str
    obtain: str
    licence: str
    citation: str
    archives: tuple[str, ...] = ()
    layout: tuple[str, ...] = ()
    gigabytes: float | None = None
    expected: dict[TaskType, dict[str, int]] = field(default_factory=dict)
    table1: dict[str, int] = field(default_factory=dict)
    differences: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
