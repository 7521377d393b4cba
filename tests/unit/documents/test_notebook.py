"""The notebook that reads the tables is carried out, and kept without what it printed."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from table_examples import write_example_tables

NOTEBOOK = Path(__file__).parents[3] / "docs/notebooks/read_the_tables.ipynb"


@pytest.mark.slow
def test_the_notebook_reads_every_table_it_names(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFER_ATLAS_TABLES", str(write_example_tables(tmp_path)))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs are not kept"
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = ["".join(str(output) for output in cell.get("outputs", [])) for cell in notebook.cells]
    assert "segmentation/coco" in shown[3] and "start_from" in shown[3]
    assert sum("image/png" in text for text in shown) == 2
    assert any("road" in text for text in shown) and any("A10" in text for text in shown)
    assert "static_and_distance" in shown[-1]
