"""Slices of drawn brains with matter and tumour, as several modalities of magnetic resonance show the same scene.

Shaped after iSeg-2019 (cerebrospinal fluid, grey and white matter) and FeTS (a tumour's oedema, necrotic core and
enhancing rim), with the contrasts that textbooks give for each modality; no picture of either is in it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from transfer_atlas.datasets.adapters.modalities import as_colours
from transfer_atlas.datasets.prepared import Record

CLASSES = ("background", "csf", "grey_matter", "white_matter", "oedema", "necrosis", "enhancing")
COLOURS = (
    (0, 0, 0),
    (60, 120, 220),
    (150, 150, 150),
    (235, 235, 235),
    (60, 180, 75),
    (200, 40, 40),
    (250, 210, 60),
)
SKULL = len(CLASSES)  # drawn, and labelled as background
# Brightness (0 to 1) of the classes, and of the skull, by modality. T1: fat and white matter bright, fluid dark; T2:
# fluid bright; FLAIR: as T2 with free fluid suppressed; T1CE: T1 after a contrast agent, which the rim takes up.
CONTRASTS = {
    "t1": (0.02, 0.15, 0.48, 0.72, 0.40, 0.25, 0.50, 0.85),
    "t1ce": (0.02, 0.15, 0.46, 0.70, 0.38, 0.20, 0.98, 0.85),
    "t2": (0.02, 0.95, 0.62, 0.42, 0.80, 0.86, 0.62, 0.25),
    "flair": (0.02, 0.12, 0.58, 0.44, 0.95, 0.40, 0.76, 0.25),
}
MODALITIES = tuple(CONTRASTS)
HEALTHY = 0.15  # share of the slices without a tumour
NOISE = (0.02, 0.06)  # standard deviation of either part of the signal, of the full range
SHADING = 0.25  # how much the brightness of the coils varies across a slice


def render(split: str, index: int, modalities: Sequence[str], *, seed: int, size: int) -> Record:
    """One slice: image (size, size, 3) uint8, mask of `CLASSES`. The scene is the same in all modalities.

    It depends on (split, index, seed, size), its noise on the modality besides.
    """
    split_code = zlib.crc32(split.encode())
    labels = anatomy(_generator(seed, split_code, index), size)
    channels = [
        _signal(labels, each, _generator(seed, split_code, index, 1 + MODALITIES.index(each)))
        for each in modalities
    ]
    mask = np.where(labels == SKULL, 0, labels).astype(np.uint8)
    return Record(f"{split}_{index:05d}", split, as_colours(channels), mask=mask)


def anatomy(rng: np.random.Generator, size: int) -> np.ndarray:
    """Labels (size, size) of one slice: indices of CLASSES, or SKULL."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size * 2 - 1
    turn = rng.normal(0, 0.15)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    u, v = u - rng.normal(0, 0.03), v - rng.normal(0, 0.03)
    width, height = rng.uniform(0.68, 0.78), rng.uniform(0.8, 0.9)
    depth = np.hypot(u / width, v / height)  # 1 at the outside of the skull
    folds = smooth_noise(rng, size, 0.035)
    ragged = depth + 0.05 * folds
    labels = np.zeros((size, size), np.int64)
    labels[depth <= 1] = SKULL
    labels[depth <= 0.9] = CLASSES.index("csf")
    labels[(ragged <= rng.uniform(0.80, 0.85)) & (depth <= 0.87)] = CLASSES.index("grey_matter")
    labels[(depth + 0.10 * folds <= rng.uniform(0.58, 0.66)) & (depth <= 0.84)] = CLASSES.index(
        "white_matter"
    )
    for side in (-1, 1):
        nucleus = np.hypot((u - side * 0.24) / 0.10, (v - 0.06) / 0.14) <= 1
        labels[nucleus] = CLASSES.index("grey_matter")
        ventricle = np.hypot((u - side * 0.08 * (1.6 - v)) / rng.uniform(0.045, 0.08), (v + 0.05) / 0.26) <= 1
        labels[ventricle] = CLASSES.index("csf")
    if rng.random() >= HEALTHY:
        _grow_tumour(labels, depth, rng)
    return labels


def _grow_tumour(labels: np.ndarray, depth: np.ndarray, rng: np.random.Generator) -> None:
    """Oedema around an enhancing rim around a necrotic core, none of it outside the brain."""
    size = len(labels)
    places = np.argwhere(depth < 0.6)
    row, column = places[rng.integers(len(places))]
    y, x = np.mgrid[:size, :size] / size * 2
    distance = np.hypot(y - 2 * row / size, x - 2 * column / size) / rng.uniform(0.26, 0.42)
    distance = distance + 0.15 * smooth_noise(rng, size, 0.06)
    inside = depth <= 0.84
    core, necrotic = rng.uniform(0.55, 0.72), rng.uniform(0.3, 0.42)
    for name, edge in (("oedema", 1.0), ("enhancing", core), ("necrosis", necrotic)):
        labels[inside & (distance <= edge)] = CLASSES.index(name)


def _signal(labels: np.ndarray, modality: str, rng: np.random.Generator) -> np.ndarray:
    """What a scanner would show (H, W) uint8: contrast, texture, uneven coils, and noise with Rice's distribution."""
    size = len(labels)
    clean = np.array(CONTRASTS[modality])[labels]
    clean = gaussian_filter(clean, 0.4) * (1 + 0.06 * smooth_noise(rng, size, 0.02))
    clean = clean * (1 + SHADING * np.clip(smooth_noise(rng, size, 0.5), -1, 1))
    deviation = rng.uniform(*NOISE)
    real, imaginary = rng.normal(0, deviation, (2, size, size))
    return np.clip(255 * np.hypot(clean + real, imaginary), 0, 255).astype(np.uint8)


def smooth_noise(rng: np.random.Generator, size: int, scale: float) -> np.ndarray:
    """Noise (size, size) of mean 0 and deviation 1, smooth over `scale`, a share of the side."""
    noise = gaussian_filter(rng.normal(size=(size, size)), max(scale * size, 0.5), mode="wrap")
    return (noise - noise.mean()) / max(noise.std(), 1e-12)


def _generator(*words: int) -> np.random.Generator:
    seed, *key = words
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(key)))
