"""Which candidates of a large pool `recommend` does without, before any is scored: by relations, then by the prior.

What decides are measured transfers: those of the study's own tables, if it has any, and the published ones. Jobs on
other machines are handed the decision (`load.hand_over`), since each plans anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.recommendation import REGIME, candidate_facts, places_of
from transfer_atlas.planning.run import Run
from transfer_atlas.study.study import Study
from transfer_atlas.study.task import Task

LARGE = 24  # sources: fewer are all scored
POOL = 16  # that are scored of more (the talk's number)
EVERY = "all"
PRIOR = Path(__file__).resolve().parents[3] / "resources/prior"  # beside the library
BY_RELATION = (
    "sources whose classes and channels lie so to the target's did worse than average on other targets"
)
BY_PRIOR = "what was measured elsewhere lets expect less of it than of those that were scored"


@dataclass(frozen=True)
class SourcePool:
    """Sources that are scored at most (None: all), and how many there may be before any is left out."""

    size: int | None = POOL
    large: int = LARGE

    @classmethod
    def asked(cls, value: object) -> SourcePool:
        """From `--config pool=...`: a number, `all`, or nothing. Raises ConfigurationError for anything else."""
        if value is None or value == "":
            return cls()
        if value == EVERY:
            return cls(size=None)
        if str(value).isdecimal() and int(str(value)) >= 1:
            return cls(size=int(str(value)), large=int(str(value)))
        raise ConfigurationError(
            f"pool is {value!r}; expected how many sources are scored at most, 1 or more, or `{EVERY}`."
        )

    def left_out(
        self, study: Study, target: str, candidates: Mapping[str, Run], asked_for: Sequence[str] = ()
    ) -> dict[str, str]:
        """Names of candidates that are not scored, each with the reason; none of a small pool.

        ILSVRC, networks of AT/DT and pretrained ones that the user names (asked_for) always are.
        """
        sources = [name for name, run in candidates.items() if run.kind == "source" and name not in asked_for]
        if self.size is None or len(sources) <= self.large:
            return {}
        tables = Path(study.results) / "tables"
        dropped = dict.fromkeys(_worse_by_relation(study, target, sources, tables), BY_RELATION)
        left = [name for name in sources if name not in dropped]
        if not left:
            dropped, left = {}, sources
        if len(left) > self.size:
            kept = _best_by_prior(study, target, {name: candidates[name] for name in left}, tables, self.size)
            dropped |= {name: BY_PRIOR for name in left if name not in kept}
        return {name: dropped[name] for name in sources if name in dropped}


def _worse_by_relation(study: Study, target: str, sources: Sequence[str], tables: Path) -> list[str]:
    """Sources that the relations of binary tasks speak against; none where the study has not measured any."""
    from transfer_atlas.analysis.recommendation.pools import kept_by_relations, worth_of_relations
    from transfer_atlas.analysis.subtasks.relations import Subtasks
    from transfer_atlas.analysis.tables.files import read_table

    subtasks, place = Subtasks.of_facts(study.binary_tasks()), Task.parse(target).place
    path = tables / "subtask_transfers.parquet"
    if place not in subtasks.tasks or not path.exists():
        return []
    measured = read_table(path)
    regimes = sorted(set(measured["regime"]))
    if not regimes:
        return []
    measured = measured[measured["regime"] == (REGIME if REGIME in regimes else regimes[0])]
    worth = worth_of_relations(measured, subtasks.tasks[place].name)
    kept = kept_by_relations([subtasks.relation(places_of(study, name), place) for name in sources], worth)
    return [name for name, is_kept in zip(sources, kept, strict=True) if not is_kept]


def _best_by_prior(
    study: Study, target: str, candidates: Mapping[str, Run], tables: Path, number: int
) -> set[str]:
    """The sources of which the atlas prior expects most."""
    import pandas as pd

    from transfer_atlas.analysis.recommendation.candidates import candidate_rows, training_images
    from transfer_atlas.analysis.recommendation.pools import kept_by_prior
    from transfer_atlas.analysis.recommendation.prior import load_prior
    from transfer_atlas.analysis.recommendation.recommend import own_evidence, study_tables

    prior, own = load_prior(PRIOR), study_tables(tables)
    found = own_evidence(own)
    evidence = pd.concat([prior.transfers, found], ignore_index=True) if len(found) else prior.transfers
    task = Task.parse(target)
    told = [candidate_facts(study, name, run) for name, run in candidates.items()]
    facts: dict[str, Any] = {
        "target": target,
        "place": task.place,
        "domain": study.datasets[task.dataset].domain,
        "candidates": told,
    }
    sizes = training_images(told, own.get("gains", pd.DataFrame()))
    rows = candidate_rows(facts, {}, pd.DataFrame(), prior.places, sizes)
    return set(rows["source"][kept_by_prior(rows, evidence, number)])
