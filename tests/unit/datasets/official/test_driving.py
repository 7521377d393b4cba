"""Driving datasets in their official layouts."""

import numpy as np
import pytest
from official_examples import column, described, drawn, names_of, records, splits_of
from pseudo import driving
from pseudo.files import photo, stripes, values, write

from transfer_atlas.errors import DatasetError


def test_cityscapes_label_ids(tmp_path):
    drawn("cityscapes", tmp_path)
    found = records("cityscapes", tmp_path)
    classes = described("cityscapes", tmp_path)["segmentation"]["classes"]
    assert {split: len(names) for split, names in splits_of(found).items()} == {"train": 4, "val": 2}
    assert len(classes) == 32
    bands = column(found["aachen_000000_000019"])
    names = ["ignored" if value == 255 else classes[value] for value in bands]
    assert names == ["ignored", "ego vehicle", "ignored", "static", "road", "bicycle"]
    assert len(described("cityscapes", tmp_path, ignore_background=False)["segmentation"]["classes"]) == 33


def test_cityscapes_nineteen_classes_of_the_benchmark(tmp_path):
    drawn("cityscapes", tmp_path)
    classes = described("cityscapes", tmp_path, labels="train_ids")["segmentation"]["classes"]
    assert len(classes) == 19 and (classes[0], classes[18]) == ("road", "bicycle")
    bands = column(records("cityscapes", tmp_path, labels="train_ids")["aachen_000000_000019"])
    assert bands == [255, 0, 18]


def test_cityscapes_depth_is_baseline_times_focal_length_by_disparity(tmp_path):
    drawn("cityscapes", tmp_path)
    found = records("cityscapes", tmp_path, task_types=["segmentation", "depth"])
    depth = found["frankfurt_000000_000294"].depth
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
    every = records("cityscapes", tmp_path, cities="all", held_out=0.34)
    assert {name for name in every if name.startswith("aachen_")} == {
        name for names in first.values() for name in names
    }
    assert {every[name].split for name in every if name.startswith("frankfurt_")} == {"train", "val"}
    with pytest.raises(DatasetError, match="cities: none"):
        records("cityscapes", tmp_path, cities=[])
    with pytest.raises(DatasetError, match="atlantis"):
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


@pytest.mark.parametrize("draw", [driving.bdd, driving.bdd_old])
def test_bdd_train_ids_of_both_archives(tmp_path, draw):
    draw(tmp_path / "bdd100k")
    found = records("bdd", tmp_path)
    classes = described("bdd", tmp_path)["segmentation"]["classes"]
    assert splits_of(found) == {
        "train": ["0a0a0b1a-7c39d841", "0a0b16e4-93d8c456"],
        "val": ["7d06fefd-f7be05a6"],
    }
    assert len(classes) == 19
    bands = column(found["7d06fefd-f7be05a6"])
    assert [classes[v] for v in bands[:3]] == ["road", "sky", "bicycle"] and bands[3] == 255


@pytest.mark.parametrize("draw", [driving.bdd_100k, driving.bdd_100k_det_20])
def test_bdd_100k_labels_of_2018_and_2020_are_the_same_classes(tmp_path, draw):
    draw(tmp_path / "bdd100k")
    found = records("bdd_100k", tmp_path)
    classes = described("bdd_100k", tmp_path)["detection"]["classes"]
    assert splits_of(found) == {
        "train": ["0000f77c-6257be58", "0000f77c-62c2a288"],
        "val": ["b1c66a42-6f7d68ca"],
    }
    assert len(classes) == 10
    objects = found["0000f77c-6257be58"].objects
    assert [classes[label] for label in objects.labels] == ["bike", "person"]
    assert objects.boxes.tolist() == [[1.5, 2, 9, 10], [20, 5, 32, 9]]
    assert len(found["0000f77c-62c2a288"].objects.boxes) == 0
    assert classes[found["b1c66a42-6f7d68ca"].objects.labels[0]] == "motor"
    inclusive = records("bdd_100k", tmp_path, inclusive=True)
    assert inclusive["b1c66a42-6f7d68ca"].objects.boxes.tolist() == [[0, 0, 4, 5]]


def test_bdd_100k_refuses_labels_converted_to_another_format(tmp_path):
    folder = drawn("bdd_100k", tmp_path)
    write(folder / "labels/det_20/det_train.json", {"images": [], "annotations": []})
    with pytest.raises(DatasetError, match=r"det_train\.json is no list of frames"):
        records("bdd_100k", tmp_path)


def test_mapillary_palette_indices_of_version_1_2(tmp_path):
    drawn("mapillary", tmp_path)
    found = records("mapillary", tmp_path)
    classes = described("mapillary", tmp_path)["segmentation"]["classes"]
    assert {split: len(names) for split, names in splits_of(found).items()} == {"train": 2, "val": 1}
    assert len(classes) == 65
    bands = column(found["-Ktm2Q"])
    assert [classes[value] for value in bands[:3]] == ["Bird", "Road", "Ego Vehicle"] and bands[3] == 255


