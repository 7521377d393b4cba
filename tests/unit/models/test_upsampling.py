"""Resizing by products with fixed matrices is bilinear resizing, forward and backward."""

import pytest
import torch
from torch.nn import functional as F

from transfer_atlas.models.upsampling import resize, resize_by_products

SIZES = [((8, 12), (32, 48)), ((5, 7), (13, 9)), ((16, 16), (11, 16)), ((1, 1), (4, 4)), ((30, 20), (7, 50))]


@pytest.mark.parametrize(("own", "wanted"), SIZES)
def test_it_equals_torchs_forward_and_backward(own, wanted):
    torch.manual_seed(0)
    first = torch.randn(2, 3, *own, requires_grad=True)
    second = first.detach().clone().requires_grad_()
    weights = torch.randn(2, 3, *wanted)
    ours = resize_by_products(first, wanted)
    theirs = F.interpolate(second, size=wanted, mode="bilinear", align_corners=False)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    (ours * weights).sum().backward()
    (theirs * weights).sum().backward()
    torch.testing.assert_close(first.grad, second.grad, atol=1e-4, rtol=1e-4)
    assert torch.equal(resize(first, wanted), theirs)  # on a processor torch's own kernel


def test_weights_of_powers_of_two_lose_nothing_in_bfloat16():
    maps = torch.randint(-8, 8, (1, 2, 4, 4)).bfloat16()
    exact = resize_by_products(maps.double(), (32, 32))
    assert (resize_by_products(maps, (32, 32)).double() - exact).abs().max() <= 2**-8 * 8


def test_nothing_is_done_where_the_size_is_right():
    maps = torch.randn(1, 2, 4, 6)
    assert resize(maps, (4, 6)) is maps
