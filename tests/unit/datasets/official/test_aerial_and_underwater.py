"""ISPRS, iSAID, SUIM and Underwater Trash in their official layouts."""

import numpy as np
import pytest
from official_examples import OFFICIAL, described, drawn, names_of, records, splits_of
from pseudo.files import box_xml, values, voc_xml, write

from transfer_atlas.datasets import open_dataset
from transfer_atlas.datasets.official.patches import windows
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.registry import settings_of
from transfer_atlas.errors import DatasetError


def test_squares_cover_an_image_once():
    assert windows(800, 800) == [(0, 800, 0, 800)]
    assert windows(799, 5000) == [(0, 5000, 0, 799)], "smaller in one direction: whole"
    # 0, 600 would reach out of 1000: back to 200; 600 of 1400 fits to the pixel, and 1200 would repeat it
    assert windows(1000, 1400) == [
        (0, 800, 0, 800),
        (0, 800, 200, 1000),
        (600, 1400, 0, 800),
        (600, 1400, 200, 1000),
    ]
    assert len(windows(6000, 6000)) == 100, "of a tile of Potsdam"


def test_isprs_cuts_tiles_and_unites_channels(tmp_path):
    drawn("isprs", tmp_path)
    found = records("isprs", tmp_path)
    classes = described("isprs", tmp_path)["segmentation"]["classes"]
    assert classes == ["background", "impervious_surfaces", "building", "low_vegetation", "tree", "car"]
    names = splits_of(found)
    # 900 x 1500: rows from 0 and 100, columns from 0, 600 and 700
    assert [name for name in names["train"] if "7_13" in name] == [
        f"top_potsdam_7_13_{y}_{y + 800}_{x}_{x + 800}" for y in (0, 100) for x in (0, 600, 700)
    ]
    assert names["val"] == [f"top_mosaic_09cm_area1_0_800_{x}_{x + 800}" for x in (0, 1)]

    patch = found["top_potsdam_7_13_100_900_700_1500"]
    assert patch.image.shape == (800, 800, 3) and patch.image[0, 0].tolist() == [
        100,
        700 % 241,
        (100 + 700 % 241) // 2,
    ]
    assert [names_of(patch, classes, (row, 5)) for row in (0, 100, 400, 450, 550, 750)] == [
        "building",
        "low_vegetation",
        "background",
        "background",
        "ignored",  # another yellow
        "impervious_surfaces",
    ]
    evaluated = found["top_mosaic_09cm_area1_0_800_1_801"]
    assert evaluated.image[3, 2].tolist() == [3, 9, 6], "the second and third channel of infrared, red, green"
    stored = records("isprs", tmp_path, channels="as_stored")["top_mosaic_09cm_area1_0_800_1_801"]
    assert stored.image[3, 2].tolist() == [3, 3, 9]


def test_isprs_names_a_missing_label(tmp_path):
    folder = drawn("isprs", tmp_path)
    next(folder.rglob("top_potsdam_2_10_label.tif")).unlink()
    with pytest.raises(DatasetError, match=r"top_potsdam_2_10_label\.tif: no such mask"):
        records("isprs", tmp_path)
    with pytest.raises(DatasetError, match="overlap: 9 of squares of 9"):
        records("isprs", tmp_path, size=9, overlap=9)


def test_isaid_cuts_large_images_and_leaves_two_out(tmp_path):
    drawn("isaid", tmp_path)
    found = records("isaid", tmp_path)
    classes = described("isaid", tmp_path)["segmentation"]["classes"]
    assert len(classes) == 16 and classes[0] == "unlabeled"
    assert splits_of(found) == {
        "train": [f"P0000_{y}_{y + 800}_{x}_{x + 800}" for y in (0, 10) for x in (0, 200)]
        + ["P0001_0_60_0_900"],
        "val": ["P0003_0_60_0_80"],
    }
    patch = found["P0000_10_810_200_1000"]
    assert patch.image[5, 7, :2].tolist() == [15, 207]
    assert [names_of(patch, classes, (row, 0)) for row in (0, 125, 260, 395, 530)] == [
        "unlabeled",
        "ship",
        "plane",
        "ignored",
        "unlabeled",
    ]
    assert found["P0003_0_60_0_80"].image.shape == (60, 80, 3), "a grey image in colours"
    assert len(records("isaid", tmp_path, left_out=[])) == 7


