"""Four images are learnt by heart in every task type: what is encoded and decoded fits together."""

import numpy as np
import prepared_examples as examples
import pytest
from learning_examples import ADAM, trained, training

from transfer_atlas.datasets.prepared import Objects, Record
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.writing import write_prepared

NAMES = ["left_top", "right_top", "left_bottom", "right_bottom"]
DESCRIBED = {
    "segmentation": {"classes": ["ground", "red", "blue"], "colours": [(0, 0, 0), (255, 0, 0), (0, 0, 255)]},
    "detection": {"classes": ["red", "blue"]},
    "classification": {"classes": ["red larger", "blue larger"]},
    "keypoints": {"names": NAMES, "flips": [1, 0, 3, 2], "sigmas": [0.05] * 4},
}


def drawn(number: int, split: str) -> Record:
    """Two coloured rectangles on dark ground; their corners are their keypoints, the larger one is the class."""
    generator = np.random.default_rng(number)
    image = generator.integers(20, 60, (64, 64, 3), dtype=np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    boxes = []
    for label, first, colour in ((1, 4, (230, 60, 40)), (2, 34, (40, 90, 230))):
        top, left = first + generator.integers(0, 6), generator.integers(4, 30)
        height, width = generator.integers(14, 22), generator.integers(16, 30)
        image[top : top + height, left : left + width] = colour
        mask[top : top + height, left : left + width] = label
        boxes.append([left, top, left + width, top + height])
    boxes = np.array(boxes, np.float32)
    corners = np.stack([boxes[:, [0, 1]], boxes[:, [2, 1]], boxes[:, [0, 3]], boxes[:, [2, 3]]], axis=1)
    keypoints = np.concatenate([corners, np.full((2, 4, 1), 2)], axis=2).astype(np.float32)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    objects = Objects(boxes, np.array([0, 1]), np.zeros(2, bool), area, keypoints)
    return Record(f"{split}-{number}", split, image, objects=objects, mask=mask, label=int(area[1] > area[0]))


@pytest.fixture(scope="module")
def rectangles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "rectangles"
    records = [drawn(number, split) for split in ("train", "val") for number in range(4)]
    assert {record.label for record in records} == {0, 1}
    write_prepared(folder, examples.description(**DESCRIBED), records)
    return PreparedDataset.open(folder, cache_bytes=2**24)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "untrained", "steps", "optimization"),
    [
        ("segmentation", 0.4, 160, {"learning_rate": 0.05}),
        ("detection", 0.1, 300, {"learning_rate": 5e-3, "optimizer": ADAM}),
        ("keypoints", 0.1, 300, {"learning_rate": 5e-3, "optimizer": ADAM}),
        ("classification", 0.75, 60, {"learning_rate": 0.03}),
    ],
)
def test_four_images_are_learnt_by_heart(name, untrained, steps, optimization, rectangles, tmp_path):
    settings = training(scale=(1.0, 1.0), batch_size=4, steps=steps, **optimization)
    before, after, curve = trained(name, rectangles, settings, tmp_path)
    assert before <= untrained and after > 0.95
    assert curve[-1][1] < 0.1 * curve[0][1]  # the first value is the mean of twenty steps


def plane(number, split):
    """A slope whose brightness tells its depth, between one and five metres."""
    generator = np.random.default_rng(number)
    height, width = np.mgrid[0:32, 0:32] / 31
    tilt = generator.uniform(-1, 1)
    depth = (3 + 1.5 * (height - 0.5) + tilt * (width - 0.5)).astype(np.float32)
    grey = np.clip(depth / 5 * 255, 0, 255).astype(np.uint8)
    return examples.record(f"{split}-{number}", split, image=np.repeat(grey[..., None], 3, 2), depth=depth)


@pytest.mark.slow
def test_four_depth_maps_are_learnt_by_heart(tmp_path):
    records = [plane(number, split) for split in ("train", "val") for number in range(4)]
    described = {"unit": "metre", "minimum": 0.5, "maximum": 8.0, "scale": 0.001}
    write_prepared(tmp_path / "planes", examples.description(depth=described), records)
    dataset = PreparedDataset.open(tmp_path / "planes", cache_bytes=2**24)
    settings = training(
        resolution=(32, 32),
        crop=(32, 32),
        scale=(1.0, 1.0),
        batch_size=4,
        steps=200,
        learning_rate=0.003,
        optimizer=ADAM,
    )
    before, after, curve = trained("depth", dataset, settings, tmp_path)
    assert after < 0.15 < before  # metres
    assert curve[-1][1] < 0.07 < curve[0][1]
