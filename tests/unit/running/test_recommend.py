"""`transfer-atlas recommend`: an answer from a study's file alone, without data, or the command that computes more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import study_examples as examples
import yaml

from transfer_atlas.running.recommend import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The file of a study whose raw data are nowhere."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(examples.values(("data_root", str(tmp_path / "nowhere")))))
    return path


def test_an_answer_before_anything_is_downloaded(study, tmp_path, capsys):
    assert main([str(study), "--target", "segmentation/isprs"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("segmentation/isprs: ")
    for words in (
        "segmentation/camvid",
        "Expected gain over ILSVRC",
        "neither images nor annotation",
        "Public datasets",
    ):
        assert words in said
    (saved,) = tmp_path.rglob("recommendations/*.txt")
    assert saved.read_text().startswith("segmentation/isprs: ")


@pytest.mark.parametrize("effort", ["images", "labels"])
def test_what_has_to_be_computed_is_said_with_the_command(study, effort, capsys):
    assert main([str(study), "--target", "segmentation/isprs", "--effort", effort]) == 2
    said = capsys.readouterr().err
    assert "not in store yet" in said and said.count("\n") == 1
    assert (
        f"snakemake recommend --configfile {study} --config target=segmentation/isprs effort={effort}" in said
    )


@pytest.mark.parametrize(
    "asked, said",
    [
        (["--target", "segmentation/nowhere"], "nowhere"),
        (["--target", "isprs"], "isprs"),
        (["--target", "depth/isprs"], "depth"),
        (["--target", "segmentation/isprs", "--also", "atdt"], "no section `atdt`"),
        (["--target", "segmentation/isprs", "--also", "more"], "expected atdt"),
        (["--target", "segmentation/isprs", "--pool", "few"], "pool"),
    ],
)
def test_what_the_study_does_not_have_is_refused(study, asked, said, capsys):
    assert main([str(study), *asked]) == 2
    assert said in capsys.readouterr().err


def test_an_answer_without_images_imports_nothing_that_takes_as_long_as_itself(tmp_path):
    code = (
        "import sys\n"
        "from transfer_atlas.command import main\n"
        f"assert main(['recommend', {str(ROOT / 'config.yaml')!r}, '--target', 'segmentation/camvid']) == 0\n"
        "heavy = {'sklearn', 'scipy.stats', 'torch', 'matplotlib', 'snakemake', 'ot'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    call = [sys.executable, "-c", code]
    subprocess.run(call, check=True, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL)
