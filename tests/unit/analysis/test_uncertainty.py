"""Intervals of gains, the effects they decide, chance levels, what to start from, and rows that must not vanish."""

import math

import numpy as np
import pandas as pd
import pytest
from analysis_examples import DATASETS, transfer_record
from scipy.special import stdtrit

from transfer_atlas.analysis.tables import effects
from transfer_atlas.analysis.tables import transfers as tables
from transfer_atlas.analysis.tables.chance import chance_levels
from transfer_atlas.analysis.tables.image_bootstrap import ImageResults, image_results, image_variances
from transfer_atlas.analysis.tables.uncertainty import (
    ELSEWHERE,
    decided_effect,
    one_run_p_value,
    seed_noise,
    told,
    with_intervals,
)
from transfer_atlas.errors import ConfigurationError

TARGET = "segmentation/camvid"


def study(values, **changes):
    """Transfers to camvid: by source the values of seeds 0, 1, ..."""
    return [
        transfer_record(source, TARGET, value, seed, **changes)
        for source, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]


def gains_of(records, **options):
    return tables.gains_table(tables.transfers_table(records, DATASETS), **options).set_index("source")


# --- intervals from seeds ----------------------------------------------------------------------------------


def test_the_interval_by_hand():
    values = {"ilsvrc": [0.40, 0.44], "segmentation/coco": [0.60, 0.60]}
    row = gains_of(study(values)).loc["segmentation/coco"]
    variance = (math.log(0.44 / 0.40) ** 2 / 2) / 2  # ilsvrc varies, coco does not: pooled over two degrees
    half = 4.302653 * math.sqrt(2 * variance / 2)  # Student's t with 2 degrees of freedom
    centre = math.log(1 + row.gain / 100)
    assert row.gain == pytest.approx((50.0 + 100 * (0.60 / 0.44 - 1)) / 2)
    assert row.gain_low == pytest.approx(100 * math.expm1(centre - half))
    assert row.gain_high == pytest.approx(100 * math.expm1(centre + half))
    assert (row.interval_covers, row.decided_effect) == ("seeds", "very_positive")


