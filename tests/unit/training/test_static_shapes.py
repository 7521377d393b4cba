"""What compilers of TPUs and GPUs ask of a step: one shape, no break, one compilation; and the device layer."""

import contextlib

import every_task_examples as examples
import numpy as np
import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training import device
from transfer_atlas.training.batches import Batches
from transfer_atlas.training.device import PlainDevice, make_accelerator, make_optimizer, memory_format
from transfer_atlas.training.fit import training_step

SIZES = ((64, 64), (48, 80), (80, 48), (96, 32))  # images of every shape: a step sees one


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return examples.dataset(tmp_path_factory.mktemp("prepared") / "all", train=8, val=2, sizes=SIZES)


@pytest.mark.parametrize(
    ("name", "precision"), [*((name, "float32") for name in TASK_TYPES), ("detection", "bfloat16")]
)
def test_every_step_is_one_graph_compiled_once(data, name, precision, monkeypatch):
    counters, compiling = [], torch.compile

    def counted(function, **options):
        assert options == {"fullgraph": True, "dynamic": False}
        counters.append(CompileCounterWithBackend("aot_eager"))
        return compiling(function, backend=counters[-1], **options)

    monkeypatch.setattr(torch, "compile", counted)
    task, model = TASK_TYPES[name], examples.model(data, name).train()
    batches = Batches(data, task, np.arange(8), examples.TRAINING, 3)
    step = training_step(
        model,
        task,
        make_optimizer(examples.TRAINING, model, 0.01),
        PlainDevice(torch.device("cpu"), precision),  # Accelerate's own keeps to one precision a process
        compiled=True,
    )
    made = [batches.batch(number) for number in range(4)]
    assert len({(images.shape, *((n, v.shape) for n, v in targets.items())) for images, targets in made}) == 1
    losses = [step(images, targets) for images, targets in made]
    assert torch.isfinite(torch.stack(losses)).all()
    assert [counter.frame_count for counter in counters] == [1, 1]  # forward pass, loss
    torch._dynamo.reset()


@pytest.mark.parametrize("name", TASK_TYPES)
def test_no_step_reads_memory_that_nothing_has_written(data, name, monkeypatch):
    """So that torch's NaN in all fresh memory, a tenth of a step's time, can be left out (`use_threads`)."""
    weights = {}
    for filled in (True, False):
        device.use_threads(1)
        monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", filled)
        task, model = TASK_TYPES[name], examples.model(data, name).train()
        batches = Batches(data, task, np.arange(8), examples.TRAINING, 3)
        optimizer = make_optimizer(examples.TRAINING, model, 0.01)
        step = training_step(model, task, optimizer, PlainDevice(torch.device("cpu"), "float32"))
        for number in range(2):
            step(*batches.batch(number))
        weights[filled] = model.state_dict()
    assert all(torch.equal(weights[True][key], weights[False][key]) for key in weights[True])
    assert all(torch.isfinite(value).all() for value in weights[True].values())


def test_kernels_are_deterministic_and_fresh_memory_is_left_as_it_is():
    device.use_threads(1)
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.utils.deterministic.fill_uninitialized_memory


class Tpu:
    """What PyTorch says where a package brings a backend for a device of another make."""

    def __init__(self, kind):
        self.kind = kind

    def current_accelerator(self, check_available=False):
        return torch.device(self.kind) if self.kind else None


def test_a_device_that_accelerate_does_not_know_is_used_through_torch_alone(monkeypatch):
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    monkeypatch.setattr(device, "BY_TORCH_ALONE", {"xla"})  # a type that this build of torch can name
    monkeypatch.setattr(torch, "accelerator", Tpu("xla"))
    found = make_accelerator("float32")
    assert isinstance(found, PlainDevice) and found.device.type == "xla"
    assert isinstance(found.autocast(), contextlib.nullcontext)
    assert memory_format(found.device) == torch.contiguous_format
    assert not device.pins_memory(found.device) and device.device_memory(found.device) is None
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert make_accelerator("float32").device.type == "cpu"
    monkeypatch.delenv("ACCELERATE_USE_CPU")
    monkeypatch.setattr(torch, "accelerator", Tpu(None))
    assert make_accelerator("float32").device.type == "cpu"


def test_a_plain_device_trains_as_accelerate_does():
    results = []
    for accelerator in (make_accelerator("float32"), PlainDevice(torch.device("cpu"), "float32")):
        weight = torch.ones(3, requires_grad=True)
        with accelerator.autocast():
            loss = (weight * torch.arange(3.0)).square().sum()
        accelerator.backward(loss)
        results.append(weight.grad)
    assert torch.equal(*results)
    with PlainDevice(torch.device("cpu"), "bfloat16").autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
