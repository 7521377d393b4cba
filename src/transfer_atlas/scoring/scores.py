"""One metric of one (source, target) on draws of samples that all metrics of the pair share."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.scoring.metrics import BY_COVARIANCE, METRICS, SETTINGS
from transfer_atlas.scoring.registry import values_of
from transfer_atlas.scoring.sample_files import load_samples
from transfer_atlas.scoring.sampling import SCHEMES
from transfer_atlas.transferability.arrays import MetricInputError, UnconvergedError
from transfer_atlas.transferability.moments import ClassMoments, class_moments

Samples = Mapping[str, np.ndarray]
Settings = Mapping[str, Any]  # of one score, as they are in its key
PARTS = {"otce": ("domain_difference", "marginal_error")}  # what else a metric tells, for tables


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
    target_folder: str,
    source_folders: tuple[str, ...],
    samples: int,
    repeats: int,
    seed: int,
    scheme: str | None = None,
) -> tuple[Draw, ...]:
    """The repeats of a pair, from the folders of its runs of kind `features`: one of the source for each of its
    datasets.

    scheme: the target's samples that were drawn so, where there are several sorts; all if None.
    """
    target = drawn_by(load_samples(Path(target_folder)), scheme)
    source = together([load_samples(Path(folder)) for folder in source_folders])
    return draws_of(target, source, samples=samples, repeats=repeats, seed=seed)


def drawn_by(samples: Samples, scheme: str | None) -> Samples:
    """The samples that were drawn by one scheme."""
    if "scheme" not in samples or scheme is None:
        return samples
    rows = samples["scheme"] == SCHEMES.index(scheme)
    return {name: array[rows] for name, array in samples.items() if name != "scheme"}


def together(parts: Sequence[Samples]) -> Samples | None:
    """Features and labels of a source's datasets, each with classes of its own; None for no dataset."""
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0]
    first = np.cumsum([0, *(int(part["labels"].max(initial=-1)) + 1 for part in parts)])
    return {
        "features": np.concatenate([part["features"] for part in parts]),
        "labels": np.concatenate([part["labels"] + start for part, start in zip(parts, first, strict=False)]),
    }


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
            values = [_values(metric, _smaller(metric, draw, settings), settings) for draw in draws]
    except UnconvergedError as problem:
        raise LegitimateFailure("unconverged", str(problem)) from None
    except MetricInputError as problem:
        raise LegitimateFailure("undefined", str(problem)) from None
    whole = values[0].keys() >= {metric}  # one of several parts has a value among all candidates only
    numbers = [value.pop(metric) for value in values] if whole else [list(value.values()) for value in values]
    if not np.isfinite(numbers).all():
        raise LegitimateFailure("undefined", f"{metric} is {numbers[0]} on these samples")
    return {
        "value": float(np.mean(numbers)) if whole else None,
        "deviation": float(np.std(numbers, ddof=1)) if whole and len(numbers) > 1 else None,
        "repeats": len(numbers),
        "samples": len(draws[0].target["labels"]),
        "parts": {name: float(np.mean([value[name] for value in values])) for name in values[0]},
    }


def _smaller(metric: str, draw: Draw, settings: Settings) -> Draw:
    """A draw with fewer target samples, for a metric that compares all pairs of them."""
    if "parc_samples" not in SETTINGS.get(metric, ()):
        return draw
    few = _subset(draw.target, settings["parc_samples"], np.random.default_rng([draw.seed, 1]))
    return Draw(few, draw.source, draw.seed)


def _subset(samples: Samples, number: int, generator: np.random.Generator) -> Samples:
    if len(samples["labels"]) <= number:
        return samples
    rows = np.sort(generator.choice(len(samples["labels"]), number, replace=False))
    return {name: array[rows] for name, array in samples.items()}


def _values(name: str, draw: Draw, settings: Settings) -> dict[str, float]:
    """What a metric says of a draw: its value under its name, and further parts, such as W_D of OTCE."""
    metric = METRICS[name]
    given = [_input(need, draw) for need in metric.needs if need != "seed"]
    options = {option: settings[option] for option in SETTINGS.get(name, ()) if option != "parc_samples"}
    if name in BY_COVARIANCE:
        options["covariance"] = settings["covariance"]
    if "seed" in metric.needs:
        options["seed"] = draw.seed
    shared = metric.load_from_moments()
    if shared is not None and _moments_suffice(name, draw):
        takes = [
            each for each in inspect.signature(shared).parameters.values() if each.kind != each.KEYWORD_ONLY
        ]
        found = shared(draw.moments, *given[: len(takes) - 1], **options)
    else:
        found = metric.load()(*given, **options)
    if isinstance(found, float):
        return {name: found}
    if len(metric.values) > 1:
        return values_of(name, found)
    parts = {part: float(getattr(found, part)) for part in PARTS.get(name, ())}
    return {name: float(found.score), **{f"{name}_{part}": value for part, value in parts.items()}}


def _moments_suffice(name: str, draw: Draw) -> bool:
    """LogME of fewer samples than dimensions is computed from the features."""
    return name != "logme" or draw.moments.samples >= draw.moments.dimensions


def _input(need: str, draw: Draw) -> np.ndarray:
    """What a metric needs of a draw. Raises LegitimateFailure("not_applicable") where there is none."""
    if need in ("source_features", "source_labels"):
        if draw.source is None:
            raise LegitimateFailure(
                "not_applicable", "the source has no dataset of its own to draw samples from"
            )
        return draw.source[need.removeprefix("source_")]
    if need in ("probabilities", "source_classes"):
        if "probabilities" not in draw.target:
            raise LegitimateFailure("not_applicable", "the source has no head with classes")
        probabilities = draw.target["probabilities"]
        return probabilities if need == "probabilities" else probabilities.argmax(axis=1)
    if need == "logits" and "logits" not in draw.target:
        raise LegitimateFailure("not_applicable", "the source has no head with classes")
    if need == "boxes" and "boxes" not in draw.target:
        raise LegitimateFailure("not_applicable", "the target has no boxes")
    if need == "places" and "places" not in draw.target:
        raise LegitimateFailure("not_applicable", "the target has no label in every pixel")
    if need == "targets":
        if "boxes" in draw.target:
            return draw.target["boxes"]
        if "targets" not in draw.target:
            raise LegitimateFailure("not_applicable", "the target has classes, no values")
        depth = np.log(draw.target["targets"])  # the scale of depth differs between datasets
        return (depth - depth.mean()) / max(depth.std(), 1e-12)
    return draw.target[need]
