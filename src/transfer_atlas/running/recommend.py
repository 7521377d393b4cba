"""`transfer-atlas recommend`: what to start from, by what is known and computed already; nothing is started."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transfer_atlas.errors import AtlasError
from transfer_atlas.planning.facts import facts_of_recommendation
from transfer_atlas.planning.load import load_workflow
from transfer_atlas.planning.recommendation import EFFORTS
from transfer_atlas.planning.workflow import Workflow
from transfer_atlas.study.reading import read_files

ASKED = ("target", "effort", "models", "also", "pool")  # as `--config` of `snakemake recommend` names them
RESOURCES = Path(__file__).resolve().parents[3] / "resources"  # beside the library, as Snakemake has them


def main(arguments: list[str] | None = None) -> int:
    """Say what a target should be started from; returns the exit status: 2 if it cannot be said."""
    parser = argparse.ArgumentParser(
        prog="transfer-atlas recommend",
        description="Say what to start from for a target, as `snakemake recommend` does, if nothing has to be computed "
        "for it: with effort none never, and no dataset need be here.",
    )
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        default=[Path("config.yaml")],
        metavar="STUDY",
        help="the study's files, as given to snakemake --configfile (default: config.yaml)",
    )
    parser.add_argument("--target", required=True, help="a task, such as segmentation/my_dataset")
    parser.add_argument("--effort", choices=EFFORTS, default="none", help="what is looked at (default: none)")
    parser.add_argument(
        "--models", default="", help="pretrained models beside the study's sources, by commas"
    )
    parser.add_argument("--also", help="atdt: the task networks of AT/DT, too")
    parser.add_argument("--pool", help="how many sources of a large pool are candidates, or all")
    chosen = parser.parse_args(arguments)
    asked = {name: value for name in ASKED if (value := getattr(chosen, name))}
    try:
        flow = load_workflow(read_files(chosen.files) | asked, without_data=True)
        _check_computed(flow, chosen.files, asked)
        facts = facts_of_recommendation(flow) | {"resources": str(RESOURCES)}
        from transfer_atlas.analysis.recommendation.written import write_recommendation  # late: a second

        text, _ = write_recommendation(facts)
        print(text)
    except AtlasError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _check_computed(flow: Workflow, files: list[Path], asked: dict[str, str]) -> None:
    """Raise AtlasError if the answer needs what is not in the store, with the command that computes it."""
    assert flow.recommendation is not None  # a target was given
    missing = flow.missing(flow.recommendation.runs)
    if not missing:
        return
    given = " ".join(f"{name}={value}" for name, value in asked.items())
    raise AtlasError(
        f"effort {asked['effort']} looks at {len(missing)} results that are not in {flow.study.store} yet, the first "
        f"of them {missing[0].name}. This computes them and answers: snakemake recommend --configfile "
        f"{' '.join(map(str, files))} --config {given}"
    )
