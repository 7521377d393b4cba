"""Command line that says where a study stands, once or again and again; it starts and changes nothing."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from transfer_atlas.errors import AtlasError
from transfer_atlas.planning.load import load_workflow
from transfer_atlas.planning.workflow import Workflow
from transfer_atlas.running.status.facts import Status, status_of
from transfer_atlas.running.status.text import as_text
from transfer_atlas.study.reading import read_files

CLEAR = "\033[H\033[2J"
PRECISION = 4  # digits of hours after the point


def main(arguments: list[str] | None = None) -> int:
    """Say where a study stands; returns the exit status: 1 if a run failed, 2 if the study has a mistake."""
    parser = argparse.ArgumentParser(
        prog="transfer-atlas status",
        description="Say of each kind of run how many are done, at work, waiting and failed, where, and for how long.",
    )
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        default=[Path("config.yaml")],
        metavar="STUDY",
        help="the study's files, as given to snakemake --configfile (default: config.yaml)",
    )
    parser.add_argument(
        "--watch",
        nargs="?",
        type=_seconds,
        const=10.0,
        metavar="SECONDS",
        help="say it again every so many seconds (default 10), until all is done",
    )
    parser.add_argument(
        "--json", action="store_true", help="for machines: one object, a line each with --watch"
    )
    chosen = parser.parse_args(arguments)
    try:
        flow = _planned(chosen.files)
        while True:
            status = status_of(flow)
            _show(status, as_json=chosen.json, again=chosen.watch is not None)
            if chosen.watch is None or status.is_done:
                return 1 if status.failed or status.damaged else 0
            time.sleep(chosen.watch)
    except AtlasError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


def _planned(files: list[Path]) -> Workflow:
    """The study of some files, planned."""
    return load_workflow(read_files(files), without_data=True)


def _show(status: Status, *, as_json: bool, again: bool) -> None:
    if as_json:
        print(json.dumps(_rounded(status.as_values()), indent=None if again else 1), flush=True)
    else:
        start = CLEAR if again and sys.stdout.isatty() else ""
        when = f"{time.strftime('%H:%M:%S')}  " if again else ""
        print(f"{start}{when}{as_text(status)}", flush=True)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, PRECISION) if isinstance(value, float) else value


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
