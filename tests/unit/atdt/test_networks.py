"""Task networks and the transfer network: strides, rates, splits, parameters, and what is refused."""

import pytest
import torch
from atdt_examples import TINY, networks, pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from transfer_atlas.atdt.learning import (
    Frozen,
    Route,
    metric_outputs,
    pooled_rows,
    task_loss,
    transfer_loss,
    whitened,
)
from transfer_atlas.atdt.networks import build_decoder, build_encoder
from transfer_atlas.atdt.requested import copy_backbone
from transfer_atlas.atdt.settings import NetworkSettings
from transfer_atlas.atdt.transfer_network import TransferNetwork, reconstruction_loss, unexplained_share
from transfer_atlas.errors import CheckpointError, ConfigurationError
from transfer_atlas.models.backbone import build_backbone

PLAIN = ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_a_resnet_compresses_by_its_output_stride_and_the_decoder_goes_to_four(stride):
    network = NetworkSettings(encoder="resnet_tiny", output_stride=stride)
    encoder = build_encoder(network, seed=0)
    images = torch.zeros(1, 3, 64, 96)
    for level in range(1, 5):
        features = encoder.until(images, level)
        own = network.stride_at(level)
        assert features.shape[1:] == (encoder.channels_at(level), 64 // own, 96 // own)
    decoder = build_decoder(network, encoder, 5, seed=0)
    assert decoder(features).shape == (1, 5, 16, 24)


def test_the_papers_network_has_rates_2_and_4_at_stride_16_and_normalisation_throughout():
    encoder = build_encoder(NetworkSettings(), seed=0)
    rates = {
        number: {
            m.dilation[0] for m in stage.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)
        }
        for number, stage in enumerate(encoder.stages, start=1)
    }
    assert rates == {1: {1}, 2: {1}, 3: {2}, 4: {4}}
    assert encoder.until(torch.zeros(1, 3, 64, 64), 4).shape == (1, 2048, 4, 4)
    weights = sum(weight.numel() for weight in encoder.parameters())
    assert weights == 23_508_032  # ResNet-50 without its classifier
    convolutions = sum(isinstance(m, nn.Conv2d) for m in encoder.modules())
    assert sum(isinstance(m, nn.BatchNorm2d) for m in encoder.modules()) == convolutions == 53


def test_without_normalisation_there_are_biases_and_each_block_begins_as_the_identity():
    encoder = build_encoder(NetworkSettings(encoder="resnet18", batch_norm=False), seed=0)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in encoder.modules())
    assert all(m.bias is not None for m in encoder.modules() if isinstance(m, nn.Conv2d))
    values = torch.rand(1, 64, 8, 8)
    block = encoder.stages[0][1][0]
    assert torch.equal(block(values), values)


@given(level=st.integers(1, 4), seed=st.integers(0, 5))
@settings(max_examples=8, deadline=None)
def test_a_split_network_is_the_whole_one(level, seed):
    encoder, decoder = networks(seed=seed)
    images = pictures(2, seed).float()
    split = Frozen(encoder, decoder, PLAIN, level)
    whole = Frozen(encoder, decoder, PLAIN, 4)
    torch.testing.assert_close(split.decode(split.encode(images)), whole.decode(whole.encode(images)))


