"""Several processes that train one model: the same batches, and the result of one process within rounding."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import every_task_examples as every_task
import numpy as np
import pytest
import run_examples
import study_examples as examples
import torch
from torch import nn

import transfer_atlas
from transfer_atlas.datasets import decoding
from transfer_atlas.datasets.reading import PreparedDataset, outline_of
from transfer_atlas.errors import ConfigurationError
from transfer_atlas.models.checkpoints import load_checkpoint
from transfer_atlas.planning.request import request
from transfer_atlas.running.execute import execute
from transfer_atlas.store.store import read_run
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training import team as teams
from transfer_atlas.training.batches import Batches
from transfer_atlas.training.settings import TrainingSettings
from transfer_atlas.training.synchronised_norms import synchronised_norms
from transfer_atlas.training.team import ALONE, Team, require_even_shares

SIZES = ((64, 64), (48, 80), (80, 48))
SMALL = {
    "crop": [64, 64],
    "resolution": [64, 64],
    "batch_size": 8,
    "accumulation": 2,
    "clip_gradients": 1.0,
    "steps": 3,
    "learning_rate": 0.01,
}
SOURCE = str(Path(transfer_atlas.__file__).resolve().parents[1])
RUN = """
import io, json, sys
from pathlib import Path
from transfer_atlas.running.execute import execute
from transfer_atlas.training import team
team.processes_for = lambda gpus: gpus
execute(json.loads(Path(sys.argv[1]).read_text()), io.StringIO())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "all"
    every_task.dataset(folder, train=7, val=2, sizes=SIZES)
    return folder


@pytest.mark.parametrize("name", list(TASK_TYPES))
def test_outlines_are_those_of_the_decoded_images(folder, name):
    data = PreparedDataset.open(folder)
    stored = data.stored("train", range(7), name)
    for image, outline in zip(stored, data.outlines("train", range(7), name), strict=True):
        expected = outline_of(image.decode())
        for found in (outline, image.outline):
            assert (found.height, found.width) == (expected.height, expected.width)
            assert (found.boxes is None) == (expected.boxes is None)
            np.testing.assert_array_equal(found.boxes, expected.boxes)


def test_a_stored_image_is_decoded_where_it_is_used_and_then_kept(folder, monkeypatch):
    decoded = []
    decode = decoding.decode_image
    monkeypatch.setattr(decoding, "decode_image", lambda encoded: decoded.append(1) or decode(encoded))
    data = PreparedDataset.open(folder, cache_bytes=2**24)
    stored = data.stored("train", [2, 0], "detection")
    assert not decoded
    first, second = (image.decode() for image in stored)
    assert [first.id, second.id] == [data.ids("train")[index] for index in (2, 0)] and len(decoded) == 2
    again = data.stored("train", [0], "detection")[0]
    assert again.decode() is second and len(decoded) == 2
    np.testing.assert_array_equal(again.outline.boxes, stored[1].outline.boxes)


@pytest.mark.parametrize("name", list(TASK_TYPES))
def test_the_shares_of_a_team_make_up_the_batch_of_one_process(folder, name):
    settings = every_task.TRAINING.model_copy(update={"batch_size": 8, "accumulation": 2})
    batches = Batches(PreparedDataset.open(folder), TASK_TYPES[name], np.arange(7), settings, 3)
    whole = batches.batch(2)
    shares = [Team(2, rank).places(8, 2) for rank in range(2)]
    assert [share.tolist() for share in shares] == [[0, 1, 4, 5], [2, 3, 6, 7]]  # of each part a piece
    for share in shares:
        images, targets = batches.batch(2, places=lambda size, share=share: share)
        assert torch.equal(images, whole[0][share])
        for key, values in targets.items():
            assert torch.equal(values, whole[1][key][share])


def test_alone_nothing_is_shared():
    values = {"a": torch.ones(2)}
    assert ALONE.places(8, 1) is None and ALONE.whole(values) is values and ALONE.leads
    norm = nn.BatchNorm2d(2)
    with synchronised_norms(norm, ALONE):
        assert "forward" not in norm.__dict__


@pytest.mark.parametrize(("batch", "parts", "size"), [(4, 1, 3), (4, 2, 4), (32, 1, 5)])
def test_batches_that_cannot_be_shared_out_are_refused_with_a_remedy(batch, parts, size):
    settings = TrainingSettings(batch_size=batch, accumulation=parts)
    with pytest.raises(ConfigurationError, match=rf"batch of {batch} in {parts} parts .* {size} GPUs"):
        require_even_shares(settings, size)
    with pytest.raises(ConfigurationError, match="compile"):
        require_even_shares(TrainingSettings(compile=True), 2)
    require_even_shares(TrainingSettings(batch_size=32, accumulation=4), 8)


class Threads:
    """What two threads tell one another in place of processes."""

    def __init__(self, size):
        self.barrier, self.told = threading.Barrier(size), [None] * size

    def exchanged(self, rank, values):
        self.told[rank] = values.detach().clone()
        self.barrier.wait()
        found = list(self.told)
        self.barrier.wait()
        return found


