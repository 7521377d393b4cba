"""Gains, effects and best sources: hand-computed values, invariants, failed rows, the paper's Table 6."""

import math
from pathlib import Path

import pandas as pd
import pytest
from analysis_examples import DATASETS, published_gains, source_record, transfer_record
from hypothesis import given
from hypothesis import strategies as st

from transfer_atlas.analysis.report.words import start_in_words
from transfer_atlas.analysis.tables import effects
from transfer_atlas.analysis.tables import transfers as tables
from transfer_atlas.analysis.tables.answers import answers_as_text
from transfer_atlas.analysis.tables.surroundings import told_of_differences
from transfer_atlas.errors import ConfigurationError

positive_values = st.floats(1e-3, 1e3)


def gains_of(*records):
    return tables.gains_table(tables.transfers_table(records, DATASETS)).set_index("source")


# --- equation (2) and the effect levels --------------------------------------------------------------------


def test_gain_by_hand():
    assert tables.relative_transfer_gain(0.46, 0.40, True) == pytest.approx(15.0)
    assert tables.relative_transfer_gain(0.30, 0.40, True) == pytest.approx(-25.0)
    # An error that falls from 4.0 to 3.0 metres is an improvement of 25 %.
    assert tables.relative_transfer_gain(3.0, 4.0, False) == pytest.approx(25.0)


@given(positive_values, positive_values, positive_values, st.booleans())
def test_gain_does_not_depend_on_the_unit_of_the_metric(value, baseline, scale, higher):
    gain = tables.relative_transfer_gain(value, baseline, higher)
    scaled = tables.relative_transfer_gain(value * scale, baseline * scale, higher)
    # value / baseline is near 1 before 1 is taken away, so the tolerance is absolute around 100 percent.
    assert scaled == pytest.approx(gain, rel=1e-9, abs=1e-9)


@given(positive_values, positive_values)
def test_lower_is_better_flips_the_sign(value, baseline):
    higher = tables.relative_transfer_gain(value, baseline, True)
    assert tables.relative_transfer_gain(value, baseline, False) == -higher
    assert (higher > 0) == (value > baseline) or value / baseline == 1.0


@given(positive_values, st.booleans())
def test_the_baseline_itself_gains_exactly_plus_zero(value, higher):
    gain = tables.relative_transfer_gain(value, value, higher)
    assert gain == 0.0
    assert math.copysign(1.0, gain) == 1.0  # -0.0 would print as -0


@pytest.mark.parametrize(
    ("gain", "expected"),
    [
        (10.001, "very_positive"),
        (10.0, "positive"),
        (2.001, "positive"),
        (2.0, "insignificant"),
        ((0.51 / 0.5 - 1.0) * 100.0, "insignificant"),  # 2.0000000000000018
        (0.0, "insignificant"),
        (-2.0, "insignificant"),
        (-2.001, "negative"),
        (math.nan, None),
    ],
)
def test_effect_thresholds_are_strict(gain, expected):
    assert tables.effect(gain) == expected


# --- transfers ---------------------------------------------------------------------------------------------


def test_a_transfer_knows_both_its_sides():
    records = [
        source_record("segmentation/sun"),
        transfer_record("segmentation/coco", "segmentation/camvid", 0.4),
        transfer_record("multi_segmentation", "detection/bdd", 0.4, metric="map"),
        transfer_record("ilsvrc", "segmentation/bdd", 0.4),
        transfer_record("scratch", "segmentation/bdd", 0.4),
        source_record("segmentation/coco"),
    ]
    frame = tables.transfers_table(records, DATASETS).set_index("source")
    assert len(frame) == 4  # the source runs are no transfers
    coco, multi = frame.loc["segmentation/coco"], frame.loc["multi_segmentation"]
    assert (coco.source_domain, coco.source_domains, coco.source_n_train) == (
        "consumer",
        ["consumer"],
        118000,
    )
    assert (multi.source_task_type, multi.source_domains) == ("segmentation", ["consumer", "indoor"])
    assert multi.target_n_train == 70000  # the task's own training set, not the dataset's
    assert frame.loc["ilsvrc"].target_n_train == 7000
    assert frame.loc["ilsvrc"].source_key == "key-of-ilsvrc"
    assert pd.isna(frame.loc["scratch"].source_key)


def test_transfers_hold_nothing_that_varies_between_repetitions():
    record = transfer_record("segmentation/coco", "segmentation/camvid", 0.4)
    again = record | {
        "seconds": 9.0,
        "created": "2030-01-01T00:00:00+00:00",
        "git_commit": "1" * 40,
        "peak_memory_host_bytes": 7,
    }
    first, second = (tables.transfers_table([r], DATASETS) for r in (record, again))
    pd.testing.assert_frame_equal(first, second)
    assert not tables.runs_table([record]).equals(tables.runs_table([again]))


