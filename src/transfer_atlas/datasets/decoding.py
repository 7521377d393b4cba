"""Decodes the bytes of a prepared dataset into tensors; the decoders release the GIL."""

from __future__ import annotations

import io
import warnings

import numpy as np
import torch
from PIL import Image

from transfer_atlas.datasets.normals import decoded
from transfer_atlas.errors import DatasetError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torchvision.io import ImageReadMode, decode_jpeg, decode_png

# torchvision announces that its decoders will move to another package: a warning per image helps nobody.
warnings.filterwarnings(
    "ignore", message="The image decoding and encoding capabilities", category=DeprecationWarning
)

PNG_SIGNATURE = b"\x89PNG"


def _bytes(encoded: bytes) -> torch.Tensor:
    """View bytes as a tensor; the decoders read a copy-free buffer and never write to it."""
    return torch.from_numpy(np.frombuffer(bytearray(encoded), dtype=np.uint8))


def decode_image(encoded: bytes) -> torch.Tensor:
    """Decode a JPEG or PNG of 8 bits to (3, H, W) uint8 RGB; no EXIF rotation, no alpha.

    Raises DatasetError for pixels of another type: a picture of 16 bits would be 256 times too bright.
    """
    decode = decode_png if encoded[:4] == PNG_SIGNATURE else decode_jpeg
    try:
        image = decode(_bytes(encoded), ImageReadMode.RGB)
        if image.dtype != torch.uint8:
            raise DatasetError(
                f"A prepared image decodes to {image.dtype}; expected 8 bits per channel. Prepare its dataset again."
            )
        return image
    except RuntimeError:
        # some legal files (arithmetic coding, unusual colour spaces) are read by Pillow only
        with Image.open(io.BytesIO(encoded)) as image:
            return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()


def decode_mask(encoded: bytes) -> torch.Tensor:
    """Decode a mask to (H, W): uint8, or int64 where it is stored in 16 bits."""
    mask = decode_png(_bytes(encoded))[0]
    return mask if mask.dtype == torch.uint8 else mask.to(torch.int64)


def decode_depth(encoded: bytes, scale: float) -> torch.Tensor:
    """Decode depth to (H, W) float32 in the unit of the description; 0 where invalid."""
    steps = decode_png(_bytes(encoded))[0].numpy()
    depth = np.empty(steps.shape, np.float32)
    # in float64 and rounded once, in pieces that stay in the cache
    np.multiply(steps, np.float64(scale), out=depth, dtype=np.float64, casting="unsafe")
    return torch.from_numpy(depth)


def decode_normals(encoded: bytes) -> torch.Tensor:
    """Decode normals to (3, H, W) float32 of unit length; 0 where there is none."""
    colours = decode_png(_bytes(encoded)).permute(1, 2, 0).numpy()
    return torch.from_numpy(decoded(colours)).permute(2, 0, 1).contiguous()
