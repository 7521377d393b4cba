"""transfer-atlas papers [resources/published] [--output results/published/tables]: tables and findings."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transfer_atlas.analysis.findings.table import as_text
from transfer_atlas.analysis.published.tables import write_published_tables
from transfer_atlas.errors import AtlasError


def main(arguments: list[str] | None = None) -> int:
    """Analyse the numbers that papers print as a study's: write all tables, print the findings and what does
    not follow.

    Returns the exit status: 1 for an error a user can mend.
    """
    parser = argparse.ArgumentParser(prog="transfer-atlas papers", description=main.__doc__.splitlines()[0])
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path("resources/published"), help="printed tables"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("results/published/tables"), help="folder of tables"
    )
    chosen = parser.parse_args(arguments)
    folder, results = chosen.folder, chosen.output
    try:
        tables = write_published_tables(folder, results)
    except AtlasError as error:
        print(error, file=sys.stderr)
        return 1
    print(as_text(tables["findings"]))
    checks = tables["published_checks"]
    wrong = checks[checks["agrees"].eq(False).fillna(False)]
    known = checks["agrees"].dropna()
    print(f"\n{int(known.sum())} of {len(known)} printed figures follow; these do not:")
    for row in wrong.itertuples():
        print(
            f"  {row.paper}, {row.place}, {row.row}, {row.statistic}: printed {row.printed:g}, here {row.derived:.3g}"
        )
    print(f"\ntables: {results}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
