"""python -m transfer_atlas.analysis.published [resources/published [results/published/tables]]: tables and findings."""

from __future__ import annotations

import sys
from pathlib import Path

from transfer_atlas.analysis.findings.table import as_text
from transfer_atlas.analysis.published.tables import write_published_tables
from transfer_atlas.errors import AtlasError


def main(arguments: list[str]) -> int:
    """Write all tables and print the findings, and the printed figures that do not follow; 1 for an error."""
    folder = Path(arguments[0] if arguments else "resources/published")
    results = Path(arguments[1] if len(arguments) > 1 else "results/published/tables")
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
    sys.exit(main(sys.argv[1:]))
