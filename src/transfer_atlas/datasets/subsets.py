"""Subsets of the images of a split: chosen by the ids alone, so that they do not move when other images do."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def order_of(ids: Sequence[str], seed: int) -> list[int]:
    """Positions of the images in the order in which subsets take them: that of a hash of seed and id.

    A smaller subset is part of a larger one. An image that is added, removed or moved to another shard takes a place
    of its own, and changes no other's.
    """
    digests = [hashlib.sha256(f"{seed}|{identifier}".encode()).digest() for identifier in ids]
    return sorted(range(len(ids)), key=lambda at: (digests[at], ids[at]))


def subset(ids: Sequence[str], number: int | None, seed: int) -> list[int]:
    """Sorted positions of the images of a subset; all of them if there are no more."""
    if number is None or number >= len(ids):
        return list(range(len(ids)))
    return sorted(order_of(ids, seed)[:number])


def ranks(ids: Sequence[str], splits: Sequence[str], seed: int) -> list[int]:
    """Rank of each image in its split: a subset of n images has those of rank 0 to n - 1."""
    ranked = [0] * len(ids)
    for split in set(splits):
        positions = [at for at, one in enumerate(splits) if one == split]
        for rank, place in enumerate(order_of([ids[at] for at in positions], seed)):
            ranked[positions[place]] = rank
    return ranked
