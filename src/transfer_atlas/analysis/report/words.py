"""Numbers and names as the report writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfer_atlas.analysis.figures.style import image_count, in_words, metric_in_words, signed

MINUS = "\N{MINUS SIGN}"
EFFECTS = {
    "very_positive": "very positive",
    "positive": "positive",
    "insignificant": "insignificant",
    "negative": "negative",
    "undecided": "undecided",
}

__all__ = ["image_count", "in_words", "metric_in_words", "signed"]


def known(value: Any) -> bool:
    """Whether a cell of a table holds something."""
    return value is not None and not (not isinstance(value, (list, dict)) and pd.isna(value))


def percent(gain: Any, decimals: int = 1) -> str:
    """A gain with its sign: `+12.0 %`; a dash where there is none."""
    if not known(gain):
        return "\N{EN DASH}"
    text = signed(float(gain), decimals)
    unsigned = text.startswith(MINUS) or float(text) == 0
    return f"{text if unsigned else '+' + text} %"


def interval(low: Any, high: Any, unit: str = " %") -> str:
    """An interval in words: `3.1 to 8.4 %`; empty where there is none."""
    if not (known(low) and known(high)):
        return ""
    return f"{signed(float(low), 1)} to {signed(float(high), 1)}{unit}"


def metric_value(value: Any) -> str:
    """A metric with three significant digits."""
    if not known(value):
        return "\N{EN DASH}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.3g}"


def duration(seconds: Any) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if not known(seconds):
        return "\N{EN DASH}"
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def memory(size: Any) -> str:
    """Bytes as MB or GB."""
    if not known(size):
        return "\N{EN DASH}"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def source_in_words(source: str) -> str:
    """A starting point as a reader writes it: `ILSVRC`, `random weights`, `segmentation/coco`."""
    if source.startswith("multi_"):
        return f"several datasets ({source.removeprefix('multi_')})"
    return {"ilsvrc": "ILSVRC", "scratch": "random weights"}.get(source, source)


def start_in_words(row: Mapping[str, Any]) -> str:
    """What a row of `best_sources` says to start from; no answer where no source has a gain over ILSVRC."""
    return "no answer" if row["certainty"] == "no_source" else source_in_words(row["start_from"])


def anchor(kind: str, name: str) -> str:
    """The id of a page of the report: `target-segmentation-camvid`. Other signs than those of ids stand as numbers, so
    that two names never share a page.
    """
    return f"{kind}-{''.join(map(_in_ids, name))}"


def _in_ids(sign: str) -> str:
    if sign in "/@":
        return "-" if sign == "/" else "."
    return sign if sign.isascii() and (sign.isalnum() or sign == "_") else f"_{ord(sign):x}_"
