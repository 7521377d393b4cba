"""Recommendations: rules on pairs of candidates, what they were worth, the answer, and what is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from transfer_atlas.analysis.recommendation.answer import Answer, answer_of, expected_gain, ranking
from transfer_atlas.analysis.recommendation.candidates import nearest_images
from transfer_atlas.analysis.recommendation.evidence import published_evidence, study_evidence
from transfer_atlas.analysis.recommendation.predictors import (
    COLUMNS,
    SCORED,
    mean_places,
    places,
    with_static_rank,
)
from transfer_atlas.analysis.recommendation.prior import load_prior, weights_of
from transfer_atlas.analysis.recommendation.recommend import Recommended, recommend
from transfer_atlas.analysis.recommendation.rules import RULES, Fitted, Rule, compared, differences, fit
from transfer_atlas.analysis.recommendation.shortlist import shortlists
from transfer_atlas.analysis.recommendation.text import as_facts, as_table, as_text
from transfer_atlas.analysis.recommendation.worth import chosen_rule, comparisons, left_out, worth_of_rules
from transfer_atlas.analysis.tables.files import read_table, write_table

RESOURCES = Path(__file__).parents[3] / "resources"
BY_NAME = {rule.name: rule for rule in RULES}
METRICS_ONLY = Rule("metrics", "labels", (("gbc", "logme", "leep"),))


def rows(sources: dict[str, dict[str, float]], target="segmentation/own", origin="study") -> pd.DataFrame:
    """Candidates by name, with what is known of each."""
    table = pd.DataFrame([{"source": name, **values} for name, values in sources.items()])
    known = {"origin": origin, "target": target, "target_dataset": target.split("/")[1]}
    known |= {"target_task_type": "segmentation", "same_domain": 0.0, "same_task_type": 1.0}
    for name in (*COLUMNS, "static_rank"):
        table[name] = (
            table[name].fillna(known.get(name, np.nan)) if name in table else known.get(name, np.nan)
        )
    table["source_dataset"] = [name.split("/")[-1] for name in table["source"]]
    return table


def simulated(targets=8, sources=7, noise=0.3, seed=0, origin="study") -> pd.DataFrame:
    """Evidence in which gains follow LogME, with noise, and GBC is noise."""
    generator = np.random.default_rng(seed)
    parts = []
    for target in range(targets):
        gains = generator.standard_normal(sources)
        values = {
            f"segmentation/s{number}": {
                "gain": 10 * gain,
                "logme": gain + noise * generator.standard_normal(),
                "gbc": generator.standard_normal(),
                "size": float(number),
            }
            for number, gain in enumerate(gains)
        }
        parts.append(rows({"ilsvrc": {"gain": 0.0}, **values}, f"segmentation/t{target}", origin))
    return pd.concat(parts, ignore_index=True)


def test_places_are_ranks_among_those_a_predictor_knows():
    table = rows(
        {"a": {"gbc": -3.0, "same_domain": 1.0}, "b": {"gbc": -1.0}, "c": {"gbc": -1.0}, "d": {"leep": -1.0}}
    )
    found = places(table, ["gbc", "leep", "same_domain"])
    np.testing.assert_allclose(found[:, 0], [0, 0.75, 0.75, np.nan])
    assert np.isnan(found[:, 1]).all()  # one candidate alone is compared with nothing
    np.testing.assert_allclose(found[:, 2], [1, 0, 0, 0])


def test_scores_that_differ_by_rounding_are_a_tie():
    """H-score at d >= n - 1 is c - 1 for every source: differences of 1e-15 are no votes."""
    values = 3 + 1e-15 * np.arange(6)
    table = rows({name: {"h_score": value} for name, value in zip("abcdef", values, strict=True)})
    np.testing.assert_allclose(places(table, ["h_score"])[:, 0], 0.5)


def test_a_metric_that_knows_one_candidate_alone_moves_no_one():
    """Faults A6 and A2 of the first release: the only source with a head was the favourite of LEEP and NCE."""
    known = {"seg": (-9.0, 1.0), "dep": (-1.0, 3.0), "det": (-5.0, 2.0)}
    without = rows({name: {"gbc": gbc, "logme": logme} for name, (gbc, logme) in known.items()})
    with_head = without.assign(leep=[-0.1, np.nan, np.nan])
    for rule in (METRICS_ONLY, BY_NAME["static_distance_and_metrics"]):
        fitted = Fitted(rule, np.full(len(rule.groups), 2.0))
        np.testing.assert_allclose(fitted.strengths(with_head), fitted.strengths(without))
        assert fitted.strengths(with_head).argmin() == 0


def test_probabilities_by_hand():
    rule = Rule("two", "labels", (("gbc",), ("logme",)))
    table = rows({"a": {"gbc": 3.0, "logme": 1.0}, "b": {"gbc": 1.0, "logme": 2.0}, "c": {"gbc": 2.0}})
    found = Fitted(rule, np.array([2.0, 1.0])).probabilities(table)
    assert found[0, 1] == pytest.approx(expit(2 * 1 - 1 * 1))
    assert found[0, 2] == pytest.approx(expit(2 * 0.5))  # logme does not know c
    np.testing.assert_allclose(found + found.T, 1)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.integers(0, 1000))
def test_differences_are_antisymmetric_whatever_is_missing(number, seed):
    generator = np.random.default_rng(seed)
    table = rows({f"s{k}": {name: generator.standard_normal() for name in SCORED} for k in range(number)})
    for name in SCORED:
        table.loc[generator.random(number) < 0.4, name] = np.nan
    for rule in RULES:
        found = differences(table, rule)
        np.testing.assert_allclose(found, -found.transpose(1, 0, 2), atol=1e-12)
        assert not found[~compared(table, rule)].any()
        order = generator.permutation(number)
        np.testing.assert_allclose(
            differences(table.iloc[order], rule), found[np.ix_(order, order)], atol=1e-12
        )


def test_learnt_weights_find_what_tells_and_shrink_what_does_not():
    evidence = simulated(targets=20)
    fitted = fit(BY_NAME["learnt_labels"], [part for _, part in evidence.groupby("target")])
    weights = dict(zip([group[0] for group in fitted.rule.groups], fitted.weights, strict=True))
    assert weights["logme"] > 2 and abs(weights["gbc"]) < 0.5 * weights["logme"]
    assert weights["n_leep"] == 0  # which nobody has


def test_probabilities_are_as_often_right_as_they_say():
    evidence, unseen = simulated(targets=40, noise=1.0), simulated(targets=40, noise=1.0, seed=1)
    fitted = fit(BY_NAME["learnt_labels"], [part for _, part in evidence.groupby("target")])
    said, true = [], []
    for _, part in unseen.groupby("target"):
        part = part[part["source"] != "ilsvrc"]
        probabilities, gains = fitted.probabilities(part), part["gain"].to_numpy()
        sure = probabilities > 0.7
        said.append(probabilities[sure])
        true.append((gains[:, None] > gains)[sure])
    assert np.concatenate(true).mean() == pytest.approx(np.concatenate(said).mean(), abs=0.08)


@pytest.mark.parametrize("number", [2, 500])
def test_two_candidates_or_five_hundred(number):
    generator = np.random.default_rng(0)
    quality = generator.standard_normal(number)
    table = rows({f"s{k:03}": {"logme": q, "gbc": q} for k, q in enumerate(quality)})
    ranked = ranking(table, Fitted(METRICS_ONLY, np.array([3.0])))
    assert list(ranked["source"]) == [f"s{k:03}" for k in np.argsort(-quality)]


def test_the_order_in_which_static_ranks_are_added_up_makes_no_tie_an_order():
    # two sources with the same five places among eight, on targets in another order; the others fill what is left
    places, turned = (2, 3, 7, 1, 5), (5, 2, 3, 7, 1)
    rows = [
        {"origin": "study", "target": f"t{number}", "target_dataset": f"t{number}", "gain": float(gain)}
        | {"source": f"s{source}", "source_dataset": f"s{source}"}
        for number, own in enumerate(zip(places, turned, strict=True))
        for source, gain in enumerate([*own, *sorted(set(range(8)) - set(own))])
    ]
    asked = pd.DataFrame(
        {"origin": "study", "target_dataset": "t", "source": [f"s{source}" for source in range(2)]}
    )
    found = with_static_rank(asked, pd.DataFrame(rows))["static_rank"]
    assert found[0] == found[1] == pytest.approx(18 / 35)


def test_static_ranks_know_nothing_of_the_target_itself():
    evidence = simulated()
    target = evidence[evidence["target"] == "segmentation/t0"].copy()
    before = with_static_rank(target, evidence)["static_rank"]
    changed = evidence.copy()
    changed.loc[changed["target"] == "segmentation/t0", "gain"] *= -1
    pd.testing.assert_series_equal(with_static_rank(target, changed)["static_rank"], before)
    other = evidence[evidence["target"] != "segmentation/t0"]
    np.testing.assert_allclose(before, target["source"].map(mean_places(other)))


def test_what_a_rule_was_worth_knows_nothing_of_the_target_or_its_dataset():
    evidence = simulated(targets=6)
    learnt = BY_NAME["learnt_labels"]
    worth = worth_of_rules(evidence, rules=[learnt]).set_index("target")
    assert len(worth) == 6 and (worth["weighted_kendall"] > 0.3).all()
    turned = evidence.copy()
    of_target = turned["target"] == "segmentation/t0"
    turned.loc[of_target, "gain"] *= -1
    again = worth_of_rules(turned, rules=[learnt]).set_index("target")
    assert again.loc["segmentation/t0", "weighted_kendall"] == pytest.approx(
        -worth.loc["segmentation/t0", "weighted_kendall"], abs=0.5
    )
    assert again.loc["segmentation/t0", "beats_ilsvrc"] == worth.loc["segmentation/t0", "beats_ilsvrc"]
    named = evidence.assign(target_dataset=evidence["target_dataset"].replace("t0", "s0"))
    assert not (left_out(named, "s0")["source_dataset"] == "s0").any()


def worth_of(rule: str, taus, regrets) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "rule": rule,
            "target": [f"t{k}" for k in range(len(taus))],
            "weighted_kendall": taus,
            "regret": regrets,
        }
    )


def test_the_simplest_rule_unless_another_is_decidedly_better():
    simple, learnt = "static_and_distance", "learnt_images"
    base, noise = np.linspace(0.2, 0.8, 12), np.tile([0.01, -0.01], 6)
    same = pd.concat([worth_of(simple, base, base), worth_of(learnt, base + noise, base - noise)])
    assert chosen_rule(same, "images").name == simple
    better = pd.concat([worth_of(simple, base, base), worth_of(learnt, base + 0.1 + noise, base)])
    assert chosen_rule(better, "images").name == learnt
    worse_regret = pd.concat(
        [worth_of(simple, base, base), worth_of(learnt, base + 0.1 + noise, base + 1 + noise)]
    )
    assert chosen_rule(worse_regret, "images").name == simple
    few = better[better["target"].isin(["t0", "t1", "t2"])]
    assert chosen_rule(few, "images").name == simple and chosen_rule(better.head(0), "images").name == simple
    assert set(comparisons(better)["statistic"]) == {"weighted_kendall", "regret"}


def alike(gains, probability=0.9) -> pd.DataFrame:
    return pd.DataFrame(
        {"gain": np.asarray(gains, float), "beats_ilsvrc": probability, "target": np.arange(len(gains))}
    )


def ranked(*candidates) -> pd.DataFrame:
    names = ("source", "beats_ilsvrc", "loses_to_first")
    return pd.DataFrame([dict(zip(names, each, strict=True)) for each in candidates]).assign(compared_with=3)


@pytest.mark.parametrize(
    ("candidates", "gains", "words"),
    [
        ((("a", 0.9, 0.5), ("b", 0.8, 0.9)), np.arange(5, 15), "start from a"),
        ((("a", 0.9, 0.5), ("b", 0.8, 0.6)), np.arange(5, 15), "a or b: undecided"),
        ((("a", 0.6, 0.5), ("b", 0.5, 0.9)), np.arange(5, 15), "a or ILSVRC: undecided"),
        ((("a", 0.9, 0.5),), np.arange(-20, 20, 4), "a or ILSVRC: undecided"),
        ((("a", 0.9, 0.5),), np.arange(-20, -10), "stay with ILSVRC"),
        ((("a", 0.1, 0.5),), np.arange(5, 15), "stay with ILSVRC"),
        ((("ilsvrc", np.nan, 0.5),), np.arange(5, 15), "stay with ILSVRC"),
    ],
)
def test_the_answer_in_words(candidates, gains, words):
    assert answer_of(ranked(*candidates), alike(gains)).words == words


def test_expected_gain_is_that_of_choices_as_sure():
    worth = pd.concat([alike(np.full(10, 50.0) + np.arange(10), 0.99), alike(np.arange(10), 0.6)])
    found = expected_gain(worth, 0.6)
    assert (found.gain, found.targets, found.positive) == (3.5, 8, 7)
    assert found.low < 3.5 < found.high
    assert expected_gain(worth.head(0), 0.6) is None


def test_closest_images_by_hand():
    target = np.array([[0.0, 0], [10, 0]])
    found = nearest_images(target, {"a": np.array([[1.0, 0], [50, 0]]), "b": np.array([[9.0, 1]])})
    assert found.places.tolist() == ["a", "b"] and found.positions.tolist() == [0, 0]
    assert found.mean == pytest.approx((1 + np.sqrt(2)) / 2)
    large = nearest_images((1e20 * target).astype(np.float32), {"a": np.array([[1e20, 0]], dtype=np.float32)})
    assert large.mean == pytest.approx(5e20)


PRIOR = load_prior(RESOURCES / "prior")


def facts(effort: str, **changes) -> dict:
    known = {"prepared": [], "real": True, "seconds": 30.0}
    candidates = [
        {"source": "ilsvrc", "datasets": [], "domains": [], **known},
        {"source": "segmentation/cityscapes", "datasets": ["cityscapes"], "domains": ["driving"], **known},
        {"source": "segmentation/suim", "datasets": ["suim"], "domains": ["underwater"], **known},
    ]
    told = {
        "target": "segmentation/own",
        "place": "own",
        "domain": "driving",
        "prepared": None,
        "effort": effort,
    }
    return {**told, "candidates": candidates, **changes}


def answered(effort: str, features=None, scores=None, tables=None, **changes) -> Recommended:
    none = pd.DataFrame(columns=["metric", "source", "target", "score"])
    return recommend(
        facts(effort, **changes), PRIOR, features or {}, none if scores is None else scores, tables or {}
    )


def test_the_prior_alone_knows_that_driving_helps_driving():
    found = answered("none")
    assert found.answer.starts[0] == "segmentation/cityscapes" and found.answer.beats_ilsvrc > 0.75
    assert found.ranked["source"].iloc[-1] != "segmentation/cityscapes"
    assert found.public["source"].iloc[0] in (
        "segmentation/mapillary",
        "segmentation/bdd",
        "segmentation/idd",
    )
    text = as_text(found, facts("none"), PRIOR, 0.0, {})
    assert text.startswith(f"segmentation/own: {found.answer.words}")
    for words in (
        "Expected gain over ILSVRC",
        "same image domain (driving)",
        "Public datasets",
        "effort=images",
        "60 s",
    ):
        assert words in text


def test_a_study_that_has_every_public_dataset_is_advised_as_well():
    every = [
        {
            "source": name,
            "datasets": [name.split("/")[1]],
            "domains": ["driving"],
            "prepared": [],
            "real": True,
            "seconds": None,
        }
        for name in ("ilsvrc/ilsvrc", *PRIOR.sources["source"])
    ]
    every[0] |= {"source": "ilsvrc", "datasets": ["ilsvrc"], "domains": ["consumer"]}
    found = answered("none", candidates=every)
    assert found.public.empty and len(found.ranked) == len(every)
    assert "none is worth fetching" in as_text(found, facts("none", candidates=every), PRIOR, 0.0, {})


def test_images_of_another_look_change_the_mind():
    generator = np.random.default_rng(0)
    features = {
        name: generator.standard_normal((30, 4)) + shift
        for name, shift in (("own", 0), ("suim", 0.1), ("cityscapes", 40))
    }
    found = answered("images", features)
    assert set(found.nearest) == {"segmentation/suim", "segmentation/cityscapes"}
    before = answered("none").ranked.set_index("source")["strength"]
    after = found.ranked.set_index("source")["strength"]
    assert after["segmentation/suim"] > before["segmentation/suim"]
    assert "1st closest of 2" in as_text(
        Recommended(**{**found.__dict__, "answer": Answer("x", ["segmentation/suim"])}),
        facts("images"),
        PRIOR,
        1.0,
        {},
    )


def test_labels_compare_what_nothing_else_knows(tmp_path):
    names = ["ilsvrc", "resnet_a", "resnet_b"]
    networks = [
        {"source": name, "datasets": [], "domains": [], "prepared": [], "real": True, "seconds": None}
        for name in names
    ]
    scores = pd.DataFrame(
        [
            {"metric": metric, "source": name, "target": "segmentation/own", "score": float(value)}
            for metric in ("logme", "gbc", "n_leep")
            for name, value in zip(names, (1, 0, 2), strict=True)
        ]
    )
    found = answered("labels", scores=scores, candidates=networks)
    assert list(found.ranked["source"]) == ["resnet_b", "ilsvrc", "resnet_a"]
    text = as_text(found, facts("labels", candidates=networks), PRIOR, 5.0, {"gone": "diverged"})
    assert "metrics for it: gbc (1 of 3)" in text and "gone has no score: diverged" in text
    assert "no like run" in text
    table = as_table(found, "segmentation/own")
    write_table(table, tmp_path / "x.parquet", "recommendations")
    pd.testing.assert_frame_equal(read_table(tmp_path / "x.parquet", "recommendations"), table)
    assert as_facts(found, facts("labels"))["order"] == list(found.ranked["source"])


def test_a_rendered_namesake_has_no_published_place():
    rendered = facts("none")["candidates"]
    found = answered("none", candidates=[{**each, "real": each["source"] == "ilsvrc"} for each in rendered])
    assert found.rows["static_rank"].isna().tolist() == [False, True, True]  # ILSVRC is the same everywhere
    assert answered("none").rows["static_rank"].notna().all()


def test_the_shipped_prior_is_what_the_printed_tables_say():
    made = published_evidence(RESOURCES / "published")
    pd.testing.assert_frame_equal(PRIOR.transfers, made, check_exact=False, rtol=1e-5, check_dtype=False)
    assert len(made) == 509 + 27 and made["target"].nunique() == 27
    for judged, targets in (("all", 27), ("segmentation_272_pairs", 17)):
        assert set(PRIOR.worth[PRIOR.worth["judged"] == judged].groupby("rule").size()) == {targets}
    # one target anew, by the rules of the smallest effort
    target = made[made["target"] == "segmentation/camvid"]
    rule = BY_NAME["learnt_prior"]
    (again,) = worth_of_rules(made, target, [rule]).to_dict("records")
    shipped = PRIOR.worth_of("learnt_prior").set_index("target").loc["segmentation/camvid"]
    assert again["weighted_kendall"] == pytest.approx(shipped["weighted_kendall"], abs=1e-4)


def test_a_study_s_own_transfers_are_evidence():
    gains = pd.DataFrame(
        {
            "source": ["segmentation/a", "segmentation/b", "scratch"],
            "target": "segmentation/t",
            "regime": "full_target",
            "target_dataset": "t",
            "source_dataset": ["a", "b", "scratch"],
            "target_task_type": "segmentation",
            "gain": [5.0, -3.0, -50.0],
            "source_n_train": [100, 200, None],
            "within_domain": [True, False, False],
            "within_task_type": [True, True, False],
            "baseline_at_chance": [False, None, False],
        }
    )
    distances = pd.DataFrame(
        [{"assignment": "target_to_source", "source": "a", "target": "t", "distance": 7.0}]
    )
    scores = pd.DataFrame(columns=["metric", "source", "target", "regime", "score"])
    found = study_evidence(gains, distances, scores).set_index("source")
    assert found["gain"].to_dict() == {"segmentation/a": 5, "segmentation/b": -3, "ilsvrc": 0}
    assert (
        found.loc["segmentation/a", "domain_distance"] == -7
        and found.loc["segmentation/a", "same_domain"] == 1
    )


def test_what_a_shortlist_keeps_by_hand():
    evidence = simulated(targets=6, sources=4, noise=0.01)
    target = rows(
        {f"segmentation/s{k}": {"gain": gain, "logme": gain} for k, gain in enumerate((8.0, 4.0, -2.0, 2.0))},
        "segmentation/new",
    )
    found = shortlists(evidence, [BY_NAME["learnt_labels"]], target, shares=(0.25, 0.5))
    kept = found.set_index(["by", "share"])["kept"]
    assert kept["learnt_labels", 0.25] == kept["learnt_labels", 0.5] == 1
    assert kept["random", 0.25] == pytest.approx((8 + 4 + 0 + 2) / 4 / 8)  # ILSVRC is at hand: no less than 0
    assert kept["random", 0.5] == pytest.approx((3 * 8 + 2 * 4 + 2) / 6 / 8)
    assert shortlists(evidence, [], target.assign(gain=[-1.0, -2, -3, -4])).empty  # nothing to keep


def test_the_priors_regressions_are_those_that_a_fit_gives():
    """They are known by what they are made of: others would not be taken, but made, in a second more."""
    shipped = load_prior(RESOURCES / "prior").weights
    for without in ("", "camvid", "kitti"):
        fresh = weights_of(PRIOR.transfers, [without])
        assert len(fresh) == 3  # a fixed rule's factor, a learnt rule's weights and factor
        for name, weights in fresh.items():
            assert shipped[name] == pytest.approx(weights, rel=1e-6, abs=1e-9)


def test_a_known_regression_is_taken_and_another_is_added():
    seen = [rows for _, rows in PRIOR.transfers.assign(static_rank=np.nan).groupby("target")][:4]
    rule, known = BY_NAME["learnt_prior"], {}
    first = fit(rule, seen, known)
    assert np.array_equal(first.weights, fit(rule, seen).weights) and len(known) == 2
    direction = next(name for name, weights in known.items() if len(weights) > 1)
    known[direction] = [0.0] * len(known[direction])
    assert not fit(rule, seen, known).weights.any()
    assert fit(rule, seen[:3], known).weights.any() and len(known) == 4
