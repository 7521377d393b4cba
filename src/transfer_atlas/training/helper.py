"""The program of a process that helps to fit: `python -m transfer_atlas.training.helper`, told on standard input.

It carries out the leader's request up to the fit that it is told of, joins it there, and ends with it.
"""

from __future__ import annotations

import io
import json
import shutil
import signal
import sys

from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.training.device import use_threads
from transfer_atlas.training.runners import ilsvrc, source, target_model, transfer
from transfer_atlas.training.team import FitEnded, Plan, end_with, planned, scratch_folder

RUNNERS = {"ilsvrc": ilsvrc, "source": source, "transfer": transfer, "target_model": target_model}


def main() -> None:
    """Help with one fit."""
    for asked in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # the leader decides when to stop, and saves the state first
        signal.signal(asked, signal.SIG_IGN)
    told = json.loads(sys.stdin.readline())
    end_with(sys.stdin)
    use_threads(told["threads"])
    request = told["request"]
    if "learning_rates" in request["settings"]:
        request["settings"]["learning_rates"] = [told["learning_rate"]]
    scratch = scratch_folder()
    (scratch / "output").mkdir()
    plan = Plan(request, told["size"], told["rank"], told["meeting"])
    try:
        with planned(plan):
            RUNNERS[request["kind"]](request, scratch, io.StringIO())
    except (FitEnded, LegitimateFailure):
        pass
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
