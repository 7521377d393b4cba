"""Networks of `models/architectures`: the sizes of their papers, the maps that heads read, what makes each itself."""

import pytest
import torch

from transfer_atlas.models.architectures.registry import ARCHITECTURES
from transfer_atlas.models.architectures.segnet import SegNet
from transfer_atlas.models.architectures.unet import UNet
from transfer_atlas.models.backbone import backbone_of

OF_SEGMENTATION = ("fcn8s", "frrn_a", "frrn_b", "pspnet", "segnet", "unet")
# In millions, as printed: FCN-8s and SegNet in Badrinarayanan et al., FRRN in Pohlen et al. (Table 1), U-Net and PSPNet
# as their usual implementations count. Ours are without the classifier.
PRINTED = {"fcn8s": 134.5, "frrn_a": 17.7, "frrn_b": 24.8, "pspnet": 46.6, "segnet": 29.45, "unet": 31.03}
MAPS = {
    "fcn8s": ([256, 512, 4096], [8, 16, 32]),
    "frrn_a": ([48], [4]),
    "frrn_b": ([48], [4]),
    "pspnet": ([512], [8]),
    "segnet": ([64], [4]),
    "unet": ([64], [4]),
}


@pytest.mark.parametrize("name", OF_SEGMENTATION)
def test_it_has_the_size_and_the_maps_of_its_paper(name):
    with torch.device("meta"):  # shapes alone: FCN-8s would fill half a gigabyte
        network, widths, strides = ARCHITECTURES[name].build(1.0)
    millions = sum(weight.numel() for weight in network.parameters()) / 1e6
    assert millions == pytest.approx(PRINTED[name], rel=0.005)
    assert millions == pytest.approx(ARCHITECTURES[name].parameters, rel=0.005)
    assert (widths, strides) == MAPS[name]


@pytest.mark.parametrize("name", OF_SEGMENTATION)
def test_a_narrow_one_is_a_backbone_that_learns(name):
    backbone = backbone_of({"name": name, "width": 1 / 16}, seed=0)
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    maps = backbone.branches(images)
    shapes = [(2, w, 64 // s, 96 // s) for w, s in zip(backbone.widths, backbone.strides, strict=True)]
    assert [tuple(each.shape) for each in maps] == shapes
    sum(each.square().mean() for each in maps).backward()
    assert all(weight.grad is not None for weight in backbone.parameters())
    again = backbone_of({"name": name, "width": 1 / 16}, seed=0).state_dict()
    weights = [name for name in again if "running" not in name and "batches" not in name]
    assert all(torch.equal(backbone.state_dict()[each], again[each]) for each in weights)


@pytest.mark.parametrize("name", OF_SEGMENTATION)
def test_a_batch_of_one_image_trains(name):
    maps = backbone_of({"name": name, "width": 1 / 16}, seed=0).train().branches(torch.randn(1, 3, 64, 64))
    assert all(torch.isfinite(each).all() for each in maps)


def test_segnet_unpools_where_was_pooled():
    # A bright pixel moved within a cell of the first pooling moves in the decoder, too.
    network = SegNet(1 / 16).eval()
    images = torch.zeros(2, 3, 32, 32)
    images[0, :, 8, 8] = images[1, :, 9, 9] = 50.0
    with torch.inference_mode():
        maps = network.encoder[0](images)
        _, places = torch.nn.functional.max_pool2d(maps, 2, return_indices=True)
    assert not torch.equal(places[0], places[1])


def test_unet_reads_the_encoder_at_every_resolution():
    network = UNet(1 / 16).eval()
    images = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        (before,) = network(images)
        for stage in network.enlarge:  # nothing of what is coarser gets through
            stage.weight.zero_(), stage.bias.zero_()
        (after,) = network(images)
    assert not torch.equal(before, after) and after.std() > 0
