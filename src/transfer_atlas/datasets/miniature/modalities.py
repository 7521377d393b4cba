"""What other sensors than a camera would show of a painted scene: its heat, and how far away it is."""

from __future__ import annotations

import zlib

import numpy as np
from scipy.ndimage import gaussian_filter

from transfer_atlas.datasets.miniature.canvas import Canvas

MODALITIES = ("brightness", "thermal", "distance")
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
NEAR = 5.0  # metres: half of the brightness of `distance`
NOISE = 0.02  # standard deviation, of the full range
WARMTH = 0.05  # by which things of one material differ


def shown(canvas: Canvas, image: np.ndarray, modality: str, rng: np.random.Generator) -> np.ndarray:
    """One channel (H, W) uint8 of the scene; image: what the camera shows (H, W, 3) uint8.

    thermal: every material has a temperature of its own, everywhere in the miniature world, and every thing differs
    from it a little. distance: brightness 1 / (1 + metres / 5), the nearest white, the sky black.
    """
    if modality == "brightness":
        return np.rint(image @ np.array(GREY)).astype(np.uint8)
    if modality == "thermal":
        names = [*canvas.codes, *[""] * (256 - len(canvas.codes))]
        found = np.array([zlib.crc32(f"heat of {name}".encode()) % 1000 / 1000 for name in names])[
            canvas.material
        ]
        found = 0.1 + 0.8 * found + rng.normal(0, WARMTH, len(canvas.instances) + 1)[canvas.instance]
        found = gaussian_filter(found, 0.7 * canvas.size / 96)
    else:
        found = 1 / (1 + canvas.depth / NEAR)
    return np.clip(255 * (found + rng.normal(0, NOISE, found.shape)), 0, 255).astype(np.uint8)
