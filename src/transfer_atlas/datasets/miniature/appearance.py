"""Appearance: what light, weather, water and the sensor do to a painted scene, and to no annotation."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from transfer_atlas.datasets.miniature.canvas import UNITS, Canvas

Range = tuple[float, float]


class Look(BaseModel):
    """How a dataset's images look, whatever they show. Ranges are drawn from per image."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    saturation: float = 0.7  # of the palette from which instances draw their colours
    contrast: float = 1.0  # of textures
    tints: float = 0.3  # how far a random colour is drawn towards the material's natural one
    texture_scale: float = 1.0  # wavelengths of textures
    brightness: Range = (0.8, 1.15)
    gamma: Range = (0.9, 1.15)
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)  # colour of the light
    cast_spread: float = 0.05
    night: float = 0.0  # share of images at night: dark, with the middle lit
    gradient: float = 0.25  # strength of uneven light
    haze: Range = (0.0, 0.0)  # extinction per metre
    haze_colour: tuple[float, float, float] = (0.75, 0.78, 0.8)
    caustics: float = 0.0  # strength of the light net under water
    vignette: float = 0.0
    blur: Range = (0.35, 0.6)  # standard deviation in canvas units
    noise: Range = (0.01, 0.03)
    shadows: bool = True


def develop(canvas: Canvas, look: Look, rng: np.random.Generator) -> np.ndarray:
    """The final image (H, W, 3) uint8."""
    image, x, y = canvas.image, canvas.x, canvas.y
    direction = rng.uniform(0, 2 * np.pi)
    ramp = ((x - UNITS / 2) * np.cos(direction) + (y - UNITS / 2) * np.sin(direction)) * (2 / UNITS)
    light = 1 + look.gradient * rng.uniform(0, 1) * ramp
    light = light * rng.uniform(*look.brightness)
    if rng.random() < look.night:
        middle = ((x - 48) / 55) ** 2 + ((y - 66) / 40) ** 2
        light = light * (0.28 + 0.5 * np.exp(-middle))
    if look.vignette:
        light = light * (1 - look.vignette * (((x - 48) / 68) ** 2 + ((y - 48) / 68) ** 2))
    if look.caustics:
        a, b = rng.uniform(0, 6.3, 2)
        net = np.sin(0.35 * x + 2 * np.sin(0.13 * y + a)) * np.sin(0.4 * y + 2 * np.sin(0.12 * x + b))
        light = light * (1 + look.caustics * (np.abs(net) < 0.18) * (canvas.depth < 50))
    image = image * light.astype(np.float32)[..., None]
    if look.haze[1] > 0:
        kept = np.exp(-rng.uniform(*look.haze) * np.minimum(canvas.depth, 300.0))[..., None]
        colour = np.asarray(look.haze_colour) * rng.uniform(0.85, 1.1, 3)
        image = image * kept + (1 - kept) * colour.astype(np.float32)
    cast = np.asarray(look.cast) * (1 + rng.normal(0, look.cast_spread, 3))
    image = image * cast.astype(np.float32)
    sigma = rng.uniform(*look.blur) * canvas.size / UNITS
    if sigma > 0.2:
        from scipy.ndimage import gaussian_filter1d  # a plan reads this module, and draws nothing

        for axis in (0, 1):
            image = gaussian_filter1d(image, sigma, axis, truncate=2.5, mode="nearest")
    image = np.clip(image, 0, 1) ** np.float32(rng.uniform(*look.gamma))
    level = rng.uniform(*look.noise)
    if level > 0:
        image = image + np.float32(level) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
