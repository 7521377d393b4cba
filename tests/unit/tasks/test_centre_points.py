"""Centre points: targets, losses and peaks against values worked out by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer_atlas.datasets.prepared import Objects
from transfer_atlas.datasets.reading import Sample
from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.models.projection import Projection
from transfer_atlas.tasks import centre_points


def sample(boxes, labels=None, crowd=None, size=(64, 96), keypoints=None) -> Sample:
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    labels = np.zeros(len(boxes), np.int64) if labels is None else np.array(labels)
    crowd = np.zeros(len(boxes), bool) if crowd is None else np.array(crowd)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    objects = Objects(boxes, labels, crowd, area, keypoints)
    return Sample("a", torch.zeros(3, *size, dtype=torch.uint8), objects=objects)


# Tables of objects


def test_tables_by_hand():
    samples = [sample([[10, 20, 30, 28], [0, 0, 8, 8]], [2, 1]), sample([])]
    table, rows, ignored = centre_points.tabulate(samples, 3)
    assert table["centre"].tolist() == [[[5, 6], [1, 1], [0, 0]], [[0, 0]] * 3]
    assert table["size"].tolist() == [[[5, 2], [2, 2], [0, 0]], [[0, 0]] * 3]
    assert table["label"].tolist() == [[2, 1, 0], [0, 0, 0]]
    assert table["present"].tolist() == [[True, True, False], [False] * 3]
    assert [each.tolist() for each in rows] == [[0, 1], []]
    assert ignored.shape == (2, 16, 24) and not ignored.any()


def test_crowds_are_ignored_where_they_are():
    table, _, ignored = centre_points.tabulate([sample([[5, 9, 16, 17]], crowd=[True])], 2)
    assert not table["present"].any()
    expected = np.zeros((16, 24), bool)
    expected[2:5, 1:4] = True  # every cell that the box touches
    assert np.array_equal(ignored[0], expected)


def test_beyond_the_table_the_smallest_objects_are_ignored():
    boxes = [[0, 0, 8, 8], [40, 40, 44, 44], [20, 20, 30, 30]]
    table, rows, ignored = centre_points.tabulate([sample(boxes, [0, 1, 2])], 2)
    assert table["label"].tolist() == [[0, 2]] and rows[0].tolist() == [0, 2]
    assert ignored[0, 10, 10] and ignored.sum() == 1


# Gaussians


def released_radius(height: float, width: float, overlap: float = 0.7) -> int:
    """The three roots as in the released code of Objects as Points."""
    height, width = math.ceil(height), math.ceil(width)
    roots = []
    for a, b, c in (
        (1, height + width, width * height * (1 - overlap) / (1 + overlap)),
        (4, 2 * (height + width), (1 - overlap) * width * height),
        (4 * overlap, -2 * overlap * (height + width), (overlap - 1) * width * height),
    ):
        roots.append((b + math.sqrt(b**2 - 4 * a * c)) / 2)
    return max(0, int(min(roots)))


@given(st.floats(0.125, 200, width=32), st.floats(0.125, 200, width=32))
@settings(max_examples=200, deadline=None)
def test_the_radius_is_that_of_the_released_code(width, height):
    found = centre_points.gaussian_radius(torch.tensor([width, height]))
    assert abs(found.item() - released_radius(height, width)) <= (found.item() > 20)  # floor of a float32


def test_gaussians_by_hand():
    cells, radius = torch.tensor([[[2, 1], [0, 0]]]), torch.tensor([[1.0, 4.0]])
    drawn = centre_points.draw_gaussians(cells, radius, torch.tensor([[True, False]]), (4, 5))
    near = math.exp(-1 / (2 * 0.5**2))  # deviation 3 / 6, one cell away
    row = [0, near, 1, near, 0]
    expected = torch.tensor([[near * x for x in row], row, [near * x for x in row], [0] * 5])
    torch.testing.assert_close(drawn[0, 0], expected)
    assert drawn.shape == (1, 2, 4, 5) and not drawn[0, 1].any()


def test_objects_of_a_class_share_a_map_and_the_larger_value_stays():
    drawn = torch.tensor([[[[1.0, 0.5]], [[0.25, 1.0]], [[0.75, 0.0]]]])
    maps = centre_points.merge_by_class(drawn, torch.tensor([[1, 1, 0]]), 3)
    assert maps.tolist() == [[[[0.75, 0]], [[1, 1]], [[0, 0]]]]


def test_points_at_the_rim_stay_inside_the_maps():
    points = torch.tensor([[0.0, 0.0], [23.99, 15.99], [24.0, 16.0]])
    assert centre_points.cells_of(points, (16, 24)).tolist() == [[0, 0], [23, 15], [23, 15]]


# Losses


def test_peaks_are_counted_as_they_are_drawn():
    generator = np.random.default_rng(0)
    for _ in range(20):
        cells = torch.from_numpy(generator.integers(0, 4, (3, 9, 2)))
        label = torch.from_numpy(generator.integers(0, 2, (3, 9)))
        present = torch.from_numpy(generator.random((3, 9)) < 0.6)
        drawn = centre_points.draw_gaussians(cells, torch.ones(3, 9), present, (4, 4))
        heat = centre_points.merge_by_class(drawn, label, 2)
        assert centre_points.count_peaks(cells, label, present) == (heat == 1).sum().clamp(min=1)
    assert centre_points.count_peaks(cells, label, torch.zeros(3, 9).bool()) == 1


def test_the_focal_loss_by_hand():
    probability = torch.tensor([[[[0.8, 0.3], [0.6, 0.1]]]])
    heat = torch.tensor([[[[1.0, 0.5], [0.0, 0.0]]]])
    ignored = torch.tensor([[[False, False], [False, True]]])
    peak = 0.2**2 * math.log(0.8)
    beside = 0.5**4 * 0.3**2 * math.log(0.7)
    background = 0.6**2 * math.log(0.4)
    loss = centre_points.focal_loss(probability.logit(), heat, ignored, torch.tensor(1))
    assert loss.item() == pytest.approx(-(peak + beside + background))
    # by the number of peaks, and a peak counts wherever it is
    twice = centre_points.focal_loss(
        probability.logit().repeat(2, 1, 1, 1),
        heat.repeat(2, 1, 1, 1),
        torch.ones(2, 2, 2).bool(),
        torch.tensor(2),
    )
    assert twice.item() == pytest.approx(-peak)


def test_the_focal_loss_without_objects_is_that_of_the_background_and_finite_far_out():
    logits = torch.tensor([[[[100.0, -100.0]]]], requires_grad=True)
    loss = centre_points.focal_loss(
        logits, torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 2).bool(), torch.tensor(1)
    )
    loss.backward()
    assert loss.item() == pytest.approx(100) and logits.grad.isfinite().all()


def test_the_l1_loss_is_taken_where_objects_are():
    maps = torch.zeros(1, 2, 3, 4)
    maps[0, :, 2, 1] = torch.tensor([1.0, 5.0])
    maps[0, :, 0, 3] = torch.tensor([2.0, 2.0])
    cells = torch.tensor([[[1, 2], [3, 0], [0, 0]]])
    wanted = torch.tensor([[[0.5, 5.0], [2.0, 0.0], [9.0, 9.0]]])
    present = torch.tensor([[[True], [True], [False]]])
    assert centre_points.l1_loss_at(maps, cells, wanted, present, torch.tensor(4)).item() == pytest.approx(
        2.5 / 4
    )
    one = torch.tensor([[[False, True], [False, True], [False, False]]])
    assert centre_points.l1_loss_at(maps, cells, wanted, one, one.sum()).item() == pytest.approx(1)
    assert centre_points.l1_loss_at(maps, cells, wanted, torch.zeros_like(one), torch.tensor(1)).item() == 0


# Decoding


def test_peaks_are_local_maxima_highest_first():
    heat = torch.zeros(1, 2, 4, 6)
    heat[0, 0, 0, 0], heat[0, 0, 1, 1], heat[0, 0, 3, 5] = 0.5, 0.9, 0.7
    heat[0, 1, 2, 2] = 0.8
    scores, cells = centre_points.find_peaks(heat, 3)
    assert scores[0].tolist() == [pytest.approx([0.9, 0.7, 0]), pytest.approx([0.8, 0, 0])]
    assert cells[0, 0, :2].tolist() == [[1, 1], [5, 3]] and cells[0, 1, 0].tolist() == [2, 2]
    scores, labels, cells = centre_points.find_objects(heat, 4)
    assert scores[0].tolist() == pytest.approx([0.9, 0.8, 0.7, 0])
    assert labels[0, :3].tolist() == [0, 1, 0] and cells[0, :3].tolist() == [[1, 1], [2, 2], [5, 3]]
    assert centre_points.find_peaks(heat, 100)[0].shape == (1, 2, 24)


def test_nothing_is_found_in_the_padding():
    heat = torch.ones(2, 1, 4, 4)
    inside = centre_points.inside_extents(heat, [(9, 16), (16, 4)])
    assert inside[0, 0].tolist() == [[1] * 4] * 3 + [[0] * 4]
    assert inside[1, 0].tolist() == [[1, 0, 0, 0]] * 4


# Layers


@pytest.mark.parametrize("name", ["hrnet_tiny", "convnext_atto"])
def test_a_projection_is_a_convolution_of_the_joined_representation(name):
    backbone = build_backbone(name, seed=0).eval()
    projection = Projection(backbone.widths, backbone.strides, 5)
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        convolved = torch.nn.functional.conv2d(backbone(images), projection.weight, projection.bias)
        torch.testing.assert_close(projection(backbone.branches(images)), convolved, rtol=1e-4, atol=1e-5)


def test_maps_are_two_convolutions_each():
    maps = centre_points.PredictionMaps(6, 4, {"heat": 3, "offset": 2})
    features = torch.randn(1, 6, 5, 7)
    found = maps(features)
    assert {name: tuple(each.shape) for name, each in found.items()} == {
        "heat": (1, 3, 5, 7),
        "offset": (1, 2, 5, 7),
    }
    alone = torch.nn.functional.conv2d(features, maps.first.weight[4:], maps.first.bias[4:], padding=1)
    torch.testing.assert_close(found["offset"], maps.last["offset"](alone.relu()))
    torch.testing.assert_close(found["heat"].sigmoid().mean().item(), 0.1, rtol=0.05, atol=0)
    assert found["offset"].abs().max() < 0.1


def test_a_small_backbone_gets_narrow_maps():
    assert [centre_points.hidden_width(channels) for channels in (720, 270, 120, 3840)] == [256, 96, 32, 256]


# Sizes


def test_sizes_begin_at_their_unit_and_are_logarithms_below_a_straight_line():
    outputs = torch.tensor([0.0, 1.0, -2.0, 2.6, 3.5, 100.0], requires_grad=True)
    sizes = centre_points.size_in_cells(outputs)
    steepest = 8 * math.exp(2.5)
    wanted = [8.0, 8 * math.e, 8 * math.exp(-2), 1.1 * steepest, 2 * steepest, 98.5 * steepest]
    assert sizes.tolist() == pytest.approx(wanted, rel=1e-5)
    sizes.sum().backward()
    assert outputs.grad[[0, 3, 4, 5]].tolist() == pytest.approx([8.0, *[steepest] * 3], rel=1e-4)
    maps = centre_points.PredictionMaps(4, 4, {"heat": 1, "size": 2}).eval()(torch.zeros(1, 4, 3, 3))
    assert torch.allclose(maps["size"], torch.tensor(8.0), rtol=0.01)
    nothing = centre_points.size_in_cells(torch.tensor([float("nan"), float("inf")]))
    assert not nothing.isfinite().any()  # what is not finite stays so, and is found out
