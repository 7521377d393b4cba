"""A task: a task type on a dataset, or on a part of one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from transfer_atlas.errors import ConfigurationError

_WORD = r"[a-z][a-z0-9_]*"
_TASK = re.compile(rf"(?P<type>{_WORD})/(?P<dataset>{_WORD})(?:@(?P<part>{_WORD}))?")
FORM = "`task type/dataset`, such as segmentation/camvid, or `task type/dataset@part`"


@dataclass(frozen=True, order=True)
class Task:
    """`segmentation/camvid`, or `segmentation/cityscapes@aachen` for a part of the dataset."""

    type: str
    dataset: str
    part: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The task that a text names. Raises ConfigurationError for another text."""
        found = _TASK.fullmatch(text)
        if found is None:
            raise ConfigurationError(f"{text!r} names no task; expected {FORM}.")
        return cls(**found.groupdict())

    def __str__(self) -> str:
        return f"{self.type}/{self.place}"

    @property
    def place(self) -> str:
        """The dataset, or the part of it: `camvid`, `cityscapes@aachen`."""
        return self.dataset if self.part is None else f"{self.dataset}@{self.part}"

    @property
    def slug(self) -> str:
        """The task in the name of a file or folder."""
        return str(self).replace("/", "-").replace("@", ".")


ILSVRC = "ilsvrc"  # a starting point that is no task
BASELINES = (ILSVRC, "scratch")  # all of these
PLUS = "+"  # before the name of a backbone other than the study's own: `segmentation/bdd+unet`
MULTI = "multi_"  # a source trained on several datasets of one task type: multi_<task type>, multi_<task type>_<word>


def is_multi(source: str) -> bool:
    """Whether a source is trained on several datasets."""
    return source.startswith(MULTI)


def type_of_multi(source: str) -> str:
    """Task type of a multi-source: `segmentation` of `multi_segmentation`, and of `multi_segmentation_tumour`."""
    return source.removeprefix(MULTI).partition("_")[0]


def type_of_source(source: str) -> str | None:
    """Task type of a source; None for `ilsvrc`, `scratch` and pretrained models."""
    start = start_name(source)
    if is_multi(start):
        return type_of_multi(start)
    return Task.parse(start).type if _TASK.fullmatch(start) else None


def task_of(source: str) -> Task | None:
    """The task that a source was trained on; None where it is no single task."""
    start = start_name(source)
    return Task.parse(start) if _TASK.fullmatch(start) else None


def start_name(source: str) -> str:
    """A source's name without that of its backbone."""
    return source.partition(PLUS)[0]


def backbone_name(source: str) -> str | None:
    """The backbone that a source's name holds; None where it is the study's own."""
    return source.partition(PLUS)[2] or None
