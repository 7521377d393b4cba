"""Files of published datasets: where an archive was unpacked, sorted listings, images as stored, .mat and JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from transfer_atlas.datasets.encoding import DECODING_ERRORS, LARGEST_MEGAPIXELS, open_any
from transfer_atlas.datasets.official.json_streams import Slim, stream_json
from transfer_atlas.errors import DatasetError

IMAGES = (".jpg", ".jpeg", ".png")
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def unpacked(folder: Path, place: str, marker: str) -> Path:
    """Folder that an archive's `place` is in, wherever in that place `folder` itself is.

    Archives are unpacked above, in, or into a folder of their first parts: of VOCdevkit/VOC2012, `folder` may
    be the folder that holds VOCdevkit, VOCdevkit itself, or VOC2012. marker: a file or folder (or pattern) that
    tells the right one. The first place is returned where none has it, so that messages name what was expected.
    """
    parts = place.split("/") if place else []
    candidates = [folder.joinpath(*parts[at:]) for at in range(len(parts) + 1)]
    for candidate in candidates:
        if candidate.is_dir() and next(candidate.glob(marker), None) is not None:
            return candidate
    return candidates[0]


def find_files(folder: Path, pattern: str, suffixes: tuple[str, ...] | None = None) -> list[Path]:
    """Files below a folder that match, sorted by path; hidden files and folders are nobody's images.

    suffixes: in lower case; files with others are left out.
    """
    before = len(f"{folder}/") if str(folder) != "." else 0
    found = []
    for path in folder.glob(pattern):
        relative = str(path)[before:].replace(
            os.sep, "/"
        )  # `relative_to` takes longer than the rest for a million
        if relative.startswith(".") or "/." in relative or not os.path.isfile(path):  # noqa: PTH113 (as above)
            continue
        if suffixes is None or path.suffix.lower() in suffixes:
            found.append((relative, path))
    return [path for _, path in sorted(found)]


def image_size(path: Path) -> tuple[int, int] | None:
    """Width and height by an image's header; None if it is no image."""
    try:
        with open_any(path, math.inf) as image:
            return image.size
    except DECODING_ERRORS:
        return None


def decoded(
    path: Path, kind: Literal["values", "colours"], largest: float = LARGEST_MEGAPIXELS
) -> np.ndarray:
    """Decode an image file whose pixels are labels or depth.

    values: (H, W) as stored, of a palette image the indices; int64, so that no arithmetic wraps. colours:
    (H, W, 3) uint8 R, G, B. largest: megapixels. ValueError if the file is damaged, larger, or not of that kind.
    """
    try:
        with open_any(path, largest) as image:
            image.load()
            if kind == "colours":
                return np.asarray(image.convert("RGB"))
            if image.mode not in ("L", "P", "1", *SIXTEEN_BITS):
                raise ValueError(f"an image of mode {image.mode}, not one channel of values")
            values = np.asarray(image)
    except DECODING_ERRORS as error:
        raise ValueError(str(error)) from error
    return values.astype(np.int64)


def read_json(path: Path, dataset: str) -> Any:
    """Contents of a JSON file; DatasetError if it is missing or damaged."""
    return _content(path, dataset, lambda: json.loads(path.read_bytes()), "JSON")


def read_json_lists(path: Path, dataset: str, keys: tuple[str, ...], slim: Slim) -> dict[str, list[Any]]:
    """The lists under some keys of a large JSON mapping, of which mappings are made smaller as they are read.

    slim: what is kept of a mapping. DatasetError if the file is missing, damaged, or lacks one of the lists.
    """

    def read() -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for key, value in stream_json(path, slim):
            if key in keys:
                # an empty list comes as itself
                found.setdefault(key, []).extend([] if value == [] else [value])
        return found

    found = _content(path, dataset, read, "JSON")
    lacking = [key for key in keys if key not in found]
    if lacking:
        raise DatasetError(
            f"Dataset '{dataset}': {path} lacks {', '.join(lacking)}. Expected {' and '.join(keys)}: fetch the file "
            "anew."
        )
    return found


def read_json_list(path: Path, dataset: str, slim: Slim) -> list[Any] | None:
    """The elements of a large JSON list, made smaller as they are read; None if it is a mapping.

    DatasetError if the file is missing or damaged.
    """

    def read() -> list[Any] | None:
        found = []
        for key, value in stream_json(path, slim):
            if key is not None:
                return None
            found.append(value)
        return found

    return _content(path, dataset, read, "JSON")


def read_mat(path: Path) -> dict[str, Any]:
    """Variables of a .mat file of versions 4 to 7.2: structs as objects, arrays of one element squeezed.

    Raises ValueError if it is missing, damaged, or of version 7.3, which is HDF5.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if not path.is_file():
        raise ValueError("no such file")
    try:
        return loadmat(path, struct_as_record=False, squeeze_me=True)
    except NotImplementedError as error:
        raise ValueError("a .mat file of version 7.3; save it again with -v7") from error
    except (MatReadError, *DECODING_ERRORS, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"no complete .mat file ({error})") from error


def read_lines(path: Path, dataset: str) -> list[str]:
    """Lines of a text file that are not empty, without the spaces around them."""
    text = _content(path, dataset, lambda: path.read_text(encoding="utf-8-sig"), "text")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _content(path: Path, dataset: str, read: Any, what: str) -> Any:
    try:
        return read()
    except FileNotFoundError:
        raise DatasetError(
            f"Dataset '{dataset}': the file {path} does not exist. Expected it as distributed: fetch it, or correct "
            "`path`."
        ) from None
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"Dataset '{dataset}': {path} is no {what} ({error}). Expected the file as distributed: fetch it anew."
        ) from error


def pairs(stems: dict[str, Path], others: dict[str, Path]) -> Iterator[tuple[Path, Path | None]]:
    """Each image with the file of the same stem, or None."""
    for stem in sorted(stems):
        yield stems[stem], others.get(stem)
