"""All tables of a study's AT/DT, from the records of its runs: the one list of what is made, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from transfer_atlas.analysis.atdt.findings import findings_of_atdt
from transfer_atlas.analysis.atdt.tables import evaluations_table, gains_table, results_table, runs_table


def atdt_tables(
    evaluations: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]], runs: Iterable[Mapping[str, Any]]
) -> dict[str, pd.DataFrame]:
    """The tables by name, in the order of `docs/tables.md`.

    evaluations: identity and run.json of each; runs: run.json of translators, datasets, networks.
    """
    evaluated = evaluations_table(evaluations)
    gains = gains_table(evaluated)
    return {
        "atdt_evaluations": evaluated,
        "atdt_results": results_table(evaluated),
        "atdt_gains": gains,
        "atdt_findings": findings_of_atdt(gains),
        "atdt_runs": runs_table(runs),
    }
