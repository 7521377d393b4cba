"""Prepares datasets: raw files through the adapter into the prepared format, and the run that does it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TextIO

from pydantic import TypeAdapter

from transfer_atlas.datasets.checking import CheckedFiles, check_raw_files
from transfer_atlas.datasets.encoding import LARGEST_MEGAPIXELS
from transfer_atlas.datasets.prepared import DatasetDescription
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.registry import ADAPTERS, AdapterSettings, raw_path
from transfer_atlas.datasets.versions import CACHE_FILE
from transfer_atlas.process.stopping import stop_if_asked


def prepare_dataset(
    settings: AdapterSettings,
    root: Path,
    folder: Path,
    *,
    dataset: str,
    version: str | None = None,
    cache_file: Path | None = None,
    part: dict[str, Any] | None = None,
    workers: int = 1,
    unfinished: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    mentioned: dict[str, int] | None = None,
) -> DatasetDescription:
    """Read a raw dataset below `root`, and write it to `folder` as a prepared dataset.

    version: content version that the files must be of, before and after; by default whatever is there.
    cache_file: where md5s of files are remembered. workers, unfinished, progress: see `write_prepared`.
    part: of a part of the dataset, which images to take and which files it is made of, if not of all:
        {"images": patterns of ids, "files": patterns of paths}. The adapter sees these files and no others.
    mentioned: takes what lies beside the files that were read, and how often it was met.

    Raises DatasetError with up to 20 problems: file, what was found, what was expected, and a remedy; or if the
    files are not of the version.
    """
    from transfer_atlas.datasets.writing import write_prepared  # reading a study needs no Parquet

    adapter, path = ADAPTERS[settings.name], raw_path(settings)
    checked = None
    if version is not None and path is not None:
        checked = check_raw_files(
            Path(root) / path,
            version,
            dataset=dataset,
            cache_file=cache_file,
            patterns=(part or {}).get("files"),
        )
    if checked is not None and checked.patterns is not None:
        root = _only(checked, path, folder.with_name("files_of_the_part"))
    problems = Problems(dataset, tolerate=getattr(settings, "tolerate_broken", 0.0))
    description = adapter.describe(settings, Path(root), dataset) | {"name": dataset}
    records = adapter.records(settings, Path(root), problems)
    if part is not None:
        records = (each for each in records if any(fnmatchcase(each.id, like) for like in part["images"]))
    written = write_prepared(
        folder,
        description,
        records,
        problems=problems,
        workers=workers,
        unfinished=unfinished,
        largest=getattr(settings, "largest_megapixels", LARGEST_MEGAPIXELS),
        progress=progress,
    )
    if checked is not None:
        checked.check_unchanged(cache_file)
    if mentioned is not None:
        mentioned |= problems.mentioned
    return written


def _only(checked: CheckedFiles, path: str, root: Path) -> Path:
    """A data root of links to the files of a part: what is read is what was hashed."""
    shutil.rmtree(root, ignore_errors=True)
    for file in checked.found.files:
        link = root / path / file.relative
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path(file.path).resolve())
    return root


def prepare(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """Prepare the dataset of a request into its output folder. Returns counts, and classes that are absent."""
    location = request["location"]
    given = request["settings"]["adapter"] | {
        name: location[name] for name in location if name != "data_root"
    }
    settings = TypeAdapter(AdapterSettings).validate_python(given)
    mentioned: dict[str, int] = {}
    description = prepare_dataset(
        settings,
        Path(location["data_root"]),
        scratch / "output",
        dataset=request["settings"]["name"],
        version=request["versions"]["dataset"],
        cache_file=Path(request.get("places", {}).get("cache", scratch.parent)) / CACHE_FILE,
        part=request["settings"].get("part"),
        workers=request.get("threads", 1),
        unfinished=scratch / "shards",
        progress=_Progress(request["name"], progress_to),
        mentioned=mentioned,
    )
    for line in _remarks(description, mentioned):
        print(f"  {request['name']}: {line}", file=progress_to)
    absent = description.segmentation.absent_classes if description.segmentation else {}
    return {"counts": description.counts, "absent_classes": absent}


class _Progress:
    """Says now and then how many images are done, and looks whether to go on."""

    EVERY = 15.0  # seconds

    def __init__(self, name: str, stream: TextIO) -> None:
        self.name, self.stream, self.shown = name, stream, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if done < total:
            stop_if_asked(f"after image {done} of {total}; finished shards are kept")
        if time.monotonic() - self.shown >= self.EVERY:
            self.shown = time.monotonic()
            print(f"  {self.name}: {done} of {total} images", file=self.stream, flush=True)


def _remarks(description: DatasetDescription, mentioned: dict[str, int]) -> Iterator[str]:
    """What is worth knowing of a dataset that is in order."""
    for file, found in description.broken.items():
        yield f"left out: {file}: {found}"
    for what, number in (description.passed_over | dict(sorted(mentioned.items()))).items():
        yield f"passed over: {number} {what}"
    absent = description.segmentation.absent_classes if description.segmentation else {}
    absent_boxes = description.detection.absent_classes if description.detection else {}
    absent_images = description.classification.absent_classes if description.classification else {}
    for what, by_split in (("pixel", absent), ("box", absent_boxes), ("image", absent_images)):
        for split, classes in by_split.items():
            if classes:
                yield f"no {what} of {', '.join(classes)} in {split}"
    if description.depth:
        for split, share in description.depth.in_range.items():
            without = description.depth.maps_without.get(split, 0)
            maps = f"; {without} maps have none" if without else ""
            yield f"depth in {split}: {100 * share:.1f}% of what is known is in range{maps}"
