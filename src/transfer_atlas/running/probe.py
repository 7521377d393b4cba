"""Three training steps of a backbone, to judge by where nothing has been trained yet: the plan asks, in a process of
its own, since planning imports no torch.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping

STEPS = 3
SIDE, BATCH = 128, 2  # of the pictures; the time of a step is nearly in proportion to its pixels


def probed(backbones: Mapping[str, int], seconds: float = 120.0) -> tuple[dict[str, float], str]:
    """Seconds per training pixel of backbones, each given with the side of its crops, and the device.

    Forward, backward and one step of SGD on noise, in a process of its own; heads and reading are left out. Empty
    where a backbone cannot be had, or takes more than `seconds`.
    """
    command = [sys.executable, "-m", "transfer_atlas.running.probe", json.dumps(dict(backbones))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds)
        found = json.loads(done.stdout.splitlines()[-1])
        return {name: float(rate) for name, rate in found["rates"].items()}, str(found["device"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, IndexError):
        return {}, ""


def main(asked: str) -> None:
    """Print rates and device as JSON. asked: sides of crops by backbone, as JSON."""
    import torch

    from transfer_atlas.models.backbone import build_backbone
    from transfer_atlas.running.provenance import surroundings
    from transfer_atlas.training.device import make_accelerator

    torch.set_num_threads(1)
    device, rates = make_accelerator("float32").device, {}
    for name, side in json.loads(asked).items():
        side = max(32, min(side, SIDE) // 32 * 32)
        backbone = build_backbone(name, seed=0).to(device).train()
        optimizer = torch.optim.SGD(backbone.parameters(), lr=1e-6)
        pictures = torch.rand(BATCH, 3, side, side, device=device)
        took = []
        for _ in range(STEPS):
            began = time.perf_counter()
            optimizer.zero_grad()
            torch.stack([branch.square().mean() for branch in backbone.branches(pictures)]).sum().backward()
            optimizer.step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            took.append(time.perf_counter() - began)
        rates[name] = min(took) / (BATCH * side * side)  # the first step also allocates
    print(json.dumps({"rates": rates, "device": surroundings()["device"]}))


if __name__ == "__main__":
    main(sys.argv[1])
