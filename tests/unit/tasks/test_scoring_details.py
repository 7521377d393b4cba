"""What scoring keeps beside the metric: per image, by class and size; peaks in float32; memory of many classes."""

import every_task_examples as examples
import numpy as np
import pytest
import torch
from centre_point_examples import description, perfect_maps, sample

from transfer_atlas.datasets.reading import Sample
from transfer_atlas.tasks import pixelwise
from transfer_atlas.tasks.centre_points import PredictionMaps, find_peaks
from transfer_atlas.tasks.pixelwise import predicted_classes, to_own_size
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.tasks.segmentation import SegmentationEvaluator
from transfer_atlas.tasks.settings import EvaluationSettings
from transfer_atlas.training.device import make_accelerator
from transfer_atlas.training.evaluate import evaluate


def test_some_classes_at_a_time_are_all_at_once(monkeypatch):
    torch.manual_seed(0)
    logits = torch.randn(13, 16, 24).round(decimals=1)  # with ties
    logits[5] = logits[2]
    at_once = to_own_size(logits, (60, 90), (75, 113)).argmax(dim=0)
    for values in (1, 3 * 75 * 113, 10**9):
        monkeypatch.setattr(pixelwise, "VALUES_AT_ONCE", values)
        assert torch.equal(predicted_classes(logits, (60, 90), (75, 113)), at_once)


def segmentation_result(predicted, annotated, classes=3):
    evaluator = SegmentationEvaluator([f"class {k}" for k in range(classes)])
    for number, (answer, mask) in enumerate(zip(predicted, annotated, strict=True)):
        side = len(mask)
        logits = torch.nn.functional.one_hot(torch.tensor(answer), classes).permute(2, 0, 1).float()
        logits = logits.repeat_interleave(1, dim=1)
        image = torch.zeros(3, side, side, dtype=torch.uint8)
        given = Sample(f"image {number}", image, mask=torch.tensor(mask, dtype=torch.uint8))
        evaluator.update(logits[None], [given], [(4 * side, 4 * side)])
    return evaluator


def test_both_ways_to_count_a_class_that_is_only_predicted():
    evaluator = segmentation_result([[[0, 0], [2, 1]]], [[[0, 0], [1, 1]]])
    found = evaluator.result()
    assert found["value"] == pytest.approx((1 + 0.5) / 2)
    assert found["mean_iou_with_predicted"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert found["confusion"] == {"class 0": {"class 0": 2}, "class 1": {"class 1": 1, "class 2": 1}}


@pytest.mark.parametrize("name", list(TASK_TYPES))
def test_results_by_image_add_up_to_the_metric(name, tmp_path):
    data = examples.dataset(tmp_path / "all", sizes=((64, 64), (48, 80)))
    model = examples.model(data, name)
    found = evaluate(
        model,
        TASK_TYPES[name],
        data,
        examples.TRAINING,
        accelerator=make_accelerator("float32"),
        per_image=tmp_path / "per_image.parquet",
    )
    import pandas as pd

    rows = pd.read_parquet(tmp_path / "per_image.parquet")
    assert set(rows["image"]) == set(data.ids("val"))
    if name in ("detection", "keypoints"):
        assert rows["annotated"].sum() == 8
        assert all(len(s) == len(m) for s, m in zip(rows["scores"], rows["matched"], strict=True))
    else:
        sums = rows.groupby("part")[["numerator", "denominator"]].sum()
        assert (sums["numerator"] / sums["denominator"]).mean() == pytest.approx(found["value"])


def test_sizes_and_recall_of_boxes_by_hand():
    boxes = [[2, 2, 22, 22], [30, 4, 90, 60]]  # small, medium
    given = sample(boxes, [0, 0])
    maps = perfect_maps(TASK_TYPES["detection"].encode([sample(boxes[1:], [0])]), 3, (16, 24))
    evaluator = TASK_TYPES["detection"].evaluator(description(), EvaluationSettings(measure="ap50"))
    evaluator.update(maps, [given], [(64, 96)])
    found = evaluator.result()
    assert found["by_size"] == {"small": 0.0, "medium": pytest.approx(1.0), "large": None}
    assert found["recall"] == pytest.approx(0.5)


def test_one_object_is_found_once_in_bfloat16():
    """In bfloat16 a Gaussian's neighbouring cells tie, and both were peaks."""
    torch.manual_seed(0)
    maps = PredictionMaps(16, 16, {"heat": 1, "size": 2})
    features = torch.randn(2, 16, 12, 12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trained = maps.train()(features)["heat"]
        evaluated = maps.eval()(features.bfloat16())["heat"]
    assert trained.dtype == torch.bfloat16 and evaluated.dtype == torch.float32
    assert torch.equal(evaluated, maps(features.bfloat16().float())["heat"])
    x = torch.arange(40.0) - 19.6  # the object's centre lies between two cells
    heat = (0.9 * torch.exp(-(x[:, None] ** 2 + x[None] ** 2) / (2 * 13.5**2)))[None, None]
    found = {
        dtype: int((find_peaks(heat.to(dtype).float(), 100)[0] > 0).sum())
        for dtype in (torch.float32, torch.bfloat16)
    }
    assert found[torch.float32] == 1 < found[torch.bfloat16]


def test_a_wide_image_of_many_classes_takes_little_memory():
    """134 classes at 3000 x 4000 would be 6.4 GB at once."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    logits = torch.randn(134, 96, 128)
    classes = predicted_classes(logits, (384, 512), (1500, 2000))
    assert classes.shape == (1500, 2000) and len(np.unique(classes)) > 50
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20 < 1.0  # GB


def test_dice_of_classes_worked_out_by_hand():
    found = segmentation_result([[[0, 0], [2, 1]]], [[[0, 0], [1, 1]]]).result()
    assert found["dice_per_class"] == {"class 0": 1.0, "class 1": pytest.approx(2 / 3), "class 2": None}
    assert found["dice"] == pytest.approx((1 + 2 / 3) / 2)
    for name, overlap in found["per_class"].items():
        if overlap is not None:
            assert found["dice_per_class"][name] == pytest.approx(2 * overlap / (1 + overlap))