def test_two_studies_in_one_table_are_refused():
    record = transfer_record("segmentation/coco", "segmentation/camvid", 0.4)
    with pytest.raises(ConfigurationError, match="other-key"):
        tables.transfers_table([record, record | {"key": "other-key"}], DATASETS)


def test_an_unknown_dataset_is_named():
    with pytest.raises(ConfigurationError, match="venus"):
        tables.transfers_table([transfer_record("ilsvrc", "segmentation/venus", 0.4)], DATASETS)


def test_runs_of_every_kind_are_listed():
    runs = tables.runs_table(
        [transfer_record("ilsvrc", "segmentation/bdd", None), source_record("depth/sun")]
    )
    assert list(runs["kind"]) == ["source", "transfer"]
    assert runs["seconds"].tolist() == [1.5, 1.5]
    assert math.isnan(runs["value"][1]) and runs["reason"][1] == "loss not finite"


# --- gains -------------------------------------------------------------------------------------------------


def test_gains_are_averaged_over_seeds_after_pairing_with_the_baseline_of_the_seed():
    gains = gains_of(
        transfer_record("ilsvrc", "segmentation/camvid", 0.40, seed=0),
        transfer_record("ilsvrc", "segmentation/camvid", 0.50, seed=1),
        transfer_record("segmentation/coco", "segmentation/camvid", 0.44, seed=0),  # +10 %
        transfer_record("segmentation/coco", "segmentation/camvid", 0.60, seed=1),  # +20 %
    )
    coco = gains.loc["segmentation/coco"]
    assert coco.gain == pytest.approx(15.0)
    assert coco.gain_std == pytest.approx(math.sqrt(50.0))  # n - 1
    assert (coco.gain_min, coco.gain_max) == (pytest.approx(10.0), pytest.approx(20.0))
    assert (coco.n_seeds, coco.n_failed, coco.effect, coco.status) == (2, 0, "very_positive", "finished")
    assert (coco.value, coco.baseline) == (pytest.approx(0.52), pytest.approx(0.45))
    assert coco.seeds == [0, 1]
    assert coco["keys"] == [f"segmentation/coco-segmentation/camvid-small_target-{seed}" for seed in (0, 1)]
    assert gains.loc["ilsvrc"].gain == 0.0


def test_a_multi_source_is_within_domain_for_every_domain_it_contains():
    gains = tables.gains_table(
        tables.transfers_table(
            [
                transfer_record("multi_segmentation", "segmentation/sun", 0.4),
                transfer_record("multi_segmentation", "segmentation/camvid", 0.4),
                transfer_record("multi_segmentation", "detection/coco", 0.4, metric="map"),
                transfer_record("ilsvrc", "segmentation/sun", 0.4),
            ],
            DATASETS,
        )
    ).set_index(["source", "target"])
    of_multi = gains.loc["multi_segmentation"]
    assert of_multi.loc["segmentation/sun", "within_domain"]
    assert not of_multi.loc["segmentation/camvid", "within_domain"]
    assert of_multi.loc["detection/coco", "within_domain"]
    assert not of_multi.loc["detection/coco", "within_task_type"]
    assert pd.isna(gains.loc[("ilsvrc", "segmentation/sun"), "within_domain"])


def test_gains_compare_within_one_regime():
    gains = gains_of(
        transfer_record("ilsvrc", "segmentation/camvid", 0.4),
        transfer_record("ilsvrc", "segmentation/camvid", 0.8, regime="full_target"),
        transfer_record("segmentation/coco", "segmentation/camvid", 0.8, regime="full_target"),
    )
    assert gains.loc["segmentation/coco"].gain == pytest.approx(0.0)


def test_depth_gains_have_their_sign_flipped():
    gains = gains_of(
        transfer_record("ilsvrc", "depth/sun", 4.0, metric="rmse"),
        transfer_record("segmentation/coco", "depth/sun", 3.0, metric="rmse"),
    )
    assert gains.loc["segmentation/coco"].gain == pytest.approx(25.0)


def test_no_failed_run_is_dropped():
    gains = gains_of(
        transfer_record("ilsvrc", "segmentation/camvid", 0.4),
        transfer_record("segmentation/coco", "segmentation/camvid", None),
        transfer_record("segmentation/bdd", "segmentation/camvid", 0.44),
        transfer_record("segmentation/bdd", "segmentation/camvid", 0.44, seed=1),
    )
    coco, bdd = gains.loc["segmentation/coco"], gains.loc["segmentation/bdd"]
    assert math.isnan(coco.gain) and (coco.status, coco.reason) == ("diverged", "loss not finite")
    assert (coco.metric, coco.higher_is_better) == ("mean_iou", True)  # known from the baseline
    assert (bdd.gain, bdd.n_seeds, bdd.n_failed) == (pytest.approx(10.0), 1, 1)
    assert bdd.status == "partly_failed" and "baseline" not in bdd.effect


