"""The run that prepares a dataset: raw files through the adapter into the prepared format."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

from pydantic import TypeAdapter

from transfer_atlas.datasets.adapters import AdapterSettings
from transfer_atlas.datasets.adapters import prepare as prepare_dataset


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
        dataset=request["settings"]["name"],
        domain="",
    )
    absent = description.segmentation.absent_classes if description.segmentation else {}
    absent_boxes = description.detection.absent_classes if description.detection else {}
    for what, by_split in (("pixel", absent), ("box", absent_boxes)):
        for split, classes in by_split.items():
            if classes:
                print(f"  {request['name']}: no {what} of {', '.join(classes)} in {split}", file=progress_to)
    return {"counts": description.counts, "absent_classes": absent}
