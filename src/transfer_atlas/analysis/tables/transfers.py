"""From the runs of a study to its tables of runs, transfers and gains. Pure functions.

Letters and formulas follow Mensink et al., "Factors of Influence for Transfer Learning", section 5.1.
Every table's columns are described in `schema.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from transfer_atlas.analysis.tables import schema
from transfer_atlas.analysis.tables.chance import at_chance
from transfer_atlas.analysis.tables.image_bootstrap import Results, image_variances
from transfer_atlas.analysis.tables.surroundings import COLUMNS as SURROUNDINGS
from transfer_atlas.analysis.tables.surroundings import differences_of, surroundings_of
from transfer_atlas.analysis.tables.table import Table
from transfer_atlas.analysis.tables.uncertainty import (
    NEGATIVE,
    POSITIVE,
    VERY_POSITIVE,
    effect,
    seed_noise,
    with_intervals,
)
from transfer_atlas.errors import ConfigurationError
from transfer_atlas.study.task import BASELINES, type_of_multi

__all__ = ["NEGATIVE", "POSITIVE", "VERY_POSITIVE", "effect"]
SEVERAL = (
    "multi_",
    "atdt:",
)  # before names of sources of several datasets: of one task type, or AT/DT's networks
ATDT = "atdt:"  # before the name of a task network of AT/DT as a source
PLAIN = "plain"  # the method whose gains are compared
_SIDE_COLUMNS = [
    f"{side}_{name}"
    for side in ("source", "target")
    for name in ("task_type", "dataset", "domain", "n_train")
]
_SIDE_COLUMNS.insert(3, "source_domains")


def relative_transfer_gain(value: float, baseline: float, higher_is_better: bool) -> float:
    """r(T given S) in percent: (m(T given S) / m(T given ILSVRC) - 1) * 100 (equation 2).

    Where a lower metric is better (depth), the sign is flipped, as the paper does. Not a number where either
    value is missing or the baseline is 0.
    """
    if not (math.isfinite(value) and math.isfinite(baseline)) or baseline == 0:
        return math.nan
    gain = (value / baseline - 1.0) * 100.0
    return (gain if higher_is_better else -gain) + 0.0  # + 0.0 turns the -0.0 of a flipped 0 into 0.0


def runs_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per run of any kind, with its provenance; nested settings become JSON with sorted keys.

    A run that is wanted for several identities, as two regimes with the same images do, is one row: its first.
    """
    plain = ("kind", "name", "key", "status", "reason", "git_commit", "device", "seconds")
    plain += ("peak_memory_host_bytes", "peak_memory_device_bytes")
    nested = ("identity", "settings", "parents", "code_versions", "packages")
    rows = []
    each = {(record["kind"], record["name"], record["key"]): record for record in reversed(list(records))}
    for record in reversed(each.values()):
        row = {name: record.get(name) for name in plain}
        row |= {name: json.dumps(record.get(name) or {}, sort_keys=True) for name in nested}
        row |= _primary_metric(record)
        row["created"] = pd.to_datetime(record.get("created"), utc=True)
        rows.append(row)
    return frame_of(schema.RUNS, rows)


def transfers_table(
    records: Iterable[Mapping[str, Any]],
    datasets: Mapping[str, Mapping[str, Any]],
    expected: Iterable[Mapping[str, Any]] = (),
) -> pd.DataFrame:
    """One row per transfer among the runs; runs of other kinds are passed over.

    `datasets` maps a dataset's name, or a task such as `detection/bdd` whose training set differs from its
    dataset's, or a multi-source's name, to {"domain": str, "n_train": int}, for a multi-source
    {"domains": [str, ...], "n_train": int}. `expected` are the transfers that the study asks for (source, target,
    regime, seed): those without a run become rows of status `missing`, so that no share forgets them.

    Raises ConfigurationError where one transfer has two runs, or one source two keys in a regime.
    """
    rows = []
    for record in records:
        if record["kind"] != "transfer":
            continue
        identity = record["identity"]
        row = {name: identity[name] for name in ("source", "target", "regime", "seed")}
        row["method"] = identity.get("method", PLAIN)
        row |= _describe_source(identity["source"], datasets) | _describe_target(identity["target"], datasets)
        row |= _primary_metric(record) | _scores_of_method(record, row["method"])
        row["best_learning_rate"] = (record.get("metrics") or {}).get("best_learning_rate")
        row |= {name: record.get(name) for name in ("status", "reason", "key")}
        row["source_key"] = (record.get("parents") or {}).get("source")
        row |= surroundings_of(record)
        rows.append(row)
    seen: dict[tuple, str] = {}
    for row in rows:
        identity = tuple(row[name] for name in schema.TRANSFERS.identity)
        if identity in seen:
            raise ConfigurationError(
                f"two runs of the transfer {' / '.join(map(str, identity))}, with keys {seen[identity]} and "
                f"{row['key']}: the tables describe one study; pass the runs of that study only"
            )
        seen[identity] = row["key"]
    for wanted in expected:
        row = {name: wanted[name] for name in ("source", "target", "regime", "seed")}
        row |= {"method": wanted.get("method", PLAIN), "score_before": math.nan, "score_after": math.nan}
        if tuple(row[name] for name in schema.TRANSFERS.identity) in seen:
            continue
        row |= _describe_source(row["source"], datasets) | _describe_target(row["target"], datasets)
        row |= {"metric": None, "value": math.nan, "higher_is_better": None, "best_learning_rate": None}
        row |= {"status": "missing", "reason": "there is no run yet", "key": None, "source_key": None}
        row |= dict.fromkeys(SURROUNDINGS)
        rows.append(row)
    table = frame_of(schema.TRANSFERS, rows)
    refuse_mixed_keys(table)
    return table


