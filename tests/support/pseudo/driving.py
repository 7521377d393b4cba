"""Draws pseudo datasets of the driving domain."""

from pathlib import Path

import numpy as np

from pseudo.files import photo, stripes, values, write


def cityscapes(folder: Path) -> None:
    """Three cities, one evaluated on; labelIds, disparity in 16 bits, test images without labels."""
    frames = {
        "train/aachen": ["aachen_000000_000019", "aachen_000001_000019", "aachen_000002_000019"],
        "train/hamburg": ["hamburg_000000_042505"],
        "val/frankfurt": ["frankfurt_000000_000294", "frankfurt_000000_000576"],
        "test/berlin": ["berlin_000000_000019"],
    }
    for city, names in frames.items():
        for number, name in enumerate(names):
            photo(folder / f"leftImg8bit/{city}/{name}_leftImg8bit.png", seed=number)
            # unlabeled, ego vehicle, out of roi, static, road, bicycle
            labels = stripes(0, 1, 3, 4, 7, 33) if "test" not in city else stripes(0, 1)
            values(folder / f"gtFine/{city}/{name}_gtFine_labelIds.png", labels)
            values(folder / f"gtFine/{city}/{name}_gtFine_instanceIds.png", labels.astype(np.uint16) * 1000)
            # unknown, zero disparity, 10 pixels, 100.5 pixels
            disparity = stripes(0, 1, 2561, 25729, dtype=np.uint16)
            values(folder / f"disparity/{city}/{name}_disparity.png", disparity)
            camera = {"extrinsic": {"baseline": 0.2}, "intrinsic": {"fx": 2000.0}}
            write(folder / f"camera/{city}/{name}_camera.json", camera)


DRAW = {"cityscapes": cityscapes}
