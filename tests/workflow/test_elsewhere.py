"""The workflow used from another folder, as a module of another workflow, and under other profiles."""

import os
import subprocess
import sys
from pathlib import Path

import yaml
from clones import TABLES_AND_FIGURES, Clone

OUTER = """
import yaml

module atlas:
    snakefile: "{clone}/Snakefile"
    config: yaml.safe_load(open("study.yaml"))

use rule * from atlas as atlas_*

rule answer:
    default_target: True
    input: rules.atlas_prepared_datasets.input
    output: "answer.txt"
    shell: "echo there > {{output}}"
"""


def snakemake(clone: Clone, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call Snakemake in a folder that is not the clone's, without its library on the path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True)


def test_another_workflow_uses_it_as_a_module(begun, tmp_path):
    outer = tmp_path / "outer"
    outer.mkdir()
    study = begun.study() | {"data_root": str(begun.folder / "data")}
    (outer / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    (outer / "Snakefile").write_text(OUTER.format(clone=begun.folder), encoding="utf-8")
    done = snakemake(begun, outer)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (outer / "answer.txt").read_text() == "there\n"
    prepared = sorted(path.name for path in (outer / "store/prepared").iterdir())
    assert prepared == ["harbour", "meadow", "street", "things"]
    # The outer rule's inputs are those that were missing: by modification times it is done.
    again = snakemake(begun, outer, "--rerun-triggers", "mtime")
    assert again.returncode == 0 and "Nothing to be done" in again.stdout + again.stderr


def test_the_default_study_is_found_from_another_folder(begun, tmp_path):
    done = snakemake(begun, tmp_path, "-n", "-s", str(begun.folder / "Snakefile"), "prepared_datasets")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "prepare_dataset" in done.stdout + done.stderr
    assert not (tmp_path / "store").exists()


def test_single_settings_go_over_the_default_study(begun):
    """A study is recognised by being one, not by one of its keys."""
    call = begun.snakemake("-n", "--config", "datasets={coco: {domain: web}}", study=None)
    assert call.status == 0, call.said
    assert {job for job in call.jobs if job.startswith("prepare_dataset")} > {"prepare_dataset coco"}


def test_a_finished_study_is_finished_under_any_profile(done):
    call = done.snakemake("-n", "--workflow-profile", "none").well()
    assert call.jobs == set() and "Nothing to be done" in call.said


def test_nothing_of_snakemakes_reaches_into_the_store(done):
    kept = done.files("store/*/*/*/run.json")
    done.snakemake("--delete-all-output").well()
    assert done.files("store/*/*/*/run.json") == kept
    assert not (done.folder / "results/tables/gains.parquet").exists()
    assert done.planned() == TABLES_AND_FIGURES
