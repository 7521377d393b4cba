"""Pictures inside the page: small WebP files as data URIs, kept within a budget so that the page stays small."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

PAGE = 7_800_000  # bytes of a page, with its pictures
OF_A_TRANSFER = 4_800  # bytes of a page's text and charts, measured at 1,300 transfers
MOST = {
    "panel": 1_200_000,
    "sheet": 1_000_000,
    "figure": 1_000_000,
}  # bytes of all pictures of a kind, before base64
LEAST = 0.28  # of these, however many transfers a page tells of
# Width and quality of WebP, tried in turn, and the least share of the first try's bytes that each can come to: what
# cannot fit is not tried.
SMALLER = ((1.0, 78, 1.0), (1.0, 60, 0.5), (1.0, 40, 0.3), (0.7, 40, 0.1), (0.5, 40, 0.0))
WIDEST = {"panel": 900, "sheet": 980, "figure": 1500}  # pixels


def budget_of(kind: str, transfers: int) -> int:
    """Bytes that the pictures of a kind may take in a page of so many transfers, so that the page stays small.

    A page of a few hundred transfers has room for all; at the paper's number of them pictures are made smaller.
    """
    room = (PAGE - OF_A_TRANSFER * transfers) * 3 / 4  # base64 makes four bytes of three
    return int(MOST[kind] * min(1.0, max(LEAST, room / sum(MOST.values()))))


@dataclass(frozen=True)
class Picture:
    """A picture of the page; data: its URI, or None where the budget did not reach, and then `link` leads to it."""

    data: str | None
    link: str
    width: int
    height: int
    alt: str


def picture(path: Path, link: str, alt: str, kind: str, budget: int) -> Picture | None:
    """The picture of a file within `budget` bytes; None where there is no readable file."""
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
    image = _narrowed(image, WIDEST[kind])
    width, height = image.size  # as it is shown, however small it is stored
    first = 0
    for factor, quality, least in SMALLER:
        if first * least > budget:
            continue
        encoded = _webp(_narrowed(image, round(factor * width)), quality)
        first = first or len(encoded)
        if len(encoded) <= budget:
            data = "data:image/webp;base64," + base64.b64encode(encoded).decode("ascii")
            return Picture(data, link, width, height, alt)
    return Picture(None, link, width, height, alt)


def _narrowed(image: Image.Image, widest: int) -> Image.Image:
    if image.width <= widest:
        return image
    height = max(1, round(image.height * widest / image.width))
    return image.resize((max(1, widest), height), Image.Resampling.LANCZOS)


def size_of(found: Picture) -> int:
    """Bytes that a picture takes of its budget."""
    return 0 if found.data is None else len(found.data) * 3 // 4


def gallery(entries: Sequence[tuple[Path, str, str]], kind: str, budget: int) -> list[Picture | None]:
    """Pictures of files (path, link, alternative text) that share a budget; what one leaves over the next may take.

    In the order of the entries; None for a file that is not there or no picture.
    """
    found: list[Picture | None] = []
    left = budget
    for number, (path, link, alt) in enumerate(entries):
        # None may take more than three times its fair share, so that one large picture does not starve the others.
        fair = left / (len(entries) - number)
        made = picture(path, link, alt, kind, int(min(left, 3 * fair)))
        found.append(made)
        left -= 0 if made is None else size_of(made)
    return found


def panels_of(folder: Path, metrics: dict[str, Any] | None) -> list[tuple[Path, dict[str, Any]]]:
    """Files of the panels that a run kept, with what it says of each; none where it kept none or they are not here."""
    kept = (metrics or {}).get("panels") or []
    files = [(folder / str(panel["file"]), panel) for panel in kept]
    inside = [(path, panel) for path, panel in files if path.resolve().is_relative_to(folder.resolve())]
    return [(path, panel) for path, panel in inside if path.is_file()]


def _webp(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()
