"""What a step keeps is counted before it is run, and a batch that cannot fit is refused with settings that would."""

import every_task_examples as examples
import pytest
import torch

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.training.memory import GIB, activation_bytes, needed_bytes, require_memory
from transfer_atlas.training.settings import TrainingSettings


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    data = examples.dataset(tmp_path_factory.mktemp("prepared") / "all", train=2, val=1)
    return examples.model(data, "detection")


def test_the_count_is_what_a_step_keeps(model):
    kept = {}
    weights = {weight.data_ptr() for weight in [*model.parameters(), *model.buffers()]}

    def keep(values):
        if values.data_ptr() not in weights:
            kept[values.untyped_storage().data_ptr()] = (values, values.untyped_storage().nbytes())
        return values

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda values: values):
        outputs = model.train()(torch.zeros(4, 3, 64, 64))
    assert outputs["heat"].shape[0] == 4
    assert activation_bytes(model, (64, 64)) == pytest.approx(
        sum(size for _, size in kept.values()) / 4, rel=0.05
    )


def test_parts_and_precision_need_less(model):
    whole = TrainingSettings(crop=(64, 64), batch_size=64)
    parts = whole.model_copy(update={"accumulation": 8})
    half = whole.model_copy(update={"precision": "bfloat16"})
    assert needed_bytes(model, parts) < 0.3 * needed_bytes(model, whole)
    assert needed_bytes(model, half) < 0.6 * needed_bytes(model, whole)


def test_a_batch_that_cannot_fit_is_refused_with_settings_that_would(model):
    settings = TrainingSettings(crop=(512, 512), batch_size=128)
    needed = needed_bytes(model, settings)
    require_memory(model, settings, 2 * needed)
    with pytest.raises(
        ConfigurationError, match=r"128 images of 512 x 512 .*accumulation: 4; checkpoint.*bfloat16"
    ):
        require_memory(model, settings, needed // 3)
    require_memory(model, settings.model_copy(update={"accumulation": 4}), needed // 3)
    with pytest.raises(ConfigurationError) as caught:
        require_memory(model, settings, GIB // 1000)
    assert "accumulation" not in str(caught.value)  # not even one image at a time would do
