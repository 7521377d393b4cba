"""Consumer datasets in their official layouts: counts, classes, masks, boxes and keypoints in known places."""

import numpy as np
import pytest
from official_examples import column, described, drawn, records, splits_of
from pseudo.files import palette, stripes, values, voc_xml, write

from transfer_atlas.errors import DatasetError


def test_ade20k_leaves_out_what_has_no_class(tmp_path):
    drawn("ade20k", tmp_path)
    found = records("ade20k", tmp_path)
    classes = described("ade20k", tmp_path)["segmentation"]["classes"]
    assert splits_of(found) == {
        "train": ["ADE_train_00000001", "ADE_train_00000002"],
        "val": ["ADE_val_00000001"],
    }
    assert len(classes) == 150 and (classes[0], classes[2], classes[149]) == ("wall", "sky", "flag")
    assert column(found["ADE_val_00000001"]) == [255, 0, 2, 149]


def test_ade20k_background_as_a_class(tmp_path):
    drawn("ade20k", tmp_path)
    found = records("ade20k", tmp_path, ignore_background=False)
    assert len(described("ade20k", tmp_path, ignore_background=False)["segmentation"]["classes"]) == 151
    assert column(found["ADE_val_00000001"]) == [0, 1, 3, 150]


def test_pascal_voc_takes_sbds_masks_and_palette_indices(tmp_path):
    drawn("pascal_voc", tmp_path)
    found = records("pascal_voc", tmp_path)
    assert splits_of(found) == {"train": ["2007_000032", "2008_000008"], "val": ["2007_000033"]}
    assert len(described("pascal_voc", tmp_path)["segmentation"]["classes"]) == 21
    own, sbd, evaluated = (found[name].mask for name in ("2007_000032", "2008_000008", "2007_000033"))
    assert own[:, 0].tolist() == stripes(0, 1, 15, 20)[:, 0].tolist() and (own[:, 10] == 255).all()
    assert set(np.unique(sbd)) == {0, 13}
    assert evaluated[0, 0] == 0 and evaluated[23, 0] == 20, "evaluated on VOC's own masks, not on SBD's"
    assert records("pascal_voc", tmp_path, void_to_ignore=False)["2007_000032"].mask[0, 10] == 0
    assert list(records("pascal_voc", tmp_path, train="voc")) == ["2007_000032", "2007_000033"]


def test_pascal_voc_whose_lists_name_other_images(tmp_path):
    """The archives' lists by the same rule: VOC's and SBD's, without what is evaluated on."""
    folder = drawn("pascal_voc", tmp_path)
    place, sbd = folder / "VOCdevkit/VOC2012", folder / "benchmark_RELEASE/dataset"
    for old, new in (("2007_000032", "a"), ("2008_000008", "b"), ("2007_000033", "c")):
        for path in list(folder.rglob(f"{old}.*")):
            path.rename(path.with_stem(new))
    for path, text in (
        (place / "ImageSets/Segmentation/train.txt", "a\n"),
        (place / "ImageSets/Segmentation/val.txt", "c\n"),
        (sbd / "train.txt", "b\n"),
        (sbd / "val.txt", "c\n"),
    ):
        write(path, text)
    assert splits_of(records("pascal_voc", tmp_path)) == {"train": ["a", "b"], "val": ["c"]}


def test_pascal_voc_from_the_inner_folder_and_with_masks_made_by_others(tmp_path):
    folder = drawn("pascal_voc", tmp_path)
    palette(folder / "VOCdevkit/VOC2012/SegmentationClassAug/2008_000008.png", stripes(0, 7))
    found = records("pascal_voc", tmp_path, path="pascal_voc/VOCdevkit/VOC2012")
    assert set(np.unique(found["2008_000008"].mask)) == {0, 7}


def test_pascal_voc_without_a_mask_says_which(tmp_path):
    folder = drawn("pascal_voc", tmp_path)
    (folder / "benchmark_RELEASE/dataset/cls/2008_000008.mat").unlink()
    with pytest.raises(DatasetError, match=r"2008_000008\.mat: no mask"):
        records("pascal_voc", tmp_path)


def test_pascal_voc_2007_boxes_from_one_with_the_last_pixel_inside(tmp_path):
    drawn("pascal_voc_2007", tmp_path)
    found = records("pascal_voc_2007", tmp_path)
    classes = described("pascal_voc_2007", tmp_path)["detection"]["classes"]
    assert splits_of(found) == {"train": ["000005", "000007"], "val": ["000001"]}
    assert len(classes) == 20 and classes[0] == "aeroplane"
    objects = found["000005"].objects
    assert [classes[label] for label in objects.labels] == ["dog", "person"], "parts are no objects"
    np.testing.assert_allclose(objects.boxes, [[0, 0, 32, 24], [4.7, 5, 20, 12]], rtol=1e-6)
    assert objects.crowd.tolist() == [False, True], "difficult objects are not scored"
    assert found["000001"].objects.boxes.tolist() == [[1, 1, 3, 3]]


