"""`transfer-atlas doctor`: which datasets of a study are there, where the others come from, and its exit status."""

from __future__ import annotations

import pytest
import yaml
from golden_keys import REPOSITORY

from transfer_atlas.planning import doctor
from transfer_atlas.study.parse import load_study


@pytest.fixture
def study(tmp_path):
    """A study of two plain datasets, of which one is there, and of an official one; the path of its file."""
    adapter = {"name": "image_mask_folders", "images": "{split}/images/*.png", "classes": ["a", "b"]}
    adapter |= {"masks": "{split}/masks/{stem}.png"}
    values = {
        "study": "small",
        "data_root": str(tmp_path / "data"),
        "scratch": str(tmp_path / "scratch"),
        "ilsvrc": {"origin": "timm", "model": "hrnet_w48.ms_in1k"},
        "backbone": {"name": "hrnet_w48"},
        "datasets": {
            name: {"domain": "driving", "adapter": own, "tasks": {"segmentation": {}}}
            for name, own in {
                "here": adapter | {"path": "here"},
                "gone": adapter | {"path": "far/gone", "source": "a friend"},
                "camvid": {"name": "camvid"},
                "not_used": adapter | {"path": "nobody"},
            }.items()
        },
        "regimes": {"small_target": {"target_images": 2}},
        "experiments": [
            {
                "regime": "small_target",
                "sources": ["segmentation/here"],
                "targets": ["segmentation/gone", "segmentation/camvid"],
            }
        ],
    }
    draw(tmp_path / "data/here")
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    return file


def draw(folder):
    from PIL import Image

    for split in ("train", "val"):
        for kind, mode in (("images", "RGB"), ("masks", "L")):
            (folder / split / kind).mkdir(parents=True)
            image = Image.new(mode, (8, 8))
            image.putpixel((0, 0), 1 if mode == "L" else (1, 1, 1))
            image.save(folder / split / kind / "one.png")


def test_each_dataset_of_the_study_is_told_and_what_lacks_with_path_and_origin(study, tmp_path, capsys):
    assert doctor.main([str(study)]) == 1
    said = capsys.readouterr().out
    rows = {line.split()[0]: line for line in said.splitlines() if line and not line.startswith(" ")}
    assert "present" in rows["here"] and "train 1, val 1" in rows["here"]
    assert "missing" in rows["gone"] and "missing" in rows["camvid"]
    assert "not_used" not in said
    assert f"gone (missing): {tmp_path / 'data/far/gone'}" in said
    assert "from a friend" in said
    assert "701_StillsRaw_full.zip" in said and "about 0.6 GB" in said
    assert "1 present, 2 missing." in said and "1 whose size is not known" in said


def test_all_there_and_in_order_is_success(study, tmp_path, capsys):
    assert doctor.main([str(study), "--dataset", "here", "--thorough", "--workers", "1"]) == 0
    assert "here: 2 images in order (2 decoded now); all in order" in capsys.readouterr().out
    assert doctor.main([str(study), "--dataset", "here", "--thorough", "--workers", "1"]) == 0
    assert "(0 decoded now)" in capsys.readouterr().out
    (tmp_path / "data/here/val/masks/one.png").write_bytes(b"")
    assert doctor.main([str(study), "--dataset", "here"]) == 0, "names alone say nothing of contents"
    capsys.readouterr()
    assert doctor.main([str(study), "--dataset", "here", "--thorough", "--workers", "1"]) == 1
    said = capsys.readouterr().out
    assert "1 problem" in said and "val/masks/one.png" in said


def test_a_wrong_name_and_a_wrong_study_are_one_line(study, tmp_path, capsys):
    assert doctor.main([str(study), "--dataset", "her"]) == 1
    assert "her: no such dataset. Study small has here, gone, camvid, not_used." in capsys.readouterr().err
    assert doctor.main([str(tmp_path / "nothing.yaml")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_plan_tells_absent_datasets_in_a_line_each(study, tmp_path):
    chosen = load_study(study)
    assert doctor.brief(chosen, []) == ""
    lines = doctor.brief(chosen, ["gone", "camvid"]).splitlines()
    assert len(lines) == 4
    assert lines[1].split() == ["gone", str(tmp_path / "data/far/gone")]
    assert lines[2].split()[:2] == ["camvid", str(tmp_path / "data/camvid,")]
    assert "transfer-atlas doctor" in lines[3]


def test_the_papers_study_without_data_says_where_all_come_from(tmp_path, capsys):
    assert doctor.main([str(REPOSITORY / "studies/paper.yaml"), "--data-root", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    study = load_study(REPOSITORY / "studies/paper.yaml")
    for name in study.datasets:
        assert f"\n{name} (missing): {tmp_path}" in said
    assert said.count("\n  from ") == said.count("\n  licence: ") == len(study.datasets)
    assert f"{len(study.datasets)} missing." in said
