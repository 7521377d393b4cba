"""The ten questions of docs/tables.md: each is answered in two lines, which run and say something."""

from pathlib import Path

import pandas as pd
import pytest
from analysis_examples import DATASETS, transfer_record

from transfer_atlas.analysis.findings.table import findings_table
from transfer_atlas.analysis.published.factors_of_influence import published_distances, published_gains
from transfer_atlas.analysis.published.metric_pairs import segmentation_272_pairs
from transfer_atlas.analysis.published.tables import distances_table, published_datasets
from transfer_atlas.analysis.tables import effects
from transfer_atlas.analysis.tables import transfers as tables
from transfer_atlas.analysis.tables.files import write_table
from transfer_atlas.analysis.tables.questions import QUESTIONS
from transfer_atlas.analysis.tables.scores import metric_differences_table, metric_evaluation_table

FOLDER = Path(__file__).parents[3] / "resources" / "published"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All tables that the questions read: the paper's gains and scores, and transfers of a small study."""
    gains, distances = published_gains(FOLDER), published_distances(FOLDER)
    pairs = segmentation_272_pairs(FOLDER)
    pairs = pairs[pairs["metric"].isin(["gbc", "source_size", "static_and_distance"])]
    records = [
        transfer_record("ilsvrc", "segmentation/camvid", 0.4),
        transfer_record("segmentation/coco", "segmentation/camvid", None),
    ]
    found = {
        "gains": gains,
        "transfers": tables.transfers_table(records, DATASETS),
        "effects": effects.effects_table(gains),
        "best_sources": effects.best_sources_table(gains),
        "findings": findings_table(gains, distances),
        "metric_evaluation": metric_evaluation_table(pairs, draws=50),
        "metric_differences": metric_differences_table(pairs),
        "domain_distances": distances_table(distances, published_datasets(FOLDER)),
    }
    path = tmp_path_factory.mktemp("tables")
    for name, frame in found.items():
        write_table(frame, path / f"{name}.parquet")
    return path


SAYS = ("segmentation/coco", "very_positive", "multi_segmentation", "loss not finite", "within")
SAYS += ("A01", "gbc", "source_size", "segmentation/camvid", "isaid")


def test_there_are_ten_of_two_lines_each():
    assert len(QUESTIONS) == len(SAYS) == 10
    assert all(len(answer.splitlines()) == 2 for _, answer in QUESTIONS)


@pytest.mark.parametrize(
    ("question", "says"), list(zip(QUESTIONS, SAYS, strict=True)), ids=[q for q, _ in QUESTIONS]
)
def test_the_answer_runs_and_says_something(question, says, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    with pd.option_context("display.max_rows", None, "display.max_columns", None, "display.width", 400):
        exec(compile(question[1], "docs/tables.md", "exec"), {"pd": pd})
    assert says in capsys.readouterr().out


def test_docs_tables_holds_them():
    text = (FOLDER.parents[1] / "docs" / "tables.md").read_text(encoding="utf-8")
    for question, answer in QUESTIONS:
        assert f"**{question}**" in text and answer in text
