"""transfer-atlas compare FIRST SECOND [--output FOLDER] [--names A B]: two folders of tables."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from transfer_atlas.analysis.comparison.compare import (
    as_text,
    comparison_summary,
    comparison_table,
    environment_table,
    other_metrics,
)
from transfer_atlas.analysis.tables.files import read_table, write_table
from transfer_atlas.analysis.tables.schema import RUNS
from transfer_atlas.errors import AtlasError, ConfigurationError


def compare_folders(first: Path, second: Path, output: Path | None, names: tuple[str, str]) -> str:
    """Compare two folders of tables (gains.parquet, and runs.parquet where it is), write the tables if
    asked, and say it. Targets that the two measure by different metrics are left out, by name.

    Raises ConfigurationError where a folder has no gains.
    """
    gains = []
    for folder in (first, second):
        if not (folder / "gains.parquet").exists():
            raise ConfigurationError(
                f"{folder} has no gains.parquet; name the folder of tables of a study, such as results/tables"
            )
        gains.append(read_table(folder / "gains.parquet"))
    other = other_metrics(*gains)
    comparison = comparison_table(*(table[~table["target"].isin(other.index)] for table in gains))
    summary = comparison_summary(comparison)
    environment = environment_table(*(_runs(folder) for folder in (first, second)))
    if output is not None:
        for name, frame in (
            ("comparison", comparison),
            ("comparison_summary", summary),
            ("comparison_environment", environment),
        ):
            write_table(frame, output / f"{name}.parquet")
    left_out = [
        f"  left out: {row.Index}, {row.first} in the first, {row.second} in the second"
        for row in other.itertuples()
    ]
    return "\n".join([as_text(comparison, summary, environment, names), *left_out])


def _runs(folder: Path) -> pd.DataFrame:
    """The table of runs, or an empty one: published tables have none."""
    path = folder / "runs.parquet"
    return read_table(path) if path.exists() else RUNS.conform(pd.DataFrame(columns=RUNS.column_names))


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 for an error a user can mend."""
    parser = argparse.ArgumentParser(prog="transfer-atlas compare", description=__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--names", nargs=2, default=None)
    chosen = parser.parse_args(arguments)
    names = tuple(chosen.names or (str(chosen.first), str(chosen.second)))
    try:
        print(compare_folders(chosen.first, chosen.second, chosen.output, names))
    except AtlasError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
