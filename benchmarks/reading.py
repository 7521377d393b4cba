"""Speed of reading prepared images, against decoding the original files one by one with Pillow, in one run.

    python benchmarks/reading.py                      on images it draws itself, 512 x 256
    python benchmarks/reading.py --folder camvid      on images/{train,val}/*.jpg, masks/{train,val}/*.png

Both sides read image and mask of the same images, in the same random orders, with files in the page cache.
Each repetition times, one right after the other so that a busy machine slows both:
  * originals: Pillow open, convert("RGB") and numpy of the image, open and numpy of the mask, one by one;
  * floor: reading the bytes only, and decoding them only (torchvision, from memory, one thread);
  * first pass: a newly opened prepared dataset without cache, in batches, for one thread and for `--threads`;
  * run: `--epochs` epochs with a cache that holds all samples, and with one that holds half of them.
Ratios are originals / prepared (above 1: prepared is faster), as median (lowest to highest) over repetitions.
Threads help only where cores are free: the last line says how much two processes get done beside one another.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from transfer_atlas.datasets import decoding
from transfer_atlas.datasets.adapters import image_mask_folders
from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.datasets.reading import PreparedDataset


def draw_folder(folder: Path, number: int, width: int = 512, height: int = 256, classes: int = 12) -> None:
    """Write JPEGs and masks as a camera would give: smooth shapes of `classes` classes, texture and noise."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0:height, 0:width]
    for split, count in (("train", number), ("val", 2)):
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            mask = np.zeros((height, width), np.uint8)
            for label in range(classes):
                y, x, radius = generator.uniform((0, 0, 15), (height, width, 90))
                mask[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = label
            colours = generator.uniform(30, 225, (classes, 3))
            texture = 20 * np.sin(columns / generator.uniform(2, 9) + rows / generator.uniform(2, 9))
            noise = generator.normal(0, 6, (height, width, 3))
            image = (colours[mask] + texture[..., None] + noise).clip(0, 255).astype(np.uint8)
            Image.fromarray(image).save(folder / f"images/{split}/{index:05d}.jpg", quality=90)
            Image.fromarray(mask).save(folder / f"masks/{split}/{index:05d}.png")


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def count_up() -> None:
    for _ in range(10_000_000):
        pass


def free_cores() -> float:
    """Work two processes do at once, in units of what one does alone: 2 where two cores are free."""
    alone = seconds(count_up)
    processes = [multiprocessing.Process(target=count_up) for _ in range(2)]

    def both() -> None:
        for process in processes:
            process.start()
        for process in processes:
            process.join()

    return 2 * alone / seconds(both)


def read_originals(pairs: list[tuple[Path, Path]], order: np.ndarray) -> None:
    for index in order:
        image, mask = pairs[index]
        np.asarray(Image.open(image).convert("RGB"))
        np.asarray(Image.open(mask))


def read_prepared(dataset: PreparedDataset, order: np.ndarray, batch: int) -> None:
    for start in range(0, len(order), batch):
        dataset.read("train", order[start : start + batch], "segmentation")


def repetition(
    pairs: list[tuple[Path, Path]], folder: Path, options: argparse.Namespace, seed: int
) -> dict[str, float]:
    """Milliseconds per image of each way of reading."""
    generator, number = np.random.default_rng(seed), len(pairs)
    orders = [generator.permutation(number) for _ in range(options.epochs)]
    result = {"originals": seconds(lambda: read_originals(pairs, orders[0]))}
    encoded = [(image.read_bytes(), mask.read_bytes()) for image, mask in pairs]
    result["bytes only"] = seconds(lambda: [(a.read_bytes(), b.read_bytes()) for a, b in pairs])
    result["decoding only"] = seconds(
        lambda: [(decoding.decode_image(image), decoding.decode_mask(mask)) for image, mask in encoded]
    )
    for threads in sorted({1, options.threads}):
        dataset = PreparedDataset.open(folder, threads=threads)
        name = f"first pass, {threads} thread(s)"
        result[name] = seconds(lambda data=dataset: read_prepared(data, orders[0], options.batch))
    sizes = [sample.bytes for sample in dataset.read("train", range(number), "segmentation")]
    originals = sum(seconds(lambda order=order: read_originals(pairs, order)) for order in orders)
    result["originals, run"] = originals / options.epochs
    for share in (1.0, 0.5):
        dataset = PreparedDataset.open(folder, cache_bytes=int(share * sum(sizes)), threads=options.threads)
        run = sum(seconds(lambda o=order, d=dataset: read_prepared(d, o, options.batch)) for order in orders)
        result[f"run, cache for {share:.0%}"] = run / options.epochs
    return {name: 1000 * value / number for name, value in result.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="a dataset with images/{train,val}, masks/{train,val}")
    parser.add_argument(
        "--images", type=int, default=150, help="training images to read (default: %(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=20, help="epochs of a run (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="images per call (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="decoding threads (default: %(default)s)")
    parser.add_argument("--repetitions", type=int, default=5, help="(default: %(default)s)")
    options = parser.parse_args()
    before_cores = free_cores()
    with tempfile.TemporaryDirectory() as temporary:
        raw = options.folder
        if raw is None:
            raw = Path(temporary) / "raw"
            draw_folder(raw, options.images)
        settings = image_mask_folders.Settings(path=raw.name, classes=[f"class_{k}" for k in range(64)])
        prepared = Path(temporary) / "prepared"
        spent = seconds(lambda: prepare_dataset(settings, raw.parent, prepared, dataset=raw.name))
        images = sorted((raw / "images/train").glob("*.jpg"))
        pairs = [(path, raw / "masks/train" / f"{path.stem}.png") for path in images][: options.images]
        before = sum(path.stat().st_size for pair in pairs for path in pair) / len(pairs)
        total = PreparedDataset.open(prepared)
        after = sum(path.stat().st_size for path in prepared.rglob("*.*")) / sum(
            total.description.counts.values()
        )
        sample = total.read("train", [0], "segmentation")[0]
        repetition(pairs, prepared, options, seed=0)  # warms the page cache and the decoders; not counted
        results = [repetition(pairs, prepared, options, seed) for seed in range(1, options.repetitions + 1)]
    size = f"{sample.image.shape[2]} x {sample.image.shape[1]}"
    print(f"{raw.name}: {len(pairs)} images of {size}, {options.epochs} epochs, batches of {options.batch},")
    print(f"{options.repetitions} repetitions. Preparing took {spent:.2f} s.")
    print(f"Bytes per image: originals {before:,.0f}, prepared {after:,.0f}, decoded {sample.bytes:,.0f}")
    print(f"{'way of reading':28}{'ms per image':>28}{'originals / it':>28}")
    for name in results[0]:
        times = [result[name] for result in results]
        reference = "originals, run" if "run" in name else "originals"
        ratios = [result[reference] / result[name] for result in results]
        texts = [f"{statistics.median(x):.3f} ({min(x):.3f} to {max(x):.3f})" for x in (times, ratios)]
        print(f"{name:28}{texts[0]:>28}{texts[1]:>28}")
    print(f"Free cores, as two processes see it: {before_cores:.2f} before, {free_cores():.2f} after")


if __name__ == "__main__":
    main()
