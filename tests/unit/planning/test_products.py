"""What a study's results are by name: as the analysis makes them, as the report reads them, by what the study has."""

import re
from pathlib import Path

import pandas as pd
import pytest
import study_examples as examples

from transfer_atlas.analysis.atdt.of_study import atdt_tables
from transfer_atlas.analysis.tables.files import TABLES as SCHEMAS
from transfer_atlas.analysis.tables.of_scores import score_tables
from transfer_atlas.analysis.tables.of_study import study_tables
from transfer_atlas.planning.products import FINDINGS, TABLES, stamps, tables
from transfer_atlas.planning.workflow import Workflow

ALL = {FINDINGS, *(name for names in TABLES.values() for name in names)}
REPORT = Path(__file__).resolve().parents[3] / "src/transfer_atlas/analysis/report"
SCORED = ("transferability", {"metrics": ["logme"]})


def empty(name) -> pd.DataFrame:
    return SCHEMAS[name].conform(pd.DataFrame(columns=SCHEMAS[name].column_names))


def flow_of(*changes) -> Workflow:
    return Workflow(examples.study(*changes), examples.plan(*changes))


def test_the_tables_of_each_rule_are_those_that_the_analysis_makes():
    assert [*TABLES["tables"], FINDINGS] == list(study_tables([], {}, [], {}))
    given = [
        empty(name) for name in ("scores", "domain_distances", "gains", "subtask_transfers", "per_class")
    ]
    columns = ["origin", "regime", "source", "target", "task_type", "value", "gain"]
    made = score_tables(*given, pd.DataFrame(columns=columns), {})
    assert [*TABLES["score_tables"], FINDINGS] == list(made)
    assert list(TABLES["atdt_tables"]) == list(atdt_tables([], []))


def test_findings_are_made_where_distances_are_known():
    assert tables(flow_of()) == [*TABLES["tables"], FINDINGS]
    assert tables(flow_of(SCORED)) == [*TABLES["tables"], *TABLES["score_tables"], FINDINGS]


def test_everything_that_shows_results_has_a_stamp():
    assert stamps(flow_of()) >= {"tables", "score_tables", "atdt_tables", "report", "dataset_cards"}
    assert "scores_small_target" in stamps(flow_of(SCORED))


@pytest.mark.parametrize("path", sorted(REPORT.glob("*.py")), ids=lambda path: path.stem)
def test_the_report_asks_for_no_table_that_no_rule_makes(path):
    asked = re.findall(r"""study\.tables(?:\[|\.get\()\s*"(\w+)""", path.read_text(encoding="utf-8"))
    assert set(asked) <= ALL
