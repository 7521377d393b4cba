"""Every task type learns from the miniature world; datasets of one image can be trained on."""

import numpy as np
import pytest
from learning_examples import ADAM, miniature_dataset, trained, training

from transfer_atlas.errors import LegitimateFailure


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dataset", "images", "changes", "improvement"),
    [
        ("segmentation", "camvid", (60, 20, 64), {"learning_rate": 0.03, "steps": 120}, 3.0),
        ("depth", "sun_rgbd", (60, 20, 64), {"learning_rate": 0.003, "steps": 120, "optimizer": ADAM}, 1.3),
        (
            "detection",
            "underwater_trash",
            (200, 40, 64),
            {"learning_rate": 0.004, "steps": 300, "optimizer": ADAM, "scale": (0.7, 1.4)},
            15.0,
        ),
        (
            "keypoints",
            "stanford_dogs",
            (200, 50, 96),
            {"learning_rate": 0.001, "steps": 400, "optimizer": ADAM},
            4.0,
        ),
        # Of 33 classes, twenty images each.
        (
            "classification",
            "ilsvrc",
            (660, 165, 64),
            {"learning_rate": 0.03, "steps": 900, "batch_size": 16},
            3.0,
        ),
    ],
)
def test_the_miniature_world_is_learnt(name, dataset, images, changes, improvement, tmp_path):
    """A trained source beats its untrained self by at least the factor given; an untrained one scores 0.01 or more."""
    train, val, image_size = images
    prepared = miniature_dataset(tmp_path / "prepared", dataset, train, val, image_size)
    before, after, _ = trained(name, prepared, training(**changes), tmp_path)
    print(name, before, after)
    assert (before / after if name == "depth" else after / max(before, 0.01)) > improvement


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("segmentation", "coco"),
        ("detection", "coco"),
        ("keypoints", "stanford_dogs"),
        ("depth", "sun_rgbd"),
        ("classification", "ilsvrc"),
    ],
)
def test_a_dataset_of_one_image_is_trained_on(name, dataset, tmp_path):
    """It has a score, or none for a reason that becomes a row (nothing of the task type in the one image)."""
    prepared = miniature_dataset(tmp_path / "prepared", dataset, train=1, val=1)
    settings = training(steps=2, batch_size=2, learning_rate=0.001)
    try:
        _, after, curve = trained(name, prepared, settings, tmp_path)
    except LegitimateFailure as failure:
        assert failure.status.startswith("no_")
    else:
        assert np.isfinite(after) and np.isfinite(curve[-1][1])
