"""Which of several modalities of the same scenes an adapter's images show: settings that such adapters share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from pydantic import model_validator

from transfer_atlas.strict import Strict

CHANNELS = 3  # of an image


class ChosenModalities(Strict):
    """Settings with `modalities`, one to three of `known_modalities`; their order means nothing."""

    modalities: list[str]

    @property
    def known_modalities(self) -> tuple[str, ...]:
        """What can be chosen, in the order in which channels show it."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _modalities_in_order(self) -> Self:
        unknown = [each for each in self.modalities if each not in self.known_modalities]
        if unknown:
            raise ValueError(f"modalities: no {unknown[0]} (known: {', '.join(self.known_modalities)})")
        chosen = [each for each in self.known_modalities if each in self.modalities]
        if not 1 <= len(chosen) <= CHANNELS:
            raise ValueError(f"modalities: {len(chosen)}; an image shows one to {CHANNELS}")
        object.__setattr__(self, "modalities", chosen)
        return self


def as_colours(channels: Sequence[np.ndarray]) -> np.ndarray:
    """One to three channels (H, W) uint8 as the colours (H, W, 3) of an image: one as grey, the third of two empty."""
    if len(channels) == 1:
        return np.repeat(channels[0][:, :, None], 3, axis=2)
    return np.stack([*channels, np.zeros_like(channels[0])][:3], axis=2)
