"""From images to a model in one command: `snakemake start`."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd

TARGET = "target=segmentation/harbour"


def test_start_recommends_measures_and_keeps_a_model_that_predicts(done):
    call = done.snakemake("start", "--config", TARGET, "budget=5min").well()
    starts = done.folder / "results/starts"
    told = json.loads((starts / "segmentation-harbour.json").read_text())
    tried = {each["source"]: each for each in told["tried"]}
    assert set(tried) == {"ilsvrc", "segmentation/meadow", "segmentation/street"}
    assert tried["ilsvrc"]["complete"] is not None and told["best"] in tried
    gains = pd.read_parquet(starts / "segmentation-harbour.parquet")
    completed = {name for name, each in tried.items() if each["complete"] is not None}
    assert set(gains["source"]) == completed
    for words in ("Predicted: ", "Measured: start from ", "of a budget of 300 s", "transfer-atlas predict"):
        assert words in call.said + (starts / "segmentation-harbour.txt").read_text()

    pictures = done.folder / "data/harbour/images"
    command = [sys.executable, "-m", "transfer_atlas.command", "predict", told["kept"], str(pictures)]
    made = subprocess.run(
        [*command, "--output", "predicted"], cwd=done.folder, capture_output=True, text=True, timeout=300
    )
    assert made.returncode == 0, made.stderr
    assert any((done.folder / "predicted").rglob("*.png"))

    # What was tried is there: asked again, nothing is trained anew.
    before = sorted((done.folder / "store/transfers").rglob("run.json"))
    done.snakemake("start", "--config", TARGET, "budget=5min").well()
    assert sorted((done.folder / "store/transfers").rglob("run.json")) == before


def test_start_says_what_it_needs(begun):
    call = begun.snakemake("start", "--config", TARGET)
    assert call.status != 0 and "such as budget=30min" in call.said
    call = begun.snakemake("start", "--config", "budget=30min")
    assert call.status != 0 and "start needs a target" in call.said
