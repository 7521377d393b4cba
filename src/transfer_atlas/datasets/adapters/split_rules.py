"""Splits by rule: a seeded share of the images for validation, whole groups at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def split_by_share(groups: Sequence[str], share: float, seed: int) -> list[bool]:
    """Say for each image whether it is one of the validation images.

    groups: of each image; a group is never divided, so that frames of one scene do not meet themselves. Groups are
    taken in the order of a hash of seed and name until the share of the images is reached, so that the rule needs
    no list, and an image added elsewhere moves few others. At least one group is on either side if there are two.
    """
    sizes: dict[str, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    order = sorted(sizes, key=lambda group: (hashlib.sha256(f"{seed}|{group}".encode()).digest(), group))
    chosen: set[str] = set()
    taken, wanted = 0, share * len(groups)
    for group in order[: max(len(order) - 1, 0)]:
        if chosen and taken + sizes[group] / 2 > wanted:
            break
        chosen.add(group)
        taken += sizes[group]
    return [group in chosen for group in groups]
