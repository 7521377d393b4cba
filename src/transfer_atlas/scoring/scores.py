"""All metrics of one (source, target) on the same draws of samples, with what became of each."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transfer_atlas.transferability.arrays import MetricInputError, UnconvergedError
from transfer_atlas.transferability.gbc import gbc_of
from transfer_atlas.transferability.h_score import h_score_of, shrinkage_h_score_of
from transfer_atlas.transferability.leep import leep, nce
from transfer_atlas.transferability.logme import logme, logme_of
from transfer_atlas.transferability.moments import ClassMoments, class_moments
from transfer_atlas.transferability.n_leep import n_leep_of
from transfer_atlas.transferability.otce import otce
from transfer_atlas.transferability.parc import parc
from transfer_atlas.transferability.transrate import transrate

Samples = Mapping[str, np.ndarray]


class NotApplicableError(Exception):
    """A metric that this pair does not allow, with the reason."""


@dataclass(frozen=True)
class ScoreSettings:
    """What `config.TransferabilitySettings` says of scores, and the covariance of GBC."""

    metrics: Sequence[str]
    samples: int
    repeats: int
    parc_samples: int
    epsilon: float | None
    seed: int
    covariance: str


@dataclass(frozen=True)
class Draw:
    """One repeat: target samples, source samples (None if there are none), and moments shared by the metrics."""

    target: Samples
    source: Samples | None
    moments: ClassMoments
    settings: ScoreSettings


def score_pair(target: Samples, source: Samples | None, settings: ScoreSettings) -> dict[str, dict[str, Any]]:
    """Scores by metric: value (mean over repeats), deviation (between repeats; None for one), repeats, status, reason,
    seconds; OTCE also gives `otce_domain_difference` (W_D), lower being better, and its marginal error.

    Each repeat draws `samples` of either side, the same for all metrics; where there are no more than that, one
    repeat takes all. A metric that fails or does not apply has a status and a reason instead of a value.
    """
    draws = _draws(target, source, settings)
    found: dict[str, dict[str, Any]] = {}
    for name in settings.metrics:
        began = time.perf_counter()
        values: list[dict[str, float]] = []
        status, reason = "finished", None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of few samples, which docs/metrics.md tells
                values = [METRICS[name](draw) for draw in draws]
        except NotApplicableError as problem:
            status, reason = "not_applicable", str(problem)
        except UnconvergedError as problem:
            status, reason = "unconverged", str(problem)
        except MetricInputError as problem:
            status, reason = "undefined", str(problem)
        seconds = round(time.perf_counter() - began, 4)
        for part in values[0] if values and status == "finished" else [name]:
            numbers = [value[part] for value in values] if status == "finished" else []
            found[part] = {
                "value": float(np.mean(numbers)) if numbers else None,
                "deviation": float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
                "repeats": len(numbers),
                "status": status,
                "reason": reason,
                "seconds": seconds,
            }
    return found


def _draws(target: Samples, source: Samples | None, settings: ScoreSettings) -> list[Draw]:
    draws = []
    enough = len(target["labels"]) <= settings.samples
    if source is not None:
        enough &= len(source["labels"]) <= settings.samples
    for repeat in range(1 if enough else settings.repeats):
        generator = np.random.default_rng([settings.seed, repeat])
        chosen = _subset(target, settings.samples, generator)
        other = None if source is None else _subset(source, settings.samples, generator)
        moments = class_moments(chosen["features"], chosen["labels"])
        draws.append(Draw(chosen, other, moments, settings))
    return draws


def _subset(samples: Samples, number: int, generator: np.random.Generator) -> Samples:
    if len(samples["labels"]) <= number:
        return samples
    rows = np.sort(generator.choice(len(samples["labels"]), number, replace=False))
    return {name: array[rows] for name, array in samples.items()}


def _probabilities(draw: Draw) -> np.ndarray:
    if "probabilities" not in draw.target:
        raise NotApplicableError("the source has no head with classes")
    return draw.target["probabilities"]


def _leep(draw: Draw) -> dict[str, float]:
    return {"leep": leep(_probabilities(draw), draw.target["labels"])}


def _nce(draw: Draw) -> dict[str, float]:
    return {"nce": nce(_probabilities(draw).argmax(axis=1), draw.target["labels"])}


def _n_leep(draw: Draw) -> dict[str, float]:
    features, labels = draw.target["features"], draw.target["labels"]
    return {"n_leep": n_leep_of(draw.moments, features, labels, seed=draw.settings.seed)}


def _logme(draw: Draw) -> dict[str, float]:
    if "targets" not in draw.target:
        if draw.moments.samples >= draw.moments.dimensions:
            return {"logme": logme_of(draw.moments)}
        return {"logme": logme(draw.target["features"], draw.target["labels"])}
    depth = np.log(draw.target["targets"])  # the scale of depth differs between datasets
    return {"logme": logme(draw.target["features"], (depth - depth.mean()) / max(depth.std(), 1e-12))}


def _gbc(draw: Draw) -> dict[str, float]:
    features, labels = draw.target["features"], draw.target["labels"]
    return {"gbc": gbc_of(draw.moments, features, labels, covariance=draw.settings.covariance)}


def _parc(draw: Draw) -> dict[str, float]:
    generator = np.random.default_rng([draw.settings.seed, 1])
    few = _subset(draw.target, draw.settings.parc_samples, generator)
    return {"parc": parc(few["features"], few["labels"])}


def _otce(draw: Draw) -> dict[str, float]:
    if draw.source is None:
        raise NotApplicableError("the source has no dataset of its own to draw samples from")
    found = otce(
        draw.source["features"],
        draw.source["labels"],
        draw.target["features"],
        draw.target["labels"],
        epsilon=draw.settings.epsilon,
    )
    return {
        "otce": found.score,
        "otce_domain_difference": found.domain_difference,
        "otce_marginal_error": found.marginal_error,
    }


METRICS: dict[str, Callable[[Draw], dict[str, float]]] = {
    "leep": _leep,
    "nce": _nce,
    "n_leep": _n_leep,
    "h_score": lambda draw: {"h_score": h_score_of(draw.moments)},
    "shrinkage_h_score": lambda draw: {"shrinkage_h_score": shrinkage_h_score_of(draw.moments)},
    "logme": _logme,
    "gbc": _gbc,
    "transrate": lambda draw: {"transrate": transrate(draw.target["features"], draw.target["labels"])},
    "parc": _parc,
    "otce": _otce,
}
