"""A card's counts, sizes and shares as a reader takes them, for its file and for the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def counts_of(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Images by split: found, of a complete copy with default settings, and as Table 1 prints them; None if unknown."""
    official = card["official"] or {"expected": {}, "table1": {}}
    expected: dict[str, int] = {}
    for counts in official["expected"].values():
        for split, number in counts.items():
            expected[split] = max(number, expected.get(split, 0))
    splits = list(dict.fromkeys([*card["counts"], *expected]))
    return [
        {
            "split": split,
            "numbers": [card["counts"].get(split), expected.get(split), official["table1"].get(split)],
        }
        for split in splits
    ]


def sizes_in_words(sizes: Mapping[str, Any]) -> str:
    """The extremes of a dataset's image sizes, or the one that all have."""
    common = "x".join(map(str, sizes["commonest"]))
    if sizes["commonest_share"] == 1.0:
        return f"all {common}"
    ends = f"{sizes['smallest'][0]} to {sizes['largest'][0]} wide, {sizes['smallest'][1]} to {sizes['largest'][1]} high"
    return f"{ends}; {100 * sizes['commonest_share']:.0f}% are {common}"


def shares_in_words(shares: Mapping[str, float]) -> str:
    """Shares by split: `train 98.1%, val 97.5%`."""
    return ", ".join(f"{split} {100 * share:.1f}%" for split, share in shares.items())


def normals_in_words(told: Mapping[str, Any]) -> str:
    """What is known of a dataset's surface normals."""
    origin = "Normals, derived from depth and the camera's intrinsics" if told["derived"] else "Normals"
    return f"{origin}: of {shares_in_words(told['valid'])} of the pixels."