def refuse_mixed_keys(transfers: pd.DataFrame) -> None:
    """Raise ConfigurationError where the rows of a regime start from two versions of one source.

    A study trains every source once, so two keys mean two studies in one table, whose gains cannot be compared.
    """
    known = transfers.dropna(subset=["source_key"])  # some methods train sources of their own
    for (regime, source, _), keys in known.groupby(["regime", "source", "method"])["source_key"]:
        kinds = sorted(set(keys))
        if len(kinds) > 1:
            first, second = kinds[:2]
            raise ConfigurationError(
                f"{regime}: transfers from {source} start from two versions of it, with keys {first} and {second}: "
                "the tables describe one study; pass the runs of that study only, or compare the two studies with "
                "transfer_atlas.analysis.comparison"
            )


def seed_gains_table(transfers: pd.DataFrame) -> pd.DataFrame:
    """Relative transfer gain of every plain transfer against the ILSVRC baseline of its target, regime and seed.

    None is dropped: where the gain cannot be computed, the status and reason say why.
    """
    transfers = transfers[transfers["method"] == PLAIN]
    baselines = {
        (row.target, row.regime, row.seed): row
        for row in transfers[transfers["source"] == "ilsvrc"].itertuples()
    }
    rows = []
    for transfer in transfers.itertuples():
        row = {name: getattr(transfer, name) for name in ("source", "target", "regime", "seed", "key")}
        row |= {name: getattr(transfer, name) for name in _SIDE_COLUMNS}
        row |= relation(row)
        base = baselines.get((transfer.target, transfer.regime, transfer.seed))
        value = transfer.value if transfer.status == "finished" else math.nan
        baseline = base.value if base is not None and base.status == "finished" else math.nan
        # A failed run may not know its metric; the baseline's is the same, since the target is.
        known = transfer if not pd.isna(transfer.higher_is_better) or base is None else base
        row |= {"metric": known.metric, "higher_is_better": known.higher_is_better}
        status, reason = _gain_status(transfer, base)
        gain = math.nan
        if status == "finished":
            gain = relative_transfer_gain(value, baseline, bool(known.higher_is_better))
        row |= {"value": value, "baseline": baseline, "gain": gain, "effect": effect(gain)}
        row |= {"status": status, "reason": reason, "baseline_key": None if base is None else base.key}
        row["differs_in"] = differences_of(each._asdict() for each in (transfer, base) if each is not None)
        rows.append(row)
    return frame_of(schema.SEED_GAINS, rows)


