"""Depth from the disparity of two cameras."""

from __future__ import annotations

import numpy as np


def disparity_to_depth(disparity: np.ndarray, factor: float) -> np.ndarray:
    """Depth (H, W) float32 in metres, 0 where the disparity is not positive.

    disparity (H, W) in pixels; factor: baseline in metres times focal length in pixels.
    """
    known = disparity > 0
    return np.where(known, factor / np.where(known, disparity, 1), 0).astype(np.float32)
