"""The atlas prior: what published transfers say before a target's images are looked at, as data of the project.

    python -m transfer_atlas.analysis.recommendation.prior      writes resources/prior/ anew from resources/published/

`transfers.csv` holds the published transfers with what rules rank by, `worth.csv` what each rule was worth on every one
of their targets, leaving the target and its dataset out, `sources.csv` the public datasets that were sources.
`weights.json` holds the regressions of the rules of effort none, each dataset left out in turn: importing what fits
them takes as long as all the rest.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from transfer_atlas.analysis.recommendation.evidence import published_evidence, published_sources
from transfer_atlas.analysis.recommendation.predictors import PUBLISHED, mean_places
from transfer_atlas.analysis.recommendation.rules import RULES, fit
from transfer_atlas.analysis.recommendation.worth import by_target, left_out, worth_of_rules
from transfer_atlas.errors import DatasetError
from transfer_atlas.store.files import write_json

DIGITS = 6
SEGMENTATION = "segmentation_272_pairs"  # sources and targets of GBC's Table 3 only
ALL = "all"


@dataclass(frozen=True)
class Prior:
    """The files of resources/prior as tables."""

    transfers: pd.DataFrame
    worth: pd.DataFrame
    sources: pd.DataFrame
    weights: dict[str, list[float]] = field(default_factory=dict)  # of `rules.fit`

    @property
    def places(self) -> pd.Series:
        """Mean place of every published source on its targets, 0 the worst and 1 the best."""
        return mean_places(self.transfers)

    def worth_of(self, rule: str, judged: str = ALL) -> pd.DataFrame:
        """Rows of one rule, on all published targets or on the 272 segmentation pairs."""
        rows = self.worth
        return rows[(rows["rule"] == rule) & (rows["judged"] == judged)]


def load_prior(folder: Path | str) -> Prior:
    """The prior that ships with the project. Raises DatasetError where a file is missing."""
    tables = {}
    for name in ("transfers", "worth", "sources"):
        path = Path(folder) / f"{name}.csv"
        if not path.exists():
            raise DatasetError(
                f"{path} does not exist; resources/prior of the repository holds the atlas prior"
            )
        tables[name] = pd.read_csv(path)
    path = Path(folder) / "weights.json"
    return Prior(**tables, weights=json.loads(path.read_text(encoding="utf-8")) if path.exists() else {})


def weights_of(transfers: pd.DataFrame, without: Iterable[str] | None = None) -> dict[str, list[float]]:
    """The regressions of the rules of effort none on the prior's transfers, each dataset left out, and none.

    without: those that are left out in turn, if not all.
    """
    found: dict[str, list[float]] = {}
    everyone = {"", *transfers["target_dataset"], *transfers["source_dataset"]}
    for dataset in sorted(everyone if without is None else without):
        seen = by_target(left_out(transfers, dataset))
        for rule in RULES:
            if rule.effort == "none":
                fit(rule, seen, found)
    return found


def make_prior(published: Path | str) -> Prior:
    """The prior from the printed tables; about 20 s on one core."""
    evidence = published_evidence(published)
    within = evidence["target"].str.startswith("segmentation/") & (
        evidence["source"].str.startswith("segmentation/") | (evidence["source"] == "ilsvrc")
    )
    pairs = evidence[within]
    worth = pd.concat(
        [worth_of_rules(evidence).assign(judged=ALL), worth_of_rules(pairs).assign(judged=SEGMENTATION)]
    )
    assert set(evidence["origin"]) == {PUBLISHED}
    return Prior(evidence, worth.reset_index(drop=True), published_sources(published))


def write_prior(prior: Prior, folder: Path) -> None:
    """Write the files, rounded so that another machine's last bits do not show."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("transfers", "worth", "sources"):
        getattr(prior, name).to_csv(folder / f"{name}.csv", index=False, float_format=f"%.{DIGITS}g")
    write_weights(folder)


def write_weights(folder: Path) -> None:
    """Write the regressions on the transfers as they are in `folder`, rounded: these are what is learnt from."""
    write_json(folder / "weights.json", weights_of(pd.read_csv(folder / "transfers.csv")))


def main() -> None:
    """Write the prior anew."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--published", type=Path, default=Path("resources/published"))
    parser.add_argument("--folder", type=Path, default=Path("resources/prior"))
    options = parser.parse_args()
    write_prior(make_prior(options.published), options.folder)


if __name__ == "__main__":
    main()
