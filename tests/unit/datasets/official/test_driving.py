"""Driving datasets in their official layouts."""

import numpy as np
import pytest
from official_examples import column, described, drawn, records, splits_of
from pydantic import ValidationError

from transfer_atlas.errors import DatasetError


def test_cityscapes_label_ids(tmp_path):
    drawn("cityscapes", tmp_path)
    found = records("cityscapes", tmp_path)
    classes = described("cityscapes", tmp_path)["segmentation"]["classes"]
    assert {split: len(names) for split, names in splits_of(found).items()} == {"train": 4, "val": 2}
    assert len(classes) == 32
    bands = column(found["aachen_000000_000019_leftImg8bit"])
    names = ["ignored" if value == 255 else classes[value] for value in bands]
    assert names == ["ignored", "ego vehicle", "ignored", "static", "road", "bicycle"]
    assert len(described("cityscapes", tmp_path, ignore_background=False)["segmentation"]["classes"]) == 33


def test_cityscapes_nineteen_classes_of_the_benchmark(tmp_path):
    drawn("cityscapes", tmp_path)
    classes = described("cityscapes", tmp_path, labels="train_ids")["segmentation"]["classes"]
    assert len(classes) == 19 and (classes[0], classes[18]) == ("road", "bicycle")
    bands = column(records("cityscapes", tmp_path, labels="train_ids")["aachen_000000_000019_leftImg8bit"])
    assert bands == [255, 0, 18]


def test_cityscapes_depth_is_baseline_times_focal_length_by_disparity(tmp_path):
    drawn("cityscapes", tmp_path)
    found = records("cityscapes", tmp_path, task_types=["segmentation", "depth"])
    depth = found["frankfurt_000000_000294_leftImg8bit"].depth
    np.testing.assert_allclose(depth[[0, 6, 12, 18], 0], [0, 0, 40.0, 400 / 100.5], rtol=1e-6)
    assert described("cityscapes", tmp_path, task_types=["depth"]).keys() == {"depth", "source", "licence"}


def test_cityscapes_one_city_is_divided_by_seed(tmp_path):
    drawn("cityscapes", tmp_path)
    first = splits_of(records("cityscapes", tmp_path, cities=["aachen"], held_out=0.34))
    assert {split: len(names) for split, names in first.items()} == {"train": 2, "val": 1}
    assert splits_of(records("cityscapes", tmp_path, cities=["aachen"], held_out=0.34)) == first
    others = [splits_of(records("cityscapes", tmp_path, cities=["aachen"], seed=seed)) for seed in range(6)]
    assert any(other != first for other in others)
    evaluated = splits_of(records("cityscapes", tmp_path, cities=["frankfurt"], held_out=0.5))
    assert {split: len(names) for split, names in evaluated.items()} == {"train": 1, "val": 1}
    with pytest.raises(ValidationError, match="atlantis"):
        records("cityscapes", tmp_path, cities=["atlantis"])


def test_cityscapes_test_images_have_no_labels_to_train_on(tmp_path):
    drawn("cityscapes", tmp_path)
    with pytest.raises(DatasetError, match="the car and the border only"):
        records("cityscapes", tmp_path, splits={"train": "train", "val": "test"})


def test_cityscapes_names_a_missing_mask(tmp_path):
    folder = drawn("cityscapes", tmp_path)
    (folder / "gtFine/val/frankfurt/frankfurt_000000_000576_gtFine_labelIds.png").unlink()
    with pytest.raises(DatasetError, match=r"frankfurt_000000_000576_gtFine_labelIds\.png: no such mask"):
        records("cityscapes", tmp_path)
