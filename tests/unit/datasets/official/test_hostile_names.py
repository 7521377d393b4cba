"""Names in others' lists and annotations reach nothing outside their dataset's folder, and end in no traceback."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from official_examples import OFFICIAL, drawn, settings_of
from pseudo.files import matlab, struct_array
from scipy.io import savemat

from transfer_atlas.datasets.adapters.base import leads_out
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

HOSTILE = (
    "../secret.jpg",
    "a/../../secret.jpg",
    "..",
    "..\\secret.jpg",
    "/etc/hostname",
    "\\etc\\hostname",
    "a\0.jpg",
    "line\nbreak.jpg",
    "\ud800.jpg",
    "x" * 5000,
    "x/" * 3000,
    "",
)
OPENED: list[str] = []


def _note(event: str, arguments: tuple) -> None:
    if event in ("open", "os.listdir", "os.scandir") and WATCHING and isinstance(arguments[0], str):
        OPENED.append(arguments[0])


WATCHING: list[bool] = []
sys.addaudithook(_note)


@contextlib.contextmanager
def watched():
    """What is opened meanwhile."""
    OPENED.clear()
    WATCHING.append(True)
    try:
        yield OPENED
    finally:
        WATCHING.clear()


def in_json(path: Path, name: str) -> None:
    """Replace every name of an image in a JSON file."""

    def replaced(value: object, key: str = "") -> object:
        if isinstance(value, dict):
            return {inner: replaced(content, inner) for inner, content in value.items()}
        if isinstance(value, list):
            return [replaced(content, key) for content in value]
        return name if key in ("name", "file_name", "img_path", "image") and isinstance(value, str) else value

    path.write_text(json.dumps(replaced(json.loads(path.read_text()))))


def in_lines(path: Path, name: str) -> None:
    """Replace the first word of every line of a list."""
    lines = [line.split(" ") for line in path.read_text().splitlines() if line.strip()]
    text = "\n".join(" ".join([name, *words[1:]]) for words in lines)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))


def in_dogs(path: Path, name: str) -> None:
    """The entries, and the lists of all splits, which must agree."""
    in_json(path, name)
    for listed in path.parent.rglob("*_list.mat"):
        savemat(listed, {"file_list": np.array([[name]], dtype=object)})


def in_people(path: Path, name: str) -> None:
    """A release of one training image, with one person of one joint."""
    joint = {"id": 0, "x": 11.0, "y": 21.0, "is_visible": 1}
    person = {"scale": 0.1, "objpos": {"x": 16.0, "y": 12.0}, "annopoints": {"point": struct_array([joint])}}
    image = {"image": {"name": name}, "annorect": struct_array([person]), "vididx": 1.0}
    release = {"annolist": struct_array([image]), "img_train": np.array([[1]], np.uint8), "version": "12"}
    matlab(path, {"RELEASE": release})


# Where an archive names files, and how its names are replaced.
PLACES = {
    "bdd_100k": ("labels/**/*.json", in_json),
    "coco": ("annotations/*.json", in_json),
    "stanford_dogs": ("StanfordExtra_v1.json", in_dogs),
    "mpii": ("*_u12_1.mat", in_people),
    "domainnet": ("*_train.txt", in_lines),
    "pascal_voc": ("**/ImageSets/Segmentation/*.txt", in_lines),
    "pascal_voc_2007": ("**/ImageSets/Main/*.txt", in_lines),
    "pascal_context": ("**/ImageSets/Main/*.txt", in_lines),
}


def read_all(name: str, root: Path) -> list[str]:
    """Read a dataset as preparing it would; the problems."""
    problems = Problems(name, limit=10**9)
    adapter = OFFICIAL[name].ADAPTER
    try:
        for entry in adapter.records(settings_of(name), root, problems):
            entry.read(problems)
        adapter.presence(settings_of(name), root, name)
    except DatasetError as error:
        problems.texts.append(str(error))
    return problems.texts


@pytest.mark.parametrize("name", PLACES)
def test_names_in_lists_lead_nowhere_else(name, tmp_path):
    whole = drawn(name, tmp_path / "whole")
    root = tmp_path / "one/data"
    folder = root / whole.relative_to(tmp_path / "whole")
    for hostile in HOSTILE:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(whole, folder)
        (root.parent / "secret.jpg").write_bytes(b"not yours")
        pattern, replace = PLACES[name]
        files = sorted(folder.rglob(pattern.removeprefix("**/")))
        assert files, f"{name}: nothing matches {pattern}"
        for file in files:
            with contextlib.suppress(UnicodeEncodeError, ValueError):  # a format that cannot hold the name
                replace(file, hostile)
        with watched() as opened:
            texts = read_all(name, root)
        elsewhere = [
            path for path in opened if "secret" in path or "hostname" in path or ".." in Path(path).parts
        ]
        assert not elsewhere, (name, hostile)
        assert all(len(text) < 2000 for text in texts), (name, hostile)


@given(st.lists(st.sampled_from(["a", "..", ".", "", "b.jpg", "...", "\\", "c d", "é"]), max_size=6))
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_what_does_not_lead_out_stays_below(parts):
    name = "/".join(parts)
    if not leads_out(name):
        place = Path("/folder/of/the/dataset")
        normal = Path(*[part for part in (place / name).parts if part != "."])
        assert normal.is_relative_to(place)
        assert ".." not in normal.parts
