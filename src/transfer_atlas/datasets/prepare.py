"""Prepares datasets: raw files through the adapter into the prepared format, and the run that does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

from pydantic import TypeAdapter

from transfer_atlas.datasets.prepared import DatasetDescription
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.registry import ADAPTERS, AdapterSettings


def prepare_dataset(
    settings: AdapterSettings, root: Path, folder: Path, *, dataset: str
) -> DatasetDescription:
    """Read a raw dataset below `root`, and write it to `folder` as a prepared dataset.

    Raises DatasetError with up to 20 problems: file, what was found, what was expected, and a remedy.
    """
    from transfer_atlas.datasets.writing import write_prepared  # reading a study needs no Parquet

    adapter = ADAPTERS[settings.name]
    problems = Problems(dataset)
    description = adapter.describe(settings, Path(root), dataset) | {"name": dataset}
    records = adapter.records(settings, Path(root), problems)
    return write_prepared(folder, description, records, problems=problems)


def prepare(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """Prepare the dataset of a request into its output folder. Returns counts, and classes that are absent."""
    location = request["location"]
    given = request["settings"]["adapter"] | {
        name: location[name] for name in location if name != "data_root"
    }
    settings = TypeAdapter(AdapterSettings).validate_python(given)
    description = prepare_dataset(
        settings,
        Path(location["data_root"]),
        scratch / "output",
        dataset=request["identity"]["dataset"],
    )
    absent = description.segmentation.absent_classes if description.segmentation else {}
    absent_boxes = description.detection.absent_classes if description.detection else {}
    for what, by_split in (("pixel", absent), ("box", absent_boxes)):
        for split, classes in by_split.items():
            if classes:
                print(f"  {request['name']}: no {what} of {', '.join(classes)} in {split}", file=progress_to)
    return {"counts": description.counts, "absent_classes": absent}
