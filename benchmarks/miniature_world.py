"""Speed of the miniature world: images per second of processor time for each dataset, at 96 x 96."""

from __future__ import annotations

import time

from transfer_atlas.datasets import miniature
from transfer_atlas.datasets.miniature import rendering


def main(images: int = 60) -> None:
    for name in miniature.names():
        rendering.render(
            name, "train", range(2), seed=0, image_size=96
        )  # the first call makes the noise tiles
        start = time.process_time()
        rendering.render(name, "train", range(images), seed=1, image_size=96)
        print(f"{name:<18} {images / (time.process_time() - start):6.0f} images/s")


if __name__ == "__main__":
    main()
