"""Inputs of the metric tests: the shared goldens, and random labelled features."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

SHARED = Path(__file__).parents[3] / "shared" / "goldens"
CLASSIFICATION = ("balanced", "binary", "single", "wide", "digits")


def golden(case: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Input arrays of a case and the reference implementations' outputs; skips without the shared folder."""
    if not (SHARED / "goldens.json").exists():
        pytest.skip(f"no goldens at {SHARED}")
    values = json.loads((SHARED / "goldens.json").read_text(encoding="utf-8"))[case]
    with np.load(SHARED / f"{case}.npz") as arrays:
        return dict(arrays), values


def labelled(
    seed: int, n: int = 120, d: int = 5, c: int = 4, spread: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, d) float64 around class means, and labels (n,) of c classes, each with at least two samples."""
    generator = np.random.default_rng(seed)
    labels = np.concatenate([np.repeat(np.arange(c), 2), generator.integers(0, c, n - 2 * c)])
    generator.shuffle(labels)
    means = spread * generator.standard_normal((c, d))
    mixing = generator.standard_normal((d, d)) + 2 * np.eye(d)
    return (means[labels] + generator.standard_normal((n, d))) @ mixing, labels


def predictions(seed: int, n: int, classes: int) -> np.ndarray:
    """Probabilities (n, classes)."""
    logits = 2 * np.random.default_rng(seed).standard_normal((n, classes))
    weights = np.exp(logits)
    return weights / weights.sum(axis=1, keepdims=True)


seeds = st.integers(0, 2**32 - 1)
