"""Speed of OTCE over a grid of cost by epsilon, against POT's exact and Sinkhorn solvers, in one run.

    python benchmarks/transport_grid.py                        N = 2,000 a side, d = 64
    python benchmarks/transport_grid.py --samples 10000        minutes for each line

Clusters of 19 classes as `metrics.py` has them, scaled so that the mean cost is 0.01 to 1,000,000 times epsilon = 0.1.
A solver of POT counts where its W_T is within 1e-3 of OTCE's; the ratio is OTCE's time by that of the faster one that
counts. Sinkhorn's iteration runs in plain form, which POT makes fast, up to 2,000 steps or marginals to 1e-6.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
from metrics import pixels

from transfer_atlas.transferability import otce
from transfer_atlas.transferability.leep import conditional_entropy

EPSILON = 0.1
RATIOS = (1e-2, 1.0, 10.0, 100.0, 1e3, 1e4, 1e6)
ALLOWED = 1e-3  # nats


def entropy(plan: np.ndarray, ys: np.ndarray, yt: np.ndarray) -> float:
    """W_T of a plan (n_s, n_t); nan for one without mass."""
    joint = np.eye(ys.max() + 1)[ys].T @ plan @ np.eye(yt.max() + 1)[yt]
    return conditional_entropy(joint) if np.isfinite(joint).all() and joint.sum() > 0 else float("nan")


def line(ratio: float, sides: tuple[np.ndarray, ...]) -> str:
    import ot

    xs, ys, xt, yt = sides
    mean = ((xs - xs.mean(axis=0)) ** 2).sum(axis=1).mean() + ((xt - xs.mean(axis=0)) ** 2).sum(axis=1).mean()
    scale = np.sqrt(ratio * EPSILON / mean)
    xs, xt = scale * xs.astype(np.float64), scale * xt.astype(np.float64)
    start = time.process_time()
    found = otce(xs, ys, xt, yt, epsilon=EPSILON)
    own = time.process_time() - start
    words, counted = [], []
    for name in ("exact", "sinkhorn"):
        start = time.process_time()
        cost = ot.dist(xs, xt)
        if name == "exact":
            plan = ot.emd([], [], cost, numItermax=10_000_000)
        else:
            plan = ot.sinkhorn([], [], cost, EPSILON, numItermax=2_000, stopThr=1e-6)
        seconds, value = time.process_time() - start, entropy(plan, ys, yt)
        right = abs(value - found.task_difference) <= ALLOWED
        words.append(f"{name} {seconds:8.2f} s {value:9.5f} {'counts' if right else 'other '}")
        counted += [seconds] if right else []
    better = f"{own / min(counted):6.2f}" if counted else "  none"
    return f"{ratio:9.2g} {own:8.2f} s {found.task_difference:9.5f}   {'   '.join(words)}   ratio {better}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--dimensions", type=int, default=64)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    line(1.0, pixels(100, options.dimensions))  # imports
    print(
        "mean cost by epsilon, OTCE: seconds and W_T, POT's solvers the same, ratio to the faster that counts"
    )
    for ratio in RATIOS:
        print(line(ratio, pixels(options.samples, options.dimensions)), flush=True)


if __name__ == "__main__":
    main()
