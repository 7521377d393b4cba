"""Encodes images, masks and depth as bytes that decode fast and exactly, without torch."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
PNG_GREY, PNG_RGB = 0, 2  # colour types of the PNG standard
PLAIN_PNG = (0, 2, 3)  # grey, RGB, palette
LARGEST_MEGAPIXELS = (
    178.0  # beyond it a small file may be made to fill the memory; aerial tiles need a setting
)
ORIENTATION_TAG = 0x0112
BITS_PER_SAMPLE = 258  # tag of TIFF
_PILLOWS_LIMIT = threading.Lock()


def encode_png(pixels: np.ndarray, level: int) -> bytes:
    """Encode as a PNG without row filters.

    Masks become smaller and decode almost twice as fast as with the adaptive filters other writers choose,
    since labels are not smooth. Deterministic, and free of metadata.

    pixels: (H, W) uint8 or uint16, or (H, W, 3) uint8; level: of zlib, 0 (stored) to 9.
    Raises ValueError for any other shape or type.
    """
    grey = pixels.ndim == 2 and pixels.dtype in (np.uint8, np.uint16)
    if not grey and not (pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8):
        raise ValueError(f"cannot encode an array of shape {pixels.shape} and type {pixels.dtype} as PNG")
    height, width = pixels.shape[:2]
    bits = 8 * pixels.dtype.itemsize
    # PNG stores 16 bits with the high byte first, and starts each row with its filter's number (0: none)
    values = np.ascontiguousarray(pixels.astype(">u2") if bits == 16 else pixels)
    rows = values.view(np.uint8).reshape(height, -1)
    data = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, bits, PNG_GREY if grey else PNG_RGB, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(data, level)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def encode_mask(mask: np.ndarray) -> bytes:
    """Encode a mask (H, W) uint8 or uint16."""
    return encode_png(mask, level=6)


def encode_depth(depth: np.ndarray, step: float, minimum: float, maximum: float) -> bytes:
    """Encode depth (H, W) float32 as 16-bit integers times `step`; 0 where invalid.

    Invalid is what is not finite, not positive, or outside minimum..maximum. A valid depth never becomes 0.
    """
    depth = depth.astype(np.float64)
    valid = in_range(depth, minimum, maximum)
    steps = np.clip(np.rint(np.where(valid, depth, 0) / step), 1, 65535)
    return encode_png(np.where(valid, steps, 0).astype(np.uint16), level=4)


def values_in(labels: np.ndarray) -> np.ndarray:
    """Sorted values that occur in an array; of a mask (H, W) of 8 bits ten times as fast as sorting it."""
    if labels.dtype == np.uint8 and labels.ndim == 2:
        return np.flatnonzero(Image.fromarray(labels).histogram())
    if labels.dtype == np.uint16:
        return np.flatnonzero(np.bincount(labels.ravel(), minlength=1))
    return np.unique(labels)


def look_up(table: np.ndarray, values: np.ndarray) -> np.ndarray:
    """table[values] for a table (65536,) of uint8 or uint16; of bytes five times as fast."""
    if table.dtype == np.uint8 and values.dtype == np.uint8:
        looked_up = values.tobytes().translate(table[:256].tobytes())
        return np.frombuffer(looked_up, np.uint8).reshape(values.shape)
    return table[values]


def in_range(depth: np.ndarray, minimum: float, maximum: float) -> np.ndarray:
    """Which depths (H, W) float are valid: finite, positive, and within minimum..maximum."""
    # compared at the precision of the input, so that a maximum such as 0.1 itself is inside
    low, high = np.float32(minimum), np.float32(maximum)
    with np.errstate(invalid="ignore"):
        return np.isfinite(depth) & (depth > 0) & (depth >= low) & (depth <= high)


def open_image(image: bytes | np.ndarray, largest: float = LARGEST_MEGAPIXELS) -> tuple[bytes, Image.Image]:
    """Return the bytes to store and the fully decoded image in mode RGB; EXIF orientation is not applied.

    Files that every decoder turns into the same 8 bits are stored as they are: JPEG in grey or YCbCr, and PNG of 8
    bits without transparency. Others, and arrays (H, W, 3) uint8, are stored as lossless PNG of what is returned, so
    that training sees what was checked and counted here. largest: megapixels.
    Raises one of DECODING_ERRORS if the bytes are truncated, no image or larger, ValueError for any other array.
    """
    if isinstance(image, np.ndarray):
        # level 1: a third faster to decode than adaptive filters, at a quarter more bytes
        return encode_png(image, level=1), Image.fromarray(image)
    with open_any(io.BytesIO(image), largest) as opened:
        kept = _is_kept(image, opened)
        opened.load()
        if kept:
            return image, opened if opened.mode == "RGB" else opened.convert("RGB")
        if opened.mode.startswith("I;16") or opened.mode == "I":
            rgb = Image.fromarray(_eight_bits(np.asarray(opened))).convert("RGB")
        elif opened.mode == "F":
            raise ValueError("pixels are floating-point numbers, whose range nobody knows")
        else:
            rgb = opened.convert("RGB")
            if _bits_of_colour(image, opened) == 16:
                _check_upper_bits(rgb)
    return encode_png(np.asarray(rgb), level=1), rgb


@contextmanager
def open_any(file: Path | io.BytesIO, largest: float = LARGEST_MEGAPIXELS) -> Iterator[Image.Image]:
    """Open an image file without decoding it. Raises one of DECODING_ERRORS, or ValueError if it is larger.

    Pillow's own limit is one for the whole process, and stops at 179 megapixels, which aerial pictures have.
    """
    with _PILLOWS_LIMIT:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            opened = Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    with opened:
        width, height = opened.size
        if width * height > largest * 1e6:
            raise ValueError(
                f"{width} x {height} are {width * height / 1e6:.0f} megapixels, more than the {largest:g} that "
                "`largest_megapixels` allows: raise it if the picture is meant to be so large"
            )
        yield opened


def orientation_of(opened: Image.Image) -> int:
    """How an image is to be turned when it is shown: the EXIF tag 1 (as stored) to 8."""
    tag = opened.getexif().get(ORIENTATION_TAG, 1)
    return tag if tag in range(1, 9) else 1


def png_header(data: bytes) -> tuple[int, int] | None:
    """Bits per sample and colour type of a PNG; None if the bytes are no PNG."""
    is_png = data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) > 25
    return (data[24], data[25]) if is_png else None


def _is_kept(data: bytes, opened: Image.Image) -> bool:
    if opened.format in ("JPEG", "MPO"):  # the first picture of an MPO is a plain JPEG
        return opened.mode in ("L", "RGB")
    header = png_header(data)
    # Pillow shows colour of 16 bits per channel as 8 bits, other decoders do not
    return (
        header is not None and header[0] == 8 and header[1] in PLAIN_PNG and "transparency" not in opened.info
    )


def _bits_of_colour(data: bytes, opened: Image.Image) -> int:
    """Bits per channel of a PNG or TIFF in colour, which Pillow shows as 8 whatever they are."""
    header = png_header(data)
    if header is not None:
        return header[0]
    bits = getattr(opened, "tag_v2", {}).get(BITS_PER_SAMPLE, (8,))
    return int(max(bits) if isinstance(bits, tuple) else bits)


def _check_upper_bits(rgb: Image.Image) -> None:
    """Raise ValueError if colour of 16 bits uses at most the lowest 14, as cameras of 10 to 14 bits write it.

    Its upper eight bits, all that Pillow gives of colour, are almost black.
    """
    if max(high for _, high in rgb.getextrema()) < 2**6:
        raise ValueError(
            "colour of 16 bits per channel of which the upper are empty, so that 8 bits of it are almost black: save "
            "it with 8 bits per channel, scaled"
        )


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Grey of 16 bits (H, W) as uint8, the highest eight bits in use.

    Cameras of 10, 12 or 14 bits write theirs into 16 without saying so: as 16 bits they would be almost black. So
    the bits in use are the least of 8, 10, 12, 14 and 16 that hold the largest value.
    """
    values = values.astype(np.int64).clip(0, 65535)
    needed = int(values.max(initial=0)).bit_length()
    bits = next(bits for bits in (8, 10, 12, 14, 16) if bits >= needed)
    return (values >> (bits - 8)).astype(np.uint8)