@pytest.mark.parametrize(
    ("baseline", "status"),
    [("missing", "baseline_missing"), (None, "baseline_failed"), (0.0, "baseline_zero")],
)
def test_without_a_baseline_there_is_a_row_without_gain(baseline, status):
    records = [transfer_record("segmentation/coco", "segmentation/camvid", 0.4)]
    if baseline != "missing":
        records.append(transfer_record("ilsvrc", "segmentation/camvid", baseline))
    coco = gains_of(*records).loc["segmentation/coco"]
    assert math.isnan(coco.gain) and coco.status == status and coco.value == 0.4


def test_a_study_without_transfers_gives_empty_tables():
    transfers = tables.transfers_table([source_record("segmentation/coco")], DATASETS)
    gains = tables.gains_table(transfers)
    for table in (transfers, gains, effects.effects_table(gains), effects.best_sources_table(gains)):
        assert len(table) == 0 and len(table.columns) > 5


# --- effects and best sources ------------------------------------------------------------------------------


def study():
    """Target camvid (driving): gains coco 25, detection bdd 5, bdd -10, multi 0, sun failed."""
    return tables.gains_table(
        tables.transfers_table(
            [
                transfer_record("ilsvrc", "segmentation/camvid", 0.40),
                transfer_record("scratch", "segmentation/camvid", 0.10),
                transfer_record("segmentation/coco", "segmentation/camvid", 0.50),
                transfer_record("detection/bdd", "segmentation/camvid", 0.42),
                transfer_record("segmentation/bdd", "segmentation/camvid", 0.36),
                transfer_record("multi_segmentation", "segmentation/camvid", 0.40),
                transfer_record("segmentation/sun", "segmentation/camvid", None),
            ],
            DATASETS,
        )
    )


def test_effects_by_hand():
    shares = effects.effects_table(study()).set_index(["image_domain", "task_type"])
    everything = shares.loc[("all", "all")]
    assert (everything["count"], everything.failed) == (4, 1)  # neither ilsvrc nor scratch
    assert (everything.positive_percent, everything.very_positive_percent) == (50.0, 25.0)  # P includes VP
    assert (everything.negative_percent, everything.insignificant_percent) == (25.0, 25.0)
    # The multi-source holds consumer and indoor, not driving: across domain here.
    assert shares.loc[("cross", "within"), "count"] == 2
    assert shares.loc[("within", "cross"), "positive_percent"] == 100.0
    assert shares.loc[("within", "within"), "negative_percent"] == 100.0
    empty = shares.loc[("cross", "cross")]
    assert empty["count"] == 0 and math.isnan(empty.positive_percent)


def test_best_effects_count_each_target_once():
    best = effects.best_effects_table(study()).set_index(["image_domain", "task_type"])
    assert best.loc[("all", "all"), "count"] == 1
    assert best.loc[("all", "all"), "very_positive_percent"] == 100.0
    assert best.loc[("within", "all"), "very_positive_percent"] == 0.0  # the best there is detection/bdd, +5


def test_best_sources_by_hand():
    (row,) = effects.best_sources_table(study()).itertuples()
    assert (row.best_source, row.best_gain) == ("segmentation/coco", pytest.approx(25.0))
    assert (row.runner_up_source, row.runner_up_gain) == ("detection/bdd", pytest.approx(5.0))
    assert row.best_within_domain_source == "detection/bdd"
    assert row.largest_within_domain_source == "segmentation/bdd"  # same task type, chosen by size alone
    assert row.largest_within_domain_gain == pytest.approx(-10.0)
    assert (row.n_sources, row.best_effect) == (4, "very_positive")


def test_a_target_whose_runs_all_failed_stays_in_best_sources():
    gains = gains_of(
        transfer_record("ilsvrc", "segmentation/camvid", None),
        transfer_record("segmentation/bdd", "segmentation/camvid", 0.4),
    ).reset_index()
    (row,) = effects.best_sources_table(gains).itertuples()
    assert row.n_sources == 0 and pd.isna(row.best_source)
    assert row.largest_within_domain_source == "segmentation/bdd"


