"""Fused features beside single sources, proposals of multi-sources, and what they gained: by hand, and attacked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from transfer_atlas.analysis.combination.fusions import fusion_rows, fusion_summary_table, fusions_table
from transfer_atlas.analysis.combination.joint import joint_gains_table, joint_transfers_table
from transfer_atlas.analysis.combination.proposals import propose
from transfer_atlas.analysis.combination.text import as_text
from transfer_atlas.analysis.tables.intervals import seeds_interval
from transfer_atlas.store.store import StoreError

TARGET = "segmentation/own"
SCORES = {"segmentation/a": -0.2, "segmentation/b": -0.1, "segmentation/c": -0.9, "depth/d": -0.05}


def samples(seed=0, number=240, telling=("segmentation/a", "segmentation/b")):
    """Four classes by two bits, of which source a sees the first and source b the second; c sees none."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 4, number)
    images = np.arange(number) // 4
    found = {}
    for name in SCORES:
        features = generator.normal(0, 1.0, (number, 5))
        if name in telling:
            features[:, 0] += 20 * (labels // 2 if name.endswith("a") else labels % 2)
        found[name] = {"features": features, "labels": labels, "images": images}
    return found


def test_sources_that_see_different_things_are_better_fused_than_the_best_alone():
    proposed = ("segmentation/b", "segmentation/a")
    rows = fusions_table(fusion_rows(TARGET, samples(), SCORES, proposed, splits=4))
    assert (rows["status"] == "finished").all() and (rows["splits"] == 4).all()
    single = rows[rows["pool"] == "single"].set_index("source")["accuracy"]
    assert single["segmentation/a"] < 62 and single["segmentation/b"] < 62  # one bit of two: half
    assert single["segmentation/c"] < 40
    both = rows[(rows["pool"] == "proposed") & (rows["how"] == "concatenation")].set_index("weighting")
    assert (both["accuracy"] > 95).all() and (both["from_best_low"] > 30).all()
    assert both.loc["otce", "sources"] == list(proposed)
    best = rows.loc[rows["from_best"].isna() & (rows["pool"] == "single"), "source"].tolist()
    assert best == [single.idxmax()]
    chosen = rows.loc[rows["from_chosen"].isna() & (rows["pool"] == "single"), "source"].tolist()
    assert chosen == ["depth/d"]  # the highest score, whatever it is worth
    summary = fusion_summary_table(rows)
    assert set(zip(summary["pool"], summary["how"], summary["weighting"], strict=True)) == {
        (pool, how, weighting)
        for pool in ("all", "proposed")
        for how in ("sum", "concatenation")
        for weighting in ("otce", "equal")
    }
    assert (summary["targets"] == 1).all() and summary["from_best_low"].isna().all()


def test_the_same_samples_give_the_same_rows_and_a_scale_changes_nothing():
    given, proposed = samples(), ("segmentation/b", "segmentation/a")
    first = fusion_rows(TARGET, given, SCORES, proposed, splits=2)
    assert fusion_rows(TARGET, given, SCORES, proposed, splits=2) == first
    large = {name: each | {"features": each["features"] * 1e6} for name, each in given.items()}
    again = fusion_rows(TARGET, large, SCORES, proposed, splits=2)
    assert [row["accuracy"] for row in again] == pytest.approx([row["accuracy"] for row in first], abs=1.5)


def test_sources_without_a_score_are_probed_and_not_fused():
    rows = fusion_rows(TARGET, samples(), SCORES | {"depth/d": None}, (), splits=2)
    fused = [row for row in rows if row["pool"] != "single"]
    assert all("depth/d" not in row["sources"] for row in fused) and len(fused) == 4
    rows = fusion_rows(TARGET, samples(), dict.fromkeys(SCORES), (), splits=2)
    assert {row["pool"] for row in rows} == {"single"} and all(np.isnan(row["from_chosen"]) for row in rows)


def test_what_cannot_be_probed_is_a_row_with_its_reason():
    few = {
        name: {"features": each["features"][:4], "labels": np.zeros(4, int), "images": np.arange(4)}
        for name, each in samples().items()
    }
    rows = fusions_table(fusion_rows(TARGET, few, SCORES, (), splits=2))
    assert (rows["status"] == "undefined").all() and rows["reason"].str.contains("one class only").all()
    widths = samples()
    widths["segmentation/c"]["features"] = widths["segmentation/c"]["features"][:, :3]
    rows = fusions_table(fusion_rows(TARGET, widths, SCORES, (), splits=2)).set_index(["how", "weighting"])
    assert rows.loc[("sum", "otce"), "status"] == "not_applicable"
    assert rows.loc[("concatenation", "otce"), "status"] == "finished"
    assert as_text({TARGET: SCORES}, {TARGET: {}}, {TARGET: None}, empty(rows.reset_index()))


def test_of_many_sources_the_best_are_told_and_the_others_counted():
    rows = fusion_rows(TARGET, samples(), SCORES, (), splits=2)
    single = next(row for row in rows if row["pool"] == "single")
    many = [
        single | {"sources": [f"depth/d{n}"], "source": f"depth/d{n}", "accuracy": 50.0 - n} for n in range(8)
    ]
    many[7] |= {"status": "undefined", "reason": "one class only"}
    table = fusions_table([*(row for row in rows if row["pool"] != "single"), *many])
    text = as_text({TARGET: SCORES}, {TARGET: {}}, {TARGET: None}, empty(table))
    assert [n for n in range(8) if f"depth/d{n} " in text or f"depth/d{n}:" in text] == [0, 1, 2, 3, 4, 7]
    assert "2 further sources alone" in text and "one class only" in text and "all, sum" in text


def test_samples_of_different_pixels_are_refused():
    given = samples()
    given["segmentation/c"] = samples(seed=1)["segmentation/c"]
    with pytest.raises(StoreError, match="not of the same samples"):
        fusion_rows(TARGET, given, SCORES, ())


def test_an_interval_over_splits_that_overlap_is_wider():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    half = stats.t.ppf(0.975, 3) * values.std(ddof=1)
    assert seeds_interval(values) == pytest.approx((2.5 - half / 2, 2.5 + half / 2))
    assert seeds_interval(values, overlap=0.75) == pytest.approx((2.5 - half, 2.5 + half))
    for undecided in ([1.0], [2.0, 2.0], []):
        assert np.isnan(seeds_interval(np.array(undecided))).all()


def test_proposals_by_hand():
    found = propose(SCORES, "segmentation", 2)
    assert found.task_type == "segmentation" and found.single == "depth/d"
    assert found.proposed == ("segmentation/b", "segmentation/a") and found.mean_score == pytest.approx(-0.15)
    assert found.lowest == ("segmentation/a", "segmentation/c")
    assert propose(SCORES, "segmentation", 3).lowest == ()  # the same three
    assert propose(SCORES, "segmentation", 4) is None and propose({}, "segmentation", 2) is None
    assert propose(SCORES, "keypoints", 2).task_type == "segmentation"  # no sources of its own type
    two = {"depth/x": -1.0, "depth/y": -1.0, "segmentation/z": -2.0, "segmentation/y": -2.0}
    assert propose(two, "keypoints", 2).proposed == ("depth/x", "depth/y")  # a tie goes by name
    assert propose(two | {"depth/x": float("nan")}, "keypoints", 2).task_type == "segmentation"


def trained(values, target=TARGET, metric="mean_iou", higher=True):
    found = []
    for (start, seed), value in values.items():
        record = {"key": f"{start}{seed}", "status": "finished", "reason": None}
        record["metrics"] = {"primary": metric, "value": value, "higher_is_better": higher}
        if value is None:
            record |= {"status": "diverged", "reason": "loss is nan", "metrics": None}
        sources = [] if start == "ilsvrc" else ["segmentation/a"]
        found.append(
            {"target": target, "start": start, "seed": seed, "sources": sources, "record": record}
            | {"mean_score": None, "source_key": None}
        )
    return found


VALUES = {
    **{("ilsvrc", 0): 0.5, ("ilsvrc", 1): 0.4},
    **{("single", 0): 0.55, ("single", 1): 0.44},
    **{("proposed", 0): 0.6, ("proposed", 1): 0.44},
    **{("lowest", 0): 0.5, ("lowest", 1): None},
}


def test_gains_by_hand():
    table = joint_transfers_table(trained(VALUES)).set_index(["start", "seed"])
    assert table.loc[("proposed", 0), "gain"] == pytest.approx(20)
    assert table.loc[("proposed", 0), "metric"] == "mean_iou"
    assert table.loc[("lowest", 1), "status"] == "diverged" and np.isnan(table.loc[("lowest", 1), "gain"])
    gains = joint_gains_table(table.reset_index()).set_index("start")
    assert gains.loc["proposed", "gain"] == pytest.approx(15) and gains.loc["proposed", "number"] == 2
    half = stats.t.ppf(0.975, 1) * 5  # 20 and 10
    assert gains.loc["proposed", "low"] == pytest.approx(15 - half)
    assert gains.loc["proposed", "from_single"] == pytest.approx(5)  # 10 and 0
    assert gains.loc["proposed", "from_lowest"] == pytest.approx(20) and gains.loc["lowest", "number"] == 1
    assert np.isnan(gains.loc["single", "from_single"]) and set(gains["target"]) == {TARGET}


def test_a_metric_that_is_better_when_lower_gains_by_falling():
    table = joint_transfers_table(trained({("ilsvrc", 0): 2.0, ("proposed", 0): 1.0}, higher=False))
    assert table.set_index("start").loc["proposed", "gain"] == pytest.approx(50)


def test_targets_together_have_an_interval_over_targets():
    every = [row for number in range(7) for row in trained(shifted(number), f"segmentation/own_{number}")]
    gains = joint_gains_table(joint_transfers_table(every))
    together = gains[gains["target"] == "all"].set_index("start")
    assert together.loc["proposed", "number"] == 7 and together.loc["proposed", "over"] == "targets"
    means = gains[(gains["target"] != "all") & (gains["start"] == "proposed")]["gain"]
    assert together.loc["proposed", "gain"] == pytest.approx(means.mean())
    assert together.loc["proposed", "low"] < means.mean() < together.loc["proposed", "high"]


def test_nothing_trained_gives_empty_tables_and_a_text():
    tables = empty(fusions_table([]))
    assert tables["joint_gains"].empty
    assert "no task type has as many" in as_text({TARGET: {}}, {TARGET: {}}, {TARGET: None}, tables)


def shifted(number):
    return {key: None if value is None else value + 0.01 * number for key, value in VALUES.items()}


def empty(fusions: pd.DataFrame) -> dict[str, pd.DataFrame]:
    transfers = joint_transfers_table([])
    return {
        "fusions": fusions,
        "fusion_summary": fusion_summary_table(fusions),
        "joint_transfers": transfers,
        "joint_gains": joint_gains_table(transfers),
    }