def test_of_errors_the_interval_is_flipped():
    values = {"ilsvrc": [4.0, 4.4], "segmentation/coco": [3.0, 3.0]}
    records = [
        transfer_record(source, "depth/sun", value, seed, metric="rmse")
        for source, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    row = gains_of(records).loc["segmentation/coco"]
    assert row.gain_low < row.gain < row.gain_high < 100
    assert row.gain > 0


@pytest.mark.parametrize(("seeds", "sources"), [(2, 4), (3, 1), (3, 5)])
def test_intervals_cover_the_true_gain(seeds, sources):
    """Five hundred targets on which all sources gain 20 %, each with its own seeds of 5 % noise."""
    generator = np.random.default_rng(0)
    targets, names = 500, ["ilsvrc", *(f"segmentation/s{number}" for number in range(sources))]
    shape = (targets, len(names), seeds)
    values = np.array([0.4] + [0.48] * sources)[:, None] * np.exp(generator.normal(0, 0.05, shape))
    cells = [np.ravel(index) for index in np.indices(shape)]
    transfers = pd.DataFrame(
        {"regime": "r", "target": [f"t{t}" for t in cells[0]], "target_task_type": "segmentation"}
        | {"source": [names[s] for s in cells[1]], "seed": cells[2], "status": "finished"}
        | {"value": values.ravel()}
    )
    ratios = (values[:, 1] / values[:, 0]).mean(axis=1)
    gains = pd.DataFrame(
        {"regime": "r", "target": [f"t{t}" for t in range(targets)], "source": names[1]}
        | {"gain": 100 * (ratios - 1), "n_seeds": seeds, "higher_is_better": True}
    )
    found = with_intervals(gains, seed_noise(transfers))
    inside = (found["gain_low"] <= 20.0) & (found["gain_high"] >= 20.0)
    assert 0.93 <= inside.mean() <= 0.97


def test_a_target_without_repetitions_borrows_the_noise_of_others():
    records = study({"ilsvrc": [0.40, 0.44], "segmentation/coco": [0.60, 0.62]})
    records += [
        transfer_record(source, "segmentation/sun", 0.3) for source in ("ilsvrc", "segmentation/coco")
    ]
    gains = tables.gains_table(tables.transfers_table(records, DATASETS)).set_index(["target", "source"])
    row = gains.loc[("segmentation/sun", "segmentation/coco")]
    assert row.interval_covers == "seeds of other targets"
    assert row.gain_low < 0 < row.gain_high and row.decided_effect == "undecided"


def test_a_transfer_of_another_method_is_no_repetition():
    records = study({"ilsvrc": [0.40], "segmentation/coco": [0.60]})
    guided = transfer_record("segmentation/coco", TARGET, 0.65)
    guided |= {"key": "guided", "identity": guided["identity"] | {"method": "otce_guided"}}
    alone, beside = gains_of(records), gains_of([*records, guided])
    pd.testing.assert_frame_equal(alone, beside)
    assert beside["gain_low"].isna().all()  # one seed


def test_one_seed_has_no_interval_and_says_so():
    row = gains_of(study({"ilsvrc": [0.4], "segmentation/coco": [0.5]})).loc["segmentation/coco"]
    assert math.isnan(row.gain_low) and pd.isna(row.decided_effect) and pd.isna(row.interval_covers)
    assert told(row.gain, row.gain_low, row.gain_high) == "25.0, no interval"


@pytest.mark.parametrize(
    ("low", "high", "expected", "words"),
    [
        (3.1, 8.4, "positive", "positive, 3.1 to 8.4"),
        (3.1, 18.4, "positive", "positive, 3.1 to 18.4"),
        (10.5, 12.0, "very_positive", "very positive, 10.5 to 12.0"),
        (-1.0, 2.0000000000000018, "insignificant", "insignificant, -1.0 to 2.0"),
        (1.0, 4.0, "undecided", "undecided, 1.0 to 4.0"),
        (-9.0, -3.0, "negative", "negative, -9.0 to -3.0"),
    ],
)
def test_effects_are_decided_by_the_whole_interval(low, high, expected, words):
    assert decided_effect(low, high) == expected
    assert told((low + high) / 2, low, high) == words


def test_comparisons_are_counted():
    """Twenty sources without any effect: what chance brings is gone after all comparisons."""
    generator = np.random.default_rng(10)
    names = [f"segmentation/s{number}" for number in range(20)]
    values = {name: list(0.4 * np.exp(generator.normal(0, 0.05, 3))) for name in ["ilsvrc", *names]}
    datasets = DATASETS | {f"s{number}": {"domain": "indoor", "n_train": 5} for number in range(20)}
    gains = tables.gains_table(tables.transfers_table(study(values), datasets)).set_index("source").loc[names]
    assert (gains["p_adjusted"] >= gains["p_value"]).all()
    assert gains["p_value"].min() < 0.05 < gains["p_adjusted"].min()


# --- evaluation images -------------------------------------------------------------------------------------


def per_image(key, values, images=40):
    return pd.DataFrame(
        {
            "key": key,
            "image": [f"i{number:02}" for number in range(images)],
            "part": "all",
            "numerator": values,
            "denominator": 1.0,
        }
    )


def test_images_that_are_hard_for_both_cancel():
    generator = np.random.default_rng(2)
    hard = generator.uniform(0.2, 0.9, 40)
    alike, unlike = 1.2 * hard, generator.uniform(0.2, 0.9, 40)
    results = image_results(
        pd.concat([per_image("base", hard), per_image("alike", alike), per_image("unlike", unlike)])
    )
    rows = pd.DataFrame(
        {"regime": "r", "target": "t", "source": ["alike", "unlike"], "n_seeds": 1}
        | {"keys": [["alike"], ["unlike"]], "baseline_keys": [["base"], ["base"]]}
    )
    found = image_variances(rows, results, draws=500)
    assert found["r", "t", "alike"] == (pytest.approx(0.0, abs=1e-20), 40)
    expected = (hard.var() / hard.mean() ** 2 + unlike.var() / unlike.mean() ** 2) / 40  # delta method
    assert found["r", "t", "unlike"][0] == pytest.approx(expected, rel=0.4)


def test_the_mean_over_classes_leaves_out_those_that_were_not_drawn():
    results = ImageResults(("a", "b"), np.array([[1.0, 0], [0, 3]]), np.array([[2.0, 0], [0, 4]]))
    assert results.values(np.array([[1.0, 1], [2, 0]])).tolist() == [(0.5 + 0.75) / 2, 0.5]


def test_other_images_are_refused():
    results = image_results(pd.concat([per_image("base", 1.0), per_image("other", 1.0).assign(image="x")]))
    rows = pd.DataFrame({"regime": ["r"], "target": "t", "source": "s", "n_seeds": 1})
    rows = rows.assign(keys=[["other"]], baseline_keys=[["base"]])
    with pytest.raises(ConfigurationError, match="in one run only"):
        image_variances(rows, results, draws=10)


def found(key, image, scores, matched, annotated=1, part="car"):
    return {
        "key": key,
        "image": image,
        "part": part,
        "annotated": annotated,
        "scores": scores,
        "matched": matched,
    }


def test_average_precision_of_redrawn_images():
    rows = [
        found("a", "x", [0.9, 0.4], [1, 0]),
        found("a", "y", [0.8, 0.3], [0, 1]),
        found("a", "z", [0.7], [-1], annotated=0),
        found("a", "x", [0.5], [1], part="bus"),
    ]
    results = image_results(pd.DataFrame(rows))["a"]
    once = np.ones((1, 3))
    # car: right, wrong, wrong, right of two objects: 1/2 * 1 + 1/2 * 2/4; bus: 1
    assert results.values(once)[0] == pytest.approx((0.75 + 1.0) / 2)
    without_x = results.values(np.array([[0.0, 2.0, 1.0]]))[
        0
    ]  # no bus is left, of cars one wrong find before the right
    assert without_x == pytest.approx(0.5)
    wider = results.aligned(("w", "x", "y", "z"))
    assert wider.values(np.array([[5.0, 1, 1, 1]]))[0] == pytest.approx(results.values(once)[0])


def test_intervals_of_average_precision_come_from_images():
    generator, rows = np.random.default_rng(4), []
    for key in ("base", "other"):
        for image in range(30):
            matched = generator.integers(0, 2, 3).tolist()
            rows.append(
                found(key, f"i{image:02}", sorted(generator.random(3), reverse=True), matched, annotated=3)
            )
    results = image_results(pd.DataFrame(rows[:-1]))  # one run found nothing in one image without objects
    gains = pd.DataFrame({"regime": ["r"], "target": "t", "source": "s", "n_seeds": 1})
    gains = gains.assign(keys=[["other"]], baseline_keys=[["base"]])
    variance, images = image_variances(gains, results, draws=300)["r", "t", "s"]
    assert images == 30 and 0.001 < variance < 0.2


def test_images_and_seeds_add_up():
    records = study({"ilsvrc": [0.40, 0.41], "segmentation/coco": [0.50, 0.51]})
    generator = np.random.default_rng(3)
    results = image_results(
        pd.concat([per_image(record["key"], generator.uniform(0.1, 0.9, 40)) for record in records])
    )
    seeds, both = (
        gains_of(records, **extra).loc["segmentation/coco"] for extra in ({}, {"results": results})
    )
    assert both.interval_covers == "seeds and images"
    assert both.gain_low < seeds.gain_low and both.gain_high > seeds.gain_high


# --- chance ------------------------------------------------------------------------------------------------


def test_a_baseline_at_chance_is_flagged_and_counts_in_no_share():
    records = [
        transfer_record("ilsvrc", "detection/bdd", 0.005, metric="map"),
        transfer_record("segmentation/bdd", "detection/bdd", 0.008, metric="map"),
        transfer_record("ilsvrc", TARGET, 0.4),
        transfer_record("segmentation/bdd", TARGET, 0.5),
    ]
    gains = tables.gains_table(tables.transfers_table(records, DATASETS))
    flags = gains.set_index(["target", "source"])["baseline_at_chance"]
    assert flags["detection/bdd", "segmentation/bdd"]
    assert pd.isna(flags[TARGET, "segmentation/bdd"])  # mean IoU: needs the number of classes
    shares = effects.effects_table(gains).set_index(["image_domain", "task_type"]).loc[("all", "all")]
    assert (shares["count"], shares.at_chance, shares.positive_percent) == (1, 1, 100.0)
    best = effects.best_sources_table(gains).set_index("target")
    assert best.loc["detection/bdd", "start_from"] == "ilsvrc"
    assert best.loc["detection/bdd", "certainty"] == "baseline_at_chance"
    assert "0.005" in best.loc["detection/bdd", "why"]


def test_levels_of_chance_by_the_metric():
    per_class = {
        "metrics": {"primary": "mean_iou", "value": 0.2, "per_class": {"a": 0.1, "b": 0.3, "c": None}}
    }
    records = [
        transfer_record("ilsvrc", TARGET, 0.2) | per_class,
        transfer_record("ilsvrc", "detection/bdd", 0.2, metric="ap50"),
        transfer_record("ilsvrc", "depth/sun", 0.2, metric="rmse"),
    ]
    assert chance_levels(records) == {TARGET: 0.5, "detection/bdd": 0.02}


# --- what to start from ------------------------------------------------------------------------------------


def answer(values):
    (row,) = effects.best_sources_table(gains_of(study(values)).reset_index()).itertuples()
    return row


def test_ilsvrc_where_the_best_source_is_worse():
    row = answer({"ilsvrc": [0.40, 0.41], "segmentation/coco": [0.25, 0.26]})
    assert (row.start_from, row.start_from_gain, row.certainty) == ("ilsvrc", 0.0, "decided")
    assert row.best_source == "segmentation/coco" and row.best_gain < -30


def test_a_source_that_is_better_beyond_noise():
    row = answer({"ilsvrc": [0.40, 0.41, 0.40], "segmentation/coco": [0.50, 0.51, 0.50]})
    assert (row.start_from, row.certainty) == ("segmentation/coco", "decided")
    assert 10 < row.start_from_low < row.start_from_gain < row.start_from_high
    assert row.why.startswith("segmentation/coco: very positive")


def test_a_source_within_noise_is_undecided():
    row = answer({"ilsvrc": [0.36, 0.44], "segmentation/coco": [0.48, 0.42]})
    assert (row.start_from, row.certainty) == ("ilsvrc", "undecided")
    assert "not beyond noise" in row.why


def test_one_seed_needs_a_large_gain():
    small = answer({"ilsvrc": [0.40], "segmentation/coco": [0.43]})
    large = answer({"ilsvrc": [0.40], "segmentation/coco": [0.50]})
    assert (small.start_from, small.certainty) == ("ilsvrc", "one_seed")
    assert (large.start_from, large.certainty) == ("segmentation/coco", "one_seed")


def test_the_more_sources_one_seed_is_picked_from_the_larger_its_gain_must_be():
    """A gain of which one source could be sure is what the best of four is by chance."""
    factor = math.exp(stdtrit(ELSEWHERE.degrees, 0.985) * math.sqrt(2 * ELSEWHERE.variance))  # p = 0.03
    alone = {"ilsvrc": [0.40], "segmentation/coco": [0.40 * factor]}
    among = alone | {name: [0.39] for name in ("segmentation/bdd", "segmentation/sun", "detection/bdd")}
    assert answer(alone).start_from == "segmentation/coco"
    row = answer(among)
    assert (row.start_from, row.certainty) == ("ilsvrc", "one_seed")
    assert "p = 0.12 after 4 comparisons" in row.why and "not taken" in row.why


def test_the_p_value_of_single_runs_is_students():
    """At the quantile of 0.975 of ln(1 + r / 100), whose variance is that of two runs, it is 0.05."""
    sides = stdtrit(ELSEWHERE.degrees, 0.975) * math.sqrt(2 * ELSEWHERE.variance)
    assert one_run_p_value(100 * math.expm1(sides), True) == pytest.approx(0.05)
    assert one_run_p_value(-100 * math.expm1(-sides), False) == pytest.approx(
        0.05
    )  # an error that fell by as much
    assert one_run_p_value(0.0, True) == 1.0 and one_run_p_value(100.0, False) == 0.0


def test_equally_good_sources_of_one_seed_are_seldom_taken():
    """Targets whose noise differs as it was measured to, three sources each and one baseline, all equally good."""
    generator, taken = np.random.default_rng(7), 0
    for _ in range(4000):
        spread = math.sqrt(ELSEWHERE.variance * ELSEWHERE.degrees / generator.chisquare(ELSEWHERE.degrees))
        baseline, *values = spread * generator.standard_normal(4)
        gain = 100 * math.expm1(max(values) - baseline)
        taken += gain > 2 and 3 * one_run_p_value(gain, True) < 0.05
    assert 0.005 < taken / 4000 < 0.05


def test_images_alone_do_not_tell_the_noise_between_runs():
    generator = np.random.default_rng(5)
    hard = generator.uniform(0.2, 0.9, 40)

    def answer_with(factor, values):
        records = study({"ilsvrc": [0.4], "segmentation/coco": [0.4 * factor]})
        parts = [per_image(records[0]["key"], hard), per_image(records[1]["key"], values)]
        gains = tables.gains_table(tables.transfers_table(records, DATASETS), image_results(pd.concat(parts)))
        (row,) = effects.best_sources_table(gains).itertuples()
        return row.start_from, row.certainty, row.why

    assert answer_with(1.05, 1.05 * hard)[:2] == ("ilsvrc", "one_seed")  # beyond images, but one seed
    assert answer_with(1.20, 1.20 * hard)[:2] == ("segmentation/coco", "one_seed")
    source, certainty, why = answer_with(1.12, generator.permutation(1.12 * hard))
    assert (source, certainty) == ("ilsvrc", "one_seed") and "other images could turn it" in why


def test_sources_within_noise_of_the_best_are_named():
    row = answer(
        {
            "ilsvrc": [0.40, 0.41],
            "segmentation/coco": [0.50, 0.51],
            "segmentation/bdd": [0.50, 0.50],
            "segmentation/sun": [0.30, 0.31],
        }
    )
    assert row.equally_good == ["segmentation/bdd"]


# --- nothing vanishes --------------------------------------------------------------------------------------


def test_missing_transfers_are_rows():
    records = study({"ilsvrc": [0.4]})
    expected = [
        {"source": source, "target": TARGET, "regime": "small_target", "seed": 0}
        for source in ("ilsvrc", "segmentation/coco")
    ]
    gains = tables.gains_table(tables.transfers_table(records, DATASETS, expected)).set_index("source")
    assert gains.loc["segmentation/coco", "status"] == "missing"
    shares = effects.effects_table(gains.reset_index()).set_index(["image_domain", "task_type"])
    assert shares.loc[("all", "all"), ["count", "failed"]].tolist() == [0, 1]


def test_two_versions_of_a_source_in_one_table_are_refused():
    records = study({"ilsvrc": [0.4, 0.4]})
    records[1] |= {"parents": {"source": "another-key"}}
    with pytest.raises(ConfigurationError, match="another-key"):
        tables.transfers_table(records, DATASETS)
