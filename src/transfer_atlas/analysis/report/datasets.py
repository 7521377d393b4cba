"""A page for each dataset: its card, with the contact sheet as a picture."""

from __future__ import annotations

from typing import Any

from transfer_atlas.analysis.cards.words import counts_of, normals_in_words, shares_in_words, sizes_in_words
from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.charts import sizes_chart
from transfer_atlas.analysis.report.pictures import budget_of, gallery
from transfer_atlas.analysis.report.study import ReportedStudy, relative

MOST_CLASSES = 200  # rows of a table of classes in the page; the card's file has them all


def dataset_pages(study: ReportedStudy) -> list[dict[str, Any]]:
    """One page for each dataset card."""
    entries = [
        (
            sheet,
            relative(sheet, study.place),
            f"Images of {card['name']} as they are, and with their annotation drawn",
        )
        for card, sheet in study.cards
    ]
    sheets = gallery(entries, "sheet", budget_of("sheet", len(study.tables["transfers"])))
    return [_page(study, card, sheet) for (card, _), sheet in zip(study.cards, sheets, strict=True)]


def _page(study: ReportedStudy, card: Any, sheet: Any) -> dict[str, Any]:
    targets = [name for name in study.targets if name.split("/", 1)[1] == card["name"]]
    sizes = card["sizes"]
    return {
        "card": card,
        "anchor": words.anchor("dataset", card["name"]),
        "domain": words.in_words(card["domain"]),
        "sheet": sheet,
        "counts": counts_of(card),
        "images": sum(card["counts"].values()),
        "sizes": sizes_in_words(sizes) if sizes else "",
        "sizes_chart": sizes_chart(sizes) if sizes else None,
        "tasks": [_task(kind, told) for kind, told in card["tasks"].items()],
        "targets": [(name, words.anchor("target", name)) for name in targets],
        "file": f"datasets/{card['name'].replace('@', '.')}.md",
    }


def _task(kind: str, told: dict[str, Any]) -> dict[str, Any]:
    """What is annotated, in words, and the table of classes."""
    lines, rows, splits = [], [], []
    if kind == "depth":
        lines.append(f"Known depth: {shares_in_words(told['valid'])} of the pixels.")
        reach = f"{told['minimum']:g} to {told['maximum']:g} {told['unit']}"
        lines.append(f"Of it in range ({reach}): {shares_in_words(told['in_range'])}.")
    elif kind == "normals":
        lines.append(normals_in_words(told))
    elif kind == "keypoints":
        objects = ", ".join(f"{number:,} in {split}" for split, number in told["objects"].items())
        lines.append(
            f"{len(told['names'])} keypoints: {', '.join(words.in_words(name) for name in told['names'])}."
        )
        lines.append(f"Annotated objects: {objects}.")
    else:
        splits = [name for name in (told["classes"] or [{}])[0] if name != "name"]
        rows = told["classes"][:MOST_CLASSES]
        lines.append(f"{len(told['classes'])} classes.")
        if len(rows) < len(told["classes"]):
            lines.append(f"The first {len(rows)} are shown; the card's file has all.")
        if kind == "segmentation":
            number = ", ".join(f"{count} of {split}" for split, count in told["sampled"].items())
            lines.append(
                f"Counted in {number} images. Pixels with a class: {shares_in_words(told['valid'])}."
            )
        for split, names in told["absent"].items():
            if names:
                lines.append(f"In no image of {split}: {', '.join(names)}.")
    colours = told.get("colours", [])
    rows = [
        row | {"colour": "#{:02x}{:02x}{:02x}".format(*colours[place]) if place < len(colours) else None}
        for place, row in enumerate(rows)
    ]
    return {"kind": kind, "lines": lines, "rows": rows, "splits": splits, "unit": told.get("unit", "")}
