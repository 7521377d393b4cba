"""Keypoints: perfect maps decode to the exact points and score 1; candidates go to the object that expects them."""

from dataclasses import replace

import numpy as np
import prepared_examples as examples
import pytest
import torch
from centre_point_examples import description, perfect_maps, sample

from transfer_atlas.datasets.prepared import Objects
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.validation import check_description
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.tasks.keypoints import KeypointsHead, decode
from transfer_atlas.tasks.registry import TASK_TYPES

KEYPOINTS = TASK_TYPES["keypoints"]
SIZE = (16, 24)  # cells
BOXES = [[4, 6, 36, 30], [44, 8, 72, 60]]
POINTS = [
    [[6.5, 8, 2], [30, 10.25, 1], [20, 27, 2]],
    [[50, 20, 2], [66, 14, 2], [0, 0, 0]],
]


def evaluate(samples, maps, extents=None):
    evaluator = KEYPOINTS.evaluator(description())
    evaluator.update(maps, samples, extents or [(64, 96)] * len(samples))
    return evaluator.result()


def answer(samples):
    return perfect_maps(KEYPOINTS.encode(samples), 1, SIZE)


def without_keypoints(count=1):
    return sample([[4, 6, 36, 30]] * count, keypoints=np.zeros((count, 3, 3)))


def test_targets_by_hand():
    targets = KEYPOINTS.encode([sample(BOXES, keypoints=POINTS), without_keypoints()])
    assert targets["keypoints"].shape == (2, 32, 3, 2)
    assert targets["keypoints"][0, 0].tolist() == [[1.625, 2], [7.5, 2.5625], [5, 6.75]]
    assert targets["annotated"][0, :3].tolist() == [[True] * 3, [True, True, False], [False] * 3]
    assert targets["present"].sum(dim=1).tolist() == [2, 0]
    assert targets["ignored"].sum(dim=(1, 2)).tolist() == [0, 8 * 7]


def test_perfect_maps_decode_to_the_exact_points():
    maps = answer([sample(BOXES, keypoints=POINTS)])
    boxes, points, scores = decode(maps, [(64, 96)])
    assert boxes.shape == (1, 20, 4) and points.shape == (1, 20, 3, 2)
    first, second = boxes[0, :2, 0].argsort().tolist()
    assert boxes[0, [first, second]].numpy() == pytest.approx(np.array(BOXES), abs=1e-4)
    assert points[0, first].numpy() == pytest.approx(np.array(POINTS)[0, :, :2], abs=1e-4)
    assert points[0, second, :2].numpy() == pytest.approx(np.array(POINTS)[1, :2, :2], abs=1e-4)
    assert (scores[0, :2] > 0.999).all() and scores[0, 2:].max() < 1e-3
    # without displacements: points come from the candidates alone, each from those inside the box
    near = maps | {"displacement": maps["displacement"] + 0.75}
    assert decode(near, [(64, 96)])[1][0, first].numpy() == pytest.approx(
        np.array(POINTS)[0, :, :2], abs=1e-4
    )


def test_where_there_is_no_candidate_a_point_is_where_it_is_expected():
    maps = answer([sample(BOXES, keypoints=POINTS)])
    blind = maps | {"heat_keypoints": torch.full_like(maps["heat_keypoints"], -5.0)}
    moved = blind | {"displacement": maps["displacement"] + 0.5}
    boxes, points, _ = decode(moved, [(64, 96)])
    first = boxes[0, :2, 0].argmin()
    assert points[0, first].numpy() == pytest.approx(np.array(POINTS)[0, :, :2] + 2, abs=1e-4)


def test_a_candidate_outside_of_the_box_or_too_far_is_another_objects():
    # one object that expects its first keypoint at (20, 20); the nearest candidate lies outside the box
    maps = answer([sample([[8, 8, 32, 32]], keypoints=[[[20, 20, 2], [10, 10, 2], [30, 30, 2]]])])
    maps["heat_keypoints"][0, 0] = -9.0
    maps["heat_keypoints"][0, 0, 9, 5] = 4.0  # cell (5, 9): pixel (20, 36)
    assert decode(maps, [(64, 96)])[1][0, 0, 0].tolist() == pytest.approx([20, 20])
    maps["heat_keypoints"][0, 0, 7, 7] = 4.0  # (28, 28): inside, but 11 pixels off; 0.3 of 24 is 7.2
    assert decode(maps, [(64, 96)])[1][0, 0, 0].tolist() == pytest.approx([20, 20])
    maps["heat_keypoints"][0, 0, 6, 6] = 5.0  # (24, 24): 5.7 pixels off
    assert decode(maps, [(64, 96)])[1][0, 0, 0].tolist() == pytest.approx([24, 24])


def test_a_perfect_answer_scores_one_and_every_map_counts():
    samples = [sample(BOXES, keypoints=POINTS), without_keypoints(0)]
    maps, targets = answer(samples), KEYPOINTS.encode(samples)
    found = evaluate(samples, maps)
    assert found == {
        "primary": "ap50",
        "value": pytest.approx(1),
        "map": pytest.approx(1),
        "ap50": pytest.approx(1),
        "by_size": {"medium": pytest.approx(1), "large": None},
        "recall": pytest.approx(1),
    }
    floor = KEYPOINTS.loss(maps, targets)
    for name in maps:
        worse = maps[name] - 20 if name.startswith("heat") else maps[name] + 1
        assert KEYPOINTS.loss(maps | {name: worse}, targets) > floor + 0.05, name


