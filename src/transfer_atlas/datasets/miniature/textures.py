"""Scalar textures: functions of a surface's coordinates that return a field between 0 and 1.

Coordinates come in wavelengths (one unit is one period of the texture), so the same texture can be drawn on a
facing wall, on a road in perspective or seen from above. Noise is looked up in fixed periodic tiles, which
costs a few microseconds per thousand pixels and keeps every texture deterministic.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

TILE = 256  # texels per side of a noise tile; a power of two, so that wrapping is a bitwise and
TEXELS = 8  # texels per wavelength
Field = np.ndarray
Texture = Callable[[Field, Field, np.ndarray], Field]


def _filtered_noise(seed: int, response: np.ndarray) -> np.ndarray:
    """Periodic Gaussian noise with the given spectrum, squashed to 0..1 with most of its mass inside."""
    white = np.random.default_rng(seed).standard_normal((TILE, TILE))
    noise = np.fft.ifft2(np.fft.fft2(white) * response).real
    noise /= noise.std()
    return (1 / (1 + np.exp(-1.7 * noise))).astype(np.float32)


def _cell_borders(seed: int) -> np.ndarray:
    """Distance to the border of irregular cells (cobbles, pebbles): 0 on borders, 1 inside."""
    from scipy.spatial import cKDTree  # a plan reads this module, and draws nothing

    rng = np.random.default_rng(seed)
    corners = np.stack(np.meshgrid(np.arange(0, TILE, TEXELS), np.arange(0, TILE, TEXELS)), -1).reshape(-1, 2)
    points = (corners + rng.uniform(0, TEXELS, corners.shape)) % TILE
    pixels = np.stack(np.meshgrid(np.arange(TILE), np.arange(TILE)), -1).reshape(-1, 2) + 0.5
    distances, _ = cKDTree(points, boxsize=TILE).query(pixels, k=2)
    border = np.clip((distances[:, 1] - distances[:, 0]) / 2.5, 0, 1)
    return border.reshape(TILE, TILE).astype(np.float32)


@cache
def _tiles() -> dict[str, np.ndarray]:
    """All noise tiles, made once per process."""
    across, along = np.meshgrid(np.fft.fftfreq(TILE), np.fft.fftfreq(TILE))
    radius = np.hypot(across, along)
    pitch = 1 / TEXELS
    return {
        "isotropic": _filtered_noise(1, np.exp(-(((radius - pitch) / (0.3 * pitch)) ** 2))),
        "soft": _filtered_noise(2, np.exp(-((radius / (0.3 * pitch)) ** 2)) * (radius > 0)),
        "grain": _filtered_noise(
            3, np.exp(-(((np.abs(across) - pitch) / (0.4 * pitch)) ** 2) - (along / (0.22 * pitch)) ** 2)
        ),
        "white": np.random.default_rng(4).random((TILE, TILE), dtype=np.float32),
        "cells": _cell_borders(5),
    }


def _look_up(tile: str, u: Field, v: Field, texels: float = TEXELS) -> Field:
    columns = (u * texels).astype(np.int32) & (TILE - 1)
    rows = (v * texels).astype(np.int32) & (TILE - 1)
    return _tiles()[tile][rows, columns]


def _fraction(x: Field) -> Field:
    return x - np.floor(x)


def _steep(x: Field, steepness: float) -> Field:
    """A contrast curve around 0.5."""
    return np.clip(0.5 + steepness * (x - 0.5), 0, 1)


def _plain(u: Field, v: Field, p: np.ndarray) -> Field:
    return 0.5 + 0.4 * (_look_up("soft", u, v) - 0.5)


def _speckle(u: Field, v: Field, p: np.ndarray) -> Field:
    return _look_up("isotropic", u, v)


def _blobs(u: Field, v: Field, p: np.ndarray) -> Field:
    return 0.75 * _steep(_look_up("isotropic", u, v), 2.5) + 0.25 * _look_up("isotropic", v * 2.3, u * 2.3)


def _grain(u: Field, v: Field, p: np.ndarray) -> Field:
    return _steep(_look_up("grain", u, v), 1.5)


def _fur(u: Field, v: Field, p: np.ndarray) -> Field:
    bend = 0.8 * _look_up("soft", v * 0.5, u * 0.5)
    return _look_up("grain", u + bend, v - bend)


def _clouds(u: Field, v: Field, p: np.ndarray) -> Field:
    return _steep(_look_up("soft", u * 0.6, v), 1.3)


def _brick(u: Field, v: Field, p: np.ndarray) -> Field:
    row = np.floor(v)
    column = u * 0.5 + 0.5 * (row % 2)
    mortar = (_fraction(v) < 0.22) | (_fraction(column) < 0.12)
    tone = 0.75 + 0.25 * _look_up("white", np.floor(column), row, 1)
    return np.where(mortar, 0.0, tone).astype(np.float32)


def _windows(u: Field, v: Field, p: np.ndarray) -> Field:
    width, height = 0.3 + 0.3 * p[0], 0.4 + 0.3 * p[1]
    inside = (np.abs(_fraction(u) - 0.5) < width / 2) & (np.abs(_fraction(v) - 0.5) < height / 2)
    pane = 0.35 * _look_up("white", np.floor(u), np.floor(v), 1)
    return np.where(inside, pane, 0.85 + 0.15 * (_fraction(v) > 0.06)).astype(np.float32)


def _tiles_texture(u: Field, v: Field, p: np.ndarray) -> Field:
    joint = (_fraction(u) < 0.16) | (_fraction(v) < 0.16)
    tone = 0.7 + 0.3 * _look_up("white", np.floor(u), np.floor(v), 1)
    return np.where(joint, 0.05, tone).astype(np.float32)


def _planks(u: Field, v: Field, p: np.ndarray) -> Field:
    tone = _look_up("white", np.floor(u), np.floor(v * 0.2 + 7 * np.floor(u)), 1)
    grain = _look_up("grain", u * 3, v * 0.7)
    return np.where(_fraction(u) < 0.14, 0.0, 0.35 + 0.35 * tone + 0.3 * grain).astype(np.float32)


def _waves(u: Field, v: Field, p: np.ndarray) -> Field:
    swell = 2.2 * _look_up("soft", u * 0.8, v * 0.8)
    return _steep(0.5 + 0.5 * np.sin(2 * np.pi * (v + swell)), 1.2)


def _ripples(u: Field, v: Field, p: np.ndarray) -> Field:
    bend = 0.8 * _look_up("soft", u * 0.7, v * 0.7)
    crest = np.abs(np.sin(np.pi * (v + 0.25 * u + bend)))
    return 0.75 * crest + 0.25 * _look_up("white", u, v)


def _weave(u: Field, v: Field, p: np.ndarray) -> Field:
    return 0.5 + 0.5 * np.sin(2 * np.pi * u) * np.sin(2 * np.pi * v)


def _plaid(u: Field, v: Field, p: np.ndarray) -> Field:
    return 0.5 * ((_fraction(u) < 0.45).astype(np.float32) + (_fraction(v) < 0.45))


def _stripes(u: Field, v: Field, p: np.ndarray) -> Field:
    return _steep(0.5 + 0.5 * np.sin(2 * np.pi * u) + 0 * v, 2)


def _furrows(u: Field, v: Field, p: np.ndarray) -> Field:
    wobble = 0.3 * _look_up("soft", u * 0.3, v * 0.3)
    return 0.8 * (0.5 + 0.5 * np.sin(2 * np.pi * (u + wobble))) + 0.2 * _look_up("isotropic", u * 2, v * 2)


def _folds(u: Field, v: Field, p: np.ndarray) -> Field:
    return 0.5 + 0.5 * np.sin(2 * np.pi * (u + 0.5 * _look_up("soft", u, v * 0.1)))


def _labyrinth(u: Field, v: Field, p: np.ndarray) -> Field:
    return _steep(0.5 + 0.5 * np.sin(14 * _look_up("soft", u, v)), 1.5)


def _ridged(u: Field, v: Field, p: np.ndarray) -> Field:
    coarse = np.abs(2 * _look_up("isotropic", u * 0.6, v * 0.6) - 1)
    return 0.7 * (1 - coarse) ** 2 + 0.3 * _look_up("isotropic", u * 1.7, v * 1.7)


def _scales(u: Field, v: Field, p: np.ndarray) -> Field:
    row = np.floor(v)
    x = _fraction(u + 0.5 * (row % 2)) - 0.5
    y = _fraction(v)
    return np.clip(1.25 * np.sqrt(x * x + (0.7 * y) ** 2) + 0.1, 0, 1)


def _bars(u: Field, v: Field, p: np.ndarray) -> Field:
    rail = np.abs(_fraction(v * 0.45) - 0.5) < 0.1
    return ((_fraction(u) < 0.4) | rail).astype(np.float32)


def _books(u: Field, v: Field, p: np.ndarray) -> Field:
    shelf = np.floor(v * 0.3)
    spine = np.floor(u + 0.3 * shelf)
    tone = _look_up("white", spine, shelf, 1)
    return np.where(_fraction(v * 0.3) < 0.16, 0.0, 0.15 + 0.85 * tone).astype(np.float32)


def _streaks(u: Field, v: Field, p: np.ndarray) -> Field:
    return 0.5 + 0.5 * np.sin(1.6 * (u + v)) * np.sin(0.7 * (u + v) + 6 * p[0])


def _dots(u: Field, v: Field, p: np.ndarray) -> Field:
    x, y = _fraction(u) - 0.5, _fraction(v + 0.5 * (np.floor(u) % 2)) - 0.5
    return (x * x + y * y < 0.09).astype(np.float32)


def _cells(u: Field, v: Field, p: np.ndarray) -> Field:
    return _look_up("cells", u, v)


def _gloss(u: Field, v: Field, p: np.ndarray) -> Field:
    return 0.5 + 0.5 * np.sin(1.5 * v + 0.3 * u + 6 * p[0])


TEXTURES: dict[str, Texture] = {
    "plain": _plain,
    "speckle": _speckle,
    "blobs": _blobs,
    "grain": _grain,
    "fur": _fur,
    "clouds": _clouds,
    "brick": _brick,
    "windows": _windows,
    "tiles": _tiles_texture,
    "planks": _planks,
    "waves": _waves,
    "ripples": _ripples,
    "weave": _weave,
    "plaid": _plaid,
    "stripes": _stripes,
    "furrows": _furrows,
    "folds": _folds,
    "labyrinth": _labyrinth,
    "ridged": _ridged,
    "scales": _scales,
    "bars": _bars,
    "books": _books,
    "streaks": _streaks,
    "dots": _dots,
    "cells": _cells,
    "gloss": _gloss,
}
