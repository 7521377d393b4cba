"""Sampling of pixels: exact numbers, the right cells, class balance, boundaries, quantisation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from metric_examples import seeds

from transfer_atlas.scoring.sampling import (
    cells_of,
    class_frequencies,
    quantise,
    sample_cells,
)


def test_cells_are_the_pixels_at_their_centres():
    annotation = np.arange(64).reshape(8, 8)
    # an image of 8 x 8 shown at 16 x 16 with stride 4: cell centres at input 2, 6, 10, 14 -> pixels 1, 3, 5, 7
    np.testing.assert_array_equal(cells_of(annotation, (16, 16), 4), annotation[1::2, 1::2])
    assert cells_of(annotation, (2, 3), 4).shape == (1, 1)


@pytest.mark.parametrize("scheme", ["class_balanced", "uniform", "boundary"])
@given(seed=seeds)
def test_samples_are_annotated_cells_without_repetition(scheme, seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(-1, 3, (9, 7))
    labels[0, :3] = [0, 1, 2]
    frequencies = class_frequencies([labels], 3)
    positions = sample_cells(labels, 10, scheme, frequencies, np.random.default_rng(seed))
    assert len(positions) == 10 == len(set(positions.tolist()))
    assert (labels.ravel()[positions] >= 0).all() and (np.diff(positions) > 0).all()
    again = sample_cells(labels, 10, scheme, frequencies, np.random.default_rng(seed))
    np.testing.assert_array_equal(positions, again)
    everything = sample_cells(labels, 63, scheme, frequencies, generator)
    np.testing.assert_array_equal(everything, np.flatnonzero(labels.ravel() >= 0))


def test_rare_classes_are_drawn_as_often_as_common_ones():
    labels = np.zeros((40, 50), np.int64)
    labels[0, :] = 1  # one in forty
    frequencies = class_frequencies([labels], 2)
    generator = np.random.default_rng(0)
    shares = {
        scheme: np.mean(
            [
                labels.ravel()[sample_cells(labels, 20, scheme, frequencies, generator)].mean()
                for _ in range(200)
            ]
        )
        for scheme in ("class_balanced", "uniform")
    }
    assert shares["class_balanced"] == pytest.approx(0.46, abs=0.05)  # a little less than half: no repetition
    assert shares["uniform"] == pytest.approx(1 / 40, abs=0.01)


def test_boundary_samples_touch_another_class():
    labels = np.zeros((20, 20), np.int64)
    labels[:, 10:] = 1
    labels[:, 18:] = -1  # the edge of what is annotated is no boundary
    positions = sample_cells(labels, 30, "boundary", np.ones(2), np.random.default_rng(0))
    assert set((positions % 20).tolist()) == {9, 10}
    more = sample_cells(labels, 60, "boundary", np.ones(2), np.random.default_rng(0))
    assert np.isin(more % 20, [9, 10]).sum() == 40 and len(more) == 60


def test_depth_is_quantised_into_equal_numbers():
    values = np.random.default_rng(0).exponential(size=1000)
    assert np.bincount(quantise(values, 10)).tolist() == [100] * 10
    assert (np.diff(quantise(np.sort(values), 10)) >= 0).all()
    assert len(np.unique(quantise(np.ones(50), 10))) == 1
