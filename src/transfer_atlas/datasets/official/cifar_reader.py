"""What readers of CIFAR-10 and CIFAR-100 share: the binary version, in which nothing is unpickled."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from transfer_atlas.datasets.official.base import Item, OfficialSettings, split_on_disk
from transfer_atlas.datasets.official.class_folders import ClassReader
from transfer_atlas.datasets.official.files import read_lines, unpacked
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

SIDE = 32
PIXELS = 3 * SIDE * SIDE


class CifarReader(ClassReader):
    """Rows of label bytes and of an image, plane by plane; adapters name the files."""

    archive: str
    files: dict[str, tuple[str, ...]]
    names: str
    labels: int  # bytes of labels before an image; the last one counts

    def __init__(self, settings: OfficialSettings, root: Path, dataset: str) -> None:
        super().__init__(settings, root, dataset)
        self.place = unpacked(self.folder, self.archive, self.names)
        if not (self.place / self.names).is_file():
            raise DatasetError(
                f"Dataset '{dataset}': there is no {self.names} in {self.place}. Expected the binary version of the "
                "archive (the Python version would have to be unpickled, which is never done here): fetch it."
            )
        self.classes = self._classes()

    def _classes(self) -> list[str]:
        return read_lines(self.place / self.names, self.dataset)

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images by file and row."""
        own, items = split_on_disk(self.settings, split, tuple(self.files), self.dataset), []
        row = self.labels + PIXELS
        for name in self.files[own]:
            path = self.place / name
            if not path.is_file():
                self.missing(path, "file of images", problems)
                continue
            content = np.fromfile(path, np.uint8)
            if content.size % row:
                expected = f"a multiple of {row}"
                problems.add(self.name(path), f"{content.size} bytes", expected, "Fetch the archive anew.")
                continue
            marks = content.reshape(-1, row)[:, self.labels - 1]
            if (marks >= len(self.classes)).any():
                found = f"class {marks.max()}"
                problems.add(
                    self.name(path), found, f"less than {len(self.classes)}", "Fetch the archive anew."
                )
                continue
            for at, mark in enumerate(marks.tolist()):
                identifier = f"{path.stem}/{at:05d}"
                items.append(Item(identifier, split, path, known=(at * row + self.labels, mark)))
        return items

    def image(self, item: Item, problems: Problems) -> np.ndarray:
        """The image, (32, 32, 3) uint8."""
        with item.image.open("rb") as file:
            file.seek(item.known[0])
            planes = np.frombuffer(file.read(PIXELS), np.uint8).reshape(3, SIDE, SIDE)
        return np.ascontiguousarray(planes.transpose(1, 2, 0))

    def label(self, item: Item, problems: Problems) -> int:
        """Index of the image's class."""
        return item.known[1]
