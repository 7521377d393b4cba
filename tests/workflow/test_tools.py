"""What surrounds the runs: the plan as text, the report, other study files, style of the workflow's files."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from clones import REPOSITORY, Clone, transfer
from steps import pull, with_desert

from transfer_atlas.datasets.registry import raw_folder
from transfer_atlas.datasets.versions import is_absent
from transfer_atlas.study.parse import load_study

STUDIES = sorted((REPOSITORY / "studies").glob("*.yaml"))
REAL_IMAGES = REPOSITORY.parent / "shared/real"


def numbers_of_plan(clone: Clone, *arguments: str) -> dict[str, list[int]]:
    """Runs, present and missing by layer, as `snakemake plan` prints them on stdout."""
    call = clone.snakemake("plan", *arguments).well()
    rows = re.findall(r"^([^\d\n]+?)\s+(\d+)\s+(\d+)\s+(\d+)   \S", call.stdout, re.MULTILINE)
    return {layer: [int(number) for number in numbers] for layer, *numbers in rows}


def test_plan_counts_what_is_there_and_what_is_not(done):
    assert numbers_of_plan(done) == {
        "prepared datasets": [4, 4, 0],
        "ILSVRC checkpoint": [1, 1, 0],
        "sources": [2, 2, 0],
        "transfers": [7, 7, 0],
        "all": [14, 14, 0],
    }
    (done.folder / "data/harbour/images/train/00.png").unlink()  # another version of the dataset
    done.record_file(transfer("scratch", "street")).unlink()
    assert numbers_of_plan(done) == {
        "prepared datasets": [4, 3, 1],
        "ILSVRC checkpoint": [1, 1, 0],
        "sources": [2, 2, 0],
        "transfers": [7, 2, 5],
        "all": [14, 8, 6],
    }


def test_plan_estimates_time_from_finished_runs(done):
    done.record_file(transfer("scratch", "street")).unlink()
    said = done.snakemake("plan").well().stdout
    assert re.search(r"^transfers\s+7\s+6\s+1   \d+ s$", said, re.MULTILINE)
    assert "estimated from finished runs in store, for 1 runs at a time" in said


def test_plan_of_a_blank_study_runs_nothing(begun):
    assert numbers_of_plan(begun)["all"] == [14, 0, 14]
    assert not (begun.folder / "store").exists()


def test_report_holds_figures_and_captions(done):
    done.snakemake("--report", "report.html").well()
    html = (done.folder / "report.html").read_text(encoding="utf-8")
    assert "gains_segmentation_small_target.png" in html
    assert "effects_small_target.png" in html
    assert "transfers.parquet" in html
    assert "Relative transfer gain to segmentation, small target regime." in html  # the heat map's caption
    assert "Transfer effects by relation of source and target" in html
    assert "Every number comes from a" in html  # the front page
    assert "This report shows the study" in html
    assert "tiny" in html


def test_report_of_pulled_results(finished, fresh):
    pull(finished, fresh, "store", "results", "data/harbour")
    fresh.snakemake("--report", "report.html").well()
    html = (fresh.folder / "report.html").read_text(encoding="utf-8")
    assert "gains_segmentation_small_target.png" in html


def test_a_study_file_stands_alone(begun):
    """The default study's datasets are not mixed into it."""
    default = yaml.safe_load((begun.folder / "config.yaml").read_text(encoding="utf-8"))
    assert "segmentation" in default["datasets"]["coco"]["tasks"]
    begun.change(lambda study: study["experiments"][0].update(sources=["segmentation/*"]))
    sources = {job for job in begun.planned() if job.startswith("train_source")}
    assert sources == {f"train_source segmentation-{name}" for name in ("meadow", "street", "harbour")}


def test_settings_by_command_line_reach_the_default_study(begun):
    assert begun.planned("--config", "results=elsewhere", study=None) == begun.planned(study=None)
    call = begun.snakemake("plan", "--config", "ilsvrc={seed: -1}", study=None)
    assert call.status == 1
    assert "ilsvrc.seed" in call.said


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_every_study_file_can_be_planned(begun, study):
    arguments = []
    values = yaml.safe_load(study.read_text(encoding="utf-8"))
    root = Path(values.get("data_root", "data"))
    if str(root).startswith("data/real"):
        if not REAL_IMAGES.is_dir():
            pytest.skip(f"{study.name} needs the real images")
        arguments = ["--config", f"data_root={REAL_IMAGES}"]
    root = REAL_IMAGES if arguments else REPOSITORY / root
    folders = [raw_folder(dataset.adapter, root) for dataset in load_study(study).datasets.values()]
    absent = [folder.name for folder in folders if folder is not None and is_absent(folder)]
    if absent:
        pytest.skip(f"{study.name} needs raw datasets that are not here: {', '.join(absent)}")
    jobs = begun.planned(*arguments, study=f"studies/{study.name}")
    of_transfers = bool(values.get("experiments"))
    assert ("tables" if of_transfers else "atdt_tables") in jobs
    assert any(job.startswith("transfer " if of_transfers else "atdt_network ") for job in jobs)


def test_the_whole_plan_of_a_larger_study_takes_seconds(begun):
    """44 datasets, each a source of all others: the size of a real study."""

    def many(study):
        for number in range(40):
            study["datasets"][f"field_{number}"] = study["datasets"]["meadow"]
        study["experiments"][0] |= {"sources": ["segmentation/*"], "targets": ["segmentation/*"]}

    begun.change(many)
    begun.change(with_desert)
    begun.folder.joinpath("data/desert.dvc").write_text(
        begun.folder.joinpath("data/meadow.dvc").read_text(encoding="utf-8").replace("meadow", "desert"),
        encoding="utf-8",
    )
    began = time.monotonic()
    assert numbers_of_plan(begun)["transfers"] == [1980, 0, 1980]
    assert time.monotonic() - began < 60


def test_lint_finds_nothing(begun):
    call = begun.snakemake("--lint")
    assert call.status == 0, call.said
    assert "Congratulations, your workflow is in a good condition" in call.said


def test_workflow_files_are_formatted(begun):
    command = [str(Path(sys.executable).with_name("snakefmt")), "--check", "."]
    call = subprocess.run(command, cwd=begun.folder, capture_output=True, text=True)
    assert call.returncode == 0, call.stdout + call.stderr


def test_plan_tells_of_results_of_other_versions(done):
    assert "of other versions" not in done.snakemake("plan").well().stdout
    done.change(lambda study: study.update(source_seed=5))
    said = done.snakemake("plan").well().stdout
    assert "2 source results of other versions lie here; they differ in seed: 0 -> 5" in said
