"""The official datasets as documentation, generated from their cards.

transfer-atlas catalogue           # rewrites docs/official_datasets.md
transfer-atlas catalogue --check   # fails if it is stale
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.registry import ADAPTERS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "official_datasets.md"
HEADER = """# Datasets in their official layouts

Generated from the cards in `src/transfer_atlas/datasets/official/` by
`transfer-atlas catalogue`; a test fails if it is stale.

Each of these is read as its authors distribute it: fetch the archives, unpack them into the folder named below, which
lies in the study's `data_root`, and name the adapter. Nothing has to be renamed, converted or listed.

    datasets:
      camvid: {domain: driving, adapter: {name: camvid}, tasks: {segmentation: {}}}

`path` is that folder, where it is another; an archive may be unpacked into it, or be it. Where an archive's own names
have several parts (`VOCdevkit/VOC2012/...`), any of these folders will do. All settings are in
[configuration.md](configuration.md), under the adapter's name. `transfer-atlas doctor STUDY.yaml` says which of a
study's datasets are there and complete, and what is missing where
([more](add_a_dataset.md#which-datasets-are-there)). To look at a dataset without a study:

    from transfer_atlas.datasets import open_dataset
    samples = open_dataset("camvid", "/data/camvid", "val", "segmentation")
    samples[0].image, samples[0].mask, samples.classes

What is in an archive but not on a dataset's list is passed over. Label maps and lists are the files of
`src/transfer_atlas/datasets/official/labels` and `lists`, taken from the authors' data code
(google-research/factors_of_influence, Apache-2.0) and from MSeg (mseg-dataset/mseg-api, lists and names CC BY 4.0).
"""


def catalogue_text() -> str:
    """The page: one section a dataset, by the adapter's name."""
    sections = [_section(name, adapter) for name, adapter in ADAPTERS.items() if hasattr(adapter, "CARD")]
    names = [name for name, adapter in ADAPTERS.items() if hasattr(adapter, "CARD")]
    contents = ", ".join(f"[`{name}`](#{name})" for name in names)
    return "\n".join([HEADER, f"{contents}.\n", *sections])


def _section(name: str, adapter: Any) -> str:
    card: Card = adapter.CARD
    settings = adapter.Settings
    size = f", about {card.gigabytes:g} GB" if card.gigabytes else ""
    lines = [
        f"## {name}",
        "",
        f"{card.title}: {', '.join(settings.available)}. {card.citation}.",
        "",
        f"* From: {card.obtain}",
        f"* Archives{size}: {'; '.join(card.archives)}",
        f"* Unpack into `{settings.model_fields['path'].default}/`:",
        *(f"    * `{pattern}`" for pattern in card.layout),
        f"* Licence: {card.licence}",
    ]
    lines += [f"* Images: {_counts(card)}"] if card.expected or card.table1 else []
    lines += [f"* {text}" for text in card.differences]
    lines += [f"* Not verified on the archive: {text}" for text in card.unverified]
    return "\n".join([*lines, ""])


def _counts(card: Card) -> str:
    """What a complete copy has, and what Table 1 prints."""
    found: dict[str, list[str]] = {}
    for task_type, counts in card.expected.items():
        text = ", ".join(f"{number:,} {split}" for split, number in counts.items())
        found.setdefault(text, []).append(task_type)
    parts = [text if len(found) == 1 else f"{text} ({', '.join(kinds)})" for text, kinds in found.items()]
    if card.table1:
        kinds = {kind: number for kind, number in card.table1.items() if kind not in ("train", "val")}
        classes = [
            f"{number} {'joints' if kind == 'keypoints' else 'classes'}" for kind, number in kinds.items()
        ]
        images = [f"{card.table1[split]:,} {split}" for split in ("train", "val") if split in card.table1]
        parts.append(f"Table 1 prints {', '.join(images + classes)}")
    return "; ".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or with --check say whether it is current. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="transfer-atlas catalogue", description="Write docs/official_datasets.md anew."
    )
    parser.add_argument("--check", action="store_true", help="only say whether it is stale")
    chosen = parser.parse_args(arguments)
    text = catalogue_text()
    if not chosen.check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.name} is stale: run transfer-atlas catalogue", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
