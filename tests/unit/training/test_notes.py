"""What a reader must know of a run's numbers: notes by hand, and what is measured beside the metric."""

import every_task_examples as examples
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training.assess import assess
from transfer_atlas.training.device import make_accelerator
from transfer_atlas.training.notes import near_chance, not_fitted, notes_of, rate_at_edge, still_falling


@pytest.mark.parametrize(
    ("task_type", "metrics", "said"),
    [
        ("detection", {"value": 0.013}, True),
        ("keypoints", {"value": 0.05}, False),
        ("segmentation", {"value": 0.5, "per_class": {"a": 0.5, "b": 0.5, "c": None}}, True),
        ("segmentation", {"value": 0.51, "per_class": {"a": 0.5, "b": 0.52, "c": None}}, False),
        ("segmentation", {"value": 0.9, "per_class": {"a": 0.9}}, None),
        ("classification", {"value": 0.3, "per_class": {"a": 0.0, "b": 0.5, "c": 0.4}}, True),
        ("depth", {"value": 3.0}, None),
    ],
)
def test_near_chance(task_type, metrics, said):
    assert near_chance(task_type, metrics) is said


@pytest.mark.parametrize(
    ("task_type", "own", "said"),
    [
        ("detection", {"value": 0.02, "ap50": 0.048}, True),
        ("detection", {"value": 0.15, "ap50": 0.35}, False),
        ("segmentation", {"value": 0.3}, True),
        ("depth", {"value": 0.5, "delta_1": 0.4}, True),
        ("depth", {"value": 0.5, "delta_1": 0.8}, False),
    ],
)
def test_not_fitted(task_type, own, said):
    assert not_fitted(task_type, own) is said


def test_a_loss_that_still_falls_is_told_from_one_that_is_level():
    falling = [(20 * n, 3.0 * 0.9**n) for n in range(1, 16)]
    level = [(20 * n, 3.0 * 0.5**n + 1.0) for n in range(1, 16)]
    assert still_falling(falling) is True and still_falling(level) is False
    assert still_falling(falling[:9]) is None


def test_the_edge_of_a_grid():
    assert rate_at_edge([1.0, 0.3, 0.1], 1.0) and rate_at_edge([1.0, 0.3, 0.1], 0.1)
    assert not rate_at_edge([1.0, 0.3, 0.1], 0.3) and not rate_at_edge([1.0], 1.0)


def test_words_come_in_a_fixed_order():
    curve = [(20 * n, 3.0 * 0.9**n) for n in range(1, 16)]
    assert notes_of("detection", {"value": 0.0}, {"value": 0.0, "ap50": 0.0}, curve) == [
        "near_chance",
        "not_fitted",
        "still_falling",
    ]
    assert notes_of("detection", {"value": 0.5}, None, []) == []


@pytest.mark.parametrize("name", list(TASK_TYPES))
def test_every_run_is_measured_on_its_training_images_and_shown(name, tmp_path):
    data = examples.dataset(tmp_path / "all", sizes=((64, 64), (48, 80)))
    found = assess(
        examples.model(data, name),
        TASK_TYPES[name],
        data,
        examples.TRAINING,
        np.array([0, 2, 5]),
        [(4, 1.0)],
        accelerator=make_accelerator("float32"),
        scoring=None,
        output=tmp_path / "output",
        seed=0,
    )
    assert found["training_images"] == 3 and found["training_value"] is not None
    assert len(pd.read_parquet(tmp_path / "output" / "per_image.parquet")) > 0
    with_error = name in ("segmentation", "depth", "normals")
    assert [panel["image"] for panel in found["panels"]] == data.ids("val")
    for panel in found["panels"]:
        assert panel["tiles"] == ["input", "annotation", "prediction", *(["error"] if with_error else [])]
        with Image.open(tmp_path / "output" / panel["file"]) as image:
            assert image.width > 2.5 * image.height / 2
