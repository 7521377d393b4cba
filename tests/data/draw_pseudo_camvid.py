"""Draws tests/data/pseudo_camvid: the layout and naming of CamVid with three tiny images of our own."""

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (9, 12)  # height, width
SKY, ROAD, CAR, VOID = (128, 128, 128), (128, 64, 128), (64, 0, 128), (0, 0, 0)
SPLITS = {"train": ("0001TP_006690", "0006R0_f00930"), "val": ("0016E5_07959",)}


def draw(folder: Path) -> None:
    """Write images, colour-coded masks and the lists of the splits."""
    for name in ("701_StillsRaw_full", "LabeledApproved_full"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, stem in enumerate(stem for stems in SPLITS.values() for stem in stems):
        mask = np.zeros((*SIZE, 3), np.uint8)
        mask[:4], mask[4:] = SKY, ROAD
        mask[5:7, 2 + number : 5 + number] = CAR if stem not in SPLITS["val"] else ROAD
        mask[0, 0] = VOID
        image = mask // 2 + 40 * number
        Image.fromarray(image).save(folder / f"701_StillsRaw_full/{stem}.png")
        Image.fromarray(mask).save(folder / f"LabeledApproved_full/{stem}_L.png")
    for split, stems in SPLITS.items():
        (folder / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))


if __name__ == "__main__":
    draw(Path(__file__).parent / "pseudo_camvid")
