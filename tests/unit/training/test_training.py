"""Training: which images a step sees, the schedule, and that an interrupted training ends as an undisturbed one."""

import collections
import os
import shutil
import signal

import numpy as np
import pytest
import run_examples
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer_atlas.datasets.subsets import subset
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.models.model import Model
from transfer_atlas.process import stopping
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training import fit as fitting
from transfer_atlas.training import loop
from transfer_atlas.training.batches import Batches, batch_indices
from transfer_atlas.training.device import make_accelerator
from transfer_atlas.training.evaluate import evaluate
from transfer_atlas.training.schedule import learning_rate_at
from transfer_atlas.training.selection import selected_images
from transfer_atlas.training.settings import Optimizer, PolySchedule, StepSchedule, TrainingSettings

TASK = TASK_TYPES["segmentation"]
QUICK = TrainingSettings(resolution=(32, 32), crop=(32, 32), batch_size=2, steps=15, learning_rate=0.05)


@pytest.fixture(autouse=True)
def look_often(monkeypatch):
    """States are saved where the loss is looked at."""
    monkeypatch.setattr(loop, "LOOK_EVERY", 5)


# Which images


@given(st.integers(1, 40), st.integers(1, 17), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_every_image_is_visited_once_an_epoch(count, batch_size, seed):
    steps = -(-3 * count // batch_size)
    visited = np.concatenate([batch_indices(count, batch_size, step, seed) for step in range(steps)])
    assert all(len(batch_indices(count, batch_size, step, seed)) == batch_size for step in range(steps))
    for epoch in range(3):
        assert sorted(visited[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_batches_are_a_function_of_seed_and_step_and_epochs_differ():
    alone = batch_indices(50, 8, 30, 5)
    for step in range(30):
        batch_indices(50, 8, step, 5)
    assert np.array_equal(batch_indices(50, 8, 30, 5), alone)
    assert not np.array_equal(batch_indices(50, 50, 0, 5), batch_indices(50, 50, 1, 5))
    assert not np.array_equal(batch_indices(50, 50, 0, 5), batch_indices(50, 50, 0, 6))


class Ids:
    """A training split as selection sees it: ids and image-level classes."""

    def __init__(self, ids, labels=None):
        self._ids, self._labels = ids, labels

    def ids(self, split):
        return self._ids

    def subset(self, split, number, seed):
        return subset(self._ids, number, seed)

    def labels(self, split):
        return np.array(self._labels)


def selected(count, images, seed):
    return selected_images(
        Ids([f"image {n}" for n in range(count)]), {"images": images, "selection_seed": seed}
    )


@given(st.integers(0, 60), st.integers(1, 60), st.integers(1, 60), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_selections_are_seeded_sorted_and_nested(count, one, other, seed):
    small, large = (selected(count, wanted, seed) for wanted in sorted((one, other)))
    assert len(small) == min(count, min(one, other)) and set(small) <= set(large) <= set(range(count))
    assert np.array_equal(small, np.unique(small))
    assert np.array_equal(selected(count, one, seed), selected(count, one, seed))


def test_selections_of_other_seeds_differ_and_no_limit_takes_all():
    assert not np.array_equal(selected(100, 10, 0), selected(100, 10, 1))
    assert np.array_equal(selected(5, None, 0), np.arange(5))


def test_shots_are_images_of_each_class():
    labels = [0] * 6 + [1] * 2 + [2] * 9
    split = Ids([str(n) for n in range(17)], labels)
    chosen = selected_images(split, {"images": None, "shots": 4, "selection_seed": 3})
    assert np.bincount(np.array(labels)[chosen]).tolist() == [4, 2, 4] and np.array_equal(
        chosen, np.unique(chosen)
    )
    fewer = selected_images(split, {"images": None, "shots": 2, "selection_seed": 3})
    assert set(fewer) <= set(chosen)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return run_examples.prepared(tmp_path_factory.mktemp("prepared") / "toy", 4, cache_bytes=2**24)


def batches(dataset, training=QUICK, seed=0, indices=(0, 1, 2, 3)):
    return Batches(dataset, TASK, np.array(indices), training, seed)


def test_batches_are_the_same_from_wherever_training_resumes(dataset):
    everything = list(batches(dataset)(0, 6))
    resumed = list(batches(dataset)(4, 6))
    assert len(everything) == 6 and len(resumed) == 2
    for (images, targets), (again, targets_again) in zip(everything[4:], resumed, strict=True):
        assert torch.equal(images, again) and torch.equal(targets["mask"], targets_again["mask"])
        assert images.shape == (2, 3, 32, 32) and images.dtype == torch.uint8
    assert not torch.equal(everything[0][0], everything[2][0])  # the same images, augmented anew
    assert list(batches(dataset)(6, 6)) == []


def test_only_the_selected_images_are_trained_on(dataset, monkeypatch):
    read = collections.Counter()
    original = dataset.stored
    monkeypatch.setattr(
        dataset, "stored", lambda split, at, task: read.update(at) or original(split, at, task)
    )
    list(batches(dataset, indices=(1, 3))(0, 10))
    assert read == {1: 10, 3: 10}


# Schedule


def test_the_stepwise_rate_by_hand():
    schedule = StepSchedule(drop_at=[0.5, 0.8], factor=0.1)
    rates = [learning_rate_at(step, steps=10, start=2.0, schedule=schedule) for step in range(10)]
    assert rates == pytest.approx([2.0] * 5 + [0.2] * 3 + [0.02] * 2)


def test_the_poly_rate_by_hand():
    schedule = PolySchedule(policy="poly", power=0.5)
    rates = [learning_rate_at(step, steps=4, start=2.0, schedule=schedule) for step in range(4)]
    assert rates == pytest.approx([2.0, 2.0 * 0.75**0.5, 2.0 * 0.5**0.5, 1.0])
    paper = learning_rate_at(50, steps=100, start=1.0, schedule=PolySchedule(policy="poly"))
    assert paper == pytest.approx(0.5358867)  # 0.5 ** 0.9


# Fitting


def new_model(dataset):
    backbone = build_backbone("hrnet_tiny", seed=0)
    torch.manual_seed(0)
    head = TASK.head(backbone, dataset.description)
    return Model(backbone, head, dataset.description.mean, dataset.description.std)


def train(dataset, state, training=QUICK, watch=lambda done, loss: None, rate=None):
    model = new_model(dataset)
    curve = fitting.fit(
        model,
        TASK,
        batches(dataset, training),
        training,
        learning_rate=rate or training.learning_rate,
        accelerator=make_accelerator("float32"),
        state=state,
        watch=watch,
    )
    return model.state_dict(), curve


class KilledError(Exception):
    """Stands for a killed job."""


def interrupt_at(step):
    def watch(done, loss):
        if done == step:
            raise KilledError

    return watch


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_an_interrupted_training_ends_as_an_undisturbed_one(dataset, tmp_path, monkeypatch, optimizer):
    training = QUICK.model_copy(update={"optimizer": Optimizer(name=optimizer), "learning_rate": 0.01})
    undisturbed, curve = train(dataset, tmp_path / "none", training)
    assert [step for step, _ in curve] == [5, 10, 15] and not (tmp_path / "none").exists()
    monkeypatch.setenv("TRANSFER_ATLAS_SAVE_SECONDS", "0")
    state, steps = tmp_path / "state.safetensors", []
    for interruption in (10, 15):  # once from the beginning, once from a resumed training
        with pytest.raises(KilledError):
            train(dataset, state, training, interrupt_at(interruption))
    resumed, resumed_curve = train(dataset, state, training, lambda done, loss: steps.append(done))
    assert steps == [15]  # the first 10 steps were not repeated
    assert resumed_curve == curve
    assert list(resumed) == list(undisturbed)
    differing = [name for name in undisturbed if not torch.equal(undisturbed[name], resumed[name])]
    assert not differing


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("asked_in", [1, 5, 13])  # steps; the loss is looked at after each fifth
def test_a_training_that_is_asked_to_stop_saves_the_step_at_hand(
    dataset, tmp_path, monkeypatch, optimizer, asked_in
):
    training = QUICK.model_copy(update={"optimizer": Optimizer(name=optimizer), "learning_rate": 0.01})
    undisturbed, curve = train(dataset, tmp_path / "none", training)
    loss, calls = TASK.loss, []

    def counted(*arguments):
        calls.append(1)
        if len(calls) == asked_in:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(*arguments)

    monkeypatch.setattr(TASK, "loss", counted)
    earlier = signal.getsignal(signal.SIGTERM)
    stopping.heed()
    try:
        with pytest.raises(
            stopping.StoppedError, match=f"after step {asked_in} of 15, of which the state is"
        ):
            train(dataset, tmp_path / "state", training)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL  # a second one ends the process
    finally:
        stopping.heed()
        signal.signal(signal.SIGTERM, earlier)
    resumed, resumed_curve = train(dataset, tmp_path / "state", training)
    assert len(calls) == 15  # no step twice
    assert resumed_curve == curve
    assert not [name for name in undisturbed if not torch.equal(undisturbed[name], resumed[name])]


@pytest.mark.slow
def test_compiled_training_is_the_same_to_rounding(dataset, tmp_path, monkeypatch):
    """Traced as on a GPU; only the code generation, minutes on a processor, is left out."""
    compiling, compiled = torch.compile, []

    def traced(function, **options):
        compiled.append(function)
        return compiling(function, backend="aot_eager", **options)

    monkeypatch.setattr(torch, "compile", traced)
    torch._dynamo.reset()
    training = QUICK.model_copy(update={"steps": 5, "learning_rate": 1e-3})
    eager, curve = train(dataset, tmp_path / "eager", training)
    assert not compiled
    weights, compiled_curve = train(
        dataset, tmp_path / "compiled", training.model_copy(update={"compile": True})
    )
    assert len(compiled) == 2  # the model, and its loss
    assert list(weights) == list(eager)  # a state of either continues as the other
    assert compiled_curve == [(5, pytest.approx(curve[0][1], rel=1e-3))]


def test_a_damaged_state_is_started_anew(dataset, tmp_path, monkeypatch):
    training = QUICK.model_copy(update={"steps": 10})
    undisturbed, curve = train(dataset, tmp_path / "none", training)
    monkeypatch.setenv("TRANSFER_ATLAS_SAVE_SECONDS", "0")
    state = tmp_path / "state.safetensors"
    with pytest.raises(KilledError):
        train(dataset, state, training, interrupt_at(10))
    whole = state.read_bytes()
    for content in (whole[: len(whole) // 2], b""):
        state.write_bytes(content)
        found, found_curve = train(dataset, state, training)
        assert found_curve == curve
        assert all(torch.equal(found[name], undisturbed[name]) for name in undisturbed)


def test_a_huge_learning_rate_is_a_result_with_a_reason(dataset, tmp_path):
    with pytest.raises(
        LegitimateFailure, match=r"the loss was (nan|inf) at step 5 \(learning rate 1e\+12\)"
    ) as e:
        train(dataset, tmp_path / "state", rate=1e12)
    assert e.value.status == "diverged"


# Evaluation


def test_evaluation_does_not_depend_on_the_batch_and_leaves_the_model_as_it_is(tmp_path):
    dataset = run_examples.prepared(tmp_path / "toy", 5, (20, 50))
    model, accelerator = new_model(dataset), make_accelerator("float32")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = [
        evaluate(model, TASK, dataset, QUICK.model_copy(update={"batch_size": size}), accelerator=accelerator)
        for size in (1, 2, 5)
    ]
    for name in ("value", "pixel_accuracy"):
        assert [each[name] for each in found] == pytest.approx([found[0][name]] * 3, abs=1e-3)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    some = evaluate(
        model, TASK, dataset, QUICK, accelerator=accelerator, split="train", indices=np.array([0, 3])
    )
    assert 0 <= some["value"] <= 1
    shutil.rmtree(tmp_path / "toy")
