"""Writes the files that pseudo datasets are made of."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def photo(path: Path, height: int = 24, width: int = 32, seed: int = 0) -> None:
    """A noisy photograph, JPEG or PNG by its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def values(path: Path, array: np.ndarray) -> None:
    """A grey image of 8 or 16 bits, or a colour image, as the array is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def palette(path: Path, array: np.ndarray, first: tuple[int, ...] = ()) -> None:
    """A palette image whose indices are the array; its colours are not its indices."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("P", array.shape[::-1])
    image.putdata(array.astype(np.uint8).ravel().tolist())
    image.putpalette([*first, *((37 * index + 11) % 256 for index in range(768 - len(first)))])
    image.save(path)


def stripes(*bands: int, height: int = 24, width: int = 32, dtype: type = np.uint8) -> np.ndarray:
    """Values (H, W) in as many horizontal bands of equal height, from the top."""
    rows = np.array(bands, dtype)[np.arange(height) * len(bands) // height]
    return np.repeat(rows[:, None], width, axis=1)


def coloured(array: np.ndarray, colours: dict[int, tuple[int, int, int]]) -> np.ndarray:
    """Colours (H, W, 3) uint8 of values (H, W)."""
    table = np.zeros((256, 3), np.uint8)
    for value, colour in colours.items():
        table[value] = colour
    return table[array]


def write(path: Path, content: Any) -> None:
    """Text, or anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def matlab(path: Path, variables: dict[str, Any]) -> None:
    """A .mat file of version 5; dictionaries become structs."""
    from scipy.io import savemat

    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables, do_compression=True)


def struct_array(entries: list[dict[str, Any]]) -> np.ndarray:
    """A Matlab struct array of 1 x N with the fields of the entries."""
    names = list(dict.fromkeys(name for entry in entries for name in entry))
    array = np.empty((1, len(entries)), dtype=[(name, object) for name in names])
    for at, entry in enumerate(entries):
        for name in names:
            array[0, at][name] = entry.get(name, np.empty((0, 0)))
    return array


def voc_xml(size: tuple[int, int], objects: list[str]) -> str:
    """An annotation in Pascal VOC's layout; objects: the contents of <object>; size: width, height."""
    inside = "".join(f"<object>{one}</object>" for one in objects)
    width, height = size
    return (
        f"<annotation><folder>x</folder><size><width>{width}</width><height>{height}</height>"
        f"<depth>3</depth></size>{inside}</annotation>"
    )


def box_xml(name: str, box: tuple[Any, ...], more: str = "") -> str:
    """Contents of an <object>: its name, its box, and more."""
    corners = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    return f"<name>{name}</name>{more}<bndbox>{corners}</bndbox>"
