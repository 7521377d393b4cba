"""CycleGAN between two domains: its networks and losses, its pool of earlier images, one step of training.

"The paper" here is Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks (ICCV
2017). Images are (B, 3, H, W) in -1..1; domain A's generator makes images of A.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from transfer_atlas.atdt.settings import TranslationSettings
from transfer_atlas.models.architectures.image_translation import PatchDiscriminator, ResnetGenerator


class Generators(nn.Module):
    """What makes images of A out of those of B, and images of B out of those of A."""

    def __init__(self, settings: TranslationSettings, *, seed: int) -> None:
        super().__init__()
        made = {"seed": 2 * seed, "width": settings.width, "blocks": settings.blocks}
        self.to_a = ResnetGenerator(**made)
        self.to_b = ResnetGenerator(**{**made, "seed": 2 * seed + 1})


class Discriminators(nn.Module):
    """What tells images of A, and images of B, from translated ones."""

    def __init__(self, settings: TranslationSettings, *, seed: int) -> None:
        super().__init__()
        made = {"width": settings.discriminator_width, "layers": settings.discriminator_layers}
        self.of_a = PatchDiscriminator(**made, seed=2 * seed)
        self.of_b = PatchDiscriminator(**made, seed=2 * seed + 1)


class ImagePool(nn.Module):
    """Earlier translated images, which the discriminators see as well (paper, section 4; Shrivastava et al. 2017).

    Its images are a buffer, so that an interrupted training takes them up; how many there are follows from the step.
    """

    def __init__(self, size: int, crop: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(size, 3, *crop))

    def exchanged(self, images: Tensor, seen: int, generator: np.random.Generator) -> Tensor:
        """What the discriminator is shown in place of new images (B, 3, H, W).

        Until the pool is full each new image is kept and shown; then, for every other one on average, a random one of
        the pool is shown, whose place the new one takes. seen: images that came before.
        """
        if not self.size:
            return images
        shown = []
        for number, image in enumerate(images.detach()):
            if seen + number < self.size:
                self.images[seen + number] = image
                shown.append(image)
            elif generator.random() < 0.5:
                place = int(generator.integers(self.size))
                shown.append(self.images[place].clone())
                self.images[place] = image
            else:
                shown.append(image)
        return torch.stack(shown)


def scaled(images: Tensor) -> Tensor:
    """Images in 0..255 as networks have them, in -1..1."""
    return images.float() / 127.5 - 1


def unscaled(images: Tensor) -> Tensor:
    """Images in -1..1 as uint8 in 0..255."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def generator_loss(
    generators: Generators,
    discriminators: Discriminators,
    a: Tensor,
    b: Tensor,
    settings: TranslationSettings,
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of the generators on images of A and B, and the translated ones: (loss, fake A, fake B).

    Least squares for "real" (paper, section 4), L1 of both cycles (equation 2) and of the identity (section 5.2).
    """
    fake_a, fake_b = generators.to_a(b), generators.to_b(a)
    adversarial = _least_squares(discriminators.of_a(fake_a), 1.0) + _least_squares(
        discriminators.of_b(fake_b), 1.0
    )
    cycle = (generators.to_a(fake_b) - a).abs().mean() + (generators.to_b(fake_a) - b).abs().mean()
    loss = adversarial + settings.cycle_weight * cycle
    if settings.identity_weight:
        identity = (generators.to_a(a) - a).abs().mean() + (generators.to_b(b) - b).abs().mean()
        loss = loss + settings.cycle_weight * settings.identity_weight * identity
    return loss, fake_a, fake_b


def discriminator_loss(
    discriminators: Discriminators, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor
) -> Tensor:
    """Loss of the discriminators: 1 for real images, 0 for translated ones, halved to slow them (section 7.1)."""
    pairs = ((discriminators.of_a, a, fake_a), (discriminators.of_b, b, fake_b))
    losses = [
        (_least_squares(network(real), 1.0) + _least_squares(network(fake.detach()), 0.0)) / 2
        for network, real, fake in pairs
    ]
    return losses[0] + losses[1]


def learning_rate(settings: TranslationSettings, step: int) -> float:
    """The rate of a step: constant, then linear to 0 from `decay_from` of the steps on (section 7.1)."""
    first = settings.decay_from * settings.steps
    if step < first:
        return settings.learning_rate
    return settings.learning_rate * (settings.steps - step) / max(1.0, settings.steps - first)


@contextmanager
def without_gradients(module: nn.Module) -> Iterator[None]:
    """While this lasts, the weights of a module get no gradients."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)


def _least_squares(judged: Tensor, wanted: float) -> Tensor:
    return (judged.float() - wanted).square().mean()
