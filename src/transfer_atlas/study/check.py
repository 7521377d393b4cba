"""Command line that reads a study's file and says what is wrong with it, before anything else is started."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transfer_atlas.errors import AtlasError
from transfer_atlas.study.reading import read_values


def main(arguments: list[str] | None = None) -> int:
    """Check files; returns the exit status: 1 if one has a mistake, which is said."""
    parser = argparse.ArgumentParser(
        prog="transfer-atlas check", description="Say what is wrong with a study's file."
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument(
        "--syntax",
        action="store_true",
        help="only whether each is there and is YAML: one file may go over another, or be completed by --config",
    )
    chosen = parser.parse_args(arguments)
    try:
        for path in chosen.files:
            if chosen.syntax:
                read_values(path)
            else:
                from transfer_atlas.study.parse import load_study  # late: --syntax is asked before every call

                study = load_study(path)
                print(f"{path}: study {study.study}, {len(study.experiments)} experiments, no mistakes found")
    except AtlasError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
