"""Which datasets of a study are there, where the others are expected and come from: `transfer-atlas doctor`.

By the names of files, which takes seconds, or thoroughly: every image and annotation decoded, as preparing them would.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TextIO

from transfer_atlas.datasets.decoding_all import Decoded, decode_all
from transfer_atlas.datasets.whereabouts import Whereabouts, whereabouts
from transfer_atlas.errors import AtlasError, ConfigurationError
from transfer_atlas.planning.plan import used_datasets
from transfer_atlas.study.parse import load_study
from transfer_atlas.study.study import Study

FOLDER = "doctor"  # in the scratch folder: what is known to be in order
NAMED = 20  # problems of a dataset that are told
HEADER = f"{'dataset':<20}{'state':<14}{'files':>9}{'size':>10}  images"


def look(study: Study, only: Collection[str] = ()) -> list[Whereabouts]:
    """What of each dataset that the study uses is there, in the study's order; only: of these.

    Raises ConfigurationError for a name that is no dataset of the study, DatasetError for damaged records.
    """
    unknown = sorted(set(only) - set(study.datasets))
    if unknown:
        raise ConfigurationError(
            f"{', '.join(unknown)}: no such dataset. Study {study.study} has {', '.join(study.datasets)}."
        )
    names = [name for name in study.datasets if name in only] if only else used_datasets(study)
    return [whereabouts(study.datasets[name].adapter, study.data_root, name) for name in names]


def told(study: Study, found: Sequence[Whereabouts]) -> str:
    """The table of datasets, then for each that is not complete what was found and where it comes from."""
    lines = [f"Raw datasets of study {study.study}, in {study.data_root}", "", HEADER]
    lines += [_row(each) for each in found]
    for each in found:
        if each.state in ("missing", "partly there"):
            lines += ["", f"{each.dataset} ({each.state}): {each.folder}"]
            lines += [f"  {text}" for text in (*each.findings, *each.remedies)]
    return "\n".join([*lines, "", _summary(study, found)])


def brief(study: Study, absent: Collection[str]) -> str:
    """What a plan says of datasets that are not there: a line each, and where more is told; empty if none."""
    if not absent:
        return ""
    found = [each for each in look(study, absent) if each.folder is not None]
    width = max(len(each.dataset) for each in found)
    one = len(found) == 1
    what = "raw dataset of the study is not there" if one else "raw datasets of the study are not there"
    lines = [f"{len(found)} {what}:"]
    for each in found:
        size = f", about {each.card.gigabytes:g} GB" if each.card and each.card.gigabytes else ""
        lines.append(f"  {each.dataset:<{width}}  {each.folder}{size}")
    lines.append(
        "`transfer-atlas doctor STUDY.yaml`, or `snakemake datasets`, says where to get them and what is expected."
    )
    return "\n".join(lines)


def _row(each: Whereabouts) -> str:
    images = ", ".join(map(str, each.splits)) or ("drawn when it is needed" if each.folder is None else "-")
    files, size = (f"{each.files:,}", _size(each.size)) if each.files else ("-", "-")
    return f"{each.dataset:<20}{each.state:<14}{files:>9}{size:>10}  {images}"


def _size(number: int) -> str:
    """Bytes for people."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6)):
        if number >= factor:
            return f"{number / factor:,.1f} {unit}"
    return f"{number / 1000:,.1f} kB"


def _summary(study: Study, found: Sequence[Whereabouts]) -> str:
    """How many are there, and what the others take."""
    counts = {state: sum(each.state == state for each in found) for state in _STATES}
    text = ", ".join(f"{number} {state}" for state, number in counts.items() if number) + "."
    missing = [each for each in found if each.state == "missing"]
    known = [each.card.gigabytes for each in missing if each.card and each.card.gigabytes]
    if known:
        unknown = len(missing) - len(known)
        more = f", and {unknown} whose size is not known" if unknown else ""
        text += f" Archives of what is missing: about {sum(known):,.0f} GB{more}; {_free(study.data_root)}"
    return text


_STATES = ("present", "generated", "partly there", "missing")


def _free(folder: Path) -> str:
    """Free space where the data go: of the nearest folder that is there."""
    place = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.is_dir())
    return f"{shutil.disk_usage(place).free / 1e9:,.0f} GB are free in {place}."


def decode(study: Study, found: Sequence[Whereabouts], workers: int, stream: TextIO) -> tuple[str, bool]:
    """Decode all of what is there: what to say of it, and whether everything is in order."""
    lines, well = [], True
    for each in found:
        if each.folder is None or not each.files:
            continue
        settings, shown = study.datasets[each.dataset].adapter, _Progress(each.dataset, stream)
        kept = Path(study.scratch) / FOLDER / f"{each.dataset}.jsonl"
        try:
            result = decode_all(
                settings, study.data_root, each.dataset, kept=kept, workers=workers, progress=shown
            )
        except AtlasError as error:
            lines.append(f"{each.dataset}: {error}")
            well = False
            continue
        well &= not result.problems
        lines += _told_of(each.dataset, result)
    return "\n".join(lines), well


def _told_of(dataset: str, result: Decoded) -> list[str]:
    number = len(result.problems)
    found = "all in order" if not number else f"{number} problem{'s' * (number > 1)}"
    lines = [f"{dataset}: {result.images:,} images in order ({result.looked_at:,} decoded now); {found}"]
    lines += [f"  {text}" for text in result.problems[:NAMED]]
    lines += [f"  and {number - NAMED:,} more"] if number > NAMED else []
    return lines + [f"  left out: {file}: {what}" for file, what in list(result.broken.items())[:NAMED]]


class _Progress:
    """Says now and then how many images of a dataset are decoded, and how long the rest takes."""

    EVERY = 10.0  # seconds

    def __init__(self, dataset: str, stream: TextIO) -> None:
        self.dataset, self.stream, self.first = dataset, stream, 0
        self.began = self.shown = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        self.first = self.first or done  # those known before took no time
        if now - self.shown < self.EVERY:
            return
        self.shown = now
        speed = (done - self.first) / (now - self.began)
        left = f", {(total - done) / speed:.0f} s left" if speed > 0 else ""
        print(f"  {self.dataset}: {done:,} of {total:,} images{left}", file=self.stream, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Look for a study's datasets. Returns the exit status: 1 unless all that it uses are there and in order."""
    parser = argparse.ArgumentParser(
        prog="transfer-atlas doctor",
        description="Say which raw datasets of a study are there, and where the others come from.",
    )
    parser.add_argument(
        "study", type=Path, nargs="?", default=Path("config.yaml"), help="default: config.yaml"
    )
    parser.add_argument(
        "--dataset", action="append", default=[], metavar="NAME", help="only this one; repeatable"
    )
    parser.add_argument("--data-root", type=Path, help="instead of the study's")
    parser.add_argument(
        "--thorough",
        action="store_true",
        help="decode every image and annotation; may be interrupted, and goes on where it was",
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that decode")
    chosen = parser.parse_args(arguments)
    try:
        study = load_study(chosen.study)
        if chosen.data_root is not None:
            study = study.model_copy(update={"data_root": chosen.data_root})
        found = look(study, chosen.dataset)
        print(told(study, found), flush=True)
        well = all(each.state in ("present", "generated") for each in found)
        if chosen.thorough:
            text, decoded_well = decode(study, found, chosen.workers, sys.stderr)
            print(f"\n{text}" if text else "\nThere is nothing to decode.")
            well &= decoded_well
    except AtlasError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. What was decoded is kept: call again to go on.", file=sys.stderr)
        return 130
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