def test_points_are_scored_in_the_images_own_pixels():
    points = np.array(POINTS) * [0.5, 0.5, 1]
    small = sample(np.array(BOXES) / 2, keypoints=points, size=(32, 48))
    assert evaluate([small], answer([sample(BOXES, keypoints=POINTS)]))["map"] == pytest.approx(1)


def test_objects_without_keypoints_are_neither_trained_nor_scored():
    mixed = sample(BOXES, keypoints=[POINTS[0], np.zeros((3, 3))])
    targets = KEYPOINTS.encode([mixed])
    maps = perfect_maps(targets, 1, SIZE)
    loss = KEYPOINTS.loss(maps, targets)
    for name, change in (("heat", maps["heat"].clone()), ("heat_keypoints", maps["heat_keypoints"].clone())):
        change[0, 0, 8, 14] = 3.0  # inside the second box
        torch.testing.assert_close(KEYPOINTS.loss(maps | {name: change}, targets), loss)
    assert evaluate([mixed], maps)["value"] == pytest.approx(1)
    assert evaluate([mixed], answer([sample(BOXES, keypoints=POINTS)]))["value"] == pytest.approx(1)


def test_images_without_objects_can_be_trained_on_but_not_alone_evaluated():
    empty = [without_keypoints(0), without_keypoints(2)]
    channels = {
        "heat": 1,
        "offset": 2,
        "size": 2,
        "heat_keypoints": 3,
        "keypoint_offset": 2,
        "displacement": 6,
    }
    maps = {name: torch.zeros(2, count, *SIZE, requires_grad=True) for name, count in channels.items()}
    loss = KEYPOINTS.loss(maps, KEYPOINTS.encode(empty))
    loss.backward()
    assert loss.isfinite() and all(each.grad.isfinite().all() for each in maps.values())
    with pytest.raises(LegitimateFailure):
        evaluate(empty, answer(empty))


def test_the_head_has_table_2s_parameters():
    count = sum(weight.numel() for weight in KeypointsHead(720, 17).parameters())
    # six first convolutions 9,954,816; the last 133,690
    assert count == 10_088_506  # Table 2 says 10M


def test_the_head_reads_the_joined_representation():
    backbone = build_backbone("hrnet_tiny", seed=0).eval()
    head = KEYPOINTS.head(backbone, description())
    assert not head.reads_branches
    shapes = {name: tuple(each.shape[1:]) for name, each in head(backbone(torch.zeros(1, 3, 64, 96))).items()}
    assert shapes["heat_keypoints"] == (3, *SIZE) and shapes["displacement"] == (6, *SIZE)


# Where a dataset annotates other objects as well


def test_only_objects_of_the_classes_with_keypoints_are_read(tmp_path):
    points = np.zeros((3, 2, 3), np.float32)
    points[1] = [[2, 2, 2], [4, 3, 1]]
    found = examples.objects([[0, 0, 4, 4], [1, 1, 5, 4], [2, 2, 6, 6]], [0, 1, 0], points)
    keypoints = examples.KEYPOINTS | {"classes": ["dog"]}
    dataset, read = examples.round_trip(
        tmp_path / "a", examples.record(objects=found), keypoints=keypoints, detection=examples.DETECTION
    )
    assert isinstance(read.objects, Objects)
    assert read.objects.boxes.tolist() == [[1, 1, 5, 4]] and read.objects.labels.tolist() == [0]
    assert np.array_equal(read.objects.keypoints, points[1:2])
    assert dataset.read("train", [0], "detection")[0].objects.labels.tolist() == [0, 1, 0]
    _, all_of_them = examples.round_trip(
        tmp_path / "b",
        examples.record(objects=found),
        keypoints=examples.KEYPOINTS,
        detection=examples.DETECTION,
    )
    assert len(all_of_them.objects.boxes) == 3


def test_classes_with_keypoints_must_be_classes_of_detection():
    wrong = description()
    wrong = wrong.model_copy(update={"keypoints": wrong.keypoints.model_copy(update={"classes": ["horse"]})})
    problems = Problems("toy")
    check_description(wrong, problems)
    assert "horse" in problems.texts[0]


def test_the_table_keeps_the_keypoints_of_the_largest():
    count = 40
    boxes = np.array([[0, 0, 8 + index, 8] for index in range(count)], np.float32)
    points = np.zeros((count, 3, 3), np.float32)
    points[:, 0] = np.stack([np.arange(count), np.arange(count), np.full(count, 2)], axis=1)
    crowded = sample(boxes, keypoints=points)
    targets = KEYPOINTS.encode([replace(crowded, id="b")])
    assert targets["present"].all()
    assert (targets["keypoints"][0, :, 0, 0] * 4).tolist() == list(range(8, 40))
