"""What a study's results are beside its runs, by name: tables, and figures with the stamps of the jobs that draw them.

Names stand here, and not beside what makes them, since planning imports no analysis; tests hold the two together.
"""

from __future__ import annotations

from transfer_atlas.planning.workflow import Workflow
from transfer_atlas.study.task import Task

TABLES: dict[str, tuple[str, ...]] = {  # by the rule that makes them
    "tables": (
        "runs",
        "transfers",
        "seed_gains",
        "gains",
        "effects",
        "best_effects",
        "best_sources",
        "per_class",
        "per_image",
        "curves",
        "methods",
        "method_summary",
        "subtask_transfers",
        "subtask_findings",
    ),
    "score_tables": (
        "scores",
        "domain_distances",
        "metric_evaluation",
        "metric_differences",
        "metric_stability",
        "target_selection",
        "task_relationships",
        "relationship_agreement",
        "source_pools",
        "source_pool_summary",
    ),
    "atdt_tables": ("atdt_evaluations", "atdt_results", "atdt_gains", "atdt_findings", "atdt_runs"),
}
FINDINGS = "findings"  # made where domain distances are known: with the tables of scores, where there are any
CARDS, REPORT = "dataset_cards", "report"  # their stamps
LOOKS = "appearance"  # figures of how datasets look, and their stamp


def tables_by(flow: Workflow, rule: str) -> list[str]:
    """Tables that a rule makes for this study."""
    has_findings = rule == ("tables" if flow.study.transferability is None else "score_tables")
    return [*TABLES[rule], *([FINDINGS] if has_findings else [])]


def rules_of_tables(flow: Workflow) -> list[str]:
    """Rules that make tables which this study has; each has a stamp of its name."""
    study = flow.study
    has = {
        "tables": bool(study.experiments),
        "score_tables": study.transferability is not None,
        "atdt_tables": study.atdt is not None,
    }
    return [rule for rule in TABLES if has[rule]]


def tables(flow: Workflow) -> list[str]:
    """All tables of the study."""
    return [name for rule in rules_of_tables(flow) for name in tables_by(flow, rule)]


def stamps(flow: Workflow) -> set[str]:
    """Stamps of all that shows results: of tables, figures, cards, report."""
    drawn = (figures(flow), score_figures(flow), atdt_figures(flow))
    return {*TABLES, CARDS, REPORT, *(stamp for found in drawn for stamp in found.values())}


def task_types(flow: Workflow, regime: str) -> list[str]:
    """Task types of the targets of a regime."""
    targets = [each["target"] for each in flow.plan.wanted_of("transfer") if each["regime"] == regime]
    return list(dict.fromkeys(Task.parse(target).type for target in targets))


def regimes(flow: Workflow) -> list[str]:
    """Regimes of the study's experiments, in their order."""
    return list(dict.fromkeys(experiment.regime for experiment in flow.study.experiments))


def figures(flow: Workflow) -> dict[str, str]:
    """Figures of gains by name, each with the stamp of the job that draws it: gains and absolute metrics for each
    target task type and regime, effects for each regime.
    """
    found = {f"effects_{regime}": f"effects_{regime}" for regime in regimes(flow)}
    for regime in regimes(flow):
        for task_type in task_types(flow, regime):
            stamp = f"gains_{task_type}_{regime}"
            found |= {stamp: stamp, f"absolute_{task_type}_{regime}": stamp}
    return found


def score_figures(flow: Workflow) -> dict[str, str]:
    """Figures of scores by name, each with its stamp, if the study asks for scores: ranks and every metric by
    target for each regime, distances and looks of datasets.
    """
    found = dict.fromkeys(look_figures(flow), LOOKS)
    for regime in regimes(flow) if flow.study.transferability else ():
        stamp = f"scores_{regime}"
        found |= {stamp: stamp}
        found |= {f"scores_{metric}_by_target_{regime}": stamp for metric in metrics_by_target(flow)}
    return found


def look_figures(flow: Workflow) -> list[str]:
    """Figures of how datasets look: distances, and where their images lie to each other."""
    settings = flow.study.transferability
    if settings is None:
        return []
    return ["domain_distances", LOOKS, *(f"{LOOKS}_{dataset}" for dataset in settings.appearance_of)]


def metrics_by_target(flow: Workflow) -> list[str]:
    """Metrics that are drawn target by target: those of the study, and what needs no score."""
    settings = flow.study.transferability
    return [] if settings is None else [*settings.metrics, "domain_distance"]


def atdt_figures(flow: Workflow) -> dict[str, str]:
    """Figures of AT/DT by name, each with its stamp: features and panels, and levels where there are several."""
    experiments = flow.study.atdt.experiments if flow.study.atdt else []
    if not any("atdt" in experiment.methods for experiment in experiments):
        return {}
    levels = ["atdt_levels"] if any(len(set(each.levels)) > 1 for each in experiments) else []
    return {name: name for name in ("atdt_features", "atdt_panels", *levels)}
