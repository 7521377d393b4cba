"""Reads what a recommendation is made of, and writes its answer, table, facts and picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfer_atlas.analysis.recommendation.prior import load_prior
from transfer_atlas.analysis.recommendation.recommend import (
    Pooled,
    Recommended,
    pooled_images,
    recommend,
    study_tables,
)
from transfer_atlas.analysis.recommendation.text import as_facts, as_table, as_text
from transfer_atlas.analysis.tables.files import write_table
from transfer_atlas.analysis.tables.score_records import read_scores
from transfer_atlas.analysis.tables.scores import scores_table
from transfer_atlas.store.files import write_json
from transfer_atlas.store.store import read_run


def write_recommendation(facts: Mapping[str, Any]) -> tuple[str, Recommended]:
    """The answer as text, and all that is known of it. facts: of the plan, with the folder of the project's
    `resources`.

    Beside facts["table"]: the same name with .txt, .json, and .png where images can be shown.
    """
    prior = load_prior(Path(facts["resources"]) / "prior")
    records = read_scores(facts["scores"])
    pooled = pooled_images(facts["images"])
    tables = study_tables(Path(facts["results"]) / "tables")
    features = {place: each.features for place, each in pooled.items()}
    found = recommend(facts, prior, features, scores_table(records), tables)
    failed = {r["identity"]["source"]: r["reason"] for r in records if r["status"] == "source_failed"}
    seconds = sum(read_run(Path(folder))["seconds"] for folder in facts["computed"])
    text = as_text(found, facts, prior, seconds, failed)
    path = Path(facts["table"])
    if _draw(found, facts, pooled, path.with_suffix(".png")):
        text += f"\n\nThe closest images: {path.with_suffix('.png')}"
    write_table(as_table(found, facts["target"]), path, "recommendations")
    path.with_suffix(".txt").write_text(text + "\n", encoding="utf-8")
    write_json(path.with_suffix(".json"), as_facts(found, facts))
    return text, found


def _draw(found: Recommended, facts: Mapping[str, Any], pooled: Mapping[str, Pooled], path: Path) -> bool:
    """The picture of the sources that the answer names, or of the most promising one; False where images are not
    here.
    """
    with_images = [name for name in found.ranked["source"] if name in found.nearest]
    named = [name for name in found.answer.starts if name in found.nearest] or with_images[:1]
    shown = {name: found.nearest[name] for name in named}
    used = {facts["place"], *(str(place) for each in shown.values() for place in set(each.places.tolist()))}
    images = {place: (each.folder, each.positions) for place, each in pooled.items() if place in used}
    if not shown or not all(len(positions) for _, positions in images.values()):
        return False
    from transfer_atlas.analysis.recommendation.picture import (
        draw_nearest,
    )  # late: there may be nothing to draw

    draw_nearest(facts["target"], shown, images, facts["place"], [path])
    return True
