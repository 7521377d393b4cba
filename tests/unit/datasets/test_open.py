"""`open_dataset`: raw and prepared datasets look alike, are read when asked for, and cost little to import."""

import subprocess
import sys

import numpy as np
import pytest
from adapter_examples import save, write
from prepared_examples import pixels

from transfer_atlas.datasets import open_dataset
from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.datasets.registry import ADAPTERS, settings_of
from transfer_atlas.errors import DatasetError

MASKED = {"images": "images/{split}/*.png", "classes": ["sky", "road"]}


@pytest.fixture
def root(tmp_path):
    """Two training images and one of validation, with masks, 16-bit depth and boxes."""
    folder, coco = tmp_path / "toy", {"categories": [{"id": 7, "name": "cat"}]}
    for split, number in (("train", 2), ("val", 1)):
        images, annotations = [], []
        for index in range(number):
            save(folder / f"images/{split}/{index}.png", pixels(6, 8, seed=index))
            mask = np.zeros((6, 8), np.uint8)
            mask[:3], mask[5] = 1, 255
            save(folder / f"masks/{split}/{index}.png", mask)
            depth = np.full((6, 8), 2500, np.uint16)
            depth[0], depth[1] = 0, 65000
            save(folder / f"depth/{split}/{index}.png", depth)
            images.append({"id": index, "file_name": f"{index}.png"})
            annotations.append({"id": index, "image_id": index, "category_id": 7, "bbox": [1, 1, 4, 3]})
        write(folder / f"annotations/{split}.json", coco | {"images": images, "annotations": annotations})
    return tmp_path


def test_a_raw_dataset_and_what_is_prepared_of_it_give_the_same_samples(root, tmp_path):
    settings = settings_of("image_mask_folders", path="toy", **MASKED)
    prepare_dataset(settings, root, tmp_path / "prepared", dataset="toy")
    raw = open_dataset("image_mask_folders", root / "toy", "train", "segmentation", **MASKED)
    prepared = open_dataset("prepared", tmp_path / "prepared", "train", "segmentation")
    assert raw.classes == prepared.classes == ["sky", "road"]
    assert raw.ignore_index == prepared.ignore_index == 255
    assert len(raw) == len(prepared) == 2 and raw.ids == prepared.ids
    for one, other in zip(raw, prepared, strict=True):
        assert one.id == other.id and one.image.dtype == np.uint8 and one.image.shape == (6, 8, 3)
        assert np.array_equal(one.image, other.image) and np.array_equal(one.mask, other.mask)
    assert np.array_equal(raw[-1].image, pixels(6, 8, seed=1))


def test_the_folder_or_the_data_root_it_lies_in(root):
    for place, path in ((root, "toy"), (root / "toy", ".")):
        assert len(open_dataset("image_mask_folders", place, "val", "segmentation", path=path, **MASKED)) == 1


def test_the_rule_that_divides_images_is_an_option_as_well(root):
    """`split` names the split that is opened, and is a setting of its own: both can be said."""
    options = {"images": "images/train/*.png", "masks": "masks/train/{stem}.png", "classes": ["sky", "road"]}
    opened = [
        open_dataset("image_mask_folders", root / "toy", split, "segmentation", split=0.5, **options)
        for split in ("train", "val")
    ]
    assert sorted(opened[0].ids + opened[1].ids) == ["images/train/0", "images/train/1"]


def test_depth_is_not_a_number_where_invalid(root):
    options = {"images": "images/{split}/*.png", "depth": {"maximum": 10.0}}
    depth = open_dataset("depth_png", root / "toy", "train", "depth", **options)[0].depth
    assert depth.dtype == np.float32
    assert np.isnan(depth[:2]).all() and np.allclose(depth[2:], 2.5)


def test_boxes_have_labels_and_crowds(root):
    opened = open_dataset("coco_json", root / "toy", "val", "detection", images="images/{split}/*.png")
    assert opened.classes == ["cat"] and opened.keypoint_names == [] and opened.ignore_index is None
    sample = opened[0]
    assert sample.boxes.dtype == np.float32 and sample.boxes.tolist() == [[1, 1, 5, 4]]
    assert sample.box_labels.tolist() == [0] and sample.crowd.tolist() == [False]
    assert sample.mask is None and sample.keypoints is None


def test_images_are_read_when_asked_for(root):
    (root / "toy/images/train/1.png").write_bytes(b"no image")
    opened = open_dataset("image_mask_folders", root / "toy", "train", "segmentation", **MASKED)
    assert opened[0].id == "images/train/0"
    with pytest.raises(DatasetError, match=r"1\.png"):
        opened[1]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"adapter": "camwid"}, "no adapter 'camwid'; expected one of .*coco_json"),
        ({"split": "test"}, "no image of split 'test'|no file matches"),
        ({"task_type": "depth"}, "no annotation for depth; it has segmentation"),
        ({"klasses": ["a"]}, "klasses: .*options are .*classes"),
        ({"path": "elsewhere"}, "elsewhere does not exist"),
    ],
)
def test_what_is_not_there_is_said(root, changed, said):
    given = {"adapter": "image_mask_folders", "split": "train", "task_type": "segmentation", **MASKED}
    with pytest.raises(DatasetError, match=said):
        open_dataset(root=root / "toy", **(given | changed))


def test_reading_a_study_imports_neither_torch_nor_parquet():
    code = "import sys, transfer_atlas.datasets, transfer_atlas.study.study as s;"
    code += "print([m for m in ('torch', 'pyarrow', 'scipy', 'pandas') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_adapter_says_what_it_delivers():
    assert {"image_mask_folders", "coco_json", "voc_xml", "depth_png", "miniature"} <= set(ADAPTERS)
    for name, adapter in ADAPTERS.items():
        assert adapter.Settings.model_fields["name"].default == name
