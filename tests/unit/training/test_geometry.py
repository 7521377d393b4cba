"""Flip, rescale, crop: image and mask stay one, sizes are exact, nothing is cut that should be seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer_atlas.datasets.reading import Sample
from transfer_atlas.training.geometry import (
    Window,
    augment,
    complete_image,
    complete_images,
    cut,
    fitting_scale,
    padded_size,
    random_window,
)

MEAN = (10.4, 20.6, 30.0)
BEYOND = torch.tensor([10, 21, 30], dtype=torch.uint8)
CROPS = st.sampled_from([(32, 32), (64, 32), (32, 96)])
SIDES = st.integers(1, 150)
DARK, BRIGHT = 0, 240
BLURRED = torch.tensor(100, dtype=torch.uint8)  # a class of its own: pixels at borders


def sample(height: int, width: int, box=None) -> Sample:
    """A dark image, and a bright rectangle (top, left, bottom, right) that the mask has as class 1."""
    image, mask = torch.full((3, height, width), DARK, dtype=torch.uint8), torch.zeros(height, width).byte()
    if box is not None:
        top, left, bottom, right = box
        image[:, top:bottom, left:right] = BRIGHT
        mask[top:bottom, left:right] = 1
    return Sample("a", image, mask=mask)


def away_from_borders(mask: torch.Tensor, distance: int) -> torch.Tensor:
    """Pixels around which (to a distance) all pixels have the same value."""
    padded = torch.nn.functional.pad(mask[None, None].float(), [distance] * 4, mode="replicate")
    size = 2 * distance + 1
    largest = torch.nn.functional.max_pool2d(padded, size, 1)[0, 0]
    return largest == -torch.nn.functional.max_pool2d(-padded, size, 1)[0, 0]


@st.composite
def boxes(draw, height, width):
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    return top, left, draw(st.integers(top + 1, height)), draw(st.integers(left + 1, width))


@given(SIDES, SIDES, CROPS, st.integers(0, 2**32 - 1), st.data())
@settings(max_examples=150, deadline=None)
def test_image_and_mask_stay_aligned_under_any_window(height, width, crop, seed, data):
    original = sample(height, width, data.draw(boxes(height, width)))
    window = random_window(
        height, width, resolution=(96, 64), crop=crop, scale=(0.5, 2.0), generator=np.random.default_rng(seed)
    )
    # A border is blurred over two pixels of the image, or of the crop where that is coarser.
    sure = away_from_borders(original.mask, max(2, int(np.ceil(2 / window.scale))))
    original = replace(original, mask=original.mask.where(sure, BLURRED))
    changed = augment(original, window, crop, MEAN)
    assert changed.image.shape == (3, *crop) and changed.mask.shape == crop
    assert changed.image.dtype == torch.uint8 and changed.mask.dtype == torch.uint8
    grey = changed.image.float().mean(dim=0)
    assert (grey[changed.mask == 1] > 0.95 * BRIGHT).all()
    assert (grey[changed.mask == 0] < 0.05 * BRIGHT).all()
    assert (changed.image.permute(1, 2, 0)[changed.mask == 255] == BEYOND).all()


@given(SIDES, SIDES, CROPS, st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_a_window_lies_inside_the_image_or_around_it(height, width, crop, seed):
    generator = np.random.default_rng(seed)
    window = random_window(
        height, width, resolution=(64, 64), crop=crop, scale=(0.5, 2.0), generator=generator
    )
    base = fitting_scale(height, width, (64, 64))
    assert 0.5 * base <= window.scale * (1 + 1e-9) and window.scale <= 2 * base * (1 + 1e-9)
    for side, size, start in ((height, crop[0], window.top), (width, crop[1], window.left)):
        scaled = max(1, round(side * window.scale))
        assert min(0, scaled - size) <= start <= max(0, scaled - size)


def test_windows_are_a_function_of_the_generator_and_vary():
    def draw(seed):
        generator = np.random.default_rng(seed)
        options = {"resolution": (64, 64), "crop": (32, 32), "scale": (0.5, 2.0), "generator": generator}
        return [random_window(50, 70, **options) for _ in range(200)]

    assert draw(0) == draw(0) != draw(1)
    windows = draw(0)
    assert 60 < sum(window.mirrored for window in windows) < 140
    below = sum(window.scale < fitting_scale(50, 70, (64, 64)) for window in windows)
    assert 60 < below < 140  # uniform in the logarithm: half of them shrink


def test_a_window_at_scale_one_is_a_plain_crop_bit_for_bit():
    image = torch.randint(0, 256, (3, 50, 70), dtype=torch.uint8)
    plain = cut(image, Window(1.0, 7, 11, False), (32, 32), fill=0, nearest=False)
    assert torch.equal(plain, image[:, 7:39, 11:43])
    mirrored = cut(image, Window(1.0, 7, 11, True), (32, 32), fill=0, nearest=False)
    assert torch.equal(mirrored, plain.flip(2))


@pytest.mark.parametrize("mirrored", [False, True])
def test_what_lies_beyond_the_image_is_on_the_right_side(mirrored):
    # the crop begins 5 rows above and 9 columns left of an image of 20 x 16
    original = sample(20, 16, (0, 0, 20, 16))
    changed = augment(original, Window(1.0, -5, -9, mirrored), (32, 32), MEAN)
    expected = torch.full((32, 32), 255, dtype=torch.uint8)
    expected[5:25, 9:25] = 1
    expected = expected.flip(1) if mirrored else expected
    assert torch.equal(changed.mask, expected)
    assert (changed.image[:, expected == 1] == BRIGHT).all()
    assert (changed.image.permute(1, 2, 0)[expected == 255] == BEYOND).all()


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("corner", [(-5, -9), (-5, 3), (8, -2), (4, 6), (0, 0)])
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_a_crop_written_into_its_place_leaves_nothing_of_what_was_there(scale, corner, mirrored):
    image = torch.randint(0, 256, (3, 40, 46), dtype=torch.uint8)
    window, beyond = (
        Window(scale, *corner, mirrored),
        torch.tensor([1, 2, 3], dtype=torch.uint8).view(3, 1, 1),
    )
    alone = cut(image, window, (32, 40), fill=beyond, nearest=False)
    batch = torch.randint(0, 256, (2, 3, 32, 40), dtype=torch.uint8)
    other = batch[0].clone()
    cut(image, window, (32, 40), fill=beyond, nearest=False, into=batch[1])
    assert torch.equal(batch[1], alone) and torch.equal(batch[0], other)


def test_masks_of_16_bits_keep_their_values_and_get_their_own_ignored_value():
    mask = torch.randint(0, 60_000, (20, 16))
    changed = augment(
        Sample("a", torch.zeros(3, 20, 16, dtype=torch.uint8), mask=mask),
        Window(1.5, -1, 0, False),
        (64, 32),
        MEAN,
    )
    assert changed.mask.dtype == torch.int64
    assert (changed.mask[0] == 65535).all() and (changed.mask[31:] == 65535).all()
    assert set(changed.mask.unique().tolist()) <= {*mask.unique().tolist(), 65535}


def test_classes_are_never_blended():
    mask = torch.tensor([0, 2], dtype=torch.uint8).repeat(20, 10)
    original = Sample("a", torch.zeros(3, 20, 20, dtype=torch.uint8), mask=mask)
    for scale in (0.3, 0.77, 1.9, 8.0):
        changed = augment(original, Window(scale, 0, 0, False), (32, 32), MEAN)
        assert set(changed.mask.unique().tolist()) <= {0, 2, 255}


def test_a_sample_without_mask_is_augmented_and_the_original_untouched():
    original = Sample("a", torch.randint(0, 256, (3, 9, 9), dtype=torch.uint8), label=1)
    copy = original.image.clone()
    changed = augment(original, Window(2.0, 0, 0, True), (32, 32), MEAN)
    assert changed.label == 1 and changed.mask is None
    assert torch.equal(original.image, copy)


@given(SIDES, SIDES, st.sampled_from([(64, 64), (40, 100), (96, 33)]))
@settings(max_examples=100, deadline=None)
def test_evaluation_sees_the_complete_image_at_one_scale(height, width, resolution):
    original = sample(height, width, (0, 0, height, width))
    pixels, extent = complete_image(original, resolution, MEAN)
    assert pixels.shape == (3, *padded_size(extent)) and pixels.dtype == torch.uint8
    assert all(side <= most for side, most in zip(extent, resolution, strict=True))
    # one side matches the resolution; the other keeps the shape to the pixel
    assert any(side == most for side, most in zip(extent, resolution, strict=True))
    factor = fitting_scale(height, width, resolution)
    assert extent == (max(1, round(height * factor)), max(1, round(width * factor)))
    assert (pixels[:, : extent[0], : extent[1]] == BRIGHT).all()
    beyond = torch.ones(pixels.shape[1:], dtype=torch.bool)
    beyond[: extent[0], : extent[1]] = False
    assert (pixels.permute(1, 2, 0)[beyond] == BEYOND).all()


def test_images_of_one_shape_make_one_batch_and_no_image_depends_on_the_others():
    shapes = [(40, 60), (60, 40), (20, 30), (50, 50), (40, 60)]
    samples = [sample(*shape, (0, 0, 1, 1)) for shape in shapes]
    found = {}
    for places, inputs, extents in complete_images(samples, (96, 96), MEAN):
        for place, pixels, extent in zip(places, inputs, extents, strict=True):
            alone, extent_alone = complete_image(samples[place], (96, 96), MEAN)
            assert torch.equal(pixels, alone) and extent == extent_alone
            found[place] = tuple(inputs.shape)
    assert found == {
        0: (3, 3, 64, 96),
        2: (3, 3, 64, 96),
        4: (3, 3, 64, 96),
        1: (1, 3, 96, 64),
        3: (1, 3, 96, 96),
    }


def test_static_sizes_are_multiples_of_32():
    assert padded_size((96, 64)) == (96, 64)
    assert padded_size((97, 1)) == (128, 32)
    assert padded_size((713, 713)) == (736, 736)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1000), (1000, 1), (2, 3)])
def test_degenerate_images_are_no_trouble(shape):
    for seed in range(40):
        window = random_window(
            *shape,
            resolution=(64, 64),
            crop=(32, 32),
            scale=(0.5, 2.0),
            generator=np.random.default_rng(seed),
        )
        changed = augment(sample(*shape, (0, 0, *shape)), window, (32, 32), MEAN)
        assert changed.image.shape == (3, 32, 32) and (changed.mask == 1).any()
