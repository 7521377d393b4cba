"""A differentiable step of W_T, forward and backward, against unrolled Sinkhorn of POT and geomloss's loss, in one run.

    python benchmarks/differentiable_transport.py            500 samples a side, 64 dimensions, one thread

Times are of the processor, so that other work on the machine counts little. POT's `ot.sinkhorn` runs on torch tensors,
and is differentiated through its iterations; geomloss's `SamplesLoss` gives the cost and no plan, so it has less to
do. Both are asked for the same epsilon. geomloss is optional: `pip install geomloss`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from transfer_atlas.transferability.transport.differentiable import (
    conditional_entropy_of,
    squared_distances,
    task_difference,
)

EPSILON = 0.1  # of the mean cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--dimensions", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=10)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(asked.samples, asked.dimensions, generator=generator).requires_grad_()
    target = (torch.randn(asked.samples, asked.dimensions, generator=generator) + 0.5).requires_grad_()
    first, second = torch.arange(asked.samples) % 10, torch.arange(asked.samples) % 5

    def own() -> torch.Tensor:
        return task_difference(source, first, target, second, epsilon=EPSILON)

    def by_pot() -> torch.Tensor:
        import ot

        cost = squared_distances(source.double(), target.double())
        cost = cost / cost.mean()
        weights = torch.full((asked.samples,), 1 / asked.samples, dtype=torch.float64)
        plan = ot.sinkhorn(weights, weights, cost, EPSILON, numItermax=1000, stopThr=1e-7)
        return conditional_entropy_of(plan, first, second)

    def by_geomloss() -> torch.Tensor:
        from geomloss import SamplesLoss

        x, y = source.double(), target.double()
        scale = squared_distances(x, y).mean().sqrt()
        # geomloss's cost is half the squared distance and its epsilon the square of blur
        loss = SamplesLoss("sinkhorn", p=2, blur=(EPSILON / 2) ** 0.5, debias=False, scaling=0.9)
        return loss(x / scale, y / scale)

    known = None
    for name, step in (("transfer_atlas", own), ("POT, unrolled", by_pot), ("geomloss", by_geomloss)):
        try:
            seconds, value = _time(step, source, target, asked.repeats)
        except ImportError as error:
            print(f"{name:16} not installed ({error})")
            continue
        known = known or seconds
        print(f"{name:16} {1000 * seconds:8.1f} ms   value {value:.6f}   ratio {seconds / known:6.2f}")


def _time(
    step: Callable[[], torch.Tensor], source: torch.Tensor, target: torch.Tensor, repeats: int
) -> tuple[float, float]:
    """Median processor seconds of forward and backward, and the value."""
    seconds = []
    for _ in range(repeats + 1):
        source.grad = target.grad = None
        began = time.process_time()
        value = step()
        value.backward()
        seconds.append(time.process_time() - began)
    return sorted(seconds[1:])[repeats // 2], float(value.detach())


if __name__ == "__main__":
    main()
