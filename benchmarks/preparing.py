"""Speed and memory of preparing, against a bare loop that decodes and writes the same files with as many processes.

    python benchmarks/preparing.py [--images 10000] [--workers 2] [--folder FOLDER]

Draws images of 640 x 480 with masks, prepares them, and runs the bare loop: read both files, decode both, write the
bytes that a prepared dataset holds (image as it is, mask encoded anew) into one file a process. The two alternate,
three times each, and the ratio of their best times is printed, with the most memory a process of either held.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from transfer_atlas.datasets import encoding
from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.datasets.registry import settings_of

REPEATS = 3


def draw(folder: Path, number: int, width: int = 640, height: int = 480, different: int = 40) -> None:
    """Write JPEGs with masks: some pictures drawn, and each written many times, which decoders cannot tell."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0:height, 0:width]
    pictures = []
    for _ in range(different):
        mask = np.zeros((height, width), np.uint8)
        for label in range(12):
            y, x, radius = generator.uniform((0, 0, 20), (height, width, 160))
            mask[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = label
        colours = generator.uniform(30, 225, (12, 3))
        image = (
            colours[mask]
            + 20 * np.sin(columns / 7 + rows / 5)[..., None]
            + generator.normal(0, 6, (height, width, 3))
        )
        encoded = [io.BytesIO(), io.BytesIO()]
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(encoded[0], "JPEG", quality=90)
        Image.fromarray(mask).save(encoded[1], "PNG")
        pictures.append([buffer.getvalue() for buffer in encoded])
    for split, count in (("train", number - number // 10), ("val", number // 10)):
        for kind, suffix, at in (("images", "jpg", 0), ("masks", "png", 1)):
            place = folder / kind / split
            place.mkdir(parents=True)
            for index in range(count):
                (place / f"{index:06}.{suffix}").write_bytes(pictures[index % different][at])


def bare(arguments: tuple[list[Path], Path]) -> None:
    """Decode each image and mask, and write what is kept of them."""
    images, out = arguments
    with out.open("wb") as file:
        for path in images:
            content = path.read_bytes()
            with Image.open(io.BytesIO(content)) as opened:
                opened.convert("RGB").load()
            mask_path = Path(str(path).replace("images", "masks")).with_suffix(".png")
            with Image.open(io.BytesIO(mask_path.read_bytes())) as opened:
                mask = np.asarray(opened)
            file.write(content)
            file.write(encoding.encode_mask(mask))


def bare_loop(folder: Path, out: Path, workers: int) -> None:
    images = sorted((folder / "images").glob("*/*.jpg"))
    parts = [(images[worker::workers], out.with_suffix(f".{worker}")) for worker in range(workers)]
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        pool.map(bare, parts, chunksize=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        root = Path(name)
        draw(root / "raw", options.images)
        classes = [f"class {label}" for label in range(12)]
        settings = settings_of("image_mask_folders", path="raw", classes=classes)
        times: dict[str, list[float]] = {"bare loop": [], "preparing": []}
        for _ in range(REPEATS):
            began = time.perf_counter()
            bare_loop(root / "raw", root / "bare", options.workers)
            times["bare loop"].append(time.perf_counter() - began)
            shutil.rmtree(root / "out", ignore_errors=True)
            began = time.perf_counter()
            prepare_dataset(settings, root, root / "out", dataset="raw", workers=options.workers)
            times["preparing"].append(time.perf_counter() - began)
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        best = {what: min(seconds) for what, seconds in times.items()}
        for what, seconds in best.items():
            print(f"{what}: {1000 * seconds / options.images:.2f} ms an image ({seconds:.1f} s)")
        print(f"preparing at {100 * best['bare loop'] / best['preparing']:.0f}% of the bare loop's speed")
        print(f"most memory: {own:.0f} MB in the process itself, {most:.0f} MB in one it started")


if __name__ == "__main__":
    main()
