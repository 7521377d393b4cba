"""Cities: sub-domains of one miniature dataset, which differ in light, weather, colours and camera, not in classes."""

from __future__ import annotations

import zlib

import numpy as np

from transfer_atlas.datasets.miniature.appearance import Look, Range
from transfer_atlas.datasets.miniature.worlds import MiniatureSpecification


def city_of(index: int, turns: int, cities: int) -> int:
    """The city of image `index`, counted from 0.

    Cities take turns in runs of as many images as classes take turns (`turns`), so that every city shows every class.
    """
    return index // max(1, turns) % cities


def in_city(given: MiniatureSpecification, number: int, seed: int) -> MiniatureSpecification:
    """A dataset as one of its cities looks: drawn from the dataset's name, the city's number and the seed alone."""
    streams = (zlib.crc32(given.name.encode()), zlib.crc32(b"city"), number)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=streams))
    look = given.look
    changed = {
        "brightness": _scaled(look.brightness, float(rng.uniform(0.7, 1.2))),
        "gamma": _scaled(look.gamma, float(rng.uniform(0.85, 1.25))),
        "cast": tuple(float(c * f) for c, f in zip(look.cast, rng.uniform(0.8, 1.2, 3), strict=True)),
        "saturation": float(np.clip(look.saturation * rng.uniform(0.6, 1.5), 0.1, 1.0)),
        "texture_scale": float(look.texture_scale * rng.uniform(0.7, 1.5)),
        "night": float(np.clip(look.night + rng.choice([0.0, 0.0, 0.4]), 0.0, 0.8)),
        "haze": _shifted(look.haze, float(rng.choice([0.0, 0.008, 0.02]))),
    }
    camera = {name: _scaled(span, float(rng.uniform(0.95, 1.05))) for name, span in given.camera.items()}
    return given.model_copy(
        update={"look": Look.model_validate(look.model_dump() | changed), "camera": camera}
    )


def _scaled(span: Range, factor: float) -> Range:
    return span[0] * factor, span[1] * factor


def _shifted(span: Range, by: float) -> Range:
    return span[0] + by, span[1] + by
