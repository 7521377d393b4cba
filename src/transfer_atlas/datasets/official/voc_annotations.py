"""Boxes in XML files in the layout of Pascal VOC, as published datasets have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from transfer_atlas.datasets.adapters.xml_files import parse_xml
from transfer_atlas.datasets.official.base import Reader
from transfer_atlas.datasets.official.objects import ObjectList
from transfer_atlas.datasets.prepared import Objects
from transfer_atlas.datasets.problems import Problems

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def voc_objects(
    reader: Reader,
    path: Path,
    size: tuple[int, int],
    index: Callable[[str], int | None],
    first_pixel: int,
    problems: Problems,
) -> Objects | None:
    """Objects of one XML file; None, and a problem, if it is not in order.

    size: width, height of the image; index: class name -> index, None for boxes that are left out (ValueError
    for a name that cannot be); first_pixel: coordinate of the first pixel. Corners are pixels that are inside,
    so that the far side is one further; they may be fractions. Only an object's own box counts, not those of
    its parts. `difficult` objects are crowds: neither trained nor scored.
    """
    where = reader.name(path)
    if not path.is_file():
        reader.missing(path, "annotation", problems)
        return None
    try:
        root = parse_xml(path.read_bytes())
        stated = [float(root.findtext(f"size/{side}") or 0) for side in ("width", "height")]
        if all(stated) and (stated[0], stated[1]) != size:
            raise ValueError(
                f"boxes for {stated[0]:g} x {stated[1]:g}, but the image has {size[0]} x {size[1]}"
            )
        found = ObjectList(size)
        for entry in root.findall("object"):
            x_min, y_min, x_max, y_max = (float(entry.findtext(f"bndbox/{c}") or "none") for c in CORNERS)
            label = index((entry.findtext("name") or "").strip())
            if label is None:
                problems.pass_over(f"boxes of '{(entry.findtext('name') or '').strip()}'", 1)
                continue
            first, last = first_pixel, first_pixel - 1
            difficult = (entry.findtext("difficult") or "0").strip().lower() in ("1", "true")
            found.add((x_min - first, y_min - first, x_max - last, y_max - last), label, crowd=difficult)
    except ValueError as error:
        problems.add(where, str(error), "an annotation in Pascal VOC's layout", "Fetch the file anew.")
        return None
    problems.pass_over("boxes without an area", found.dropped)
    return found.objects()
