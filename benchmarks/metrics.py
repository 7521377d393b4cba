"""Speed and memory of the transferability metrics, each against its formula written down plainly, in one run.

    python benchmarks/metrics.py                    n = 20,000, d = 720, c = 34
    python benchmarks/metrics.py --only otce otce_unlike      N = 10,000, d = 64, epsilon = 0.1, against POT
    python benchmarks/metrics.py --only pair        everything of one (source, target), 150 images x 1,000 pixels

References are what a user would write or copy: NumPy for H-score and LogME (as thuml/LogME), scikit-learn for the
shrinkage, PCA and mixtures (as google-research/stable_transfer), POT for transport. Both sides get the same
float32 features with the spectrum of a trained network (variance falling with a power of the component's number).
Each side runs in a process of its own, so that the peak of memory above the input is its own; seconds are the best
of `--repeats`. Values of both sides are printed beside each other.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

SAMPLES, DIMENSIONS, CLASSES = 20_000, 720, 34


def network_features(
    samples: int, dimensions: int, classes: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, d) float32 of labelled pixels: class means and noise, both of a falling spectrum, after a ReLU."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, samples)
    spectrum = np.arange(1, dimensions + 1) ** -0.5
    mixing = (spectrum[:, None] * generator.standard_normal((dimensions, dimensions))).astype(np.float32)
    means = 0.5 * generator.standard_normal((classes, dimensions)).astype(np.float32)
    features = generator.standard_normal((samples, dimensions), dtype=np.float32)
    features += means[labels]
    features = features @ mixing
    return np.maximum(features, 0, out=features), labels


def pixels(number: int, dimensions: int, alike: bool = True, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Source and target pixels of 19 classes with shifted class means, median cost about 8.

    alike: both sides draw classes with the same probabilities, so that little mass has to move between clusters, but
    far: Sinkhorn's iteration at N = 3000 is off by 9e-2 after 10 steps and by 1e-3 after 800. Otherwise each side has
    probabilities of its own, much mass moves, and it converges sooner.
    """
    generator = np.random.default_rng(seed)
    means = 0.2 * generator.standard_normal((19, dimensions))
    shares = generator.dirichlet(2 * np.ones(19), 2)
    sides = []
    for side, shift in enumerate((0.0, 0.05 if alike else 0.1)):
        labels = generator.choice(19, number, p=shares[0 if alike else side])
        moved = means + shift * generator.standard_normal(means.shape)
        noise = 0.15 * generator.standard_normal((number, dimensions))
        sides += [(moved[labels] + noise).astype(np.float32), labels]
    return tuple(sides)


def plain_h_score(features: np.ndarray, labels: np.ndarray) -> float:
    features = features.astype(np.float64)
    means = np.zeros_like(features)
    for label in np.unique(labels):
        means[labels == label] = features[labels == label].mean(axis=0)
    return float(np.trace(np.linalg.pinv(np.cov(features.T), rcond=1e-10) @ np.cov(means.T)))


