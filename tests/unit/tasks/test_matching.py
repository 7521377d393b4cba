"""Overlaps and the rules of COCO and VOC, against cases by hand, a plain loop, and COCO's own evaluation."""

import numpy as np
import pytest

from transfer_atlas.datasets.prepared import Objects
from transfer_atlas.tasks.average_precision import AveragePrecision
from transfer_atlas.tasks.matching import (
    FORGIVEN,
    RIGHT,
    WRONG,
    average_precisions,
    box_overlaps,
    keypoint_similarities,
    match_coco,
    match_voc,
)


def test_overlaps_by_hand():
    found = np.array([[0, 0, 10, 10], [20, 20, 20, 30]], float)
    annotated = np.array([[0, 0, 10, 20], [5, 0, 15, 10]], float)
    assert box_overlaps(found, annotated).tolist() == [[0.5, 50 / 150], [0.0, 0.0]]
    assert box_overlaps(found, annotated, np.array([True, False])).tolist()[0] == [1.0, 50 / 150]


def test_a_small_find_inside_a_difficult_object_is_forgiven_by_coco_only():
    """F5: 40 x 40 inside 200 x 200."""
    found = np.array([[50, 50, 90, 90]], float)
    large, difficult = np.array([[0, 0, 200, 200]], float), np.array([True])
    assert match_voc(box_overlaps(found, large), difficult).tolist() == [WRONG]
    overlaps = box_overlaps(found, large, difficult)
    assert match_coco(overlaps, difficult, difficult).tolist() == [FORGIVEN]


def test_a_second_find_of_one_object():
    # the second overlaps its best object well, which is claimed; by COCO's rule it may take the other one
    overlaps = np.array([[0.9, 0.6], [0.8, 0.6]])
    nothing = np.zeros(2, bool)
    assert match_voc(overlaps, nothing).tolist() == [RIGHT, WRONG]
    assert match_coco(overlaps, nothing, nothing).tolist() == [RIGHT, RIGHT]
    assert match_voc(np.zeros((2, 0)), nothing[:0]).tolist() == [WRONG, WRONG]


def test_the_readings_of_one_curve_by_hand():
    # right, wrong, right of three objects: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3
    scores, verdicts = np.array([0.9, 0.8, 0.95, 0.7]), np.array([RIGHT, WRONG, FORGIVEN, RIGHT])
    found = average_precisions(scores, verdicts, 3)
    assert found["area"] == pytest.approx(1 / 3 + 2 / 9)
    assert found["eleven_points"] == pytest.approx((4 * 1 + 3 * 2 / 3) / 11)  # recalls 0 to 0.3, 0.4 to 0.6
    assert found["coco"] == pytest.approx((34 * 1 + 33 * 2 / 3) / 101)
    assert average_precisions(scores[:0], verdicts[:0], 2) == {"area": 0, "eleven_points": 0, "coco": 0}


def scenes(seed: int, images: int = 40, classes: int = 2):
    """Random objects, a fifth of them crowds, and finds near them and elsewhere."""
    generator = np.random.default_rng(seed)
    for number in range(images):
        count, wrong = generator.integers(0, 5), generator.integers(0, 4)
        low = generator.uniform(0, 60, (count, 2))
        boxes = np.concatenate([low, low + generator.uniform(5, 60, (count, 2))], axis=1).astype(np.float32)
        labels = generator.integers(0, classes, count)
        area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
        objects = Objects(boxes, labels, generator.random(count) < 0.2, area, None)
        near = boxes[generator.random(count) < 0.8]
        near = near + generator.normal(0, 4, near.shape)
        near = near[(near[:, 2:] > near[:, :2]).all(axis=1)]
        low = generator.uniform(0, 80, (wrong, 2))
        others = np.concatenate([low, low + generator.uniform(5, 40, (wrong, 2))], axis=1)
        found = np.concatenate([near, others]).astype(np.float32)
        yield (
            f"{number}",
            objects,
            found,
            generator.integers(0, classes, len(found)),
            generator.random(len(found)),
        )


def plain_voc(added, label):
    """The devkit's loop over all finds of a class, highest first."""
    finds = [
        (s, n, b)
        for n, (_, _, bs, ls, ss) in enumerate(added)
        for b, k, s in zip(bs, ls, ss, strict=True)
        if k == label
    ]
    taken, verdicts, objects = set(), [], 0
    for _, annotated, *_ in added:
        objects += int(((annotated.labels == label) & ~annotated.crowd).sum())
    for _, n, box in sorted(finds, key=lambda f: -f[0]):
        annotated = added[n][1]
        best, which = -1.0, None
        for k in np.flatnonzero(annotated.labels == label):
            overlap = box_overlaps(box[None].astype(float), annotated.boxes[k][None])[0, 0]
            if overlap > best:
                best, which = overlap, k
        if best < 0.5:
            verdicts.append(False)
        elif not annotated.crowd[which]:
            verdicts.append((n, which) not in taken)
            taken.add((n, which))
    right = np.cumsum(verdicts)
    recall, precision = right / objects, right / np.arange(1, len(right) + 1)
    eleven = [max(precision[recall >= level], default=0) for level in np.linspace(0, 1, 11)]
    ends = np.concatenate([[0], recall, [1]])
    heights = np.maximum.accumulate(np.concatenate([[0], precision, [0]])[::-1])[::-1]
    return float((np.diff(ends) * heights[1:]).sum()), float(np.mean(eleven))


@pytest.mark.parametrize("seed", range(4))
def test_random_scenes_against_the_devkits_loop_and_cocos_evaluation(seed):
    precision, added = AveragePrecision(["a", "b"]), list(scenes(seed))
    for name, objects, boxes, labels, scores in added:
        precision.add((100, 100), objects, boxes, labels, scores, name=name)
    found = precision.result("voc_ap50")
    area, eleven = np.mean([plain_voc(added, label) for label in (0, 1)], axis=0)
    assert found["value"] == found["voc_ap50"]["area"] == pytest.approx(area)
    assert found["voc_ap50"]["eleven_points"] == pytest.approx(eleven)
    assert precision.result("voc_ap50", "eleven_points")["value"] == pytest.approx(eleven)
    assert found["voc_ap50"]["area"] != pytest.approx(found["ap50"], abs=1e-4)
    # what is kept image by image gives COCO's number again
    rows = precision.per_image()
    again = []
    for name in ("a", "b"):
        here = [n for n, part in enumerate(rows["part"]) if part == name]
        scores, verdicts = (np.concatenate([rows[c][n] for n in here]) for c in ("scores", "matched"))
        again.append(average_precisions(scores, verdicts, sum(rows["annotated"][n] for n in here))["coco"])
    assert np.mean(again) == pytest.approx(found["ap50"])


def test_similarities_of_keypoints_by_hand_and_against_cocos_evaluation():
    sigmas, box, area = (0.1, 0.05), np.array([[10, 10, 30, 30.0]]), np.array([400.0])
    annotated = np.array([[[15, 15, 2], [25, 25, 1.0]]])
    found = np.array([[[19, 15], [25, 28.0]]])
    similarity = keypoint_similarities(found, annotated, box, area, sigmas)
    assert similarity[0, 0] == pytest.approx((np.exp(-0.5) + np.exp(-1.125)) / 2)
    # an object without keypoints: whatever lies within twice its box is it
    unseen = annotated * [1, 1, 0]
    assert keypoint_similarities(found, unseen, box, area, sigmas)[0, 0] == 1
    assert keypoint_similarities(found + 100, unseen, box, area, sigmas)[0, 0] < 1e-6
