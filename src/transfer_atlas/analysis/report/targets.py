"""A page for each target: sources measured and predicted, learning curves, classes, predictions as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.charts import curves_chart, gains_chart
from transfer_atlas.analysis.report.pictures import budget_of, gallery, panels_of
from transfer_atlas.analysis.report.predicted import best_metric, predicted_places
from transfer_atlas.analysis.report.study import ReportedStudy
from transfer_atlas.analysis.tables.transfers import PLAIN
from transfer_atlas.store.store import RUN_FILE, StoreError, read_run
from transfer_atlas.study.task import BASELINES

IMAGES = 2  # pictures of each of the starting points shown
TILES = {"input": "image", "annotation": "annotation", "prediction": "prediction", "error": "error"}


def target_pages(study: ReportedStudy) -> list[dict[str, Any]]:
    """One page for each target, with a part for each of its regimes."""
    gains = study.tables["gains"]
    by_target = {str(name): rows for name, rows in gains.groupby("target", sort=True)}
    curves, classes = (
        dict(iter(table[table["method"] == PLAIN].groupby(["target", "regime"])))
        for table in (study.tables["curves"], study.tables["per_class"])
    )
    pages = []
    for target, rows in by_target.items():
        first = rows.iloc[0]
        parts = []
        for regime in study.regimes:
            of_regime = rows[rows["regime"] == regime]
            if of_regime.empty:
                continue
            metric = best_metric(study, regime)
            sources = _sources(study, of_regime, predicted_places(study, metric, target, regime))
            parts.append(
                {
                    "regime": regime,
                    "id": words.anchor("sources", f"{target} {regime}"),
                    "answer": _answer(study, target, regime),
                    "gains": gains_chart(of_regime),
                    "sources": sources,
                    "predicted": words.metric_in_words(metric)
                    if metric and any(row["predicted"] for row in sources)
                    else "",
                    "curves": _curves(curves.get((target, regime)), of_regime),
                    "classes": _classes(classes.get((target, regime)), of_regime),
                    "pictures": [],
                }
            )
        pages.append(
            {
                "target": target,
                "anchor": words.anchor("target", target),
                "domain": words.in_words(first["target_domain"]),
                "dataset": target.split("/", 1)[1],
                "metric": words.in_words(first["metric"]) if words.known(first["metric"]) else "",
                "lower": words.known(first["higher_is_better"]) and not first["higher_is_better"],
                "parts": parts,
            }
        )
    _add_pictures(study, pages)
    return pages


def _answer(study: ReportedStudy, target: str, regime: str) -> dict[str, Any] | None:
    best = study.tables["best_sources"]
    rows = best[(best["target"] == target) & (best["regime"] == regime)].to_dict("records")
    if not rows:
        return None
    row = rows[0]
    gain = words.percent(row["start_from_gain"]) if row["start_from"] != "ilsvrc" else ""
    return {"start_from": words.start_in_words(row), "gain": gain, "why": row["why"]}


def _sources(study: ReportedStudy, rows: pd.DataFrame, places: dict[str, int]) -> list[dict[str, Any]]:
    """Sources from the best to the worst measured, each with its predicted place; those without a gain last."""
    ranked = rows.assign(none=rows["gain"].isna()).sort_values(
        ["none", "gain", "source"], ascending=[True, False, True]
    )
    found = []
    place = 0
    for row in ranked.to_dict("records"):
        candidate = row["source"] not in BASELINES and words.known(row["gain"])
        place += candidate
        effect = row["decided_effect"] if words.known(row["decided_effect"]) else row["effect"]
        keys = [key for key in row["keys"] if words.known(key)]
        found.append(
            {
                "source": words.source_in_words(row["source"]),
                "place": place if candidate else None,
                "predicted": places.get(row["source"]),
                "gain": words.percent(row["gain"]) if row["source"] != "ilsvrc" else "0",
                "order": row["gain"] if words.known(row["gain"]) else -1e9,
                "interval": words.interval(row["gain_low"], row["gain_high"]),
                "effect": words.EFFECTS.get(effect, "") if row["source"] != "ilsvrc" else "",
                "value": words.metric_value(row["value"]),
                "images": words.image_count(row["source_n_train"])
                if words.known(row["source_n_train"])
                else "",
                "image_order": int(row["source_n_train"]) if words.known(row["source_n_train"]) else -1,
                "domain": words.in_words(row["source_domain"]) if words.known(row["source_domain"]) else "",
                "status": "" if row["status"] == "finished" else words.in_words(row["status"]),
                "reason": row["reason"] if words.known(row["reason"]) else "",
                "runs": [(key[:8], study.run_file(key)) for key in keys],
            }
        )
    return found


def _curves(curves: pd.DataFrame | None, rows: pd.DataFrame) -> dict[str, Any] | None:
    return None if curves is None else curves_chart(curves, rows)


def _classes(classes: pd.DataFrame | None, rows: pd.DataFrame) -> dict[str, Any] | None:
    """Class by class: from ILSVRC, from the best source, and which source is the best for the class."""
    if classes is None or classes["value"].notna().sum() == 0:
        return None
    means = classes.pivot_table(index="class", columns="source", values="value", aggfunc="mean")
    candidates = [name for name in means if name not in BASELINES]
    ranked = (
        rows[rows["source"].isin(candidates)].dropna(subset=["gain"]).sort_values("gain", ascending=False)
    )
    best = ranked["source"].iloc[0] if len(ranked) else None
    lines = []
    for name, values in means.iterrows():
        base = values.get("ilsvrc")
        taken = values[best] if best is not None else None
        of_class = values[candidates].dropna() if candidates else pd.Series(dtype=float)
        top = of_class.idxmax() if len(of_class) else None
        both = words.known(base) and words.known(taken)
        lines.append(
            {
                "name": str(name),
                "ilsvrc": words.metric_value(base),
                "best": words.metric_value(taken),
                "difference": words.signed(taken - base, 3) if both else "\N{EN DASH}",
                "order": float(taken - base) if both else -1e9,
                "top": words.source_in_words(top) if top else "",
                "top_value": words.metric_value(of_class.max()) if top else "",
            }
        )
    return {"best": words.source_in_words(best) if best else "", "rows": lines}


def _add_pictures(study: ReportedStudy, pages: list[dict[str, Any]]) -> None:
    """Predictions of the baseline and of the best source of every target, in its first regime that kept some."""
    wanted: list[tuple[dict[str, Any], str, Path, dict[str, Any]]] = []
    gains = study.tables["gains"]
    for page in pages:
        for part in page["parts"]:
            rows = gains[(gains["target"] == page["target"]) & (gains["regime"] == part["regime"])]
            ranked = rows[~rows["source"].isin(BASELINES)].dropna(subset=["gain"])
            best = ranked.sort_values("gain", ascending=False)["source"].tolist()[:1]
            for source in ["ilsvrc", *best]:
                keys = [
                    key
                    for cell in rows.loc[rows["source"] == source, "keys"]
                    for key in cell
                    if words.known(key)
                ]
                for path, panel in _kept(study, keys)[:IMAGES]:
                    wanted.append((part, source, path, panel))
            if any(part is each[0] for each in wanted):
                break
    entries = []
    for _, source, path, panel in wanted:
        tiles = ", ".join(TILES.get(name, name) for name in panel.get("tiles", []))
        alt = f"{panel.get('image', '')} started from {words.source_in_words(source)}; side by side: {tiles}"
        entries.append((path, "", alt))
    made = gallery(entries, "panel", budget_of("panel", len(study.tables["transfers"])))
    for (part, source, _, panel), found in zip(wanted, made, strict=True):
        if found is None or found.data is None:
            continue
        tiles = [TILES.get(name, name) for name in panel.get("tiles", [])]
        part["pictures"].append(
            {
                "source": words.source_in_words(source),
                "image": panel.get("image", ""),
                "tiles": tiles,
                "picture": found,
            }
        )


def _kept(study: ReportedStudy, keys: list[str]) -> list[tuple[Path, dict[str, Any]]]:
    """Panels of the first of some runs that is here and kept any."""
    for key in keys:
        folder = Path(study.folders.get(key, ""))
        if not (folder / RUN_FILE).is_file():
            continue
        try:
            record = read_run(folder)
        except StoreError:
            continue
        found = panels_of(folder, record.get("metrics"))
        if found:
            return found
    return []
