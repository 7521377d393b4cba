"""The runs that score: one metric of one source for one target."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

from transfer_atlas.scoring.scores import pair_draws, score_of


def score(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """One metric of one source for one target.

    Runs of one pair that are carried out one after the other in one process share what does not depend on the metric.
    """
    parents, settings = request["parents"], request["settings"]
    own = [parents[role]["folder"] for role in sorted(parents) if role.startswith("source_features")]
    draws = pair_draws(
        parents["features"]["folder"],
        tuple(own),
        settings["samples"],
        settings["repeats"],
        settings["seed"],
        settings.get("sampling"),
    )
    return score_of(settings["metric"], draws, settings)
