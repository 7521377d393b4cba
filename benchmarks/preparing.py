"""Speed and memory of preparing, against a bare loop that decodes and writes the same files with as many processes.

    python benchmarks/preparing.py [--images 10000] [--workers 2] [--repeats 3] [--folder FOLDER]

Draws images of 640 x 480 with masks and prints of preparing them:

* speed: the bare loop reads both files, decodes both, and writes the bytes that a prepared dataset holds (image as it
  is, mask encoded anew) into one file a process. The two alternate, and the ratios of their times are told for each
  turn: of seconds, and of seconds that processors worked, which others on the machine disturb less;
* memory: the most that all processes held together (proportional set size, looked at five times a second), for a
  quarter of the images and for all of them, in turns of their own;
* a run killed with -9 when half of its shards are there, and how many images the next one reads;
* whether one process, several, and the interrupted run wrote the same bytes.

Each preparation is a program of its own, so that none inherits another's memory.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from transfer_atlas.datasets import encoding
from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.datasets.registry import settings_of

CLASSES = 12
LOOK = 0.2  # seconds between two looks at the memory


def draw(folder: Path, number: int, width: int = 640, height: int = 480, different: int = 40) -> None:
    """Write JPEGs with masks: some pictures drawn, and each written many times, which decoders cannot tell."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0:height, 0:width]
    pictures = []
    for _ in range(different):
        mask = np.zeros((height, width), np.uint8)
        for label in range(CLASSES):
            y, x, radius = generator.uniform((0, 0, 20), (height, width, 160))
            mask[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = label
        colours = generator.uniform(30, 225, (CLASSES, 3))
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


def prepare(root: Path, path: str, out: Path, workers: int) -> None:
    """One preparation, in this process: prints its seconds, and those that processors worked, as JSON."""
    settings = settings_of("image_mask_folders", path=path, classes=[f"class {k}" for k in range(CLASSES)])
    began, before = time.perf_counter(), processor_seconds()
    prepare_dataset(
        settings,
        root,
        out,
        dataset="raw",
        workers=workers,
        unfinished=out.with_name(f"{out.name}.unfinished"),
    )
    print(json.dumps({"seconds": time.perf_counter() - began, "worked": processor_seconds() - before}))


def processes_of(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = thread.read_text().split()
        except OSError:
            continue
        for child in children:
            found += processes_of(int(child))
    return found


def megabytes(pid: int) -> float:
    """Proportional set size of a process: pages that several share are divided among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def started(
    root: Path,
    path: str,
    out: Path,
    workers: int,
    until: Callable[[], bool] | None = None,
    *,
    watched: bool = True,
) -> dict[str, float]:
    """A preparation as a program of its own; with its most memory in MB. until: when it is killed.

    watched: whether its memory is looked at, for which the kernel walks through all of it each time.
    """
    command = [sys.executable, __file__, "--prepare", str(root), path, str(out), "--workers", str(workers)]
    most = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        while process.poll() is None:
            if watched:
                most = max(most, sum(megabytes(pid) for pid in processes_of(process.pid)))
            if until is not None and until():
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return {"megabytes": most}
            time.sleep(LOOK)
        told = json.loads(process.stdout.read())
    return told | {"megabytes": most}


def processor_seconds() -> float:
    """What this process and those below it that have ended worked."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def digest(folder: Path) -> str:
    """Of all files below a folder, and their names."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(path.relative_to(folder).as_posix().encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where the files are drawn")
    parser.add_argument("--prepare", nargs=3, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        root, path, out = options.prepare
        prepare(Path(root), path, Path(out), options.workers)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        measure(Path(name), options.images, options.workers, options.repeats)


def measure(root: Path, images: int, workers: int, repeats: int) -> None:
    """Draw the files, and print every figure."""
    draw(root / "raw", images)
    draw(root / "quarter", images // 4)
    kinds = ("bare loop", "preparing")
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    worked: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(repeats):
        began, before = time.perf_counter(), processor_seconds()
        bare_loop(root / "raw", root / "bare", workers)
        times["bare loop"].append(time.perf_counter() - began)
        worked["bare loop"].append(processor_seconds() - before)
        shutil.rmtree(root / "several", ignore_errors=True)
        told = started(root, "raw", root / "several", workers, watched=False)
        times["preparing"].append(told["seconds"])
        worked["preparing"].append(told["worked"])
    for kind in kinds:
        best = min(times[kind])
        print(
            f"{kind}: {1000 * best / images:.2f} ms an image ({best:.1f} s at best), of processors "
            f"{1000 * min(worked[kind]) / images:.2f} ms"
        )
    for what, each in (("seconds", times), ("seconds of processors", worked)):
        ratios = [100 * a / b for a, b in zip(*(each[kind] for kind in kinds), strict=True)]
        best = 100 * min(each[kinds[0]]) / min(each[kinds[1]])
        print(
            f"preparing at {best:.0f}% of the bare loop, by {what}; by turn: {', '.join(f'{r:.0f}%' for r in ratios)}"
        )
    shutil.rmtree(root / "several")
    most = started(root, "raw", root / "several", workers)["megabytes"]
    quarter = started(root, "quarter", root / "of_quarter", workers)["megabytes"]
    print(f"most memory: {most:.0f} MB for {images} images, {quarter:.0f} MB for {images // 4}")

    kept = root / "resumed.unfinished"
    shards = len(list((root / "several/shards").glob("*.parquet")))
    started(root, "raw", root / "resumed", workers, lambda: len(list(kept.glob("*.json"))) >= shards // 2)
    done = len(list(kept.glob("*.json")))
    stamps = {path.name: path.stat().st_mtime_ns for path in kept.glob("*.parquet") if _is_whole(path)}
    told = started(root, "raw", root / "resumed", workers)
    written = {path.name: path.stat().st_mtime_ns for path in (root / "resumed/shards").glob("*.parquet")}
    again = [name for name, stamp in stamps.items() if written[name] != stamp]
    print(
        f"killed with {done} of {shards} shards done; {len(again)} of these were written again, "
        f"the rest took {told['seconds']:.1f} s"
    )
    started(root, "raw", root / "one", 1)
    same = len({digest(root / name) for name in ("several", "resumed", "one")}) == 1
    print(
        f"one process, {workers} processes and the resumed run wrote {'the same' if same else 'OTHER'} bytes"
    )


def _is_whole(shard: Path) -> bool:
    return shard.with_suffix(".json").exists()


if __name__ == "__main__":
    main()
