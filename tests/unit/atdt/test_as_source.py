"""A task network as a source: the backbone sees what the encoder saw, and a target's samples are taken by it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from atdt_examples import carried_out, pictures, planned, study

from transfer_atlas.atdt.as_source import fill
from transfer_atlas.atdt.networks import build_encoder
from transfer_atlas.atdt.settings import NetworkSettings
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import backbone_of, join_branches
from transfer_atlas.models.checkpoints import load_backbone
from transfer_atlas.planning.atdt_sources import atdt_candidates
from transfer_atlas.planning.atdt_sources import backbone_of as planned_backbone
from transfer_atlas.planning.plan import builder
from transfer_atlas.planning.request import request
from transfer_atlas.planning.scores import Scoring
from transfer_atlas.running.execute import execute
from transfer_atlas.scoring.sample_files import load_samples
from transfer_atlas.scoring.settings import TransferabilitySettings
from transfer_atlas.store.store import read_run
from transfer_atlas.study.task import Task


class Planned:
    """A network of given settings, as far as `backbone_of` looks at it."""

    def __init__(self, network: NetworkSettings) -> None:
        self.settings = {"network": network.hashed()}


@pytest.mark.parametrize(
    "network",
    [
        NetworkSettings(encoder="resnet_tiny", output_stride=8, dilations=(1, 2)),
        NetworkSettings(encoder="resnet_tiny", batch_norm=False),
        NetworkSettings(encoder="resnet18", output_stride=32),
        NetworkSettings(encoder="hrnet_tiny"),
    ],
)
def test_the_backbone_is_the_encoder(network):
    encoder = build_encoder(network, seed=5).eval()
    backbone = backbone_of(planned_backbone(Planned(network)), seed=0).eval()
    fill(backbone, encoder, "test")
    images = pictures(2, 0, side=64).float() / 64 - 2
    with torch.no_grad():
        maps, deepest = backbone.branches(images), encoder.until(images, 4)
        found = join_branches(maps, (16, 16)) if network.is_hrnet else maps[-1]
        assert torch.equal(found, deepest)
        assert backbone(images).shape == (2, backbone.channels, 16, 16)
    assert [64 // each.shape[2] for each in maps] == backbone.strides
    assert [each.shape[1] for each in maps] == backbone.widths


def test_weights_that_are_not_finite_are_no_source():
    network = NetworkSettings(encoder="resnet_tiny", output_stride=8)
    encoder = build_encoder(network, seed=5)
    encoder.stages[0][1][0].conv1.weight.data[0] = float("nan")
    with pytest.raises(LegitimateFailure, match="not finite"):
        fill(backbone_of(planned_backbone(Planned(network)), seed=0), encoder, "test")


def test_a_target_is_seen_by_it_as_by_any_source(tmp_path):
    short = {"resolution": [32, 32], "crop": [32, 32], "batch_size": 2, "learning_rate": 0.003, "steps": 2}
    chosen = {"directions": ["depth_to_segmentation"], "methods": ["oracle"]}
    values = study(training={"segmentation": short, "depth": short}, experiment=chosen)
    plan = planned(values)
    build = builder(plan.study, dict.fromkeys(plan.study.datasets, "generated"))
    (source,) = atdt_candidates(plan, build, "carla").values()
    scoring = Scoring(build, TransferabilitySettings(metrics=["gbc", "leep"], pixels=20, repeats=1))
    task, limits = Task.parse("segmentation/carla"), {"images": 6, "selection_seed": 0}
    samples = scoring.samples(source, build.prepared("carla"), task, [32, 32], limits)
    scores = scoring.scores(samples, source, task)
    carried_out(list(scores.values()), tmp_path)
    store = tmp_path / "store"
    found = load_samples(samples.folder(store))
    assert found["features"].shape == (len(found["labels"]), 16 + 32 + 48 + 64)
    assert np.isfinite(found["features"]).all() and "probabilities" not in found  # its decoder stays behind
    assert read_run(scores["gbc"].folder(store))["status"] == "finished"
    assert read_run(scores["leep"].folder(store))["status"] == "not_applicable"
    record = read_run(source.folder(store))
    assert record["metrics"]["images"] == 16
    backbone = backbone_of(source.settings["backbone"], seed=1)
    load_backbone(backbone, source.folder(store) / "model.safetensors")
    assert backbone.expects.statistics == "ilsvrc"  # whose mean and deviation its training whitened images by
    assert not execute(request(source, store, tmp_path / "scratch"), io.StringIO())  # it is there
