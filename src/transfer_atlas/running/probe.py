"""Three training steps of a backbone, to judge by where nothing has been trained yet: the plan asks, in a process of
its own, since planning imports no torch.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

STEPS = 3
LARGEST_SIDE = 128  # of the pictures; the time of a step is nearly in proportion to its pixels
MOST_PIXELS = (
    2 * LARGEST_SIDE**2
)  # of a batch; a network's own step of the optimizer is shared by as many as are there


def probed(
    backbones: Mapping[str, Mapping[str, Any]], seconds: float = 120.0
) -> tuple[dict[str, float], str]:
    """Seconds per training pixel of backbones, and the device.

    backbones: by any name the settings of each (`backbone`), the `side` of its crops and the size of its `batch`.
    Forward, backward and one step of SGD on noise, in a process of its own; heads and reading are left out. Empty
    where a backbone cannot be had, or takes more than `seconds`.
    """
    command = [sys.executable, "-m", "transfer_atlas.running.probe", json.dumps(backbones)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds)
        found = json.loads(done.stdout.splitlines()[-1])
        return {name: float(rate) for name, rate in found["rates"].items()}, str(found["device"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, IndexError):
        return {}, ""


def main(asked: str) -> None:
    """Print rates and device as JSON. asked: what `probed` was given, as JSON."""
    import torch

    from transfer_atlas.models.backbone import backbone_of
    from transfer_atlas.running.provenance import surroundings
    from transfer_atlas.training.device import make_accelerator

    torch.set_num_threads(1)
    device, rates = make_accelerator("float32").device, {}
    for name, each in json.loads(asked).items():
        side = max(32, min(each["side"], LARGEST_SIDE) // 32 * 32)
        batch = max(2, min(each["batch"], MOST_PIXELS // side**2))
        backbone = backbone_of(each["backbone"], seed=0).to(device).train()
        optimizer = torch.optim.SGD(backbone.parameters(), lr=1e-6)
        pictures = torch.rand(batch, 3, side, side, device=device)
        took = []
        for _ in range(STEPS):
            began = time.perf_counter()
            optimizer.zero_grad()
            torch.stack([branch.square().mean() for branch in backbone.branches(pictures)]).sum().backward()
            optimizer.step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            took.append(time.perf_counter() - began)
        rates[name] = min(took) / (batch * side * side)  # the first step also allocates
    print(json.dumps({"rates": rates, "device": surroundings()["device"]}))


if __name__ == "__main__":
    main(sys.argv[1])
