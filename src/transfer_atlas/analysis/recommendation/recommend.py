"""A recommendation from start to end: rows, rule, answer, and all that is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfer_atlas.analysis.recommendation.answer import Answer, answer_of, ranking
from transfer_atlas.analysis.recommendation.candidates import (
    Nearest,
    candidate_rows,
    nearest_of_all,
    public_rows,
    training_images,
)
from transfer_atlas.analysis.recommendation.evidence import study_evidence
from transfer_atlas.analysis.recommendation.predictors import COLUMNS, EFFORTS, with_static_rank
from transfer_atlas.analysis.recommendation.prior import Prior
from transfer_atlas.analysis.recommendation.rules import RULES, Fitted, fit
from transfer_atlas.analysis.recommendation.worth import by_target, chosen_rule, left_out, worth_of_rules
from transfer_atlas.analysis.tables.files import read_table
from transfer_atlas.analysis.tables.intervals import FEWEST_TARGETS
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.scoring.sample_files import load_samples
from transfer_atlas.store.store import read_run, run_folder, store_of
from transfer_atlas.training.selection import selected_images

PUBLIC = 5  # public datasets that are named


@dataclass(frozen=True)
class Recommended:
    """All that is known of the answer for one target.

    rows: the candidates with what rules rank by; ranked: `answer.ranking`; own_worth: what the rule was worth on this
    study's targets, empty where it has none; published: `public_datasets`.
    """

    answer: Answer
    fitted: Fitted
    rows: pd.DataFrame
    ranked: pd.DataFrame
    nearest: dict[str, Nearest]
    own_worth: pd.DataFrame
    prior_worth: pd.DataFrame
    public: pd.DataFrame


def recommend(
    facts: Mapping[str, Any],
    prior: Prior,
    features: Mapping[str, np.ndarray],
    scores: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
) -> Recommended:
    """What to start from.

    The target, and its dataset as a source, are left out of everything that weights are learnt from.

    Parameters
    ----------
    facts
        Target, place, domain, effort, and candidates, as the plan has them.
    features
        Pooled features (n, d) of the images of places, the target's among them; empty without images.
    scores
        metric, source, target and score of the candidates; empty without labels.
    tables
        `gains`, `domain_distances` and `scores` of the study, as far as it has them.
    """
    own = own_evidence(tables)
    evidence = pd.concat([prior.transfers, own], ignore_index=True) if len(own) else prior.transfers
    dataset = facts["place"].split("@")[0]
    evidence = left_out(evidence, dataset)
    effort = facts["effort"]
    rules = [rule for rule in RULES if rule.effort == effort]
    own_worth = worth_of_rules(evidence, left_out(own, dataset), rules) if len(own) else prior.worth.head(0)
    judged = prior.worth[prior.worth["judged"] == "all"]
    rule = chosen_rule(pd.concat([judged, own_worth], ignore_index=True), effort)
    nearest = nearest_of_all(facts["candidates"], features, facts["place"])
    sizes = training_images(facts["candidates"], tables.get("gains", pd.DataFrame()))
    rows = candidate_rows(
        facts, {name: each.mean for name, each in nearest.items()}, scores, prior.places, sizes
    )
    rows = with_static_rank(rows, evidence)
    seen = by_target(evidence)
    fitted = fit(rule, seen, prior.weights)
    ranked = ranking(rows, fitted)
    own_worth = own_worth[own_worth["rule"] == rule.name]
    of_prior = prior.worth_of(rule.name)
    judged_by = own_worth if own_worth["target"].nunique() >= FEWEST_TARGETS else of_prior
    public = public_datasets(facts, rows, prior, evidence, seen)
    return Recommended(
        answer_of(ranked, judged_by), fitted, rows, ranked, nearest, own_worth, of_prior, public
    )


def own_evidence(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The study's own transfers as evidence; empty where it has none yet."""
    gains = tables.get("gains")
    if gains is None or gains.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    distances = tables.get(
        "domain_distances", pd.DataFrame(columns=["assignment", "source", "target", "distance"])
    )
    scores = tables.get("scores", pd.DataFrame(columns=["metric", "source", "target", "regime", "score"]))
    return study_evidence(gains, distances, scores)


def public_datasets(
    facts: Mapping[str, Any],
    rows: pd.DataFrame,
    prior: Prior,
    evidence: pd.DataFrame,
    seen: Sequence[pd.DataFrame],
) -> pd.DataFrame:
    """Public sources by what the prior expects of them for the target: source, name, domain, size, beats_ilsvrc, and
    beats_best, the probability that it is better than the best of the study's candidates.

    Of sources that the study does not have already. seen: `by_target` of the evidence.
    """
    rule = next(each for each in RULES if each.name == "learnt_prior")
    fitted = fit(rule, seen, prior.weights)
    known = set(rows["source"]) if all(each["real"] for each in facts["candidates"]) else set()
    public = prior.sources[~prior.sources["source"].isin(known)]
    public = public[public["source"].str.split("/").str[1] != facts["place"].split("@")[0]]
    if public.empty:  # the study has them all
        return public.assign(beats_ilsvrc=0.0, beats_best=0.0)
    candidates = with_static_rank(public_rows(facts, public, prior.places), evidence)
    every = pd.concat([candidates, rows], ignore_index=True)
    every.loc[len(candidates) :, "source"] = [f"study {name}" for name in rows["source"]]
    probabilities = fitted.probabilities(every)
    own = len(candidates) + int(np.argmax(fitted.strengths(every)[len(candidates) :]))
    ilsvrc = len(candidates) + int(np.flatnonzero(rows["source"] == "ilsvrc")[0])
    table = public.reset_index(drop=True).assign(
        beats_ilsvrc=probabilities[: len(candidates), ilsvrc],
        beats_best=probabilities[: len(candidates), own],
    )
    return table.sort_values(["beats_ilsvrc", "source"], ascending=[False, True]).head(PUBLIC)


@dataclass(frozen=True)
class Pooled:
    """Pooled features (n, d) of a place's images, the folder of its prepared dataset, and which training images
    they are
    (n,).
    """

    features: np.ndarray
    folder: Path
    positions: np.ndarray


def pooled_images(identified: Iterable[tuple[Mapping[str, Any], str]]) -> dict[str, Pooled]:
    """Features of places, by place, from finished runs of kind `image_features`; the dataset need not be there."""
    found = {}
    for identity, folder in identified:
        record = read_run(Path(folder))
        if record["status"] != "finished":
            continue
        parent = record["parents"]["dataset"]
        prepared = run_folder(
            store_of(Path(folder)), "prepared", identity["dataset"].replace("@", "."), parent
        )
        positions = np.empty(0, dtype=np.int64)
        if (prepared / "dataset.json").exists():
            positions = selected_images(PreparedDataset.open(prepared), record["settings"])
        found[identity["dataset"]] = Pooled(load_samples(Path(folder))["features"], prepared, positions)
    return found


def study_tables(folder: Path | str) -> dict[str, pd.DataFrame]:
    """The tables of a study that are there, of those that evidence is made of."""
    found = {}
    for name in ("gains", "domain_distances", "scores"):
        path = Path(folder) / f"{name}.parquet"
        if path.exists():
            found[name] = read_table(path)
    return found


def next_effort(effort: str) -> str | None:
    """The effort that looks at more."""
    names = list(EFFORTS)
    place = names.index(effort) + 1
    return names[place] if place < len(names) else None
