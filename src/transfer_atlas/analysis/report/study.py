"""What the report is told: the study's facts from the plan, its tables, and where runs and figures lie."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from transfer_atlas.analysis.tables.files import read_table
from transfer_atlas.errors import ConfigurationError


class StudyTables(Mapping[str, pd.DataFrame]):
    """A study's tables by name, each read when it is first asked for: the page needs not all, nor the largest."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder, self.names = folder, tuple(names)
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self.names:
            raise KeyError(name)
        if name not in self._read:
            self._read[name] = read_table(self.folder / f"{name}.parquet")
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class ReportedStudy:
    """A study as the report sees it.

    facts: as `facts_of_report` of planning gives them; tables: by name, those of scores and of AT/DT only where the
    study has them;
    place: folder of the report, which links are relative to; figures: PNG files; cards: facts of dataset cards with
    their contact sheets; published: folder of the papers' printed tables.
    """

    facts: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    place: Path
    figures: tuple[Path, ...] = ()
    cards: tuple[tuple[Mapping[str, Any], Path], ...] = ()
    published: Path | None = None
    folders: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.tables["transfers"].empty:
            raise ConfigurationError(
                f"the study {self.facts['study']} has no transfer: there is nothing to report. Its `experiments` name "
                "sources and targets; `snakemake plan` says which runs follow from them."
            )
        folders = {Path(folder).name: folder for _, folder in self.facts["transfers"]}
        object.__setattr__(self, "folders", folders)

    @property
    def regimes(self) -> list[str]:
        """Regimes of the study that have transfers, in the order of the study."""
        there = set(self.tables["transfers"]["regime"])
        return [name for name in self.facts["regimes"] if name in there]

    @property
    def targets(self) -> list[str]:
        """All targets, sorted."""
        return sorted(set(self.tables["transfers"]["target"]))

    def run_file(self, key: Any) -> str | None:
        """Link to the run.json of a transfer, relative to the report; None for a run that the plan does not know."""
        folder = self.folders.get(key) if isinstance(key, str) else None
        return None if folder is None else relative(Path(folder) / "run.json", self.place)


def relative(path: Path, place: Path) -> str:
    """A path as a link from a page in the folder `place`."""
    return Path(os.path.relpath(path, place)).as_posix()