def plain_shrinkage_h_score(features: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.covariance import LedoitWolf

    features = features.astype(np.float64)
    features = features - features.mean(axis=0)
    estimate = LedoitWolf(assume_centered=False).fit(features)
    means = np.zeros_like(features)
    for label in np.unique(labels):
        means[labels == label] = features[labels == label].mean(axis=0)
    between = (1 - estimate.shrinkage_) * np.cov(means.T)
    return float(np.trace(np.linalg.pinv(estimate.covariance_, rcond=1e-15) @ between))


def plain_logme(features: np.ndarray, labels: np.ndarray) -> float:
    features = features.astype(np.float64)
    n, d = features.shape
    _, s, vh = np.linalg.svd(features.T @ features, full_matrices=True)
    u = (features @ vh.T)[:, s > 1e-10] / np.sqrt(s[s > 1e-10])
    s = s[s > 1e-10]
    scores = []
    for label in np.unique(labels):
        y = (labels == label).astype(np.float64)
        x2 = (u.T @ y) ** 2
        rest = (y**2).sum() - x2.sum()
        alpha = beta = 1.0
        for _ in range(11):
            t = alpha / beta
            gamma = (s / (s + t)).sum()
            m2 = (s * x2 / (t + s) ** 2).sum()
            r2 = (x2 / (1 + s / t) ** 2).sum() + rest
            alpha, beta = gamma / (m2 + 1e-5), (n - gamma) / (r2 + 1e-5)
            if abs(alpha / beta - t) / t <= 1e-3:
                break
        evidence = d / 2 * np.log(alpha) + n / 2 * np.log(beta) - 0.5 * np.log(alpha + beta * s).sum()
        evidence -= (
            (d - len(s)) / 2 * np.log(alpha) + beta / 2 * r2 + alpha / 2 * m2 + n / 2 * np.log(2 * np.pi)
        )
        scores.append(evidence / n)
    return float(np.mean(scores))


def plain_gbc(features: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.decomposition import PCA

    reduced = PCA(64, svd_solver="full").fit_transform(features.astype(np.float64))
    groups = [reduced[labels == label] for label in np.unique(labels)]
    means = [group.mean(axis=0) for group in groups]
    variances = [np.maximum(group.var(axis=0), 1e-4) for group in groups]
    total = 0.0
    for i in range(len(groups)):
        for j in range(len(groups)):
            if i != j:
                average = (variances[i] + variances[j]) / 2
                distance = ((means[i] - means[j]) ** 2 / average).sum() / 8
                distance += np.log(average / np.sqrt(variances[i] * variances[j])).sum() / 2
                total += np.exp(-distance)
    return -float(total)


def plain_n_leep(features: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    reduced = PCA(0.8, svd_solver="full").fit_transform(features.astype(np.float64))
    mixture = GaussianMixture(len(np.unique(labels)), random_state=0).fit(reduced)
    theta = mixture.predict_proba(reduced)
    joint = np.eye(labels.max() + 1)[labels].T @ theta / len(theta)
    conditional = joint / joint.sum(axis=0)
    return float(np.log((conditional[labels] * theta).sum(axis=1)).mean())


def plain_otce(xs: np.ndarray, ys: np.ndarray, xt: np.ndarray, yt: np.ndarray) -> tuple[float, float]:
    import ot

    cost = ot.dist(xs.astype(np.float64), xt.astype(np.float64))
    plan = ot.sinkhorn([], [], cost, 0.1)  # as it comes: 1000 iterations, or marginals to 1e-9
    joint = np.eye(ys.max() + 1)[ys].T @ plan @ np.eye(yt.max() + 1)[yt]
    error = np.abs(plan.sum(axis=0) - 1 / len(xt)).sum() + np.abs(plan.sum(axis=1) - 1 / len(xs)).sum()
    return float(-(joint * np.log((joint + 1e-300) / joint.sum(axis=1, keepdims=True))).sum()), float(error)


def own_otce(*sides: np.ndarray) -> tuple[float, float]:
    from transfer_atlas.transferability import otce

    found = otce(*sides)
    return found.task_difference, found.marginal_error


def own(name: str) -> Callable[..., Any]:
    from transfer_atlas import transferability as metrics

    return {
        "h_score": metrics.h_score,
        "shrinkage_h_score": metrics.shrinkage_h_score,
        "logme": metrics.logme,
        "gbc": lambda x, y: metrics.gbc(x, y, covariance="diagonal"),
        "n_leep": lambda x, y: metrics.n_leep(x, y, seed=0, components_per_class=1),
        "otce": own_otce,
        "otce_unlike": own_otce,
    }[name]


def four_from_one_pass(features: np.ndarray, labels: np.ndarray) -> tuple[float, ...]:
    """H-score, shrinkage H-score, LogME and GBC of one (source, target) with shared moments."""
    from transfer_atlas.transferability.gbc import gbc_of
    from transfer_atlas.transferability.h_score import h_score_of, shrinkage_h_score_of
    from transfer_atlas.transferability.logme import logme_of
    from transfer_atlas.transferability.moments import class_moments

    moments = class_moments(features, labels)
    values = h_score_of(moments), shrinkage_h_score_of(moments), logme_of(moments)
    return *values, gbc_of(moments, features, labels, covariance="diagonal")


def four_plain(features: np.ndarray, labels: np.ndarray) -> tuple[float, ...]:
    plain = (plain_h_score, plain_shrinkage_h_score, plain_logme, plain_gbc)
    return tuple(metric(features, labels) for metric in plain)


PLAIN = {
    "h_score": plain_h_score,
    "shrinkage_h_score": plain_shrinkage_h_score,
    "logme": plain_logme,
    "gbc": plain_gbc,
    "n_leep": plain_n_leep,
    "otce": plain_otce,
    "otce_unlike": plain_otce,
}


def _measure(connection: Any, side: str, name: str, arguments: tuple[np.ndarray, ...], repeats: int) -> None:
    """In a process of its own: seconds, peak memory above what was there before, value."""
    warnings.simplefilter("ignore")
    if name == "four":
        function = four_from_one_pass if side == "own" else four_plain
    else:
        function = own(name) if side == "own" else PLAIN[name]
    small = [part[:400] for part in arguments]
    function(*small)  # imports and threads
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, value = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        value = function(*arguments)
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    connection.send((min(seconds), peak * 1024, value))


def measure(side: str, name: str, arguments: tuple[np.ndarray, ...], repeats: int) -> tuple[float, int, Any]:
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe()
    process = context.Process(target=_measure, args=(sender, side, name, arguments, repeats))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    finally:
        process.join()


def compare(name: str, arguments: tuple[np.ndarray, ...], repeats: int) -> None:
    size = sum(part.nbytes for part in arguments)
    plain = measure("plain", name, arguments, 1 if name[:4] in ("otce", "n_le") else repeats)
    mine = measure("own", name, arguments, repeats)
    print(
        f"{name:18} {plain[0]:8.2f} s {mine[0]:8.3f} s  {plain[0] / mine[0]:6.1f} x   "
        f"memory {plain[1] / size:5.1f} / {mine[1] / size:4.1f} inputs ({mine[1] / 1e6:.0f} MB)   "
        f"values {plain[2]} / {mine[2]}",
        flush=True,
    )


def pair(images: int = 2) -> None:
    """Everything of one (source, target) as a study does it: 150 images x 1,000 pixels, d = 720, by default settings.

    Feature extraction is timed on a few images of 512 x 512 pixels with HRNetV2-W48 and stated for 150.
    """
    import torch

    from transfer_atlas.errors import LegitimateFailure
    from transfer_atlas.models.backbone import build_backbone, join_branches
    from transfer_atlas.scoring.scores import draws_of, score_of
    from transfer_atlas.scoring.settings import TransferabilitySettings

    torch.set_num_threads(1)
    backbone = build_backbone("hrnet_w48", seed=0).eval()
    with torch.inference_mode():
        picture = torch.rand(1, 3, 512, 512)
        start = time.process_time()
        for _ in range(images):
            join_branches(backbone.branches(picture), (128, 128))
        extraction = (time.process_time() - start) / images * 150
    sides = []
    for seed in (0, 1):
        features, labels = network_features(150_000 if seed == 0 else 20_000, DIMENSIONS, CLASSES, seed)
        theta = np.random.default_rng(seed).dirichlet(np.ones(19), len(labels)).astype(np.float32)
        sides.append({"features": features, "labels": labels, "probabilities": theta})
    asked = TransferabilitySettings().model_dump() | {"covariance": "diagonal"}
    draws = draws_of(*sides, samples=asked["samples"], repeats=asked["repeats"], seed=asked["seed"])
    total = 0.0
    for name in asked["metrics"]:
        start, spent = time.perf_counter(), time.process_time()
        try:
            told = score_of(name, draws, asked)
            told = f"{told['value']} +- {told['deviation']}"
        except LegitimateFailure as failure:
            told = f"{failure.status}: {failure.reason}"
        seconds, spent = time.perf_counter() - start, time.process_time() - spent
        total += spent
        print(f"{name:24} {seconds:8.2f} s ({spent:.2f} s of the processor)  {told}", flush=True)
    share = extraction / (extraction + total)
    print(
        f"all metrics {total:.1f} s of the processor, extraction of 150 images about {extraction:.0f} s: "
        f"{share:.0%} of the whole"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--only", nargs="*", default=["four", *(n for n in PLAIN if not n.startswith("otce"))]
    )
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--dimensions", type=int, default=DIMENSIONS)
    parser.add_argument("--pixels", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(
        "metric                 plain        here     ratio   peak memory above the input   values plain / here"
    )
    for name in options.only:
        if name == "pair":
            pair()
        elif name in ("otce", "otce_unlike"):
            compare(name, pixels(options.pixels, 64, alike=name == "otce"), 1)
        else:
            compare(name, network_features(options.samples, options.dimensions, CLASSES), options.repeats)


if __name__ == "__main__":
    main()
