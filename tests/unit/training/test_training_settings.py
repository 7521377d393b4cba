"""The settings that practice needs: each does what it says, and as it stands by default it changes nothing."""

import every_task_examples as examples
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training.batches import Batches
from transfer_atlas.training.device import make_accelerator, make_optimizer, parameter_groups
from transfer_atlas.training.fit import fit, training_step
from transfer_atlas.training.modes import activations_computed_again, blocks_of, set_training_mode
from transfer_atlas.training.schedule import learning_rate_at
from transfer_atlas.training.settings import CosineSchedule, Optimizer, StepSchedule, TrainingSettings

NEW = {
    "accumulation": 3,
    "checkpoint_activations": True,
    "warm_up": 5,
    "clip_gradients": 1.0,
    "head_rate_factor": 10.0,
    "decay_norms_and_biases": False,
    "frozen_statistics": True,
    "tf32": True,
    "depth_follows_zoom": True,
    "statistics": "ilsvrc",
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return examples.dataset(tmp_path_factory.mktemp("prepared") / "all", cache_bytes=2**24)


def settings(**changes) -> TrainingSettings:
    return TrainingSettings.model_validate(examples.TRAINING.model_dump() | changes)


def test_none_of_them_enters_a_key_as_it_was_introduced():
    plain = TrainingSettings().hashed()
    assert not set(NEW) & set(plain)
    for name, value in NEW.items():
        changed = TrainingSettings(**{name: value, "batch_size": 33}).hashed()
        assert changed[name] == value
        assert getattr(TrainingSettings.from_hashed(changed), name) == value


# Accumulation


@pytest.mark.parametrize("name", list(TASK_TYPES))
def test_losses_of_the_parts_of_a_batch_add_up_to_that_of_the_whole(name, dataset):
    task, model = TASK_TYPES[name], examples.model(dataset, name)
    batch = Batches(dataset, task, np.arange(6), settings(batch_size=6), 0).batch(0)
    images, targets = batch
    with torch.no_grad():
        outputs = model.eval()(images)
    counts = task.counts(outputs, targets)

    def part(values, number):
        if isinstance(values, dict):
            return {key: part(value, number) for key, value in values.items()}
        return values.chunk(3)[number]

    parts = [task.loss(part(outputs, n), part(targets, n), counts) for n in range(3)]
    whole = task.loss(outputs, targets)
    torch.testing.assert_close(sum(parts), whole)
    mean = sum(task.loss(part(outputs, n), part(targets, n)) for n in range(3)) / 3
    assert (
        name == "classification" or (mean - whole).abs() > 1e-4 * whole
    )  # that of each part alone would differ


def stepped(dataset, name, **changes):
    """The weights after a step."""
    chosen, task = settings(**changes), TASK_TYPES[name]
    model = examples.model(dataset, name)
    set_training_mode(model, chosen)
    images, targets = Batches(dataset, task, np.arange(6), settings(batch_size=6), 0).batch(0)
    step = training_step(
        model,
        task,
        make_optimizer(chosen, model, 0.01),
        make_accelerator("float32"),
        accumulation=chosen.accumulation,
        clip=chosen.clip_gradients,
    )
    with activations_computed_again(model.backbone.body, chosen.checkpoint_activations):
        loss = step(images, targets)
    return loss, model.state_dict()


@pytest.mark.parametrize(
    "name", ["segmentation", "depth", "keypoints"]
)  # whose heads have no batch normalisation
def test_an_accumulated_step_is_the_step_of_the_whole_batch(name, dataset):
    frozen = {"batch_size": 6, "frozen_statistics": True}
    loss, whole = stepped(dataset, name, **frozen)
    in_parts, weights = stepped(dataset, name, **frozen, accumulation=3)
    torch.testing.assert_close(in_parts, loss)
    for key, value in whole.items():
        torch.testing.assert_close(weights[key], value, atol=1e-5, rtol=1e-4)
    adapting, _ = stepped(dataset, name, batch_size=6, accumulation=3)
    assert (adapting - loss).abs() > 1e-3  # where batch statistics matter, it is another step


def test_an_accumulation_that_does_not_divide_the_batch_is_refused():
    with pytest.raises(
        ValidationError, match=r"does not divide the batch_size of 6; expected one of \[1, 2, 3, 6\]"
    ):
        settings(batch_size=6, accumulation=4)


# Activation checkpointing


@pytest.mark.parametrize("name", ["segmentation", "detection"])
def test_activations_computed_again_give_the_same_step_to_the_bit(name, dataset):
    loss, kept = stepped(dataset, name, batch_size=6)
    again, weights = stepped(dataset, name, batch_size=6, checkpoint_activations=True)
    assert torch.equal(loss, again)
    differing = [key for key, value in kept.items() if not torch.equal(value, weights[key])]
    assert not differing  # batch statistics among them


@pytest.mark.parametrize("name", ["hrnet_tiny", "tf_efficientnet_lite0", "resnet18", "test_vit"])
def test_it_keeps_less_memory_in_every_kind_of_backbone(name):
    def kept(again: bool) -> int:
        backbone, sizes = build_backbone(name, seed=0).train(), []
        images = torch.randn(2, 3, 64, 64)
        with (
            torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.nbytes) or x, lambda x: x),
            activations_computed_again(backbone.body, again),
        ):
            backbone.branches(images)
        assert all("forward" not in vars(block) for block in blocks_of(backbone.body))
        return sum(sizes)

    assert kept(True) < 0.6 * kept(False)