def test_the_same_seed_gives_the_same_weights_and_draws_nothing_from_the_global_generator():
    state = torch.get_rng_state()
    first, second = build_encoder(TINY, seed=3), build_encoder(TINY, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_an_hrnet_is_split_at_its_representation():
    encoder = build_encoder(NetworkSettings(encoder="hrnet_tiny"), seed=0)
    assert encoder.until(torch.zeros(1, 3, 64, 64), 4).shape == (1, 120, 16, 16)


def test_an_unknown_encoder_is_refused_with_its_nearest_names():
    with pytest.raises(ConfigurationError, match=r"resnet50x.*did you mean resnet50"):
        build_encoder(NetworkSettings(encoder="resnet50x"), seed=0)


def test_an_ilsvrc_checkpoint_of_the_encoder_is_copied_and_another_refused():
    backbone, encoder = (
        build_backbone("resnet18", seed=1),
        build_encoder(NetworkSettings(encoder="resnet18"), seed=0),
    )
    copy_backbone(backbone, encoder, "a file")
    images = torch.rand(1, 3, 64, 64)
    network = NetworkSettings(encoder="resnet18", output_stride=32, dilations=(1, 1))
    plain = build_encoder(network, seed=0)
    copy_backbone(backbone, plain, "a file")
    backbone.eval(), plain.eval()
    torch.testing.assert_close(plain.until(images, 4), backbone.branches(images)[-1])
    with pytest.raises(CheckpointError, match=r"a file is no start for the encoder.*atdt\.network\.encoder"):
        copy_backbone(build_backbone("resnet50", seed=0), encoder, "a file")


@given(height=st.integers(1, 9), width=st.integers(1, 9))
@settings(max_examples=10, deadline=None)
def test_g_keeps_the_size_of_features_and_has_six_convolutions(height, width):
    network = TransferNetwork(5, 7, 4, seed=0)
    assert network(torch.rand(2, 5, height, width)).shape == (2, 7, height, width)
    shapes = [tuple(each.kernel_size) for each in network.convolutions]
    assert shapes == [(3, 3)] * 6
    sizes = []
    for convolution in network.convolutions:
        convolution.register_forward_hook(lambda _, __, out: sizes.append(out.shape[2]))
    network(torch.rand(1, 5, 16, 16))
    assert sizes == [8, 4, 4, 4, 8, 16]  # down to a quarter and back


def test_depth_is_clipped_normalised_and_scaled_back():
    depth = torch.tensor([[[[50.0, 250.0], [0.0, 20.0]]]])  # 250 counts as 100, 0 is unknown
    outputs = torch.full((1, 1, 2, 2), 0.5)
    # |0.5 - 0.5|, |0.5 - 1|, |0.5 - 0.2| over three known pixels
    assert task_loss("depth", outputs, {"depth": depth}, 100.0).item() == pytest.approx(0.8 / 3)
    assert metric_outputs("depth", outputs, 100.0).unique().tolist() == [50.0]
    assert task_loss("depth", outputs, {"depth": torch.zeros(1, 1, 2, 2)}, 100.0).item() == 0.0


def test_unexplained_share_is_nothing_for_perfect_and_all_for_the_mean():
    wanted = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    assert unexplained_share(wanted, wanted) == 0.0
    assert unexplained_share(wanted.mean(dim=0).expand(2, 2), wanted) == pytest.approx(1.0)


def test_a_step_of_g_leaves_both_frozen_networks_as_they_are_to_the_bit():
    first, second = Frozen(*networks(seed=1), PLAIN, 4), Frozen(*networks(seed=2), PLAIN, 4)
    before = [
        {name: values.clone() for name, values in module.state_dict().items()}
        for each in (first, second)
        for module in (each.encoder, each.decoder)
    ]
    learned = TransferNetwork(64, 64, 16, seed=0)
    optimizer = torch.optim.Adam(learned.parameters(), lr=1e-2)
    learned.train()
    for step in range(5):
        optimizer.zero_grad()
        transfer_loss(learned, first, second, pictures(4, step).float()).backward()
        optimizer.step()
    after = [m.state_dict() for each in (first, second) for m in (each.encoder, each.decoder)]
    for old, new in zip(before, after, strict=True):
        assert all(torch.equal(old[name], new[name]) for name in old)  # batch statistics and counts included
    assert all(weight.grad is None for weight in first.encoder.parameters())


def trained_g(own: bool, steps: int = 400) -> float:
    """Unexplained share on new pictures of a G trained to give a network's own features, or those of other pictures."""
    network = Frozen(*networks(seed=0), PLAIN, 1)
    scale = network.encode(pictures(64, seed=7).float()).std()
    learned = TransferNetwork(16, 16, 32, seed=0)
    optimizer = torch.optim.Adam(learned.parameters())

    def pair(seed: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        features = network.encode(pictures(count, seed).float()) / scale
        return features, features if own else features.roll(3, dims=0)

    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / steps)
        optimizer.zero_grad()
        reconstruction_loss(learned(pair(100 + step, 16)[0]), pair(100 + step, 16)[1]).backward()
        optimizer.step()
    given, wanted = pair(8, 32)
    return unexplained_share(pooled_rows(learned(given)).detach(), pooled_rows(wanted))


def test_g_reproduces_identical_tasks_and_fails_on_permuted_features():
    assert trained_g(own=True) < 0.2, "features of one and the same network are not reproduced"
    assert trained_g(own=False) > 0.7, "features of other pictures cannot be told from these"


def test_a_route_through_g_is_the_three_in_turn():
    first, second = Frozen(*networks(seed=1), PLAIN, 3), Frozen(*networks(1, seed=2), PLAIN, 3)
    learned = TransferNetwork(48, 48, 16, seed=0)
    images = pictures(2, 0).float()
    route = Route("depth", second, 80.0, encoder=first, network=learned)
    wanted = 80.0 * second.decoder(
        second.encoder.after(learned(first.encoder.until(whitened(images, PLAIN), 3)), 3)
    )
    torch.testing.assert_close(route(images), wanted)
    assert len(list(route.parameters())) == 12  # G's alone: what is frozen is no part of it
