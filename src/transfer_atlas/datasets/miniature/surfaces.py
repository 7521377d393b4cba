"""Surfaces: a texture with two colours, drawn per instance from palettes that all materials share.

Colours are random on purpose. Mostly the texture and the shape name a material; nature's correlation of material and
colour is kept weak, by a dataset's `look.tints`, so that a network must learn textures, shapes and layouts. From
straight above it is stronger, as it is on real maps of the air: grass is green and water is dark all over a town.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfer_atlas.datasets.miniature.textures import TEXTURES

LUMINANCE = np.array([0.3, 0.59, 0.11], np.float32)


@dataclass(frozen=True)
class Material:
    """How a material looks, whatever its colour: its texture, the texture's wavelength and its contrast."""

    texture: str
    wavelength: float = 4.0
    contrast: float = 0.5
    tint: tuple[float, float, float] = (0.5, 0.5, 0.5)
    turn: float = 0.0  # largest rotation of the texture, in radians


@dataclass(frozen=True)
class Surface:
    """One instance of a material: call `rgb` with coordinates in canvas units (or metres times density)."""

    texture: str
    wavelength: float
    low: np.ndarray
    high: np.ndarray
    cosine: float
    sine: float
    parameters: np.ndarray

    def rgb(self, u: np.ndarray, v: np.ndarray, footprint: np.ndarray | float | None = None) -> np.ndarray:
        """Colours at coordinates (u, v); footprint is the size of a pixel in the same unit.

        Texture smaller than a pixel averages out instead of turning into noise.
        """
        p = self.parameters
        if self.sine:
            u, v = u * self.cosine + v * self.sine, v * self.cosine - u * self.sine
        scale = 1 / self.wavelength
        u, v = u * scale + 64 * float(p[2]), v * scale + 64 * float(p[3])
        field = TEXTURES[self.texture](u, v, p)
        field = np.broadcast_to(field, np.broadcast_shapes(u.shape, v.shape))
        if footprint is not None:
            field = 0.5 + (field - 0.5) * np.minimum(1, self.wavelength / (2.2 * np.maximum(footprint, 1e-6)))
        return self.low + field[..., None].astype(np.float32) * (self.high - self.low)


class Palette:
    """Draws surfaces for one image: its random stream, the dataset's materials and its look."""

    def __init__(
        self,
        rng: np.random.Generator,
        materials: dict[str, Material],
        *,
        saturation: float = 0.6,
        contrast: float = 1.0,
        texture_scale: float = 1.0,
        tint_weight: float = 0.3,
    ) -> None:
        """A palette of a dataset's saturation, with its contrast and scale of textures."""
        self.rng = rng
        self.materials = materials
        self.saturation = saturation
        self.contrast = contrast
        self.texture_scale = texture_scale
        self.tint_weight = tint_weight

    def colour(self, tint: tuple[float, float, float] | None = None) -> np.ndarray:
        """A random colour between 0 and 1, drawn weakly towards a tint."""
        hue, colourfulness, brightness = self.rng.random(3).tolist()
        saturation, value = self.saturation * colourfulness, 0.3 + 0.6 * brightness
        weight = self.tint_weight if tint is not None else 0.0
        rgb = []
        for channel, shift in enumerate((0.0, 4.0, 2.0)):
            full = min(max(abs((6 * hue + shift) % 6 - 3) - 1, 0.0), 1.0)
            pure = value * (1 - saturation * (1 - full))
            rgb.append((1 - weight) * pure + weight * (tint[channel] if tint is not None else 0.0))
        return np.array(rgb, np.float32)

    def surface(
        self,
        material: str,
        *,
        colour: np.ndarray | None = None,
        texture: str | None = None,
        scale: float = 1.0,
    ) -> Surface:
        """An instance of a material in a fresh colour (or the one given)."""
        kind = self.materials[material]
        draw = self.rng.random(8, dtype=np.float32)
        base = self.colour(kind.tint) if colour is None else colour
        # The second colour differs in brightness mostly, darker or brighter alike, and somewhat in hue.
        strength = kind.contrast * self.contrast * (0.6 + 0.7 * draw[4])
        other = base * (1 - strength) + 0.12 * strength * self.saturation * self.colour()
        brighter = base + (1 - base) * 0.7 * strength
        low, high = (other, brighter * 0.9 + base * 0.1)
        if draw[5] < 0.5 and kind.texture not in ("clouds", "plain"):
            low, high = high, low
        angle = float((2 * draw[6] - 1) * kind.turn)
        return Surface(
            texture or kind.texture,
            kind.wavelength * self.texture_scale * scale * float(0.75 * 1.8 ** draw[7]),
            low.astype(np.float32),
            high.astype(np.float32),
            float(np.cos(angle)),
            float(np.sin(angle)),
            draw[:4],
        )

    def flat(self, colour: np.ndarray) -> Surface:
        """A surface with almost no texture, for small parts such as wheels and lights."""
        colour = np.asarray(colour, np.float32)
        return Surface(
            "plain", 6.0, colour * 0.9, colour * 1.05, 1.0, 0.0, self.rng.random(4, dtype=np.float32)
        )

    def dark(self) -> Surface:
        """Tyres, pupils, screens: a dark surface."""
        return self.flat(0.05 + 0.12 * self.rng.random(3, dtype=np.float32))
