"""The depth maps that belong to images: the settings that all adapters with depth share, and their reader."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import relative_to
from transfer_atlas.datasets.adapters.camera import Camera
from transfer_atlas.datasets.adapters.image_bytes import undecodable
from transfer_atlas.datasets.adapters.patterns import Pattern, existing, fill
from transfer_atlas.datasets.encoding import DECODING_ERRORS, LARGEST_MEGAPIXELS, open_any
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.strict import Introduced, Strict

MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")  # what Pillow calls grey of 16 and 32 bits, and numbers


MILLIMETRE = 0.001
COARSE = 0.01  # of the unit: as fine as one step of stored depth should be


class DepthFiles(Strict):
    """One depth map per image, of 16 bits (PNG, TIFF) or floating-point numbers (npy, EXR, TIFF): what values mean."""

    files: Pattern = Field(
        "depth/{split}/{stem}.png",
        description="Path of an image's depth map below `path`, with the parts its image matched.",
    )
    scale: float | None = Field(
        None,
        gt=0,
        description="One step of the stored values, in the unit: 0.001 for millimetres, which is the default of "
        "whole numbers; floating-point numbers (npy, EXR, TIFF) are in the unit unless said otherwise.",
    )
    unit: Literal["metre", "relative"] = Field(
        "metre", description="`relative`: true up to a scale that differs from image to image."
    )
    minimum: float = Field(0.0, ge=0, description="Nearer depth is invalid, in the unit.")
    maximum: float = Field(gt=0, description="Farther depth is invalid, in the unit.")
    invalid: list[int] = Field([0], description="Stored values that mean: not known.")

    camera: Annotated[Camera | None, Introduced(None)] = Field(
        None, description="The camera of all images; with it the dataset has surface normals as well."
    )

    @model_validator(mode="after")
    def _range_can_be_stored(self) -> Self:
        most = 65535.5 * (self.scale or MILLIMETRE) if self.in_whole_numbers else math.inf
        if not self.minimum < self.maximum <= most:
            raise ValueError(
                f"minimum {self.minimum} and maximum {self.maximum}: expected minimum < maximum <= "
                f"65535 steps of {MILLIMETRE if self.scale is None else self.scale}"
            )
        return self

    @property
    def in_whole_numbers(self) -> bool:
        """Whether the files cannot hold floating-point numbers."""
        return self.files.lower().endswith(".png")


def describe_depth(depth: DepthFiles) -> dict[str, Any]:
    """Return the fields of a DepthDescription; its scale keeps whole numbers of the files exactly."""
    fields = depth.model_dump(include={"unit", "minimum", "maximum"})
    step = depth.scale
    if step is None and (depth.in_whole_numbers or depth.unit == "metre"):
        step = MILLIMETRE
    if step is not None and step > COARSE:
        # files of floating-point numbers may say `scale: 1`: a part of a step keeps whole steps as well
        step /= max(1, int(65535 * step / depth.maximum))
    fits = step is not None and depth.maximum <= 65535.5 * step
    return fields | {"scale": step if fits else None}


class DepthReader:
    """Reads the depth map of an image, as the settings say."""

    def __init__(
        self, depth: DepthFiles, folder: Path, root: Path, largest: float = LARGEST_MEGAPIXELS
    ) -> None:
        """folder: of the raw dataset; root: that messages are relative to; largest: megapixels."""
        self.depth, self.folder, self.root, self.largest = depth, folder, root, largest

    def _scale(self, values: np.ndarray) -> float:
        """What stored values are multiplied with: numbers with a fraction are in the unit already."""
        if self.depth.scale is not None:
            return self.depth.scale
        return 1.0 if values.dtype.kind == "f" else MILLIMETRE

    def read(
        self, parts: dict[str, str], image_file: str, problems: Problems
    ) -> tuple[np.ndarray | None, str]:
        """Return the depth (H, W) float32 in the unit, 0 where invalid, and the name of its file.

        parts: of the pattern that the image matched; image_file: the image's name in messages. The depth is
        None, and there is a problem, if it cannot be read. What is out of range is left to the encoder.
        """
        path = existing(self.folder, fill(self.depth.files, parts))
        depth_file = relative_to(path, self.root)
        values = _values(path, f"{depth_file} (depth of {image_file})", problems, self.largest)
        if values is None:
            return None, depth_file
        known = np.isfinite(values) & ~np.isin(values, self.depth.invalid)
        depth = np.where(known, values, 0) * self._scale(values)
        depth = depth.astype(np.float32)
        return depth, depth_file


def _values(path: Path, where: str, problems: Problems, largest: float) -> np.ndarray | None:
    """Stored values (H, W), int64 or float64; None, and a problem, if they are not depth in enough bits."""
    if not path.is_file():
        remedy = "Add it, or correct the pattern `depth.files`."
        problems.add(where, "no such depth map", "one depth map per image", remedy)
        return None
    reader = READERS.get(path.suffix.lower())
    try:
        values, kind = _image_values(path, largest) if reader is None else reader(path)
    except (*DECODING_ERRORS, ImportError, RuntimeError) as error:  # OpenEXR's are RuntimeErrors
        found = undecodable(error).replace("the image", "the depth map", 1)
        problems.broken(where, found, "a complete file", "Fetch the file anew, or leave the image out.")
        return None
    if values is None or values.ndim != 2:
        remedy = "Convert it: depth in 8 bits or in colours has lost what is to be learnt."
        found = f"a depth map of {kind if values is None else f'shape {values.shape}'}"
        problems.add(where, found, "one channel of 16 bits, or of floating-point numbers", remedy)
        return None
    return values.astype(np.float64 if values.dtype.kind == "f" else np.int64)


def _image_values(path: Path, largest: float) -> tuple[np.ndarray | None, str]:
    with open_any(path, largest) as image:
        image.load()
        kept = image.mode in MODES
        return (np.asarray(image) if kept else None), f"mode {image.mode}"


def _array_values(path: Path) -> tuple[np.ndarray | None, str]:
    """An array of NumPy, or the only one of an npz file; never unpickled."""
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        values = loaded
    else:
        with loaded:
            if len(loaded.files) != 1:
                raise ValueError(f"it holds {len(loaded.files)} arrays, and which is the depth is not known")
            values = loaded[loaded.files[0]]
    values = np.squeeze(values) if values.ndim > 2 else values
    kept = values.dtype.kind in "fiu" and values.dtype != np.uint8 and values.dtype != np.int8
    return (values if kept else None), f"type {values.dtype}"


def _exr_values(path: Path) -> tuple[np.ndarray | None, str]:
    """The one channel of an OpenEXR file, or the first of several that are equal."""
    import OpenEXR  # only here: few datasets need it

    with OpenEXR.File(str(path), separate_channels=True) as file:
        channels = {name: channel.pixels for name, channel in file.channels().items() if name != "A"}
    arrays = list(channels.values())
    if not arrays or any(not np.array_equal(arrays[0], other, equal_nan=True) for other in arrays[1:]):
        return None, f"channels {', '.join(channels)}"
    return arrays[0], "OpenEXR"


READERS = {".npy": _array_values, ".npz": _array_values, ".exr": _exr_values}
