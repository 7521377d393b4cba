"""Flip, rescale, crop: boxes, keypoints and depth move with the image, and crops hold a whole object."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer_atlas.datasets.prepared import Objects
from transfer_atlas.datasets.reading import Sample, Stored, outline_of
from transfer_atlas.training.batches import Batches
from transfer_atlas.training.geometry import (
    Window,
    augment,
    fitting_scale,
    random_window,
    visible_region,
)
from transfer_atlas.training.settings import TrainingSettings

MEAN = (10.4, 20.6, 30.0)
CROPS = st.sampled_from([(32, 32), (64, 32), (32, 96)])
SIDES = st.integers(1, 150)
SEEDS = st.integers(0, 2**32 - 1)
FLIPS = [1, 0, 2]


def objects(boxes, *, crowd=None, keypoints=None) -> Objects:
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    crowd = np.zeros(len(boxes), bool) if crowd is None else np.array(crowd)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return Objects(boxes, np.arange(len(boxes)), crowd, area, keypoints)


def sample(height, width, found, **annotations) -> Sample:
    return Sample("a", torch.zeros(3, height, width, dtype=torch.uint8), objects=found, **annotations)


@st.composite
def integer_boxes(draw, height, width):
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return left, top, draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height))


def extent_of(mask: torch.Tensor) -> np.ndarray:
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


@given(SIDES, SIDES, CROPS, SEEDS, st.data())
@settings(max_examples=300, deadline=None)
def test_a_box_moves_as_the_same_box_drawn_into_the_mask(height, width, crop, seed, data):
    box = data.draw(integer_boxes(height, width))
    mask = torch.zeros(height, width, dtype=torch.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 1
    window = random_window(
        height, width, resolution=(96, 64), crop=crop, scale=(0.5, 2.0), generator=np.random.default_rng(seed)
    )
    changed = augment(sample(height, width, objects([box]), mask=mask), window, crop, MEAN)
    drawn, moved = changed.mask == 1, changed.objects.boxes
    if not len(moved):
        assert not drawn.any()
        return
    assert (moved >= 0).all() and (moved <= [crop[1], crop[0], crop[1], crop[0]]).all()
    sides = moved[0, 2:] - moved[0, :2]
    assert (sides > 0).all()
    if drawn.any():  # a pixel of the crop shows what lies at its middle
        assert np.abs(extent_of(drawn) - moved[0]).max() <= 0.5 + 1e-3
    else:
        assert sides.min() < 1


@given(SIDES, SIDES, CROPS, SEEDS, st.data())
@settings(max_examples=300, deadline=None)
def test_a_crop_contains_a_whole_object(height, width, crop, seed, data):
    boxes = np.array(data.draw(st.lists(integer_boxes(height, width), min_size=1, max_size=4)), np.float32)
    window = random_window(
        height,
        width,
        resolution=(96, 64),
        crop=crop,
        scale=(0.5, 2.0),
        generator=np.random.default_rng(seed),
        boxes=boxes,
    )
    base = fitting_scale(height, width, (96, 64))
    assert window.scale <= 2 * base * (1 + 1e-9)
    for side, size, start in ((height, crop[0], window.top), (width, crop[1], window.left)):
        scaled = max(1, round(side * window.scale))
        assert min(0, scaled - size) <= start <= max(0, scaled - size)
    shown = visible_region(height, width, window, crop)
    low, high = (shown.columns[0], shown.rows[0]), (shown.columns[1], shown.rows[1])
    whole = (boxes[:, :2] >= low).all(axis=1) & (boxes[:, 2:] <= high).all(axis=1)
    assert whole.any()
    changed = augment(sample(height, width, objects(boxes)), window, crop, MEAN).objects
    assert not changed.crowd[np.isin(changed.labels, np.flatnonzero(whole))].any()


@given(SEEDS)
@settings(max_examples=50, deadline=None)
def test_the_scale_is_lowered_only_where_no_object_fits(seed):
    options = {"resolution": (64, 64), "crop": (32, 32), "scale": (1.0, 1.0)}
    small, large = np.array([[8, 8, 20, 20]], np.float32), np.array([[2, 2, 62, 50]], np.float32)
    draw = lambda boxes: random_window(  # noqa: E731
        64, 64, **options, generator=np.random.default_rng(seed), boxes=boxes
    )
    assert draw(small).scale == draw(np.concatenate([large, small])).scale == 1.0
    assert draw(large).scale == pytest.approx((32 - 2.5) / 60)


def test_without_objects_any_crop_will_do():
    def draw(boxes):
        generator = np.random.default_rng(3)
        options = {"resolution": (64, 64), "crop": (32, 32), "scale": (0.5, 2.0), "generator": generator}
        return random_window(50, 70, **options, boxes=boxes)

    assert draw(None) == draw(np.zeros((0, 4), np.float32))


def test_crowds_and_objects_without_keypoints_are_not_asked_for():
    keypoints = np.zeros((3, 2, 3), np.float32)
    keypoints[1:, 0, 2] = 1
    boxes = [[0, 0, 4, 4], [1, 1, 4, 4], [2, 2, 4, 4]]
    crowd = [False, False, True]
    assert objects(boxes, crowd=crowd).asked.tolist() == [True, True, False]
    assert objects(boxes, crowd=crowd, keypoints=keypoints).asked.tolist() == [False, True, False]


def test_objects_by_hand():
    # The image is doubled; the crop shows its columns 10..26 and rows 5..21.
    found = objects(
        [[12, 6, 20, 16], [0, 0, 9, 4], [22, 5, 38, 21], [24, 5, 40, 21], [25, 5, 27, 9]],
        crowd=[False, False, False, False, True],
    )
    changed = augment(sample(40, 40, found), Window(2.0, 10, 20, False), (32, 32), MEAN).objects
    assert changed.labels.tolist() == [0, 2, 3, 4]  # the second is out of sight
    assert changed.boxes.tolist() == [[4, 2, 20, 22], [24, 0, 32, 32], [28, 0, 32, 32], [30, 0, 32, 8]]
    assert changed.crowd.tolist() == [False, False, True, True]  # a quarter is enough, an eighth is not
    assert changed.area.tolist() == [16 * 20, 8 * 32, 4 * 32, 2 * 8]
    mirrored = augment(sample(40, 40, found), Window(2.0, 10, 20, True), (32, 32), MEAN).objects
    assert mirrored.boxes.tolist() == [[12, 2, 28, 22], [0, 0, 8, 32], [0, 0, 4, 32], [0, 0, 2, 8]]
    assert mirrored.area.tolist() == changed.area.tolist()


def test_keypoints_by_hand():
    # left, right, tip; of the second object the tip alone is annotated, outside of the crop
    keypoints = np.array(
        [[[12, 6, 2], [18, 7, 1], [30, 8, 2]], [[0, 0, 0], [0, 0, 0], [9, 9, 2]]], np.float32
    )
    found = objects([[11, 6, 31, 16], [8, 6, 18, 12]], keypoints=keypoints)
    changed = augment(sample(40, 40, found), Window(2.0, 10, 20, False), (32, 32), MEAN, FLIPS).objects
    assert changed.keypoints.tolist() == [[[4, 2, 2], [16, 4, 1], [0, 0, 0]], [[0, 0, 0]] * 3]
    mirrored = augment(sample(40, 40, found), Window(2.0, 10, 20, True), (32, 32), MEAN, FLIPS).objects
    # what was left is now the right one, and lies where the mirror shows it
    assert mirrored.keypoints.tolist() == [[[16, 4, 1], [28, 2, 2], [0, 0, 0]], [[0, 0, 0]] * 3]
    assert found.keypoints is keypoints and keypoints[0, 0].tolist() == [12, 6, 2]


def test_keypoints_beyond_the_image_are_not_annotated():
    keypoints = np.array([[[19.9, 5, 2], [20, 5, 2], [-0.1, 5, 1]]], np.float32)
    found = objects([[0, 0, 20, 20]], keypoints=keypoints)
    changed = augment(sample(20, 20, found), Window(1.0, -4, -6, False), (32, 32), MEAN, FLIPS).objects
    assert changed.keypoints[0, :, 2].tolist() == [2, 0, 0]
    assert changed.keypoints[0, 0].tolist() == pytest.approx([25.9, 9, 2])


@given(SIDES, SIDES, CROPS, SEEDS, st.data())
@settings(max_examples=150, deadline=None)
def test_keypoints_and_depth_move_with_the_image(height, width, crop, seed, data):
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    keypoints = np.array([[[x + 0.5, y + 0.5, 2], [0, 0, 0], [x + 0.5, y + 0.5, 2]]], np.float32)
    depth = torch.ones(height, width)
    depth[y, x] = 7.25
    window = random_window(
        height, width, resolution=(96, 64), crop=crop, scale=(0.5, 2.0), generator=np.random.default_rng(seed)
    )
    original = sample(height, width, objects([[0, 0, width, height]], keypoints=keypoints), depth=depth)
    changed = augment(original, window, crop, MEAN, FLIPS)
    assert changed.depth.shape == crop and changed.depth.dtype == torch.float32
    assert set(changed.depth.unique().tolist()) <= {0.0, 1.0, 7.25}  # nothing is blended
    places = (changed.depth == 7.25).nonzero()
    middle = changed.objects.keypoints[0, 2]
    shown = changed.objects.keypoints[0, 1 if window.mirrored else 0]
    assert np.array_equal(shown, middle)
    if middle[2]:  # between pixels of the crop where it is coarser than the image
        assert np.abs(places.numpy().mean(0)[::-1] + 0.5 - middle[:2]).max() <= 0.51 if len(places) else True
    elif len(places):  # at the rim, less than half a pixel of the image is in sight
        assert window.scale > 1


def test_beyond_the_image_depth_is_invalid():
    original = sample(20, 20, objects([]), depth=torch.full((20, 20), 3.0))
    changed = augment(original, Window(1.0, -4, -6, True), (32, 32), MEAN)
    expected = torch.zeros(32, 32)
    expected[4:24, 6:26] = 3
    assert torch.equal(changed.depth, expected)
    assert len(changed.objects.boxes) == 0


def test_batches_show_an_object_and_flip_its_keypoints():
    """One object in the corner of a large image: the crop would miss it almost always."""
    keypoints = np.array([[[2, 4, 2], [6, 4, 2], [0, 0, 0]]], np.float32)
    image = sample(400, 400, objects([[0, 0, 8, 8]], keypoints=keypoints))
    description = SimpleNamespace(mean=MEAN, keypoints=SimpleNamespace(flips=FLIPS))
    stored = Stored(outline_of(image), lambda: image)
    dataset = SimpleNamespace(description=description, stored=lambda split, at, task: [stored] * len(at))
    seen = []
    task = SimpleNamespace(name="keypoints", encode=lambda samples: seen.extend(samples))
    plan = TrainingSettings(batch_size=8, resolution=(400, 400), crop=(32, 32), scale=(0.5, 2.0))
    Batches(dataset, task, np.arange(8), plan, 0).batch(0)
    points = np.stack([each.objects.keypoints[0] for each in seen])
    assert len(seen) == 8 and (points[:, :2, 2] == 2).all()
    assert (points[:, 0, 0] < points[:, 1, 0]).all()  # the left one is on the left, mirrored or not
    assert {each.objects.boxes[0, 0] == 0 for each in seen} == {True, False}