def test_compiled_steps_exclude_it():
    with pytest.raises(ValidationError, match="exclude each other"):
        settings(compile=True, checkpoint_activations=True)


# Rates


def test_warm_up_rises_to_the_schedule_and_leaves_it():
    schedule = StepSchedule(drop_at=[0.5], factor=0.1)
    rates = [learning_rate_at(s, steps=10, start=2.0, schedule=schedule, warm_up=3) for s in range(10)]
    assert rates == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0] + [0.2] * 5)


def test_the_cosine_rate_by_hand():
    schedule = CosineSchedule(policy="cosine", final=0.1)
    rates = [learning_rate_at(s, steps=4, start=1.0, schedule=schedule) for s in range(4)]
    half = 0.5**0.5
    assert rates == pytest.approx([1.0, 0.1 + 0.45 * (1 + half), 0.55, 0.1 + 0.45 * (1 - half)])


def test_groups_have_their_own_rate_and_decay(dataset):
    model = examples.model(dataset, "detection")
    (only,) = parameter_groups(settings(), model)
    assert only["rate_factor"] == 1 and only["weight_decay"] == 1e-4
    chosen = settings(
        head_rate_factor=10.0, decay_norms_and_biases=False, optimizer=Optimizer(weight_decay=0.5)
    )
    groups = parameter_groups(chosen, model)
    assert {(g["rate_factor"], g["weight_decay"]) for g in groups} == {
        (f, d) for f in (1, 10) for d in (0, 0.5)
    }
    names = {id(weight): name for name, weight in model.named_parameters()}
    for group in groups:
        for weight in group["params"]:
            assert names[id(weight)].startswith("backbone.") == (group["rate_factor"] == 1)
            assert (weight.ndim > 1) == (group["weight_decay"] > 0)
    assert sum(len(group["params"]) for group in groups) == len(names)


def test_the_head_moves_by_its_factor(dataset):
    """Plain SGD without decay: a step is the gradient times the rate."""
    task, plain = TASK_TYPES["segmentation"], {"optimizer": Optimizer(momentum=0.0, weight_decay=0.0)}
    start = examples.model(dataset, "segmentation").state_dict()

    def moved(factor):
        model, chosen = (
            examples.model(dataset, "segmentation"),
            settings(**plain, head_rate_factor=factor, steps=1),
        )
        fit(
            model,
            task,
            Batches(dataset, task, np.arange(6), chosen, 0),
            chosen,
            learning_rate=0.01,
            accelerator=make_accelerator("float32"),
            state=dataset.folder / "no state",
            watch=lambda done, loss: None,
        )
        return {name: model.state_dict()[name] - start[name] for name in start}

    once, often = moved(1.0), moved(10.0)
    for key, factor in (("head.classifier.weight", 10.0), ("backbone.body.conv1.weight", 1.0)):
        assert once[key].abs().max() > 1e-5
        torch.testing.assert_close(often[key], factor * once[key], atol=1e-6, rtol=1e-3)


def test_gradients_are_clipped_to_their_norm(dataset):
    start = examples.model(dataset, "segmentation").state_dict()
    plain = {"batch_size": 6, "optimizer": Optimizer(momentum=0.0, weight_decay=0.0)}
    names = [name for name, _ in examples.model(dataset, "segmentation").named_parameters()]

    def moved(**changes):
        weights = stepped(dataset, "segmentation", **plain, **changes)[1]
        return torch.cat([(weights[name] - start[name]).flatten() for name in names])

    free, clipped = moved(), moved(clip_gradients=1e-3)
    assert clipped.norm() == pytest.approx(0.01 * 1e-3, rel=1e-2)
    assert F.cosine_similarity(free, clipped, dim=0) > 0.99


def test_frozen_statistics_stay_and_their_weights_move(dataset):
    start = examples.model(dataset, "detection").state_dict()
    for frozen in (False, True):
        weights = stepped(dataset, "detection", batch_size=6, frozen_statistics=frozen)[1]
        assert (
            torch.equal(weights["backbone.body.bn1.running_mean"], start["backbone.body.bn1.running_mean"])
            == frozen
        )
        assert not torch.equal(weights["backbone.body.bn1.weight"], start["backbone.body.bn1.weight"])
        assert not torch.equal(weights["head.neck.1.running_mean"], start["head.neck.1.running_mean"])


@pytest.mark.parametrize("asked", [True, False])
def test_tf32_is_as_asked_and_not_as_torch_has_it(asked):
    make_accelerator("float32", tf32=asked)
    assert torch.backends.cuda.matmul.allow_tf32 is asked and torch.backends.cudnn.allow_tf32 is asked
    make_accelerator("float32")
