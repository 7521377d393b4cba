"""A tiny AT/DT study in the miniature world, and what its tests do with it."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import torch

from transfer_atlas.atdt.networks import build_decoder, build_encoder
from transfer_atlas.atdt.settings import NetworkSettings
from transfer_atlas.planning.plan import Plan, make_plan
from transfer_atlas.planning.request import request
from transfer_atlas.planning.run import Run, with_ancestry
from transfer_atlas.running.execute import execute
from transfer_atlas.store.store import read_run
from transfer_atlas.study.parse import parse_study

SMALL = {"resolution": [32, 32], "crop": [32, 32], "batch_size": 4, "learning_rate": 0.003, "steps": 40}
TINY = NetworkSettings(encoder="resnet_tiny", output_stride=8, decoder_channels=16)


def study(**changes: Any) -> dict[str, Any]:
    """The study as read from YAML; changes: of its section `atdt`, those of `experiment` of its one experiment.

    normals: whether the datasets have surface normals as well.
    """
    adapter = {"name": "miniature", "image_size": 32, "n_train": 16, "n_val": 5}
    tasks: dict[str, Any] = {"segmentation": {}, "depth": {}}
    if changes.pop("normals", False):
        adapter["normals"], tasks["normals"] = True, {}
    experiment = {"a": "carla", "b": "cityscapes_depth", **changes.pop("experiment", {})}
    values = {
        "study": "tiny_atdt",
        "backbone": {"name": "resnet50"},
        "ilsvrc": {"origin": "timm", "model": "resnet50.a1_in1k"},
        "datasets": {
            "carla": {"domain": "synthetic", "adapter": {**adapter, "dataset": "carla"}, "tasks": tasks},
            "cityscapes_depth": {
                "domain": "driving",
                "adapter": {**adapter, "dataset": "cityscapes_depth"},
                "tasks": tasks,
            },
        },
        "atdt": {
            "network": {"encoder": "resnet_tiny", "output_stride": 8, "decoder_channels": 16},
            "training": {"segmentation": SMALL, "depth": SMALL},
            "transfer_network": {
                "channels": 16,
                "crop": [32, 32],
                "batch_size": 4,
                "learning_rate": 0.002,
                "steps": 40,
            },
            "depth_maximum": 80,
            **changes,
            "experiments": [experiment],
        },
    }
    return copy.deepcopy(values)


def planned(values: dict[str, Any] | None = None) -> Plan:
    """Its plan."""
    parsed = parse_study(study() if values is None else values)
    return make_plan(parsed, dict.fromkeys(parsed.datasets, "generated"))


def carried_out(runs: list[Run], folder: Path) -> dict[str, dict[str, Any]]:
    """run.json of runs and of all that they build on, by name, carried out in `folder`."""
    found = {}
    for run in with_ancestry(runs):
        execute(request(run, folder / "store", folder / "scratch"), io.StringIO())
        found[run.name] = read_run(run.folder(folder / "store"))
    return found


def networks(outputs: int = 3, seed: int = 0):
    """A tiny encoder and a decoder with random weights."""
    encoder = build_encoder(TINY, seed=seed)
    return encoder, build_decoder(TINY, encoder, outputs, seed=seed)


def pictures(count: int, seed: int, side: int = 32) -> torch.Tensor:
    """Smooth pictures (count, 3, side, side) uint8."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 2, 2, generator=generator)
    return (torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear") * 255).to(torch.uint8)