def test_pascal_voc_2007_refuses_boxes_of_another_size_and_class(tmp_path):
    folder = drawn("pascal_voc_2007", tmp_path)
    write(folder / "VOCdevkit/VOC2007/Annotations/000005.xml", voc_xml((31, 24), []))
    with pytest.raises(DatasetError, match=r"000005\.xml: boxes for 31 x 24, but the image has 32 x 24"):
        records("pascal_voc_2007", tmp_path)
    other = "<name>zebra</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"
    write(folder / "VOCdevkit/VOC2007/Annotations/000005.xml", voc_xml((32, 24), [other]))
    with pytest.raises(DatasetError, match="zebra"):
        records("pascal_voc_2007", tmp_path)


def test_pascal_context_maps_459_labels_to_60_classes(tmp_path):
    drawn("pascal_context", tmp_path)
    found = records("pascal_context", tmp_path)
    classes = described("pascal_context", tmp_path)["segmentation"]["classes"]
    assert splits_of(found) == {"train": ["2008_000008", "2008_000015"], "val": ["2008_000002"]}
    assert len(classes) == 60 and classes[0] == "background"
    bands = [classes[value] for value in column(found["2008_000002"])]
    assert bands == ["background", "aeroplane", "wood", "background"]
    assert len(described("pascal_context", tmp_path, ignore_background=True)["segmentation"]["classes"]) == 59


def test_pascal_context_in_the_form_of_mmsegmentation_and_of_mseg(tmp_path):
    folder = drawn("pascal_context", tmp_path)
    place = folder / "VOCdevkit/VOC2010"
    for name in ("2008_000008", "2008_000015", "2008_000002"):
        values(place / f"SegmentationClassContext/{name}.png", stripes(0, 1, 59))
        values(place / f"Segmentation_GT_60cls/{name}.png", stripes(0, 1, 59, 255))
    assert column(records("pascal_context", tmp_path, masks="png")["2008_000002"]) == [0, 1, 59]
    assert column(records("pascal_context", tmp_path, masks="mseg")["2008_000002"]) == [1, 0, 59, 255]
    assert column(records("pascal_context", tmp_path)["2008_000002"])[1] == 1, ".mat files come first"


def test_coco_reads_panoptic_masks_boxes_and_keypoints_as_distributed(tmp_path):
    drawn("coco", tmp_path)
    found, about = records("coco", tmp_path), described("coco", tmp_path)
    assert splits_of(found) == {
        "train": ["000000000009", "000000000025", "000000000030"],
        "val": ["000000000139"],
    }
    masks, boxes = about["segmentation"]["classes"], about["detection"]["classes"]
    assert (len(masks), len(boxes), len(about["keypoints"]["names"])) == (133, 80, 17)
    bands = column(found["000000000139"])
    assert bands[0] == 255 and [masks[value] for value in bands[1:]] == ["person", "rug-merged", "stop sign"]

    objects = found["000000000009"].objects
    assert [boxes[label] for label in objects.labels] == ["person", "toothbrush"], (
        "a box without area marks nothing"
    )
    assert objects.boxes.tolist() == [[4.5, 2, 14.5, 14.25], [20, 10, 32, 15]], "clipped to the image"
    assert objects.crowd.tolist() == [False, True] and objects.area.tolist() == [60.5, 60.5]
    assert objects.keypoints[0, :3].tolist() == [[8, 4, 2], [9, 3, 1], [0, 0, 0]]
    assert not objects.keypoints[1].any() and about["keypoints"]["classes"] == ["person"]
    assert len(found["000000000030"].objects.boxes) == 0


def test_coco_needs_only_the_files_of_what_is_read(tmp_path):
    folder = drawn("coco", tmp_path)
    for path in folder.glob("annotations/*panoptic*.json"):
        path.unlink()
    with pytest.raises(DatasetError, match=r"panoptic_train2017\.json does not exist"):
        records("coco", tmp_path)
    found = records("coco", tmp_path, task_types=["keypoints"], only_annotated=True)
    assert len(found) == 3 and found["000000000009"].mask is None
    assert found["000000000009"].objects.labels.tolist() == [0]


def test_coco_refuses_segments_that_are_not_listed(tmp_path):
    folder = drawn("coco", tmp_path)
    rgb = np.full((24, 32, 3), 9, np.uint8)
    values(folder / "annotations/panoptic_val2017/000000000139.png", rgb)
    with pytest.raises(DatasetError, match=r"000000000139\.png: segment\(s\) \[592137\]"):
        records("coco", tmp_path, task_types=["segmentation"])
    lenient = records("coco", tmp_path, task_types=["segmentation"], unknown="ignore")
    assert set(np.unique(lenient["000000000139"].mask)) == {255}


@pytest.mark.parametrize("name", ["ade20k", "pascal_voc", "pascal_voc_2007", "pascal_context", "coco"])
def test_an_absent_folder_is_named(tmp_path, name):
    with pytest.raises(DatasetError, match="does not exist"):
        records(name, tmp_path)
