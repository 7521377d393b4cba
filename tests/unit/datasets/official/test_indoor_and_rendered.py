"""SUN RGB-D, ScanNet, vKITTI2 and vGallery in their official layouts: depth in metres, classes, splits."""

import numpy as np
import pytest
from official_examples import described, drawn, names_of, records
from pseudo.files import photo, stripes, values

from transfer_atlas.datasets import open_dataset
from transfer_atlas.errors import DatasetError


def test_sun_rgbd_rotates_depth_and_takes_msegs_test_images(tmp_path):
    drawn("sun_rgbd", tmp_path)
    found = records("sun_rgbd", tmp_path)
    classes = described("sun_rgbd", tmp_path)["segmentation"]["classes"]
    assert [(record.split, record.id) for record in found.values()] == [
        ("train", "image/train/img-000001"),
        ("train", "image/train/img-000002"),
        ("val", "image/test/img-000001"),
        ("val", "image/test/img-000025"),
    ]
    assert len(classes) == 37
    record = found["image/test/img-000025"]
    np.testing.assert_allclose(record.depth[[0, 6, 12, 18], 0], [0, 1.5, 8.0, 0.1], rtol=1e-6)
    assert [names_of(record, classes, (row, 0)) for row in (0, 6, 12, 18)] == [
        "ignored",
        "wall",
        "bag",
        "television",
    ]
    assert len(records("sun_rgbd", tmp_path, val="official")) == 5


@pytest.mark.filterwarnings("ignore:Dataset .* passed over")
def test_sun_rgbd_depth_alone_is_evaluated_on_all_test_images(tmp_path):
    drawn("sun_rgbd", tmp_path)
    opened = open_dataset("sun_rgbd", tmp_path, "val", "depth")
    assert opened.ids == [f"image/test/img-{number:06d}" for number in (1, 2, 25)]
    near = opened[0].depth
    assert np.isnan(near[0, 0]) and np.isnan(near[18, 0]), "invalid, or nearer than 0.369 m"
    assert len(open_dataset("sun_rgbd", tmp_path, "val", "segmentation")) == 2


def test_sun_rgbd_as_mseg_renames_and_shifts_it(tmp_path):
    folder = drawn("sun_rgbd", tmp_path)
    expected = records("sun_rgbd", tmp_path)["image/test/img-000025"].mask
    for path in folder.glob("label37/*/*.png"):
        values(folder / f"label38/{path.parent.name}/{path.name}", stripes(0, 1, 37, 25))
        shifted = stripes(255, 0, 36, 24)
        values(folder / f"semseg-label37/{path.parent.name}/{path.name}", shifted)
        path.unlink()
    (folder / "label37").rename(folder / "empty")
    np.testing.assert_array_equal(records("sun_rgbd", tmp_path)["image/test/img-000025"].mask, expected)
    (folder / "label38").rename(folder / "elsewhere")
    np.testing.assert_array_equal(records("sun_rgbd", tmp_path)["image/test/img-000025"].mask, expected)


def test_scannet_scales_colour_to_labels_and_divides_by_scene(tmp_path):
    drawn("scannet", tmp_path)
    found = list(records("scannet", tmp_path).values())
    classes = described("scannet", tmp_path)["segmentation"]["classes"]
    assert len(classes) == 40
    assert [(r.split, r.id) for r in found] == [
        ("train", "scene0000_00/color/000000"),
        ("train", "scene0000_00/color/000100"),
        ("train", "scene0000_01/color/000000"),
        ("train", "scene0000_01/color/000100"),
        ("val", "scene0011_00/color/000000"),
        ("val", "scene0011_00/color/000100"),
    ]
    record = found[0]
    assert record.image.shape == (48, 64, 3) and record.mask.shape == (48, 64)
    assert [names_of(record, classes, (row, 0)) for row in (0, 12, 24, 36)] == [
        "ignored",
        "wall",
        "otherprop",
        "cabinet",
    ]
    larger = next(iter(records("scannet", tmp_path, size="colour").values()))
    assert larger.mask.shape == (96, 128) and set(np.unique(larger.mask)) == set(np.unique(record.mask))


def test_scannet_refuses_colour_of_another_shape(tmp_path):
    folder = drawn("scannet", tmp_path)
    photo(folder / "scannet_frames_25k/scene0000_00/color/000000.jpg", height=96, width=96)
    with pytest.raises(DatasetError, match=r"color/000000\.jpg: an image of 96 x 96 with a label of 64 x 48"):
        records("scannet", tmp_path)


def test_vkitti2_evaluates_on_scene18(tmp_path):
    drawn("vkitti2", tmp_path)
    found = list(records("vkitti2", tmp_path).values())
    assert [(r.split, r.id) for r in found] == [
        ("train", "Scene01/15-deg-left/frames/rgb/Camera_1/rgb_00000"),
        ("train", "Scene01/clone/frames/rgb/Camera_0/rgb_00000"),
        ("train", "Scene20/fog/frames/rgb/Camera_0/rgb_00000"),
        ("val", "Scene18/clone/frames/rgb/Camera_0/rgb_00000"),
        ("val", "Scene18/rain/frames/rgb/Camera_1/rgb_00000"),
    ]
    classes = described("vkitti2", tmp_path)["segmentation"]["classes"]
    assert len(classes) == 14
    assert [names_of(found[0], classes, (row, 0)) for row in (0, 4, 8, 12, 16)] == [
        "Terrain",
        "Sky",
        "Car",
        "ignored",
        "ignored",
    ]
    depth = open_dataset("vkitti2", tmp_path, "val", "depth")[0].depth[[0, 4, 8, 12, 16, 20], 0]
    np.testing.assert_allclose(depth, [np.nan, 0.94, 25.5, np.nan, np.nan, np.nan], rtol=1e-6)
    assert len(records("vkitti2", tmp_path, variations=["clone"], cameras=["Camera_0"])) == 2


def test_vgallery_trains_on_loops_and_evaluates_on_occlusions(tmp_path):
    drawn("vgallery", tmp_path)
    found = list(records("vgallery", tmp_path).values())
    assert [r.split for r in found] == ["train", "train", "val"]
    assert found[2].id == "testing/gallery_light1_occlusion4/frames/rgb/camera_0/rgb_00007"
    classes = described("vgallery", tmp_path)["segmentation"]["classes"]
    assert len(classes) == 9
    assert [names_of(found[2], classes, (row, 0)) for row in (0, 6, 12, 18)] == [
        "Wall",
        "Sky",
        "Human",
        "ignored",
    ]
    depth = open_dataset("vgallery", tmp_path, "val", "depth")[0].depth[[0, 6, 12, 18], 0]
    np.testing.assert_allclose(depth, [np.nan, 14.89, np.nan, np.nan], rtol=1e-6)
