"""The ten questions of docs/tables.md: each is answered in two lines, which run and say something."""

from pathlib import Path

import pandas as pd
import pytest
from table_examples import write_example_tables

from transfer_atlas.analysis.tables.questions import QUESTIONS

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All tables that the questions read."""
    return write_example_tables(tmp_path_factory.mktemp("tables"))


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
    text = (DOCS / "tables.md").read_text(encoding="utf-8")
    for question, answer in QUESTIONS:
        assert f"**{question}**" in text and answer in text
