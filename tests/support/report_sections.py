"""A study whose report has every section: many targets with scores, sampled targets, binary tasks, combined sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from analysis_examples import DATASETS, PUBLISHED, transfer_record
from report_examples import HOSTILE

from transfer_atlas.analysis.combination.fusions import fusion_summary_table, fusions_table
from transfer_atlas.analysis.combination.joint import joint_gains_table, joint_transfers_table
from transfer_atlas.analysis.recommendation.prior import load_prior
from transfer_atlas.analysis.report.study import ReportedStudy
from transfer_atlas.analysis.tables.files import write_table
from transfer_atlas.analysis.tables.of_scores import score_tables
from transfer_atlas.analysis.tables.of_study import study_tables
from transfer_atlas.analysis.tables.scores import domain_distances_table, scores_table
from transfer_atlas.store.files import write_json

PRIOR = load_prior(Path(__file__).parents[2] / "resources/prior").transfers.head(40)
DRIVING = [f"driving_{number}" for number in range(3)]  # they rank sources one way,
INDOOR = [f"indoor_{number}" for number in range(3)]  # and these the other
SOURCES = [f"source_{number}" for number in range(5)]
SAMPLED = [f"digits@subset_{number:03d}" for number in range(6)]
BINARY = {"grey_t1": "grey", "white_t1": "white", "rim_t1": "rim", "dead_t1": "dead", "grey_t2": "grey"}
SUBTASKS = {
    "brain": {
        "families": {"matter": ["grey", "white"], "tumour": ["rim", "dead"]},
        "tasks": {
            f"brain@{name}": {"classes": [of], "modality": name[-2:], "channels": [name[-2:]]}
            for name, of in BINARY.items()
        },
    }
}


def study_of_sections(folder: Path, seeds: tuple[int, ...] = (0, 1)) -> ReportedStudy:
    """The study; combined sources lie beside its report."""
    records, scores = [], []
    generator = np.random.default_rng(0)
    for place in [*DRIVING, *INDOOR]:
        for number, source in enumerate(SOURCES):
            good = number if place in DRIVING else len(SOURCES) - number
            _add(records, scores, f"segmentation/{source}", f"segmentation/{place}", good, seeds, generator)
        _baseline(records, f"segmentation/{place}", seeds)
    for number, place in enumerate(SAMPLED):
        _add(records, scores, "classification/things", f"classification/{place}", number, seeds, generator)
        _baseline(records, f"classification/{place}", seeds)
    places = sorted(SUBTASKS["brain"]["tasks"])
    for target in places:
        for source in places:
            if source != target:
                records += [_binary(source, target, seed, generator) for seed in seeds]
        records += [_binary("ilsvrc", target, seed, generator) for seed in seeds]
    of_place = {place: {"domain": "driving", "n_train": 100} for place in (*DRIVING, *SAMPLED, *places)}
    of_place |= {place: {"domain": "indoor", "n_train": 100} for place in INDOOR}
    of_place |= {name: {"domain": "consumer", "n_train": 1000} for name in (*SOURCES, "things")}
    tables = study_tables(records, DATASETS | of_place, [], {}, SUBTASKS)
    tables |= score_tables(
        scores_table(scores),
        domain_distances_table([]),
        tables["gains"],
        tables["subtask_transfers"],
        tables["per_class"],
        PRIOR,
        {},
        draws=50,
    )
    results = folder / "results"
    combine_example(results / "combinations/segmentation-driving_0--segmentation-indoor_0", seeds)
    facts = {
        "study": "sections",
        "backbone": "hrnet_tiny",
        "ilsvrc": "train",
        "planned": {},
        "regimes": {"small_target": "150 training images of each target"},
        "transfers": [],
    }
    return ReportedStudy(facts=facts, tables=tables, place=results, published=PUBLISHED)


def _add(records, scores, source, target, good, seeds, generator):
    """A pair whose gain grows with `good`, scored well by one metric and at random by another."""
    for seed in seeds:
        value = 0.4 + 0.02 * good + 0.002 * generator.normal()
        records.append(transfer_record(source, target, value, seed) | {"key": f"{source}-{target}-{seed}"})
    for metric, score in (("logme", good + 0.3 * generator.normal()), ("leep", generator.normal())):
        identity = {"source": source, "target": target, "regime": "small_target", "metric": metric}
        scores.append(
            {
                "identity": identity,
                "metrics": {"value": float(score), "repeats": 1, "samples": 10},
                "status": "finished",
                "reason": None,
                "key": f"{metric}-{source}-{target}",
            }
        )


def _baseline(records, target, seeds):
    records += [transfer_record("ilsvrc", target, 0.45 + 0.001 * seed, seed) for seed in seeds]


def _binary(source, target, seed, generator):
    """Better from the same family and kind of images; one that diverged."""
    family = {"grey": 0, "white": 0, "rim": 1, "dead": 1}
    dice = 0.6 + 0.01 * generator.normal()
    if source != "ilsvrc":
        (first, seen), (second, shown) = (name.removeprefix("brain@").split("_") for name in (source, target))
        dice += 0.1 * (family[first] == family[second]) + 0.05 * (seen == shown)
        source = f"segmentation/{source}"
    lost = (source, target, seed) == ("segmentation/brain@grey_t1", "brain@dead_t1", 0)
    record = transfer_record(source, f"segmentation/{target}", None if lost else dice, seed)
    if not lost:
        record["metrics"] |= {"dice_per_class": {"foreground": dice}, "per_class": {"foreground": dice / 2}}
    else:
        record["reason"] = HOSTILE
    return record


def combine_example(folder: Path, seeds) -> None:
    """What `snakemake combine` leaves for two targets, the second with a failed transfer."""
    targets = ("segmentation/driving_0", "segmentation/indoor_0")
    names = [f"segmentation/source_{number}" for number in range(3)]
    probes, trained = [], []
    for target in targets:
        for number, name in enumerate(names):
            probes.append(_probe(target, "single", name, [name], 60.0 + number, -0.3 + 0.1 * number))
        for pool, accuracy in (("all", 63.0), ("proposed", 65.0)):
            probes += [
                _probe(
                    target,
                    pool,
                    None,
                    names,
                    accuracy + 0.1 * (how == "sum"),
                    None,
                    how=how,
                    weighting=weighting,
                )
                for how in ("sum", "concatenation")
                for weighting in ("otce", "equal")
            ]
        starts = {"ilsvrc": 0.40, "single": 0.42, "proposed": 0.45, "lowest": 0.41}
        for start, value in starts.items():
            for seed in seeds:
                trained.append(_trained(target, start, seed, value + 0.002 * seed, names))
    trained[-1]["record"] |= {"status": "diverged", "reason": HOSTILE, "metrics": None}
    fusions, transfers = fusions_table(probes), joint_transfers_table(trained)
    tables = {
        "fusions": fusions,
        "fusion_summary": fusion_summary_table(fusions),
        "joint_transfers": transfers,
        "joint_gains": joint_gains_table(transfers),
    }
    for name, table in tables.items():
        write_table(table, folder / f"{name}.parquet")
    proposals = {
        target: {"proposed": names[:2], "single": names[2], "lowest": names[1:]} for target in targets
    }
    write_json(folder / "combination.json", {"proposals": proposals})


def _probe(target, pool, source, sources, accuracy, score, how=None, weighting=None):
    best = None if source == "segmentation/source_2" else accuracy - 62.0
    ends = {"low": accuracy - 2, "high": accuracy + 2}
    row = {"target": target, "pool": pool, "how": how, "weighting": weighting, "source": source}
    row |= {"sources": sources, "weights": "{}", "score": score, "accuracy": accuracy} | ends
    row |= {"class_accuracy": accuracy - 5, "splits": 5, "samples": 200, "status": "finished", "reason": None}
    for what in ("best", "chosen"):
        row |= {
            f"from_{what}": best,
            f"from_{what}_low": best and best - 1,
            f"from_{what}_high": best and best + 1,
        }
    return row


def _trained(target, start, seed, value, names):
    return {
        "target": target,
        "start": start,
        "seed": seed,
        "sources": [] if start == "ilsvrc" else names[:2],
        "mean_score": None,
        "source_key": None,
        "record": {
            "key": f"{target}-{start}-{seed}",
            "status": "finished",
            "reason": None,
            "metrics": {"primary": "mean_iou", "value": value, "higher_is_better": True},
        },
    }
