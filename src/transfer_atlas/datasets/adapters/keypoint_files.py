"""Keypoints as files hold them: names, mirror images, skeleton and sigmas, with what may be left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.patterns import Pattern
from transfer_atlas.strict import Introduced, Strict

_SIDE = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)
_OTHER = {
    "left": "right",
    "right": "left",
    "Left": "Right",
    "Right": "Left",
    "LEFT": "RIGHT",
    "RIGHT": "LEFT",
}


@cache
def coco_sigmas() -> dict[str, float]:
    """OKS sigmas of COCO's keypoints by name."""
    return yaml.safe_load((Path(__file__).parent / "coco_sigmas.yaml").read_text(encoding="utf-8"))


class KeypointFiles(Strict):
    """The keypoints of the objects: where they are, and what is to be known of them."""

    annotations: Pattern | None = Field(
        None,
        description="JSON file of a split below `path` that holds the keypoints, by the same annotation ids, "
        "where they are not in `annotations` themselves (COCO: annotations/person_keypoints_{split}.json).",
    )
    classes: list[str] = Field(
        [],
        description="Classes of the boxes whose objects have keypoints; by default that of the category that names "
        "them, or all classes where `names` does.",
    )
    names: list[str] | None = Field(
        None,
        min_length=1,
        description="Names in the order of the files; by default those of the one category that has any.",
    )
    flips: list[tuple[str, str]] | None = Field(
        None,
        description="Pairs of keypoints that trade places in a mirror; by default those whose names differ in "
        "`left` and `right`.",
    )
    skeleton: list[tuple[str, str]] | None = Field(
        None, description="Pairs of keypoints joined by a line in figures; by default the category's."
    )
    sigmas: dict[str, Annotated[float, Field(gt=0)]] = Field(
        {},
        description="OKS sigma of each keypoint: how far off annotators are, relative to the object's size. "
        "Keypoints with a name of COCO's need no entry.",
    )

    coordinates: Annotated[Literal["indices", "continuous"], Introduced("continuous")] = Field(
        "indices",
        description="Whether x and y name pixels (COCO's do: 0 is the first, whose centre is at 0.5), or are places, "
        "0 at the image's left and upper edge, as those of boxes.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.names is not None:
            describe_keypoints(self, self.names)
        return self


def describe_keypoints(
    settings: KeypointFiles,
    names: list[str],
    skeleton: Sequence[tuple[int, int]] = (),
    classes: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the fields of a KeypointsDescription.

    names, skeleton (pairs of indices from 0), classes: those of the files, where the settings say nothing.
    Raises ValueError if names are used twice or not known, or a mirror image or sigma is missing.
    """
    if len(set(names)) != len(names):
        raise ValueError("keypoints.names: a name occurs twice")
    for key, given in (
        ("flips", [name for pair in settings.flips or [] for name in pair]),
        ("skeleton", [name for pair in settings.skeleton or [] for name in pair]),
        ("sigmas", list(settings.sigmas)),
    ):
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise ValueError(f"keypoints.{key}: {unknown} are no keypoints; known: {', '.join(names)}")
    sigmas = coco_sigmas() | settings.sigmas
    missing = [name for name in names if name not in sigmas]
    if missing:
        raise ValueError(f"keypoints.sigmas: none for {', '.join(missing)}; give one for each")
    if settings.skeleton is not None:
        skeleton = [(names.index(one), names.index(other)) for one, other in settings.skeleton]
    return {
        "names": names,
        "flips": _flips(settings, names),
        "skeleton": list(skeleton),
        "sigmas": [sigmas[name] for name in names],
        "classes": settings.classes or list(classes),
    }


def _flips(settings: KeypointFiles, names: list[str]) -> list[int]:
    """Index of each keypoint's mirror image."""
    if settings.flips is None:
        mirrored = [_SIDE.sub(lambda side: _OTHER.get(side[0], side[0]), name) for name in names]
        missing = [name for name, other in zip(names, mirrored, strict=True) if other not in names]
        if missing:
            raise ValueError(
                f"keypoints.flips: no mirror image of {', '.join(missing)} by name; give the pairs"
            )
        return [names.index(other) for other in mirrored]
    partners = {one: other for pair in settings.flips for one, other in (pair, pair[::-1])}
    if len(partners) != len({name for pair in settings.flips for name in pair}) or any(
        partners[other] != one for one, other in partners.items()
    ):
        raise ValueError("keypoints.flips: a keypoint occurs in two pairs")
    return [names.index(partners.get(name, name)) for name in names]
