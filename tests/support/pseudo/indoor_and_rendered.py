"""Draws pseudo datasets of the indoor and synthetic domains."""

from pathlib import Path

import numpy as np

from pseudo.files import coloured, photo, stripes, values


def rotated(millimetres: np.ndarray) -> np.ndarray:
    """Depth as SUN RGB-D stores it: the 16 bits rotated to the left by three."""
    wide = millimetres.astype(np.int64)
    return ((wide << 3 | wide >> 13) & 0xFFFF).astype(np.uint16)


def sun_rgbd(folder: Path) -> None:
    """Numbers in other names for each kind of file; train and test numbered alike; a test image on no list."""
    for split, numbers in {"train": (1, 2), "test": (1, 2, 25)}.items():
        for number in numbers:
            photo(folder / f"image/{split}/img-{number:06d}.jpg", seed=number)
            values(folder / f"label37/{split}/{number:08d}.png", stripes(0, 1, 37, number))
            # invalid, 1.5 m, 9 m (whose highest bit comes back at the end, and which counts as 8 m), 0.1 m
            depth = rotated(stripes(0, 1500, 9000, 100, dtype=np.uint16))
            values(folder / f"depth/{split}/{number:08d}.png", depth)


def scannet(folder: Path) -> None:
    """Colour larger than labels, scenes of both lists, one of none, depth and poses beside them."""
    for scene in ("scene0000_00", "scene0000_01", "scene0011_00", "scene0707_00"):
        place = folder / f"scannet_frames_25k/{scene}"
        for number in (0, 100):
            photo(place / f"color/{number:06d}.jpg", height=96, width=128, seed=number)
            values(place / f"label/{number:06d}.png", stripes(0, 1, 40, 3, height=48, width=64))
            values(place / f"depth/{number:06d}.png", stripes(1000, height=48, width=64, dtype=np.uint16))


def vkitti2(folder: Path) -> None:
    """Colours of the classes, an undefined one; depth in centimetres, 65535 is the sky."""
    colours = {0: (210, 0, 200), 1: (90, 200, 255), 2: (255, 127, 80), 3: (0, 0, 0), 4: (1, 2, 3)}
    for scene, variation, camera in (
        ("Scene01", "clone", 0),
        ("Scene01", "15-deg-left", 1),
        ("Scene20", "fog", 0),
        ("Scene18", "clone", 0),
        ("Scene18", "rain", 1),
    ):
        frames = folder / f"{scene}/{variation}/frames"
        photo(frames / f"rgb/Camera_{camera}/rgb_00000.jpg", seed=camera)
        labels = coloured(stripes(0, 1, 2, 3, 4, 0), colours)
        values(frames / f"classSegmentation/Camera_{camera}/classgt_00000.png", labels)
        depth = stripes(93, 94, 2550, 8001, 65535, 0, dtype=np.uint16)
        values(frames / f"depth/Camera_{camera}/depth_00000.png", depth)


def vgallery(folder: Path) -> None:
    """Loops for training, occlusions for testing; a sky that is far."""
    colours = {0: (255, 127, 80), 1: (0, 255, 255), 2: (0, 255, 0), 3: (0, 0, 0)}
    for sequence, camera in (
        ("training/gallery_light1_loop1", 0),
        ("training/gallery_light6_loop5", 5),
        ("testing/gallery_light1_occlusion4", 0),
    ):
        frames = folder / f"{sequence}/frames"
        photo(frames / f"rgb/camera_{camera}/rgb_00007.jpg", seed=camera)
        labels = coloured(stripes(0, 1, 2, 3), colours)
        values(frames / f"classsegmentation/camera_{camera}/classgt_00007.png", labels)
        values(
            frames / f"depth/camera_{camera}/depth_00007.png", stripes(20, 1489, 1490, 65535, dtype=np.uint16)
        )
        (folder / f"{sequence}/intrinsic.txt").write_text("frame cameraID K[0,0]\n")


DRAW = {"scannet": scannet, "sun_rgbd": sun_rgbd, "vgallery": vgallery, "vkitti2": vkitti2}
