"""Binary tasks of one segmentation dataset: some classes against all others, as one set of channels shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated

from pydantic import Field, model_validator

from transfer_atlas.strict import Strict
from transfer_atlas.study.messages import NAME_PATTERN, nearest

CHANNELS = 3  # of an image
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


@dataclass(frozen=True)
class BinaryTask:
    """One of them. classes: those that are foreground; modality: name of the channel set, `channels` what is in it;
    None and () where the dataset has one kind of images.
    """

    classes: tuple[str, ...]
    modality: str | None
    channels: tuple[str, ...]


class BinaryTasks(Strict):
    """Binary tasks of a segmentation dataset (Li's talk, brain MRI): its parts `<class set>_<modality>`."""

    classes: dict[Name, Annotated[list[str], Field(min_length=1)]] = Field(
        min_length=1,
        description="Class sets by name: the classes that are foreground, all others being background. Sets may nest "
        "or overlap.",
    )
    modalities: dict[Name, Annotated[list[str], Field(min_length=1, max_length=CHANNELS)]] = Field(
        {},
        description="Channel sets by name, each of one to three of the modalities that the adapter delivers: every "
        "class set is a task in each. Parts are named after the class set alone if absent.",
    )
    families: dict[Name, Annotated[list[str], Field(min_length=1)]] = Field(
        {},
        description="Classes that belong together, by name, such as those of a tumour: tasks within one family are "
        "related, others are not. All are related if absent. Enters tables, and no key.",
    )

    @model_validator(mode="after")
    def _check(self) -> BinaryTasks:
        for kind, sets in (("classes", self.classes), ("modalities", self.modalities)):
            seen: dict[frozenset[str], str] = {}
            for name, members in sets.items():
                other = seen.setdefault(frozenset(members), name)
                if other != name:
                    raise ValueError(f"{kind}: {other} and {name} hold the same; remove one")
        twice = [name for name, number in Counter(self._names()).items() if number > 1]
        if twice:
            raise ValueError(f"two tasks would be named {twice[0]}; rename a class set or a modality")
        several = [
            n
            for n, number in Counter(c for f in self.families.values() for c in set(f)).items()
            if number > 1
        ]
        if several:
            raise ValueError(f"families: {several[0]} is in more than one; a class belongs to one family")
        return self

    def _names(self) -> list[str]:
        return [f"{name}_{m}" if m else name for name, m in product(self.classes, self.modalities or [""])]

    def tasks(self, known: Sequence[str]) -> dict[str, BinaryTask]:
        """All of them by the name of their part; channels in the order of `known`, the adapter's modalities."""
        pairs = product(self.classes.values(), self.modalities or [None])
        return {
            part: BinaryTask(
                tuple(sorted(set(classes))),
                modality,
                tuple(each for each in known if modality and each in self.modalities[modality]),
            )
            for part, (classes, modality) in zip(self._names(), pairs, strict=True)
        }

    def check_modalities(self, known: Sequence[str], adapter: str) -> None:
        """Raise ValueError for a channel that the adapter does not deliver."""
        if self.modalities and not known:
            raise ValueError(
                f"binary.modalities: the adapter {adapter} delivers one kind of images; remove the key"
            )
        for name, channels in self.modalities.items():
            for channel in channels:
                if channel not in known:
                    raise ValueError(
                        f"binary.modalities.{name}: unknown modality {channel!r}{nearest(channel, list(known))}; the "
                        f"adapter {adapter} delivers {', '.join(known)}"
                    )
