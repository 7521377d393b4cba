"""What the tests of the adapters share: settings from YAML, records of a dataset, files to read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from pydantic import TypeAdapter

from transfer_atlas.datasets.prepared import Entry
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.registry import ADAPTERS, AdapterSettings

DATA = Path(__file__).parents[1] / "data"
REAL = Path(__file__).parents[3] / "shared" / "real"


def parse(settings: str | dict, **changed):
    """Validated settings of an adapter."""
    values = yaml.safe_load(settings) if isinstance(settings, str) else settings
    return TypeAdapter(AdapterSettings).validate_python(values | changed)


def records_of(settings, root: Path) -> list:
    """All records of a dataset; raises DatasetError if there are problems."""
    problems = Problems("toy")
    listed = ADAPTERS[settings.name].records(settings, root, problems)
    records = [entry.read(problems) if isinstance(entry, Entry) else entry for entry in listed]
    problems.raise_if_any()
    return records


def save(path: Path, array: np.ndarray, **options) -> None:
    """Write an array as an image, with the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def write(path: Path, content: Any) -> None:
    """Write text, bytes, or anything else as JSON, with the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
