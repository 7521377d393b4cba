"""What is not finite is a result of its own in every task type: `diverged`, never a number and never a crash."""

import every_task_examples as examples
import numpy as np
import pytest
import torch

from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training.batches import Batches
from transfer_atlas.training.device import make_accelerator
from transfer_atlas.training.evaluate import evaluate
from transfer_atlas.training.finite import require_finite_metrics, require_finite_outputs
from transfer_atlas.training.fit import fit
from transfer_atlas.training.settings import Optimizer


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return examples.dataset(tmp_path_factory.mktemp("prepared") / "all", cache_bytes=2**24)


def evaluated(model, name, dataset):
    accelerator = make_accelerator("float32")
    return evaluate(model, TASK_TYPES[name], dataset, examples.TRAINING, accelerator=accelerator)


@pytest.mark.parametrize("name", list(TASK_TYPES))
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_outputs_that_are_not_finite_are_diverged_in_every_task_type(name, value, dataset):
    model = examples.model(dataset, name)
    with torch.no_grad():
        list(model.head.parameters())[-1].fill_(value)
    with pytest.raises(LegitimateFailure, match="not finite") as caught:
        evaluated(model, name, dataset)
    assert caught.value.status == "diverged"


@pytest.mark.parametrize("name", ["detection", "keypoints"])
def test_images_without_finds_count_as_zero(name, dataset):
    model = examples.model(dataset, name)
    with torch.no_grad():  # every probability underflows to 0
        model.head.maps.last["heat"].weight.zero_()
        model.head.maps.last["heat"].bias.fill_(-200.0)
    found = evaluated(model, name, dataset)
    assert found["value"] == 0.0 and found["ap50"] == 0.0


def test_keypoints_that_overflow_when_decoded_are_diverged(dataset):
    model = examples.model(dataset, "keypoints")
    with torch.no_grad():
        model.head.maps.last["displacement"].bias.fill_(3e38)
    with pytest.raises(LegitimateFailure) as caught:
        evaluated(model, "keypoints", dataset)
    assert caught.value.status == "diverged"


@pytest.mark.parametrize("name", ["segmentation", "keypoints", "detection", "depth"])
def test_weights_that_the_last_update_broke_are_diverged(name, dataset, tmp_path):
    """The loss of the only step is that of the untouched weights."""
    task, model = TASK_TYPES[name], examples.model(dataset, name)
    training = examples.TRAINING.model_copy(update={"steps": 1, "optimizer": Optimizer(weight_decay=10.0)})
    with pytest.raises(LegitimateFailure) as caught:
        fit(
            model,
            task,
            Batches(dataset, task, np.arange(6), training, 0),
            training,
            learning_rate=3e38,
            accelerator=make_accelerator("float32"),
            state=tmp_path / "state",
            watch=lambda done, loss: None,
        )
    assert caught.value.status == "diverged" and "after the last step" in str(caught.value)


def test_what_is_finite_passes_and_what_is_not_is_named():
    require_finite_outputs({"heat": torch.zeros(3), "other": [torch.ones(2)]})
    require_finite_metrics({"value": 0.5, "per_class": {"a": None, "b": 1.0}, "curve": [(1, 2.0)]})
    with pytest.raises(LegitimateFailure, match="'other'"):
        require_finite_outputs({"heat": torch.zeros(3), "other": [torch.tensor([1.0, float("inf")])]})
    with pytest.raises(LegitimateFailure, match=r"per_class\.b is nan"):
        require_finite_metrics({"value": 0.5, "per_class": {"a": 0.1, "b": float("nan")}})
