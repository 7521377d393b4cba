"""The methods of transfers, each described once: planning, keys and runners follow from this table.

To add one: its entry here, its module beside this file, and its stage in `code_versions.yaml`. Nothing is imported
until a method is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

PLAIN = "plain"


@dataclass(frozen=True)
class Method:
    """What is known of a method.

    Parameters
    ----------
    stages
        Stages of code that enter the keys of its transfers, beside those of every transfer.
    settings
        Section of `methods` in a study that holds its settings; None if it has none.
    task_types
        Task types of targets that it can train.
    source_data
        Whether a transfer reads the images and labels that its source was trained on.
    start
        What makes the starting backbone of a transfer, which is then fine-tuned as ever, as `module:function`.
    transfer
        What carries out the whole transfer in place of fine-tuning, as `module:function`.
    source
        What trains a source of its own, from the ILSVRC checkpoint and the source's task, as `module:function`; None
        if it starts from the source of every other method.
    """

    stages: tuple[str, ...] = ()
    settings: str | None = None
    task_types: tuple[str, ...] = (
        "segmentation",
        "classification",
        "detection",
        "keypoints",
        "depth",
        "normals",
    )
    source_data: bool = False
    start: str | None = None
    transfer: str | None = None
    source: str | None = None


_EPISODIC = {
    "stages": ("method_episodic",),
    "settings": "episodes",
    "task_types": ("classification",),
    "transfer": "transfer_atlas.training.methods.episodic:transfer",
    "source": "transfer_atlas.training.methods.episodic:source",
}
METHODS: dict[str, Method] = {
    PLAIN: Method(),
    "otce": Method(
        stages=("method_otce", "metric_otce"),
        settings="otce",
        task_types=("segmentation", "classification"),
        source_data=True,
        start="transfer_atlas.training.methods.otce:guided_start",
    ),
    "prototypical": Method(**_EPISODIC),  # type: ignore[arg-type]
    "matching": Method(**_EPISODIC),  # type: ignore[arg-type]
}


def called(name: str) -> Callable[..., Any]:
    """The function that `module:function` names, imported when it is needed."""
    module, function = name.split(":")
    return getattr(import_module(module), function)
