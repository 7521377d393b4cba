"""Splits by a stated rule and seed, for datasets without an official one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def drawn(name: str, seed: int) -> str:
    """Hexadecimal digits that a name draws under a seed, independent of all other names."""
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()


def held_out(names: Iterable[str], share: float, seed: int) -> set[str]:
    """Names that are held out for evaluation: the `share` of them, at least one of two, that draw lowest.

    Names are what must stay together: images, or scenes and drives. Adding or removing one moves at most one
    other across the border.
    """
    ordered = sorted(set(names), key=lambda name: (drawn(name, seed), name))
    number = round(share * len(ordered))
    if len(ordered) > 1 and share > 0:
        number = min(max(number, 1), len(ordered) - 1)
    return set(ordered[:number])
