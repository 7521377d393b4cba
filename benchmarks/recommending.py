"""What rules, single metrics and shortlists are worth on a study's measured transfers, each target left out in turn.

    python benchmarks/recommending.py results/miniature_full/small_target/seed_0

Of a folder of tables: `gains`, and `domain_distances` and `scores` where they are there. Rules are those of
`transfer-atlas recommend`, fitted on the study's other targets, without the target's dataset as a source; with
`--prior` on the published transfers as well, with `--prior-alone` on those only. Nothing is tuned on what is judged.
Printed: mean weighted tau, hits, regret over targets, paired 95 % intervals against the simplest rule of the effort,
the same for single metrics on the targets where they score every source, and how much of the best gain shortlists keep.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from transfer_atlas.analysis.recommendation.evidence import study_evidence
from transfer_atlas.analysis.recommendation.predictors import ILSVRC, SCORED
from transfer_atlas.analysis.recommendation.prior import load_prior
from transfer_atlas.analysis.recommendation.rules import RULES
from transfer_atlas.analysis.recommendation.shortlist import as_table, shortlists
from transfer_atlas.analysis.recommendation.worth import comparisons, worth_of_rules
from transfer_atlas.analysis.tables.intervals import paired_difference
from transfer_atlas.analysis.tables.metric_evaluation import regret, top_hit, weighted_kendall

DISTANCES = ["assignment", "source", "target", "distance"]
SCORES = ["metric", "source", "target", "regime", "score"]
WITHIN = {"all": None, "segmentation": "segmentation/"}


def table(folder: Path, name: str, columns: list[str]) -> pd.DataFrame:
    """A table of the folder, or one without rows."""
    path = folder / f"{name}.parquet"
    return pd.read_parquet(path) if path.exists() else pd.DataFrame(columns=columns)


def of_metrics(evidence: pd.DataFrame) -> pd.DataFrame:
    """Weighted tau, hit and regret of single metrics, on targets of which they score every source."""
    rows = []
    for target, own in evidence[evidence["source"] != ILSVRC].groupby("target"):
        gains = own["gain"].to_numpy(float)
        for metric in ("domain_distance", *SCORED):
            scores = own[metric].to_numpy(float)
            if len(own) >= 3 and pd.notna(scores).all():
                rows.append(
                    {
                        "metric": metric,
                        "target": target,
                        "weighted_kendall": weighted_kendall(scores, gains),
                        "top_1": top_hit(scores, gains),
                        "regret": regret(scores, gains),
                    }
                )
    return pd.DataFrame(rows, columns=["metric", "target", "weighted_kendall", "top_1", "regret"])


def told(evidence: pd.DataFrame, judged: pd.DataFrame) -> None:
    """Print what rules, metrics and shortlists were worth on the targets of `judged`."""
    worth = worth_of_rules(evidence, judged)
    means = worth.groupby("rule")[["weighted_kendall", "top_1", "regret"]].mean().round(3)
    print(f"{worth['target'].nunique()} targets, {len(judged[judged['source'] != ILSVRC])} transfers")
    print(means.to_string(), "\n")
    print(comparisons(worth).round(3).to_string(index=False), "\n")
    single = of_metrics(judged)
    if len(single):
        by = single.groupby("metric")
        print(by[["weighted_kendall", "top_1", "regret"]].mean().round(3).assign(targets=by.size()), "\n")
        best = means["weighted_kendall"].idxmax()
        ours = worth[worth["rule"] == best].set_index("target")
        for metric, own in by:
            own = own.set_index("target")
            for statistic in ("weighted_kendall", "regret"):
                found = paired_difference(
                    ours[statistic].reindex(own.index).to_numpy(), own[statistic].to_numpy()
                )
                print(f"{best} less {metric}, {statistic}: {tuple(round(float(v), 3) for v in found)}")
    kept = shortlists(evidence, RULES, judged)
    print(f"\nshare of the best gain kept, {kept['target'].nunique()} targets")
    print(as_table(kept).round(2).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the study's tables are")
    parser.add_argument("--prior", action="store_true", help="learn from the published transfers, too")
    parser.add_argument("--prior-alone", action="store_true", help="learn from the published transfers only")
    chosen = parser.parse_args()
    study = study_evidence(
        pd.read_parquet(chosen.folder / "gains.parquet"),
        table(chosen.folder, "domain_distances", DISTANCES),
        table(chosen.folder, "scores", SCORES),
    )
    published = load_prior(Path("resources/prior")).transfers
    for name, beginning in WITHIN.items():
        judged = study
        if beginning:
            of_type = study["source"].str.startswith(beginning) | (study["source"] == ILSVRC)
            judged = study[study["target"].str.startswith(beginning) & of_type]
        learnt = published if chosen.prior_alone else judged
        if chosen.prior:
            learnt = pd.concat([judged, published], ignore_index=True)
        print(f"\n== {name}")
        told(learnt, judged)


if __name__ == "__main__":
    main()
