"""One metric of one (source, target) on draws of samples that all metrics of the pair share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.scoring.sample_files import load_samples
from transfer_atlas.transferability.arrays import MetricInputError, UnconvergedError
from transfer_atlas.transferability.gbc import gbc_of
from transfer_atlas.transferability.h_score import h_score_of, shrinkage_h_score_of
from transfer_atlas.transferability.leep import leep, nce
from transfer_atlas.transferability.logme import logme, logme_of, logme_regression
from transfer_atlas.transferability.moments import ClassMoments, class_moments
from transfer_atlas.transferability.n_leep import n_leep_of
from transfer_atlas.transferability.otce import otce
from transfer_atlas.transferability.parc import parc
from transfer_atlas.transferability.transrate import transrate

Samples = Mapping[str, np.ndarray]
Settings = Mapping[str, Any]  # of one score, as they are in its key


@dataclass(frozen=True)
class Draw:
    """One repeat: target samples, and source samples (None if there are none)."""

    target: Samples
    source: Samples | None
    seed: int

    @cached_property
    def moments(self) -> ClassMoments:
        """Moments of the target's classes, which several metrics share. Raises MetricInputError for bad samples."""
        return class_moments(self.target["features"], self.target["labels"])


@lru_cache(maxsize=2)
def pair_draws(
    target_folder: str, source_folder: str | None, samples: int, repeats: int, seed: int
) -> tuple[Draw, ...]:
    """The repeats of a pair, from the folders of its runs of kind `features`."""
    target = load_samples(Path(target_folder))
    source = None if source_folder is None else load_samples(Path(source_folder))
    return draws_of(target, source, samples=samples, repeats=repeats, seed=seed)


def draws_of(
    target: Samples, source: Samples | None, *, samples: int, repeats: int, seed: int
) -> tuple[Draw, ...]:
    """Repeats of `samples` of either side, the same for all metrics; one of all where there are no more than that."""
    enough = len(target["labels"]) <= samples and (source is None or len(source["labels"]) <= samples)
    draws = []
    for repeat in range(1 if enough else repeats):
        generator = np.random.default_rng([seed, repeat])
        chosen = _subset(target, samples, generator)
        # The target's draw must not depend on whether there is a source: metrics without one see the same samples.
        other = None if source is None else _subset(source, samples, generator)
        draws.append(Draw(chosen, other, seed))
    return tuple(draws)


def score_of(metric: str, draws: Sequence[Draw], settings: Settings) -> dict[str, Any]:
    """A metric's value over the repeats: `value` (mean), `deviation` (between repeats; None for one), `repeats`,
    `samples`, and `parts`: what else the metric tells, such as OTCE's domain difference (W_D), each with a mean.

    Raises LegitimateFailure where the metric does not apply, is undefined, does not converge or refuses its input.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of few samples, which docs/metrics.md tells
            values = [METHODS[metric](draw, settings) for draw in draws]
    except UnconvergedError as problem:
        raise LegitimateFailure("unconverged", str(problem)) from None
    except MetricInputError as problem:
        raise LegitimateFailure("undefined", str(problem)) from None
    numbers = [value.pop(metric) for value in values]
    if not np.isfinite(numbers).all():
        raise LegitimateFailure("undefined", f"{metric} is {numbers[0]} on these samples")
    return {
        "value": float(np.mean(numbers)),
        "deviation": float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
        "repeats": len(numbers),
        "samples": len(draws[0].target["labels"]),
        "parts": {name: float(np.mean([value[name] for value in values])) for name in values[0]},
    }


def _subset(samples: Samples, number: int, generator: np.random.Generator) -> Samples:
    if len(samples["labels"]) <= number:
        return samples
    rows = np.sort(generator.choice(len(samples["labels"]), number, replace=False))
    return {name: array[rows] for name, array in samples.items()}


def _probabilities(draw: Draw) -> np.ndarray:
    if "probabilities" not in draw.target:
        raise LegitimateFailure("not_applicable", "the source has no head with classes")
    return draw.target["probabilities"]


def _leep(draw: Draw, settings: Settings) -> dict[str, float]:
    return {"leep": leep(_probabilities(draw), draw.target["labels"])}


def _nce(draw: Draw, settings: Settings) -> dict[str, float]:
    return {"nce": nce(_probabilities(draw).argmax(axis=1), draw.target["labels"])}


def _n_leep(draw: Draw, settings: Settings) -> dict[str, float]:
    features, labels = draw.target["features"], draw.target["labels"]
    return {"n_leep": n_leep_of(draw.moments, features, labels, seed=draw.seed)}


def _logme(draw: Draw, settings: Settings) -> dict[str, float]:
    if "targets" not in draw.target:
        if draw.moments.samples >= draw.moments.dimensions:
            return {"logme": logme_of(draw.moments)}
        return {"logme": logme(draw.target["features"], draw.target["labels"])}
    depth = np.log(draw.target["targets"])  # the scale of depth differs between datasets
    return {
        "logme": logme_regression(draw.target["features"], (depth - depth.mean()) / max(depth.std(), 1e-12))
    }


def _gbc(draw: Draw, settings: Settings) -> dict[str, float]:
    features, labels = draw.target["features"], draw.target["labels"]
    return {"gbc": gbc_of(draw.moments, features, labels, covariance=settings["covariance"])}


def _parc(draw: Draw, settings: Settings) -> dict[str, float]:
    generator = np.random.default_rng([draw.seed, 1])
    few = _subset(draw.target, settings["parc_samples"], generator)
    return {"parc": parc(few["features"], few["labels"])}


def _otce(draw: Draw, settings: Settings) -> dict[str, float]:
    if draw.source is None:
        raise LegitimateFailure("not_applicable", "the source has no dataset of its own to draw samples from")
    found = otce(
        draw.source["features"],
        draw.source["labels"],
        draw.target["features"],
        draw.target["labels"],
        epsilon=settings["epsilon"],
    )
    return {
        "otce": found.score,
        "otce_domain_difference": found.domain_difference,
        "otce_marginal_error": found.marginal_error,
    }


METHODS: dict[str, Callable[[Draw, Settings], dict[str, float]]] = {
    "leep": _leep,
    "nce": _nce,
    "n_leep": _n_leep,
    "h_score": lambda draw, settings: {"h_score": h_score_of(draw.moments)},
    "shrinkage_h_score": lambda draw, settings: {"shrinkage_h_score": shrinkage_h_score_of(draw.moments)},
    "logme": _logme,
    "gbc": _gbc,
    "transrate": lambda draw, settings: {
        "transrate": transrate(draw.target["features"], draw.target["labels"])
    },
    "parc": _parc,
    "otce": _otce,
}
