"""Tables and findings from the numbers that papers print: transfer-atlas published [FOLDER [RESULTS]]."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transfer_atlas.analysis.published.tables import published_as_text, write_published_tables
from transfer_atlas.errors import AtlasError


def main(arguments: list[str] | None = None) -> int:
    """Write all tables and print the findings, and the printed figures that do not follow; 1 for an error."""
    parser = argparse.ArgumentParser(
        prog="transfer-atlas published", description="Tables and findings from the numbers that papers print."
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("resources/published"))
    parser.add_argument("results", nargs="?", type=Path, default=Path("results/published/tables"))
    chosen = parser.parse_args(arguments)
    folder, results = chosen.folder, chosen.results
    try:
        tables = write_published_tables(folder, results)
    except AtlasError as error:
        print(error, file=sys.stderr)
        return 1
    print(published_as_text(tables))
    print(f"\ntables: {results}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
