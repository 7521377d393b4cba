"""Reads files of volumes, NIfTI and Analyze, through nibabel, with a problem for what is not in order.

nibabel comes with the extra `medical` and is imported where a volume is read.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

SUFFIXES = (".nii", ".nii.gz", ".img", ".hdr")
FETCH = "Fetch the file anew, or leave the case out."
CHUNK = 1 << 20
BEYOND = 1 << 24  # bytes that header and extensions may take
CLOSE = 1e-2  # millimetres by which grids may differ: converters round


@dataclass(frozen=True)
class Volume:
    """values (X, Y, Z) in the directions right, anterior, superior; affine (4, 4) from voxels to millimetres."""

    values: np.ndarray
    affine: np.ndarray
    shape: tuple[int, ...]

    def without_values(self) -> Volume:
        """Its grid alone."""
        return replace(self, values=np.empty(0))


def read_volume(path: Path, where: str, largest: float, problems: Problems) -> Volume | None:
    """Read a volume; None, and a problem that names `where`, if it is none. largest: megavoxels.

    Raises DatasetError where nibabel is not installed.
    """
    image = _opened(path, where, problems)
    if image is None:
        return None
    shape = image.shape
    while len(shape) > 3 and shape[-1] == 1:  # iSeg has a fourth axis of one
        shape = shape[:-1]
    if len(shape) != 3:
        found = f"{len(shape)} axes ({' x '.join(map(str, shape))})"
        problems.add(
            where, found, "a volume of three axes", "Take one of its volumes, and write it as a file."
        )
        return None
    if min(shape) < 1 or np.prod(shape, dtype=float) > largest * 1e6:
        found = f"{' x '.join(map(str, shape))} voxels"
        problems.add(
            where, found, f"1 to {largest:g} million", "Raise `largest_megavoxels` if the file is sound."
        )
        return None
    values = _values(image, path, where, problems)
    if values is None:
        return None
    return _turned(values.reshape(shape), image.affine, where, problems)


def _opened(path: Path, where: str, problems: Problems) -> Any:
    """The image of a file, its header read, of the formats that `SUFFIXES` name and of no others."""
    if not path.is_file():
        problems.add(where, "the file is not there", "a volume", "Restore it, or leave the case out.")
        return None
    try:
        import nibabel
    except ImportError:
        raise DatasetError(
            f"{where}: volumes are read by nibabel, which is not installed. Install the extra `medical`: pip install "
            "'transfer-atlas[medical]'."
        ) from None
    formats = (
        nibabel.Nifti1Image,
        nibabel.Nifti2Image,
        nibabel.Nifti1Pair,
        nibabel.Nifti2Pair,
        nibabel.Spm2AnalyzeImage,
    )
    sniffed = None
    try:
        for each in formats:
            fits, sniffed = each.path_maybe_image(str(path), sniffed)
            if fits:
                return each.from_filename(str(path))
    except _unreadable() as error:
        problems.broken(where, f"its header cannot be read ({_said(error)})", "a complete volume", FETCH)
        return None
    problems.broken(where, "it is neither NIfTI nor Analyze", "a volume of either format", FETCH)
    return None


def _values(image: Any, path: Path, where: str, problems: Problems) -> np.ndarray | None:
    """The voxels of an image as numbers that are all finite."""
    kind = image.get_data_dtype()
    if kind.kind not in "iuf":
        problems.add(where, f"voxels of type {kind}", "whole or real numbers", "Convert the file.")
        return None
    try:
        values = np.asanyarray(image.dataobj)
        if path.suffix.lower() == ".gz":
            _check_sum(path, values.nbytes)
    except _unreadable() as error:
        problems.broken(where, f"its voxels cannot be read ({_said(error)})", "a complete volume", FETCH)
        return None
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        number = int((~np.isfinite(values)).sum())
        remedy = "Replace them, by 0 if they are outside of what was scanned."
        problems.add(where, f"{number} voxels that are no finite number", "numbers", remedy)
        return None
    return values


def _check_sum(path: Path, size: int) -> None:
    """Read a compressed file to its end, where its check sum is: nibabel stops at the last voxel.

    size: of the voxels as they were read, in bytes; much more in the file is not looked at, and refused.
    """
    left = 2 * size + BEYOND
    with gzip.open(path) as opened:
        while taken := len(opened.read(CHUNK)):
            left -= taken
            if left < 0:
                raise ValueError("it holds much more than the voxels that its header tells of")


def _turned(values: np.ndarray, affine: np.ndarray | None, where: str, problems: Problems) -> Volume | None:
    """A volume turned to the directions right, anterior, superior, as far as turns by right angles go."""
    from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

    directions = None
    if affine is not None and np.isfinite(affine).all():
        directions = io_orientation(affine)
    if directions is None or np.isnan(directions).any():
        problems.add(
            where, "an affine matrix without three directions", "a grid in space", "Correct the header."
        )
        return None
    turned = apply_orientation(values, directions)
    return Volume(turned, affine @ inv_ornt_aff(directions, values.shape), turned.shape)


def same_grid(volume: Volume, labels: Volume, where: str, labels_file: str, problems: Problems) -> bool:
    """Whether a volume has the grid of its labels; a problem if not."""
    remedy = "Resample both to one grid, or leave the case out."
    if volume.shape != labels.shape:
        sizes = [" x ".join(map(str, each.shape)) for each in (volume, labels)]
        problems.add(where, f"{sizes[0]} voxels", f"the {sizes[1]} of {labels_file}", remedy)
        return False
    if not np.allclose(volume.affine, labels.affine, rtol=0, atol=CLOSE):
        problems.add(where, "another place or direction in space", f"that of {labels_file}", remedy)
        return False
    return True


def _unreadable() -> tuple[type[Exception], ...]:
    """What nibabel raises for files that are cut, damaged, or something else."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    own = (ImageFileError, HeaderDataError, WrapStructError)
    return (*own, OSError, EOFError, ValueError, TypeError, OverflowError, MemoryError, zlib.error)


def _said(error: Exception) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split())[:160] or type(error).__name__
