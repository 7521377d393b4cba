"""Intervals cover what they promise, by simulation; corrections and jackknife against hand-computed values."""

import math

import numpy as np
import pytest
from scipy import stats

from transfer_atlas.analysis.tables.intervals import (
    FEWEST_TARGETS,
    holm,
    jackknife_interval,
    mean_interval,
    paired_difference,
    share_interval,
)

SOURCES, STUDIES = 8, 1500


def population(size=6000):
    """Statistics of many targets of eight sources whose scores predict well, fairly or badly."""
    generator = np.random.default_rng(0)
    performance = generator.normal(size=(size, SOURCES))
    noise = generator.choice([0.3, 1.0, 3.0], size=(size, 1))
    scores = performance + noise * generator.normal(size=(size, SOURCES))
    pairs = list(zip(scores, performance, strict=True))
    positive = np.exp(performance)
    chosen = positive[np.arange(size), scores.argmax(axis=1)]
    return {
        "kendall": np.array([stats.kendalltau(*pair).statistic for pair in pairs]),
        "weighted_kendall": np.array([stats.weightedtau(*pair).statistic for pair in pairs]),
        "top_1": (scores.argmax(axis=1) == performance.argmax(axis=1)).astype(float),
        "relative_regret": 100 * (1 - chosen / positive.max(axis=1)),
    }


@pytest.fixture(scope="module")
def statistics():
    return population()


def coverage(values, number, interval):
    generator = np.random.default_rng(1)
    inside = 0
    for _ in range(STUDIES):
        low, high = interval(generator.choice(values, size=number))
        inside += low <= values.mean() <= high
    return inside / STUDIES


@pytest.mark.parametrize("number", [6, 8, 17, 27])
@pytest.mark.parametrize("name", ["kendall", "weighted_kendall"])
def test_intervals_of_correlations_cover_93_to_97_percent(statistics, name, number):
    found = coverage(statistics[name], number, lambda sample: mean_interval(sample, 2, draws=600))
    assert 0.93 <= found <= 0.97, found


@pytest.mark.parametrize("number", [6, 8, 12, 17, 27])
def test_intervals_of_hits_cover_93_to_97_percent(number):
    """Wilson's coverage oscillates with the share; what it promises is the mean over shares."""
    generator = np.random.default_rng(3)
    inside = []
    for share in generator.uniform(0.1, 0.9, size=400):
        hits = generator.binomial(number, share, size=200) / number
        ends = {hit: share_interval(hit, number) for hit in set(hits)}
        inside.append(np.mean([ends[hit][0] <= share <= ends[hit][1] for hit in hits]))
    assert 0.93 <= np.mean(inside) <= 0.97


@pytest.mark.parametrize("number", [8, 17, 27])
def test_intervals_of_regret_cover_at_least_93_percent(statistics, number):
    """Lopsided, with many zeros: Student's interval covers 90 to 94 %; this one errs on the wide side."""
    values = statistics["relative_regret"]
    found = coverage(values, number, lambda sample: mean_interval(sample, 2, draws=600, bounds=(0, math.inf)))
    assert 0.93 <= found <= 0.995, found


def test_below_six_targets_there_is_no_interval():
    few = np.arange(FEWEST_TARGETS - 1.0)
    assert np.isnan(mean_interval(few, 0)).all()
    assert np.isnan(share_interval(0.5, FEWEST_TARGETS - 1)).all()
    assert np.isnan(paired_difference(few, few + 1)[1:4]).all()
    assert np.isnan(mean_interval(np.ones(9), 0)).all()  # equal values do not tell how far they spread
    low, high = share_interval(1.0, 6)
    assert (low, high) == (pytest.approx(0.61, abs=0.005), 1.0)  # six of six are no certainty


def test_intervals_stay_within_the_bounds_of_the_statistic():
    low, high = mean_interval(np.array([1, 1, 1, 1, 1, 0.2]), 0, bounds=(-1.0, 1.0))
    assert low < 0.87 < high <= 1.0


def test_the_jackknife_of_a_mean_is_student_s_interval():
    values = np.random.default_rng(4).normal(size=12)
    low, high = jackknife_interval(lambda kept: float(values[kept].mean()), np.arange(12))
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (low, high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_observations_that_share_sources_too_widen_the_interval():
    generator = np.random.default_rng(5)
    targets, sources = (array.ravel() for array in np.meshgrid(np.arange(10), np.arange(10)))
    values = generator.normal(size=10)[sources] + 0.1 * generator.normal(size=100)

    def mean(kept):
        return float(values[kept].mean())

    one = np.subtract(*jackknife_interval(mean, targets)[::-1])
    both = np.subtract(*jackknife_interval(mean, targets, sources)[::-1])
    assert both > 5 * one  # what varies is the source, which targets alone do not see


def test_holm_by_hand():
    adjusted = holm(np.array([0.01, math.nan, 0.04, 0.03]))
    assert adjusted[[0, 2, 3]] == pytest.approx([0.03, 0.06, 0.06])
    assert math.isnan(adjusted[1])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_paired_differences_leave_out_what_one_side_lacks():
    first = np.array([1.0, 2, 3, 4, 5, 6, math.nan])
    second = np.array([0.0, 1.5, 2, 4, 3, 5, 9])
    mean, low, high, p_value, number = paired_difference(first, second)
    assert (mean, number) == (pytest.approx(5.5 / 6), 6)
    assert p_value == pytest.approx(stats.ttest_rel(first[:6], second[:6]).pvalue)
    assert low < mean < high


def test_the_paired_difference_is_that_of_scipys_t_test_to_the_bit():
    """`scipy.stats` itself is not imported for it: that takes a second, as long as a recommendation may."""
    rng = np.random.default_rng(0)
    for number in (6, 7, 17, 60):
        first, second = rng.normal(1, 2, number), rng.normal(0, 1, number)
        test = stats.ttest_1samp(first - second, 0.0)
        low, high = test.confidence_interval(0.95)
        found = paired_difference(first, second)
        assert found == ((first - second).mean(), low, high, test.pvalue, number)


@pytest.mark.parametrize("number", [6, 17, 60])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_bootstrap_is_that_of_values_drawn_one_by_one(number, scale):
    values = scale * (5 + np.random.default_rng(number).normal(size=number) ** 2)
    error = values.std(ddof=1) / np.sqrt(number)
    drawn = values[np.random.default_rng(3).integers(0, number, (2000, number))]
    errors = np.maximum(drawn.std(axis=1, ddof=1) / np.sqrt(number), 0.2 * error)
    left, right = np.quantile((drawn.mean(axis=1) - values.mean()) / errors, [0.025, 0.975])
    expected = values.mean() - right * error, values.mean() - left * error
    assert mean_interval(values, 3, draws=2000) == pytest.approx(expected, rel=1e-10)
