"""The maps of surface normals that belong to images, for datasets that have their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.adapters.base import relative_to
from transfer_atlas.datasets.adapters.image_bytes import undecodable
from transfer_atlas.datasets.adapters.patterns import Pattern, existing, fill
from transfer_atlas.datasets.encoding import DECODING_ERRORS, open_any
from transfer_atlas.datasets.normals import decoded
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.strict import Strict


class NormalsFiles(Strict):
    """One map of normals per image, as colours of 8 bits: -1..1 as 0..255, black or mid-grey where there is none."""

    files: Pattern = Field(
        "normals/{split}/{stem}.png",
        description="Path of an image's map of normals below `path`, with the parts its image matched.",
    )
    axes: tuple[int, int, int] = Field(
        (1, 1, 1),
        description="1 or -1 for each component: what brings the files' axes to x right, y down, z forward; "
        "[1, -1, -1] for files of x right, y up, z towards the camera.",
    )


class NormalsReader:
    """Reads the normals of an image, as the settings say."""

    def __init__(self, settings: NormalsFiles, folder: Path, root: Path) -> None:
        """folder: of the raw dataset; root: that messages are relative to."""
        self.settings, self.folder, self.root = settings, folder, root

    def read(
        self, parts: dict[str, str], image_file: str, problems: Problems
    ) -> tuple[np.ndarray | None, str]:
        """The normals (H, W, 3) float32, 0 where there is none, and the name of their file.

        They are None, and there is a problem, if they cannot be read.
        """
        path = existing(self.folder, fill(self.settings.files, parts))
        name = relative_to(path, self.root)
        where = f"{name} (normals of {image_file})"
        if not path.is_file():
            remedy = "Add it, or correct the pattern `normals.files`."
            problems.add(where, "no such map", "one map of normals per image", remedy)
            return None, name
        try:
            with open_any(path) as image:
                mode = image.mode
                colours = np.asarray(image) if mode == "RGB" else None
        except DECODING_ERRORS as error:
            found = undecodable(error).replace("the image", "the map of normals", 1)
            problems.broken(where, found, "a complete file", "Fetch the file anew, or leave the image out.")
            return None, name
        if colours is None:
            problems.add(where, f"a map of mode {mode}", "three channels of 8 bits", "Convert it.")
            return None, name
        return decoded(colours) * np.array(self.settings.axes, np.float32), name
