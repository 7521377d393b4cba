"""Whatever happens to a file, an official adapter says so in one message: no traceback, and no other picture."""

import io
import json
import shutil

import numpy as np
import pytest
from official_examples import OFFICIAL, drawn
from pseudo import DRAW
from scipy.io import savemat

from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.registry import settings_of
from transfer_atlas.datasets.validation import opened_image
from transfer_atlas.errors import DatasetError

LEFT_OUT = object()
ALL_TASK_TYPES = {"cityscapes": {"task_types": ["segmentation", "depth"]}}
VARIABLES = ("RELEASE", "GTcls", "LabelMap", "file_list", "synsets", "trainIds", "valIds")


def matlab_files() -> list[bytes]:
    """Files of Matlab with the right variables and nothing sensible in them."""
    files = []
    for value in (1.5, "text", np.zeros((0, 0)), {"annolist": 3.0, "Segmentation": "x", "WNID": 4}):
        buffer = io.BytesIO()
        savemat(buffer, dict.fromkeys(VARIABLES, value))
        files.append(buffer.getvalue())
    return files


INSTEAD = {
    ".mat": matlab_files(),
    ".json": [
        b"[]",
        b"{}",
        b"null",
        b"[1]",
        b'{"images": [1], "annotations": [2]}',
        b"[{}]",
        b'{"objects": [{}]}',
    ],
    ".xml": [b"<annotation/>", b"<annotation><object/></annotation>"],
    ".txt": [b"\xff\xfe1\n", b"x\n", b"1 2 3\n"],
    ".csv": [b"x\n"],
}


def mutated(content, key, change):
    """The same JSON with every value of a key left out, or changed."""
    if isinstance(content, list):
        return [mutated(one, key, change) for one in content]
    if not isinstance(content, dict):
        return content
    kept = {name: mutated(one, key, change) for name, one in content.items() if name != key}
    return kept | ({key: change} if key in content and change is not LEFT_OUT else {})


def keys_in(content):
    """All keys of a JSON file."""
    if isinstance(content, list):
        return set().union(*map(keys_in, content)) if content else set()
    return set(content).union(*map(keys_in, content.values())) if isinstance(content, dict) else set()


def read_all(name, root):
    """Read a dataset as its preparation does; returns the number of images in order."""
    problems, number = Problems(name), 0
    for entry in OFFICIAL[name].records(settings_of(name, **ALL_TASK_TYPES.get(name, {})), root, problems):
        record = entry.read(problems)
        if record is not None and opened_image(record, problems) is not None:
            number += 1
    problems.raise_if_any()
    return number


@pytest.mark.parametrize("name", sorted(DRAW))
def test_damage_is_told_or_harmless(name, tmp_path):
    folder = drawn(name, tmp_path)
    whole = read_all(name, tmp_path)
    kinds = {}  # a file of each kind stands for all
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        kinds.setdefault((path.parent.parent.name, path.suffix, path.name[:3]), path)
    for path in kinds.values():
        content = path.read_bytes()
        damages = list(INSTEAD.get(path.suffix, ()))
        if path.suffix == ".json":
            whole_json = json.loads(content)
            damages += [
                json.dumps(mutated(whole_json, key, change)).encode()
                for key in sorted(keys_in(whole_json))
                for change in (LEFT_OUT, None, "x", [], -1, {"a": 1})
            ]
        for damaged in (b"", content[: len(content) // 2], b"\0garbage\0" * 9, *damages):
            path.write_bytes(damaged)
            try:
                read_all(name, tmp_path)
            except DatasetError as error:
                assert "xpected" in str(error), f"{path}: a remedy is missing: {error}"
        path.write_bytes(content)
    assert read_all(name, tmp_path) == whole


@pytest.mark.parametrize("name", sorted(DRAW))
def test_a_missing_file_is_told_or_harmless(name, tmp_path):
    folder = drawn(name, tmp_path)
    for path in [path for path in folder.rglob("*") if path.is_dir()]:
        if not path.is_dir():
            continue
        away = tmp_path / "away"
        path.rename(away)
        try:
            read_all(name, tmp_path)
        except DatasetError as error:
            assert "xpected" in str(error)
        shutil.move(away, path)
