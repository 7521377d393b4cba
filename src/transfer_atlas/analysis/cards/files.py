"""Dataset cards as files: `<results>/datasets/<name>.json` (facts), `.jpg` (contact sheet), `.md` (to read)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfer_atlas.analysis.cards.card import dataset_card
from transfer_atlas.analysis.cards.contact_sheet import contact_sheet
from transfer_atlas.analysis.cards.words import counts_of, normals_in_words, shares_in_words, sizes_in_words
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.store.store import RUN_FILE, read_run


def write_card(name: str, about: Mapping[str, Any], facts: Path, sheet: Path, page: Path) -> None:
    """Write the card of a dataset; about: its `domain`, `adapter` and the `folder` of its prepared run.

    Where that folder is not here (transfers can be had without it), the card holds what is known without it.
    """
    folder = Path(about["folder"])
    there = (folder / "dataset.json").exists()
    dataset = PreparedDataset.open(folder) if there else None
    told = read_run(folder)["metrics"] if (folder / RUN_FILE).exists() else None
    card = dataset_card(name, about["domain"], about["adapter"], dataset, told)
    for path in (facts, sheet, page):
        path.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(dataset).save(sheet, quality=85)
    facts.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    page.write_text(card_as_markdown(card, sheet.name), encoding="utf-8")


def card_as_markdown(card: Mapping[str, Any], sheet: str) -> str:
    """The card as a page of Markdown; sheet: the file of the contact sheet, beside it."""
    lines = [f"# {card['title']}", "", f"![Images of {card['name']} with their annotation]({sheet})", ""]
    lines += [f"* Name in the study: `{card['name']}`, image domain: {card['domain'].replace('_', ' ')}"]
    lines += [f"* Read by the adapter `{card['adapter']}`"]
    official = card["official"] or {}
    for words, text in (
        ("Licence", card["licence"]),
        ("Where to get it", card["source"]),
        ("Archives", "; ".join(official.get("archives", []))),
        ("Citation", official.get("citation", "")),
    ):
        lines += [f"* {words}: {text}"] if text else []
    if not card["here"]:
        lines += ["* The prepared dataset is not on this machine: what follows is what is known without it."]
    lines += [
        "",
        "| images | " + " | ".join(["found", "complete copy", "Table 1"]) + " |",
        "|---|---|---|---|",
    ]
    for row in counts_of(card):
        lines.append(f"| {row['split']} | " + " | ".join(map(_number, row["numbers"])) + " |")
    lines += ["", *(f"* {text}" for text in [*official.get("differences", []), *card["notes"]])]
    if card["sizes"]:
        lines += ["", f"Sizes in pixels: {sizes_in_words(card['sizes'])}."]
    for kind, told in card["tasks"].items():
        lines += ["", f"## {kind}", "", *_task_lines(kind, told)]
    lines += [""] + [f"* Not verified on the archive: {text}" for text in official.get("unverified", [])]
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n") + "\n"


def _task_lines(kind: str, told: Mapping[str, Any]) -> list[str]:
    if kind == "depth":
        found = f"Known depth: {shares_in_words(told['valid'])} of the pixels; of it in range "
        return [
            f"{found}({told['minimum']:g} to {told['maximum']:g} {told['unit']}): {shares_in_words(told['in_range'])}."
        ]
    if kind == "normals":
        return [normals_in_words(told)]
    if kind == "keypoints":
        objects = ", ".join(f"{number:,} in {split}" for split, number in told["objects"].items())
        return [
            f"{len(told['names'])} keypoints: {', '.join(told['names'])}.",
            "",
            f"Annotated objects: {objects}.",
        ]
    splits = [name for name in told["classes"][0] if name != "name"] if told["classes"] else []
    unit = told["unit"]
    lines = [f"| class | {' | '.join(f'{unit} of {split}' for split in splits)} |"]
    lines += ["|" + "---|" * (1 + len(splits))]
    lines += [
        f"| {_cell(row['name'])} | " + " | ".join(f"{row[s]:,}" for s in splits) + " |"
        for row in told["classes"]
    ]
    if kind == "segmentation":
        number = ", ".join(f"{count} of {split}" for split, count in told["sampled"].items())
        lines += ["", f"Counted in {number}. Pixels with a class: {shares_in_words(told['valid'])}."]
    absent = {split: names for split, names in told["absent"].items() if names}
    return [*lines, "", *(f"* In no image of {split}: {', '.join(names)}" for split, names in absent.items())]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
