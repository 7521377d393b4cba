"""Detection: perfect maps decode to the exact boxes and score 1; bad input is handled as COCO does."""

import numpy as np
import pytest
import torch
from centre_point_examples import CLASSES, description, perfect_maps, sample

from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.tasks.detection import DetectionHead, decode
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.tasks.settings import EvaluationSettings

DETECTION = TASK_TYPES["detection"]
SIZE = (16, 24)  # cells
BOXES = [[3.5, 6.25, 31, 27], [40, 8, 71.5, 60], [10, 40, 22, 50]]
LABELS = [2, 0, 2]


def evaluate(samples, maps, extents=None, settings=None):
    evaluator = DETECTION.evaluator(description(), settings)
    evaluator.update(maps, samples, extents or [(64, 96)] * len(samples))
    return evaluator.result()


def answer(samples):
    return perfect_maps(DETECTION.encode(samples), len(CLASSES), SIZE)


def test_perfect_maps_decode_to_the_exact_boxes():
    samples = [sample(BOXES, LABELS), sample([])]
    boxes, labels, scores = decode(answer(samples), [(64, 96)] * 2)
    assert boxes.shape == (2, 100, 4)
    order = np.lexsort(boxes[0, :3].T.numpy()[::-1])
    assert boxes[0, :3].numpy()[order] == pytest.approx(np.array(BOXES)[[0, 2, 1]], abs=1e-4)
    assert labels[0, :3].numpy()[order].tolist() == [2, 2, 0]
    assert (scores[0, :3] > 0.999).all() and scores[0, 3:].max() < 1e-3 and scores[1].max() < 1e-3


def test_a_perfect_answer_scores_one_and_has_next_to_no_loss():
    samples = [sample(BOXES, LABELS), sample([BOXES[1]], [1]), sample([])]
    maps = answer(samples)
    found = evaluate(samples, maps)
    assert found["value"] == found["ap50"] == pytest.approx(1) and found["absent_classes"] == []
    targets = DETECTION.encode(samples)
    # what remains is the focal loss around the peaks, which asks for Gaussians only by weight
    floor = DETECTION.loss(maps, targets)
    assert floor < 1
    for name in ("offset", "size"):
        worse = maps | {name: maps[name] + 1}
        assert DETECTION.loss(worse, targets) > floor + 0.09
    assert DETECTION.loss(maps | {"heat": maps["heat"] - 20}, targets) > floor + 1


def test_boxes_are_scored_in_the_images_own_pixels():
    # an image of 32 x 48 stands doubled in the upper left of the input
    small = sample(np.array(BOXES) / 2, LABELS, size=(32, 48))
    assert evaluate([small], answer([sample(BOXES, LABELS)]))["value"] == pytest.approx(1)


def test_nothing_is_found_beyond_the_image_and_boxes_are_clipped_to_it():
    maps = answer([sample([[60, 40, 80, 60], [20, 20, 60, 44]])])
    boxes, _, scores = decode(maps, [(40, 48)])
    assert scores[0].gt(0.5).sum() == 1
    assert boxes[0, 0].tolist() == pytest.approx([20, 20, 48, 40])


def test_crowds_are_neither_trained_nor_scored():
    crowded = sample(BOXES, LABELS, crowd=[False, True, False])
    targets = DETECTION.encode([crowded])
    assert targets["present"].sum() == 2
    maps = perfect_maps(targets, len(CLASSES), SIZE)
    loss = DETECTION.loss(maps, targets)
    inside = maps["heat"].clone()
    inside[0, 0, 5, 13] = 3.0  # sure of something where the crowd is
    torch.testing.assert_close(DETECTION.loss(maps | {"heat": inside}, targets), loss)
    outside = maps["heat"].clone()
    outside[0, 0, 15, 23] = 3.0
    assert DETECTION.loss(maps | {"heat": outside}, targets) > loss + 0.5
    # whether the crowd is found changes no score
    assert evaluate([crowded], maps)["value"] == pytest.approx(1)
    assert evaluate([crowded], answer([sample(BOXES, LABELS)]))["value"] == pytest.approx(1)


def test_images_without_objects_can_be_trained_on_but_not_alone_evaluated():
    empty = [sample([]), sample([BOXES[0]], crowd=[True])]
    targets = DETECTION.encode(empty)
    maps = {
        name: torch.zeros(2, channels, *SIZE, requires_grad=True)
        for name, channels in (("heat", 3), ("offset", 2), ("size", 2))
    }
    loss = DETECTION.loss(maps, targets)
    loss.backward()
    assert loss.isfinite() and maps["heat"].grad.isfinite().all() and maps["size"].grad.abs().sum() == 0
    with pytest.raises(LegitimateFailure, match="no object"):
        evaluate(empty, answer(empty))


def test_a_class_without_a_box_is_reported_absent():
    found = evaluate([sample([BOXES[0]], [1])], answer([sample([BOXES[0]], [1])]))
    assert found["absent_classes"] == ["cat", "cow"] and found["per_class"]["cat"] is None
    assert found["value"] == pytest.approx(1)


def test_nms_removes_what_overlaps_within_a_class():
    # the same object found twice, 0.6 of it shared, and a further one of another class in the same place
    doubled = answer([sample([[16, 16, 48, 48], [24, 16, 56, 48], [16, 24, 48, 56]], [0, 0, 1])])
    doubled["heat"][0, 0, 8, 8] += 3  # the wrong one is surer
    truth = [sample([[24, 16, 56, 48], [16, 24, 48, 56]], [0, 1])]
    plain = evaluate(truth, doubled, settings=EvaluationSettings(measure="ap50"))
    assert plain["primary"] == "ap50"
    suppressed = evaluate(truth, doubled, settings=EvaluationSettings(measure="ap50", nms=0.3))
    assert suppressed["per_class"]["cat"] == pytest.approx(1) and suppressed["per_class"][
        "dog"
    ] == pytest.approx(1)
    assert evaluate(truth, doubled, settings=EvaluationSettings(nms=0.99))["map"] == pytest.approx(
        evaluate(truth, doubled)["map"]
    )
    evaluator = DETECTION.evaluator(description(), EvaluationSettings(nms=0.3))
    evaluator.update(doubled, truth, [(64, 96)])
    sure = [each for each in evaluator.precision.found if each["score"] > 0.5]
    assert sorted(each["category_id"] for each in sure) == [1, 2]


def test_the_head_has_table_2s_parameters():
    head = DetectionHead([48, 96, 192, 384], [4, 8, 16, 32], 20)
    count = sum(weight.numel() for weight in head.parameters())
    # projection 138,432; neck 442,880; first convolutions 1,770,240; last 55,320
    assert count == 2_406_872  # Table 2 says 2.4M
    assert head.neck[0].in_channels == 192 and head.neck[0].out_channels == 256


@pytest.mark.parametrize("name", ["hrnet_tiny", "resnet18", "tf_efficientnet_lite0"])
def test_the_head_stands_on_any_backbone(name):
    backbone = build_backbone(name, seed=0).eval()
    head = DETECTION.head(backbone, description()).eval()
    found = head(backbone.branches(torch.zeros(2, 3, 64, 96)))
    assert {key: tuple(each.shape) for key, each in found.items()} == {
        "heat": (2, 3, *SIZE),
        "offset": (2, 2, *SIZE),
        "size": (2, 2, *SIZE),
    }
