"""How much a gain depends on which images it was evaluated on: a bootstrap over evaluation images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from transfer_atlas.errors import ConfigurationError


@dataclass(frozen=True)
class ImageResults:
    """Results of one run image by image, in sums that add up to its metric.

    numerators, denominators (n, c): the metric is the mean over columns of sum(numerators) / sum(denominators), as mean
    IoU is over classes with intersections and unions, accuracy or a mean error over images with one column and ones.
    A column whose denominators sum to 0 does not count. `images` (n,) are the images' names.
    """

    images: tuple[str, ...]
    numerators: np.ndarray
    denominators: np.ndarray

    def values(self, weights: np.ndarray) -> np.ndarray:
        """The metric (draws,) where image i counts weights[draw, i] times."""
        above = weights @ self.numerators.astype(float)
        below = weights @ self.denominators.astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nanmean(np.where(below > 0, above / below, np.nan), axis=1)


def image_results(per_image: pd.DataFrame) -> dict[str, ImageResults]:
    """By the run's key, from rows with key, image, part (a class, say), numerator and denominator."""
    found = {}
    for key, rows in per_image.groupby("key", sort=True):
        values = ["numerator", "denominator"]
        wide = rows.pivot_table(index="image", columns="part", values=values, aggfunc="sum", fill_value=0.0)
        found[key] = ImageResults(
            tuple(wide.index), wide["numerator"].to_numpy(float), wide["denominator"].to_numpy(float)
        )
    return found


def image_variances(
    gains: pd.DataFrame, results: Mapping[str, ImageResults], *, draws: int = 1000, seed: int = 0
) -> dict[tuple[str, str, str], tuple[float, int]]:
    """Variance of ln(m(T given S) / m(T given ILSVRC)) over redrawn images, by (regime, target, source), and how many.

    The same images are redrawn for a transfer, its baseline, and all seeds; the ratio is averaged over seeds before its
    logarithm. Rows of which a run has no results by image, or a value of 0 in some draw, are left out.
    Raises ConfigurationError where a transfer and its baseline were evaluated on different images.
    """
    found = {}
    weights: dict[tuple[str, ...], np.ndarray] = {}
    values: dict[str, np.ndarray] = {}
    for row in gains[gains["source"] != "ilsvrc"].itertuples():
        pairs = [
            (k, b) for k, b in zip(row.keys, row.baseline_keys, strict=True) if k in results and b in results
        ]
        if not pairs or len(pairs) < row.n_seeds:
            continue
        images = results[pairs[0][0]].images
        for key in (key for pair in pairs for key in pair):
            if results[key].images != images:
                raise ConfigurationError(
                    f"{row.source} -> {row.target}: run {key} was evaluated on other images than run {pairs[0][0]}; "
                    "a gain compares runs on the same images"
                )
            if images not in weights:
                weights[images] = _weights(len(images), draws, seed)
            if key not in values:
                values[key] = results[key].values(weights[images])
        ratio = np.mean([_ratio(values[key], values[base]) for key, base in pairs], axis=0)
        if len(images) > 1 and np.isfinite(ratio).all() and (ratio > 0).all():
            found[row.regime, row.target, row.source] = (float(np.log(ratio).var(ddof=1)), len(images))
    return found


def _weights(images: int, draws: int, seed: int) -> np.ndarray:
    """How often each of n images is drawn in each of `draws` samples of n with replacement: (draws, n)."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(images, np.full(images, 1.0 / images), size=draws).astype(float)


def _ratio(values: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(baseline > 0, values / baseline, math.nan)
