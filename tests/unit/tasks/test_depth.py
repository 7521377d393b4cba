"""Depth: errors worked out by hand, the loss against its definition, and the head against the paper's Table 2."""

import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer_atlas.datasets.prepared import DatasetDescription, DepthDescription
from transfer_atlas.datasets.reading import Sample
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.tasks.depth import DepthEvaluator, DepthHead, depth_errors
from transfer_atlas.tasks.registry import TASK_TYPES

DEPTH = TASK_TYPES["depth"]
METRES = DepthDescription(unit="metre", minimum=0.5, maximum=8.0)
RELATIVE = DepthDescription(unit="relative", minimum=0.0, maximum=1.0)


def sample(depth) -> Sample:
    depth = torch.as_tensor(depth, dtype=torch.float32)
    return Sample("a", torch.zeros(3, *depth.shape, dtype=torch.uint8), depth=depth)


def evaluated(predicted, annotated, description=METRES):
    """Errors of predictions at stride 4 that fill their input."""
    evaluator = DepthEvaluator(description)
    extent = (4 * len(predicted), 4 * len(predicted[0]))
    evaluator.update(torch.tensor(predicted)[None, None], [sample(annotated)], [extent])
    return evaluator.result()


def test_errors_by_hand():
    found = depth_errors(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.0, 1.0, 2.0]))
    logarithms = [0.0, math.log(2), math.log(2)]
    assert found == pytest.approx(
        {
            "rmse": math.sqrt((0 + 1 + 4) / 3),
            "delta_1": 1 / 3,
            "delta_2": 1 / 3,
            "delta_3": 1 / 3,  # 1.25 cubed is 1.95
            "absolute_relative": (0 + 1 + 1) / 3,
            "squared_relative": (0 + 1 + 2) / 3,
            "rmse_log": math.log(2) * math.sqrt(2 / 3),
            "scale_invariant_rmse": math.sqrt(
                sum(x * x for x in logarithms) / 3 - (sum(logarithms) / 3) ** 2
            ),
        }
    )


def test_the_thresholds_of_delta_are_strict():
    found = depth_errors(torch.tensor([1.25, 1.5, 1.9]), torch.ones(3))
    assert [found[f"delta_{power}"] for power in (1, 2, 3)] == pytest.approx([0, 2 / 3, 1])


@given(st.floats(0.1, 10), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_common_factor_does_not_change_the_scale_invariant_error(factor, seed):
    generator = torch.Generator().manual_seed(seed)
    z, truth = torch.rand(2, 50, generator=generator, dtype=torch.float64) + 0.1
    one, other = depth_errors(z, truth), depth_errors(factor * z, truth)
    assert one["scale_invariant_rmse"] == pytest.approx(other["scale_invariant_rmse"], abs=1e-9)
    assert depth_errors(truth, z)["scale_invariant_rmse"] == pytest.approx(one["scale_invariant_rmse"])


def test_only_valid_pixels_are_evaluated_at_the_images_own_size():
    annotated = torch.full((8, 8), 2.0)
    annotated[:, 4:] = 0  # no depth there
    found = evaluated([[3.0, 3.0], [3.0, 3.0]], annotated)
    assert found["rmse"] == pytest.approx(1.0) and found["value"] == found["rmse"]
    assert found["primary"] == "rmse"


def test_predictions_are_clipped_to_the_datasets_range():
    assert evaluated([[100.0]], torch.full((4, 4), 7.0))["rmse"] == pytest.approx(1.0)
    assert evaluated([[0.01]], torch.full((4, 4), 1.5))["rmse"] == pytest.approx(1.0)


def test_relative_depth_is_measured_up_to_a_factor():
    found = evaluated([[0.1, 0.1], [0.2, 0.2]], [[0.4] * 8] * 2 + [[0.4] * 8] * 6, RELATIVE)
    assert found["primary"] == "scale_invariant_rmse" and found["value"] == found["scale_invariant_rmse"]
    assert evaluated([[0.1]], torch.full((4, 4), 0.4), RELATIVE)["value"] == pytest.approx(0, abs=1e-6)


def test_errors_are_averaged_over_images_and_images_without_depth_left_out():
    evaluator = DepthEvaluator(METRES)
    samples = [sample(torch.full((4, 4), depth)) for depth in (1.0, 2.0, 0.0)]
    evaluator.update(torch.full((3, 1, 1, 1), 4.0), samples, [(4, 4)] * 3)
    found = evaluator.result()
    assert found["rmse"] == pytest.approx((3 + 2) / 2) and found["images_without_depth"] == 1


def test_an_evaluation_set_without_depth_has_no_result():
    evaluator = DepthEvaluator(METRES)
    evaluator.update(torch.ones(1, 1, 1, 1), [sample(torch.zeros(4, 4))], [(4, 4)])
    with pytest.raises(LegitimateFailure) as caught:
        evaluator.result()
    assert caught.value.status == "no_valid_depth"


def test_the_loss_by_hand():
    annotated = torch.zeros(1, 1, 8, 8)
    annotated[0, 0, 0, :3] = torch.tensor([1.0, 2.0, 4.0])  # one row of three valid pixels
    loss = DEPTH.loss(torch.full((1, 1, 2, 2), 3.0), {"depth": annotated})
    # errors 2, 1, -1; derivatives along the row -1, -2; down the columns there is no pair
    torch.testing.assert_close(loss, torch.tensor((2 + 1 + 1) / 3 + (1 + 2) / 2))


def test_the_loss_of_no_valid_pixel_is_zero_and_has_a_gradient():
    maps = torch.ones(1, 1, 2, 2, requires_grad=True)
    loss = DEPTH.loss(maps, DEPTH.encode([sample(torch.zeros(8, 8))]))
    loss.backward()
    assert loss.item() == 0 and not maps.grad.any()


def test_the_head_has_the_papers_parameters_and_starts_within_the_range():
    widths = [48, 96, 192, 384]
    head = DepthHead(widths, [4, 8, 16, 32], METRES)
    assert sum(weight.numel() for weight in head.parameters()) == 721  # Table 2
    branches = [torch.zeros(1, width, 16 >> n, 16 >> n) for n, width in enumerate(widths)]
    torch.testing.assert_close(head(branches), torch.full((1, 1, 16, 16), 2.0))  # sqrt(0.5 * 8)
    far = DepthHead(widths, [4, 8, 16, 32], DepthDescription(unit="metre", minimum=1, maximum=655))
    torch.testing.assert_close(far(branches)[0, 0, 0, 0], torch.tensor(math.sqrt(655.0)))


def test_the_unit_of_depth_changes_nothing_but_the_unit():
    branches = [torch.randn(2, 6, 8, 8, generator=torch.Generator().manual_seed(0)) * 20]
    heads = []
    for unit in (1.0, 1000.0):
        torch.manual_seed(1)
        heads.append(
            DepthHead([6], [4], DepthDescription(unit="metre", minimum=0.5 * unit, maximum=8 * unit))
        )
    torch.testing.assert_close(1000 * heads[0](branches), heads[1](branches))


def test_the_task_type_says_that_lower_is_better():
    description = DatasetDescription(
        name="toy", counts={"train": 1}, depth=METRES, mean=(1, 2, 3), std=(1, 1, 1)
    )
    assert not DEPTH.higher_is_better
    head = DEPTH.head(SimpleNamespace(widths=[4], strides=[4]), description)
    assert (head([torch.randn(1, 4, 4, 4) * 50]) >= 0).all()