def test_mapillary_refuses_version_2_0(tmp_path):
    folder = drawn("mapillary", tmp_path)
    for path in folder.glob("*/v1.2"):
        path.rename(path.with_name("elsewhere"))
    with pytest.raises(DatasetError, match=r"labels of version 2\.0 only"):
        records("mapillary", tmp_path)
    for path in folder.glob("*/v2.0/labels"):  # as if it were 1.2
        path.rename(path.parents[1] / "labels")
    (folder / "config_v1.2.json").unlink()
    with pytest.raises(DatasetError, match=r"value 110 .*label map"):
        records("mapillary", tmp_path)
    (folder / "config_v2.0.json").rename(folder / "config.json")
    with pytest.raises(DatasetError, match=r"config\.json lists 132 classes"):
        records("mapillary", tmp_path)


def test_kitti_is_divided_as_mseg_does(tmp_path):
    drawn("kitti", tmp_path)
    found = records("kitti", tmp_path)
    classes = described("kitti", tmp_path)["segmentation"]["classes"]
    assert splits_of(found) == {"train": ["000040_10", "000058_10"], "val": ["000052_10"]}
    assert len(classes) == 32
    bands = column(found["000052_10"])
    assert bands[0] == bands[3] == 255 and [classes[value] for value in bands[1:3]] == ["road", "bicycle"]
    assert found["000052_10"].mask.shape == (24, 34)


def test_kitti_unknown_values_can_be_an_error(tmp_path):
    folder = drawn("kitti", tmp_path)
    values(folder / "training/semantic/000052_10.png", stripes(7, 77, width=34))
    assert column(records("kitti", tmp_path)["000052_10"])[1] == 255
    with pytest.raises(DatasetError, match=r"000052_10\.png: value 77 \(408 pixels\)"):
        records("kitti", tmp_path, unknown="error")


def test_camvid_colours_and_segnets_lists(tmp_path):
    drawn("camvid", tmp_path)
    found = records("camvid", tmp_path)
    classes = described("camvid", tmp_path)["segmentation"]["classes"]
    assert splits_of(found) == {"train": ["0001TP_006690", "0001TP_006720"], "val": ["0016E5_07959"]}
    assert len(classes) == 31
    assert [names_of(found["0016E5_07959"], classes, (row, 0)) for row in (0, 4, 8, 12, 16)] == [
        "ignored",
        "Sky",
        "Road",
        "Car",
        "ignored",  # a blend of two colours
    ]
    tested = records("camvid", tmp_path, splits={"train": "train", "val": "test"})
    assert splits_of(tested)["val"] == ["0001TP_008550"]


def test_camvid_masks_may_lie_where_mseg_unpacks_them(tmp_path):
    folder = drawn("camvid", tmp_path)
    (folder / "LabeledApproved_full").rename(folder / "Labels32-RGB")
    assert len(records("camvid", tmp_path)) == 3


def test_camvid_copy_of_segnet_has_11_classes(tmp_path):
    driving.camvid_segnet(tmp_path / "camvid")
    found = records("camvid", tmp_path)
    classes = described("camvid", tmp_path)["segmentation"]["classes"]
    assert splits_of(found) == {"train": ["0001TP_006690", "0001TP_006720"], "val": ["0016E5_07959"]}
    bands = column(found["0016E5_07959"])
    assert len(classes) == 11 and [classes[v] for v in bands[:3]] == ["sky", "road", "bicyclist"]
    assert bands[3] == 255


def test_idd_draws_polygons_in_the_order_of_the_file(tmp_path):
    folder = drawn("idd", tmp_path)
    photo(folder / "leftImg8bit/train/301/frame0029_leftImg8bit.jpg")  # as part II has them
    content = {"imgHeight": 24, "imgWidth": 32, "objects": []}
    write(folder / "gtFine/train/301/frame0029_gtFine_polygons.json", content)
    found = records("idd", tmp_path)
    classes = described("idd", tmp_path)["segmentation"]["classes"]
    assert len(classes) == 34 and {s: len(n) for s, n in splits_of(found).items()} == {"train": 3, "val": 1}
    places = {
        (2, 2): "sky",
        (8, 2): "ignored",  # no polygon
        (20, 2): "road",
        (14, 5): "car",  # of a group
        (16, 7): "person",  # over the car
        (16, 24): "road",  # deleted, unknown, or a line
        (8, 28): "ignored",  # a train
        (19, 11): "ignored",  # a license plate
    }
    record = found["035471_leftImg8bit"]
    assert {place: names_of(record, classes, place) for place in places} == places
    assert set(np.unique(found["frame0029_leftImg8bit"].mask)) == {255}


def test_idd_masks_drawn_by_the_datasets_own_tool(tmp_path):
    folder = drawn("idd", tmp_path)
    for path in list(folder.rglob("*_gtFine_polygons.json")):
        name = path.name.replace("polygons.json", "labelids.png")
        values(path.with_name(name), stripes(0, 17, 35, 34))
    classes = described("idd", tmp_path)["segmentation"]["classes"]
    record = records("idd", tmp_path, masks="png")["035471_leftImg8bit"]
    assert [names_of(record, classes, (row, 0)) for row in (0, 6, 12, 18)] == [
        "road",
        "ignored",
        "ignored",
        "fallback background",
    ]
