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

    def aligned(self, images: tuple[str, ...]) -> ImageResults:
        """Itself, if it is of these images. Raises ConfigurationError otherwise: every image has a row here."""
        if images != self.images:
            other = sorted(set(images) ^ set(self.images))
            raise ConfigurationError(
                f"{len(other)} evaluation images are in one run only, {other[0]} among them; "
                "a gain compares runs on the same images"
            )
        return self


@dataclass(frozen=True)
class PrecisionResults:
    """Finds of one run image by image, of which average precision at an overlap of 0.5 is computed.

    By class: annotated (n,) objects of each image; and of all finds, highest score first, their image's index (d,) and
    whether they are right (1), wrong (0) or neither (-1). An image without objects and finds need not be there.
    """

    images: tuple[str, ...]
    classes: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]

    def values(self, weights: np.ndarray) -> np.ndarray:
        """Mean over classes of the area under precision against recall, (draws,); see `ImageResults.values`.

        The area, and not COCO's 101 points: both vary alike, and only their variation is asked for.
        """
        total, number = np.zeros(len(weights)), np.zeros(len(weights))
        for annotated, image, verdict in self.classes:
            objects = weights @ annotated.astype(float)
            there = objects > 0
            drawn = weights[:, image]
            right = np.cumsum(drawn * (verdict == 1), axis=1)
            found = right + np.cumsum(drawn * (verdict == 0), axis=1)
            precision = np.divide(right, found, out=np.zeros_like(right), where=found > 0)
            envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            area = (np.diff(right, axis=1, prepend=0.0) * envelope).sum(axis=1)
            total += np.divide(area, objects, out=np.zeros_like(area), where=there)
            number += there
        return np.divide(total, number, out=np.full(len(weights), np.nan), where=number > 0)

    def aligned(self, images: tuple[str, ...]) -> PrecisionResults:
        """The same with one place for each of `images`, which contain its own."""
        place = {image: index for index, image in enumerate(images)}
        own = np.array([place[image] for image in self.images], dtype=int)
        classes = []
        for annotated, image, verdict in self.classes:
            counts = np.zeros(len(images))
            counts[own] = annotated
            classes.append((counts, own[image], verdict))
        return PrecisionResults(images, tuple(classes))


Results = ImageResults | PrecisionResults


def image_results(per_image: pd.DataFrame) -> dict[str, Results]:
    """By the run's key, from rows of per_image.parquet with the column `key`.

    Their columns are image and part (a class, or all), with numerator and denominator, or annotated, scores
    and matched.
    """
    return {key: _results(rows) for key, rows in per_image.groupby("key", sort=True)}


def _results(rows: pd.DataFrame) -> Results:
    if "numerator" in rows and rows["numerator"].notna().all():
        return _sums(rows)
    images = tuple(sorted(set(rows["image"])))
    place = {image: index for index, image in enumerate(images)}
    classes = []
    for _, part in rows.groupby("part", sort=True):
        annotated = np.zeros(len(images))
        index, scores, verdicts = [], [], []
        for row in part.itertuples():
            annotated[place[row.image]] += row.annotated
            index.append(np.full(len(row.scores), place[row.image]))
            scores.append(np.asarray(row.scores, dtype=float))
            verdicts.append(np.asarray(row.matched, dtype=int))
        order = np.argsort(-np.concatenate(scores), kind="stable")
        classes.append((annotated, np.concatenate(index)[order], np.concatenate(verdicts)[order]))
    return PrecisionResults(images, tuple(classes))


def _sums(rows: pd.DataFrame) -> ImageResults:
    """Sums by image (rows) and part (columns), both sorted. A pivot table says the same, at ten times the cost."""
    images, row = np.unique(rows["image"].to_numpy(object), return_inverse=True)
    parts, column = np.unique(rows["part"].to_numpy(object), return_inverse=True)
    place, size = row * len(parts) + column, len(images) * len(parts)
    sums = [
        np.bincount(place, rows[name].to_numpy(float), size).reshape(len(images), len(parts))
        for name in ("numerator", "denominator")
    ]
    return ImageResults(tuple(images), *sums)


def image_variances(
    gains: pd.DataFrame, results: Mapping[str, Results], *, draws: int = 1000, seed: int = 0
) -> dict[tuple[str, str, str], tuple[float, int]]:
    """Variance of ln(m(T given S) / m(T given ILSVRC)) over redrawn images, by (regime, target, source), and how many.

    Of average precision, that at an overlap of 0.5 stands for the metric, since finds are kept for it alone. The same
    images are redrawn for a transfer, its baseline, and all seeds; the ratio is averaged over seeds before its
    logarithm. Rows of which a run has no results by image, or a value of 0 in some draw, are left out.
    Raises ConfigurationError where a transfer and its baseline were evaluated on different images.
    """
    found = {}
    weights: dict[int, np.ndarray] = {}
    values: dict[tuple[str, tuple[str, ...]], np.ndarray] = {}
    for row in gains[gains["source"] != "ilsvrc"].itertuples():
        pairs = [
            (k, b) for k, b in zip(row.keys, row.baseline_keys, strict=True) if k in results and b in results
        ]
        if not pairs or len(pairs) < row.n_seeds:
            continue
        keys = [key for pair in pairs for key in pair]
        images = tuple(sorted({image for key in keys for image in results[key].images}))
        if len(images) not in weights:
            weights[len(images)] = _weights(len(images), draws, seed)
        for key in keys:
            if (key, images) not in values:
                values[key, images] = results[key].aligned(images).values(weights[len(images)])
        ratio = np.mean([_ratio(values[key, images], values[base, images]) for key, base in pairs], axis=0)
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