@pytest.mark.parametrize(
    ("metric", "target", "best"), [("mean_iou", "segmentation/camvid", "bdd"), ("rmse", "depth/sun", "coco")]
)
def test_a_study_without_a_baseline_does_not_say_stay_with_ilsvrc(metric, target, best):
    gains = gains_of(
        transfer_record("segmentation/coco", target, 0.3, metric=metric),
        transfer_record("segmentation/bdd", target, 0.4, metric=metric),
    ).reset_index()
    table = effects.best_sources_table(gains)
    assert f"of 2 sources segmentation/{best} has the best result" in table["why"][0]
    assert start_in_words(table.iloc[0].to_dict()) == "no answer"
    answer = answers_as_text(table, Path("results"), seeds=1)
    assert f"{target}  no answer: no gain over ILSVRC is known (baseline missing)" in answer


# The segmentation part of Table 6: the shares possible given that printed gains are rounded, and the number
# of experiments, which must be exact.
@pytest.mark.parametrize(
    ("regime", "domain", "count", "positive", "very_positive", "negative"),
    [
        ("small_target", "all", 282, (25.5, 29.8), (13.8, 15.6), (43.3, 47.5)),
        ("small_target", "within", 58, (67.2, 70.7), (41.4, 48.3), (17.2, 17.2)),
        ("small_target", "cross", 224, (14.7, 19.2), (6.7, 7.1), (50.0, 55.4)),
        ("full_target", "within", 65, (29.2, 36.9), (9.2, 9.2), (20.0, 26.2)),
        ("full_target", "cross", 224, (12.9, 14.3), (5.8, 6.2), (33.9, 44.2)),
    ],
)
def test_table_6_from_the_published_gains(regime, domain, count, positive, very_positive, negative):
    shares = effects.effects_table(published_gains(regime)).set_index(["image_domain", "task_type"])
    row = shares.loc[(domain, "within")]
    assert (row["count"], row["without_interval"], row["failed"], row["at_chance"]) == (count, 0, 0, 0)
    for name, ends in (("positive", positive), ("very_positive", very_positive), ("negative", negative)):
        found = (row[f"{name}_at_least_percent"], row[f"{name}_at_most_percent"])
        assert found == pytest.approx(ends, abs=0.05), name


def test_finding_a5_from_the_published_gains():
    """Section 6, A5: only for ISPRS and SUN the multi-source beats the largest within-domain source."""
    gains = published_gains()
    best = effects.best_sources_table(gains).set_index("target")["largest_within_domain_gain"]
    multi = gains[gains["source"] == "multi_segmentation"].set_index("target")["gain"]
    assert len(multi) == 10 and (multi > 0).all()
    better_multi = (multi - best[multi.index])[lambda difference: difference > 2]
    assert set(better_multi.index) == {"segmentation/isprs", "segmentation/sun_rgbd"}


def test_runs_that_were_computed_otherwise_say_so_where_they_are_compared():
    """A transfer from another device and another torch than its baseline's."""
    like = {"device": "H100", "packages": {"torch": "2.15", "timm": "1.0"}}
    other = {"device": "cpu", "packages": {"torch": "2.14", "timm": "1.0"}}
    halved = {"settings": {"training": {"precision": "bfloat16"}}}
    target = "segmentation/camvid"
    records = [
        transfer_record("ilsvrc", target, 0.4) | like,
        transfer_record("segmentation/coco", target, 0.5) | other,
        transfer_record("segmentation/sun", target, 0.5) | like | halved,
        transfer_record("scratch", target, 0.1) | like,
    ]
    transfers = tables.transfers_table(records, DATASETS)
    assert list(transfers.set_index("source").loc["segmentation/coco", ["device", "precision"]]) == [
        "cpu",
        "float32",
    ]
    expected = {"segmentation/coco": "device, torch", "segmentation/sun": "precision"}
    for table in (tables.seed_gains_table(transfers), tables.gains_table(transfers)):
        found = table.set_index("source")["differs_in"].dropna().to_dict()
        assert found == expected
    assert told_of_differences(transfers) == [
        "device: 3 of H100, 1 of cpu",
        "precision: 3 of float32, 1 of bfloat16",
        "torch: 3 of 2.15, 1 of 2.14",
    ]
    alike = transfers[transfers["source"].isin(["ilsvrc", "scratch"])]
    assert told_of_differences(alike) == []


def test_another_seed_that_was_computed_otherwise_is_told_in_the_mean():
    target = "segmentation/camvid"
    records = [
        transfer_record(source, target, 0.4, seed=seed, device=f"device {seed}")
        for source in ("ilsvrc", "segmentation/coco")
        for seed in (0, 1)
    ]
    transfers = tables.transfers_table(records, DATASETS)
    assert tables.seed_gains_table(transfers)["differs_in"].isna().all()
    assert set(tables.gains_table(transfers)["differs_in"]) == {"device"}
