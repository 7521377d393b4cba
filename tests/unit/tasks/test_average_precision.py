"""Average precision as faster-coco-eval has it, against cases worked out by hand."""

import numpy as np
import pytest

from transfer_atlas.datasets.prepared import Objects
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.tasks.average_precision import AveragePrecision, to_image

NAMES = ["cat", "dog", "cow"]
BOX, OTHER = [10.0, 10.0, 30.0, 30.0], [50.0, 50.0, 80.0, 70.0]


def objects(boxes, labels=None, crowd=None, keypoints=None) -> Objects:
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    labels = np.zeros(len(boxes), np.int64) if labels is None else np.array(labels)
    crowd = np.zeros(len(boxes), bool) if crowd is None else np.array(crowd)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return Objects(boxes, labels, crowd, area, keypoints)


def evaluate(*images, measure="coco_map"):
    """images: (annotated, found boxes, labels, scores)."""
    precision = AveragePrecision(NAMES)
    for annotated, boxes, labels, scores in images:
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
        precision.add((100, 100), annotated, boxes, np.array(labels, np.int64), np.array(scores, np.float32))
    return precision.result(measure)


def test_a_perfect_answer_scores_one():
    found = evaluate(
        (objects([BOX, OTHER], [0, 2]), [OTHER, BOX], [2, 0], [0.9, 0.4]), (objects([]), [], [], [])
    )
    assert found == {
        "primary": "coco_map",
        "value": pytest.approx(1),
        "map": pytest.approx(1),
        "ap50": pytest.approx(1),
        "by_size": {"small": pytest.approx(1), "medium": None, "large": None},
        "recall": pytest.approx(1),
        "voc_ap50": {"area": pytest.approx(1), "eleven_points": pytest.approx(1)},
        "per_class": {"cat": pytest.approx(1), "dog": None, "cow": pytest.approx(1)},
        "absent_classes": ["dog"],
    }


def test_one_of_two_is_found_after_a_false_one():
    # precision 1/2 at every recall up to 1/2: 51 of 101 recalls
    found = evaluate((objects([BOX, OTHER]), [[0, 0, 5, 5], BOX], [0, 0], [0.9, 0.4]))
    assert found["value"] == pytest.approx(0.5 * 51 / 101)


def test_a_box_that_overlaps_less_counts_at_fewer_thresholds():
    shifted = [10.0, 10.0, 30.0, 37.0]  # overlap 20 / 27 = 0.74: five of ten thresholds
    found = evaluate((objects([BOX]), [shifted], [0], [0.9]))
    assert found["value"] == found["map"] == pytest.approx(0.5) and found["ap50"] == pytest.approx(1)
    found = evaluate((objects([BOX]), [shifted], [0], [0.9]), measure="ap50")
    assert found["primary"] == "ap50" and found["value"] == found["ap50"] == pytest.approx(1)


def test_what_is_found_of_a_crowd_is_neither_right_nor_wrong():
    crowd = objects([OTHER, BOX], crowd=[True, False])
    found = evaluate((crowd, [[50, 50, 60, 60], [60, 60, 70, 70], BOX], [0, 0, 0], [0.9, 0.8, 0.7]))
    assert found["value"] == pytest.approx(1)


def test_what_is_found_where_nothing_is_annotated_is_wrong():
    found = evaluate((objects([BOX]), [BOX], [0], [0.5]), (objects([]), [BOX], [0], [0.9]))
    assert found["value"] == pytest.approx(0.5)


def test_nothing_found_scores_zero():
    assert evaluate((objects([BOX]), [], [], []))["value"] == 0


@pytest.mark.parametrize("annotated", [objects([]), objects([BOX], crowd=[True])])
def test_nothing_to_be_found_is_not_defined(annotated):
    with pytest.raises(LegitimateFailure, match="no object that could be found") as caught:
        evaluate((annotated, [BOX], [0], [0.9]))
    assert caught.value.status == "no_class_present"
    with pytest.raises(LegitimateFailure):
        AveragePrecision(NAMES).result("ap50")


def keypoint_precision(annotated, found, scores, sigmas=(0.1, 0.05)):
    """annotated, found: keypoints (N, 2, 3) and (T, 2, 2); all boxes 20 x 20."""
    precision = AveragePrecision(["object"], sigmas)
    annotated = np.array(annotated, np.float32)
    found = np.array(found, np.float32).reshape(-1, 2, 2)
    boxes = np.tile(np.array(BOX, np.float32), (len(annotated), 1))
    answer = np.tile(np.array(BOX, np.float32), (len(found), 1))
    labels = np.zeros(len(found), np.int64)
    precision.add((100, 100), objects(boxes, keypoints=annotated), answer, labels, np.array(scores), found)
    return precision.result("ap50")


def test_oks_by_hand():
    # exp(-d^2 / (2 area (2 sigma)^2)): at 4 and 3 pixels exp(-0.5) = 0.61 and exp(-1.125) = 0.32, mean 0.47
    annotated = [[[15, 15, 2], [25, 25, 1]]]
    off = [[[19, 15], [25, 28]]]
    assert keypoint_precision(annotated, off, [0.9])["ap50"] == pytest.approx(0)
    # with a wider second sigma: exp(-0.5) and exp(-0.28) = 0.75, mean 0.68: four of ten thresholds
    found = keypoint_precision(annotated, off, [0.9], sigmas=(0.1, 0.1))
    assert found["ap50"] == pytest.approx(1) and found["map"] == pytest.approx(0.4)


def test_keypoints_that_are_not_annotated_do_not_count():
    annotated = [[[15, 15, 2], [0, 0, 0]]]
    found = keypoint_precision(annotated, [[[15, 15], [90, 90]]], [0.9])
    assert found["map"] == pytest.approx(1) and found["primary"] == "ap50"


def test_objects_without_keypoints_are_ignored():
    annotated = [[[15, 15, 2], [25, 25, 2]], [[0, 0, 0], [0, 0, 0]]]
    found = keypoint_precision(annotated, [[[14, 15], [20, 20]], [[15, 15], [25, 25]]], [0.9, 0.8])
    # the better of the two is right; the other lies in the box of the object that has none
    assert found["value"] == pytest.approx(1)
    with pytest.raises(LegitimateFailure):
        keypoint_precision(annotated[1:], [[[15, 15], [25, 25]]], [0.9])


def test_back_to_the_image():
    points = np.array([[16.0, 8.0], [32.0, 16.0]])
    assert to_image(points, (100, 50), (16, 32)).tolist() == [[25, 50], [50, 100]]