def gains_table(
    transfers: pd.DataFrame,
    results: Mapping[str, Results] | None = None,
    levels: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """One row per source, target and regime: mean over seeds, spread, interval, and the effect that it decides.

    The gain is the mean of the seeds' gains, not the gain of the mean metric: a transfer and the baseline of
    its seed see the same training images, so what the seed does to both cancels before averaging.
    `results` by key are evaluations image by image, of runs that kept them; `levels` are those of chance by target
    (`chance_levels`; without them, only average precision has one).
    """
    rows = []
    runs = {row["key"]: row for row in transfers[["key", *SURROUNDINGS]].to_dict("records")}
    groups = seed_gains_table(transfers).groupby(["regime", "target", "source"], sort=True)
    for (regime, target, source), seeds in groups:
        first = seeds.iloc[0]
        gains = seeds["gain"].dropna()
        lost = seeds[seeds["gain"].isna()]
        told = seeds.dropna(subset=["higher_is_better"])
        row = {"source": source, "target": target, "regime": regime}
        row |= {name: first[name] for name in [*_SIDE_COLUMNS, "within_domain", "within_task_type"]}
        row |= {name: (told if len(told) else seeds)[name].iloc[0] for name in ("metric", "higher_is_better")}
        row |= {"gain": gains.mean(), "gain_std": gains.std(ddof=1)}
        row |= {
            "gain_min": gains.min(),
            "gain_max": gains.max(),
            "n_seeds": len(gains),
            "n_failed": len(lost),
        }
        row |= {
            "effect": effect(row["gain"]),
            "value": seeds["value"].mean(),
            "baseline": seeds["baseline"].mean(),
        }
        row["status"] = (
            "finished" if lost.empty else "partly_failed" if len(gains) else lost["status"].iloc[0]
        )
        row["reason"] = None if lost.empty else lost["reason"].iloc[0]
        row |= {"seeds": [int(seed) for seed in seeds["seed"]], "keys": list(seeds["key"])}
        row["baseline_keys"] = [None if pd.isna(key) else key for key in seeds["baseline_key"]]
        row["differs_in"] = differences_of(
            runs[key] for key in [*row["keys"], *row["baseline_keys"]] if key in runs
        )
        rows.append(row)
    if not rows:
        return frame_of(schema.GAINS, rows)
    table = pd.DataFrame(rows)
    table["baseline_at_chance"] = at_chance(table, levels)
    images = image_variances(table, results) if results else None
    plain = transfers[transfers["method"] == PLAIN]  # another method with the same seed is no repetition
    return schema.GAINS.conform(with_intervals(table, seed_noise(plain), images))


def frame_of(table: Table, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a frame that has the table's columns even if there is no row."""
    return table.conform(pd.DataFrame(rows, columns=None if rows else table.column_names))


def _primary_metric(record: Mapping[str, Any]) -> dict[str, Any]:
    """Metric, value (not a number unless finished) and direction of a run that may have none."""
    metrics = record.get("metrics") or {}
    value = metrics.get("value") if record["status"] == "finished" else None
    return {
        "metric": metrics.get("primary"),
        "value": math.nan if value is None else float(value),
        "higher_is_better": metrics.get("higher_is_better"),
    }


def _scores_of_method(record: Mapping[str, Any], method: str) -> dict[str, float]:
    """The scores before and after that a method tells of its transfer."""
    told = (record.get("metrics") or {}).get(method) or {}
    found = {name: told.get(name) for name in ("score_before", "score_after")}
    return {name: math.nan if value is None else float(value) for name, value in found.items()}


def _describe_source(source: str, datasets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Task type, dataset, domains and size of a source, whatever its backbone."""
    source, named = source.partition("+")[0], source
    if source in BASELINES:
        task_type, dataset, domain, domains = None, source, None, []
        if source == "ilsvrc":
            task_type = "classification"
        n_train = datasets.get(source, {}).get("n_train")
    elif source.startswith("multi_"):
        task_type, dataset, domain = type_of_multi(source), "multi", "multi"
        entry = _dataset_of(source, datasets)
        domains, n_train = sorted(set(entry["domains"])), entry.get("n_train")
    elif source.startswith(ATDT):  # `atdt:depth-carla`, of the datasets that its name tells
        task_type, dataset, domain = source.removeprefix(ATDT).split("-")[0], "atdt", "multi"
        entry = _dataset_of(source, datasets)
        domains, n_train = sorted(set(entry["domains"])), entry.get("n_train")
    else:
        task_type, dataset = source.split("/", 1)
        entry = datasets[named] if named in datasets else _dataset_of(source, datasets)
        domain, domains, n_train = entry["domain"], [entry["domain"]], entry["n_train"]
    names = ("task_type", "dataset", "domain", "domains", "n_train")
    values = (task_type, dataset, domain, domains, n_train)
    return {f"source_{name}": value for name, value in zip(names, values, strict=True)}


def _describe_target(target: str, datasets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Task type, dataset, domain and size of a target."""
    task_type, dataset = target.split("/", 1)
    entry = _dataset_of(target, datasets)
    return {
        "target_task_type": task_type,
        "target_dataset": dataset,
        "target_domain": entry["domain"],
        "target_n_train": entry["n_train"],
    }


def _dataset_of(task: str, datasets: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The entry of a task, or else of its dataset: a dataset's task types may have other training sets."""
    dataset = task.split("/", 1)[-1]
    for name in (task, dataset):
        if name in datasets:
            return datasets[name]
    raise ConfigurationError(
        f"{task}: neither {task!r} nor {dataset!r} among the datasets {sorted(datasets)}"
    )


def relation(row: Mapping[str, Any]) -> dict[str, bool | None]:
    """Within or across domain and task type; a baseline is neither.

    A multi-source is within domain for every domain it contains: the only reading under which the numbers of
    experiments of Table 6 come out exactly.
    """
    if row["source"] in BASELINES:
        return {"within_domain": None, "within_task_type": None}
    return {
        "within_domain": row["target_domain"] in row["source_domains"],
        "within_task_type": row["source_task_type"] == row["target_task_type"],
    }


def _gain_status(transfer: Any, baseline: Any) -> tuple[str, str | None]:
    """Why a transfer has no gain, or `finished`."""
    if transfer.status != "finished":
        return transfer.status, transfer.reason
    if not np.isfinite(transfer.value):
        return "no_value", "the run finished without a finite value of its metric"
    if baseline is None:
        return "baseline_missing", "no ILSVRC transfer with this target, regime and seed"
    if baseline.status != "finished" or not np.isfinite(baseline.value):
        return "baseline_failed", f"the ILSVRC baseline has no value: {baseline.status}"
    if baseline.value == 0:
        return "baseline_zero", "the ILSVRC baseline is 0: a ratio to it has no meaning"
    return "finished", None