def test_isaid_masks_in_the_folder_of_their_archive(tmp_path):
    folder = drawn("isaid", tmp_path)
    for path in list(folder.glob("*/images/*_instance_color_RGB.png")):
        other = path.parents[1] / "Semantic_masks/images" / path.name
        other.parent.mkdir(parents=True, exist_ok=True)
        path.rename(other)
    assert len(records("isaid", tmp_path)) == 6


def test_suim_crops_masks_and_passes_over_folders_of_single_classes(tmp_path):
    folder = drawn("suim", tmp_path)
    found = records("suim", tmp_path)
    classes = described("suim", tmp_path)["segmentation"]["classes"]
    assert splits_of(found) == {"train": ["d_r_1_", "f_r_829_", "n_l_5_"], "val": ["d_r_86_"]}
    assert len(classes) == 8
    for name in ("f_r_829_", "d_r_86_"):
        assert found[name].mask.shape == (24, 32)
        assert [names_of(found[name], classes, (row, 9)) for row in (0, 6, 12, 18)] == [
            "background (waterbody)",
            "HD: Human divers",
            "FV: Fish and vertebrates",
            "SR: Sand/sea-floor (& rocks)",
        ]
    np.testing.assert_array_equal(found["f_r_829_"].mask, found["n_l_5_"].mask)
    assert found["d_r_1_"].mask[0, 0] == 255, "a colour of no class"
    assert records("suim", tmp_path, threshold=True)["d_r_1_"].mask[0, 0] == 4, "red: a robot"
    (folder / "TEST").rename(folder / "test")  # as the authors' data code has it
    assert "d_r_86_" in records("suim", tmp_path)


def test_suim_refuses_a_mask_that_is_smaller(tmp_path):
    folder = drawn("suim", tmp_path)
    values(folder / "TEST/masks/d_r_86_.bmp", np.zeros((20, 40, 3), np.uint8))
    found = records("suim", tmp_path)["d_r_86_"]
    assert found.mask.shape == (20, 40), "the check of records refuses it"
    with pytest.raises(DatasetError, match=r"d_r_86_\.bmp: mask of 40 x 20"):
        open_dataset("suim", folder, "val", "segmentation")[0]


def test_underwater_trash_mends_names_and_evaluates_on_test(tmp_path):
    drawn("underwater_trash", tmp_path)
    found = records("underwater_trash", tmp_path)
    classes = described("underwater_trash", tmp_path)["detection"]["classes"]
    assert classes == ["rov", "bio", "plastic"]
    assert splits_of(found) == {
        "train": ["bio0001_frame0000001", "bio0001_frame0000002"],
        "val": ["obj0002_frame0000001", "obj0002_frame0000002"],
    }
    first = found["bio0001_frame0000001"].objects
    assert [classes[label] for label in first.labels] == ["plastic", "rov"]
    assert first.boxes.tolist() == [[2, 3, 10, 12], [0, 0, 32, 24]]
    assert [classes[label] for label in found["bio0001_frame0000002"].objects.labels] == ["bio"]
    assert len(found["obj0002_frame0000001"].objects.labels) == 1, "metal is left out"
    assert len(found["obj0002_frame0000002"].objects.labels) == 0
    with_metal = records("underwater_trash", tmp_path, metal=True)["obj0002_frame0000001"]
    assert with_metal.objects.labels.tolist() == [0, 3]
    from_zero = records("underwater_trash", tmp_path, first_pixel=0)["bio0001_frame0000001"]
    assert from_zero.objects.boxes[0].tolist() == [3, 4, 11, 13]


def test_underwater_trash_refuses_a_name_of_no_list(tmp_path):
    folder = drawn("underwater_trash", tmp_path)
    path = folder / "dataset/test/obj0002_frame0000002.xml"
    write(path, voc_xml((32, 24), [box_xml("kraken", (1, 1, 2, 2))]))
    with pytest.raises(DatasetError, match=r"obj0002_frame0000002\.xml: class 'kraken'"):
        records("underwater_trash", tmp_path)


def test_other_splits_can_be_asked_for(tmp_path):
    drawn("underwater_trash", tmp_path)
    adapter = OFFICIAL["underwater_trash"]
    entries = adapter.records(settings_of("underwater_trash"), tmp_path, Problems("x"), splits=["test"])
    assert len(list(entries)) == 2