class ThreadTeam(Team):
    def gathered(self, values):
        return self.store.exchanged(self.rank, values)

    def sum(self, values):
        return torch.stack(self.store.exchanged(self.rank, values)).sum(dim=0)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_synchronised_statistics_are_those_of_the_whole_batch(momentum):
    torch.manual_seed(0)
    values = torch.randn(6, 3, 4, 5, dtype=torch.float64) * 3 + 1000  # far from zero
    one = nn.BatchNorm2d(3, momentum=momentum).double()
    with torch.no_grad():
        one.weight.copy_(torch.tensor([0.5, 2.0, -1.0]))
        one.bias.copy_(torch.tensor([0.1, 0.0, -3.0]))
    several = [nn.BatchNorm2d(3, momentum=momentum).double() for _ in range(2)]
    for norm in several:
        norm.load_state_dict(one.state_dict())
    factors, shares = torch.randn_like(values), (slice(0, 2), slice(2, 6))
    expected = values.clone().requires_grad_()
    output = one(expected)
    (output * factors).sin().sum().backward()
    threads, found = Threads(2), [None, None]

    def work(rank):
        mine = values[shares[rank]].clone().requires_grad_()
        with synchronised_norms(several[rank], ThreadTeam(2, rank, threads)):
            told = several[rank](mine)
            (told * factors[shares[rank]]).sin().sum().backward()
        found[rank] = told.detach(), mine.grad

    workers = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    torch.testing.assert_close(torch.cat([each[0] for each in found]), output.detach())
    torch.testing.assert_close(torch.cat([each[1] for each in found]), expected.grad)
    for name in ("weight", "bias"):
        torch.testing.assert_close(sum(getattr(norm, name).grad for norm in several), getattr(one, name).grad)
    for norm in several:
        torch.testing.assert_close(norm.running_mean, one.running_mean)
        torch.testing.assert_close(norm.running_var, one.running_var)
        assert norm.num_batches_tracked == 1 and "forward" not in norm.__dict__


# ------------------------------------------------------------------------------------------------- two processes


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A store with two prepared datasets, and the requests of what is built on them."""
    root = tmp_path_factory.mktemp("begun")
    for name in ("camvid", "suim", "ilsvrc"):
        (run_examples.class_folders if name == "ilsvrc" else run_examples.segmentation_folders)(root, name)
    changes = (
        ("data_root", str(root)),
        ("task_types", {"segmentation": {"training": SMALL, "learning_rate_factors": [1.0]}}),
        (
            "experiments",
            [
                {
                    "sources": ["segmentation/camvid"],
                    "targets": ["segmentation/suim"],
                    "baselines": ["scratch"],
                }
            ],
        ),
        ("regimes", {"small_target": {"target_images": 6}}),
    )
    plan = examples.plan(*changes, versions=examples.versions_of(*changes))
    wanted = [run for run in plan if run.kind == "prepared" and run.name in ("camvid", "suim")]
    wanted += [run for run in plan if run.kind == "transfer" and "ilsvrc" not in str(run.parents)]
    requests = [json.loads(json.dumps(request(run, root / "store", root / "scratch"))) for run in wanted]
    for each in requests[:2]:
        execute(each, io.StringIO())
    return root, requests[2]


def copied(begun, folder):
    root, asked = begun
    shutil.copytree(root / "store", folder / "store")
    return json.loads(json.dumps(asked).replace(str(root / "s"), str(folder / "s")))


def test_two_processes_train_as_one_does(begun, tmp_path, monkeypatch):
    monkeypatch.setattr(teams, "processes_for", lambda gpus: gpus)
    found = {}
    for gpus in (1, 2):
        asked = copied(begun, tmp_path / str(gpus))
        execute(asked | {"gpus": gpus}, io.StringIO())
        found[gpus] = read_run(Path(asked["folder"]))["metrics"]
    for one, two in zip(found[1]["grid"], found[2]["grid"], strict=True):
        assert one["status"] == two["status"] == "finished"
        assert [step for step, _ in one["curve"]] == [step for step, _ in two["curve"]]
        losses = np.array([one["curve"], two["curve"]])[..., 1]
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert found[1]["value"] == pytest.approx(found[2]["value"], abs=2e-3)


def test_a_killed_helper_ends_the_run_and_the_next_attempt_continues(begun, tmp_path):
    asked = copied(begun, tmp_path)
    asked["settings"]["training"]["steps"] = 4000
    asked["gpus"] = 2
    (tmp_path / "request.json").write_text(json.dumps(asked))
    environment = os.environ | {"PYTHONPATH": SOURCE, "TRANSFER_ATLAS_SAVE_SECONDS": "0"}
    call = [sys.executable, "-c", RUN, str(tmp_path / "request.json")]
    with (tmp_path / "log").open("w") as log:
        leader = subprocess.Popen(call, env=environment, stderr=log, stdout=log)
        state = Path(asked["scratch"]) / "state-0.safetensors"
        end = time.monotonic() + 240
        while not state.exists() and time.monotonic() < end and leader.poll() is None:
            time.sleep(0.1)
        assert state.exists(), (tmp_path / "log").read_text()
        (helper,) = _children(leader.pid)
        os.kill(helper, signal.SIGKILL)
        assert leader.wait(300) == 1  # however busy the machine is
    assert "has ended" in (tmp_path / "log").read_text()
    _, description = load_checkpoint(state)
    end = time.monotonic() + 60
    while _children(leader.pid) and time.monotonic() < end:
        time.sleep(0.1)
    assert description["done"] >= 20 and not _children(leader.pid)


def _children(process):
    found = subprocess.run(
        ["pgrep", "-P", str(process), "-f", "training.helper"], capture_output=True, text=True
    )
    return [int(line) for line in found.stdout.split()]
