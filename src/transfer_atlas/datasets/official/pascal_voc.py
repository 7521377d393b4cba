"""Pascal VOC 2012 segmentation, with the training masks of SBD from their .mat files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.official.base import Item, MaskSettings, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import read_lines, read_mat, unpacked
from transfer_atlas.datasets.official.label_tables import label_table, listed
from transfer_atlas.datasets.official.mask_reader import MaskReader
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems

SBD = ("benchmark_RELEASE/dataset", "dataset", "SBD", "sbd")
CARD = Card(
    title="Pascal VOC 2012 segmentation with SBD's training masks",
    obtain="http://host.robots.ox.ac.uk/pascal/VOC/voc2012 and "
    "http://home.bharathh.info/pubs/codes/SBD (benchmark.tgz)",
    archives=("VOCtrainval_11-May-2012.tar", "benchmark.tgz (SBD)"),
    layout=(
        "VOCdevkit/VOC2012/JPEGImages/*.jpg",
        "VOCdevkit/VOC2012/SegmentationClass/*.png",
        "benchmark_RELEASE/dataset/cls/*.mat, or VOCdevkit/VOC2012/SegmentationClassAug/*.png",
    ),
    gigabytes=3.5,
    licence="images under the terms of Flickr; annotations for research",
    citation="Everingham et al., The Pascal Visual Object Classes Challenge, IJCV 2010; Hariharan et al., Semantic "
    "Contours from Inverse Detectors, ICCV 2011",
    expected={"segmentation": {"train": 10582, "val": 1449}},
    table1={"segmentation": 22, "train": 10000, "val": 1449},
    differences=(
        "Table 1's 22 classes count the background twice, which the authors' data code mended in April 2022: 21.",
        "The authors' data code takes the void border (255) as background; here it is ignored. "
        "`void_to_ignore: false` does as they do.",
    ),
)


class Settings(MaskSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation",)
    name: Literal["pascal_voc"] = "pascal_voc"
    path: str = Field("pascal_voc", description="Folder with VOCdevkit and benchmark_RELEASE (SBD).")
    ignore_background: bool = Field(
        False, description="Whether the background is ignored, or the first class."
    )
    void_to_ignore: bool = Field(
        True,
        description="Whether the void border (255) is ignored, or background as in the authors' data code.",
    )
    train: Literal["sbd", "voc"] = Field(
        "sbd", description="Training images: the 10,582 with SBD's masks, or VOC's own 1,464."
    )


class PascalVocReader(MaskReader):
    """Masks are PNG with a palette, whose indices are the classes; SBD's are .mat files."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        ignored = (255,) if settings.void_to_ignore else ()
        unknown = settings.unknown if settings.void_to_ignore else "background"
        labels = label_table("pascal_voc2012_seg", settings.ignore_background, unknown, ignored)
        super().__init__(settings, root, dataset, labels)
        self.place = unpacked(self.folder, "VOCdevkit/VOC2012", "JPEGImages")
        bases = (self.folder, self.place, self.folder / "VOCdevkit")
        places = [base / name for base in bases for name in SBD]
        self.sbd = next((place for place in places if (place / "cls").is_dir()), places[0])

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images of the list, sorted by name."""
        own = split_on_disk(self.settings, split, ("train", "val"), self.dataset)
        images = {name: self.place / f"JPEGImages/{name}.jpg" for name in self._names(own, problems)}
        items = self.present(
            [Item(self.identifier(path), split, path, known=name) for name, path in images.items()], problems
        )
        for item in items:
            item.files = {"mask": self._mask_file(item.known, own)}
        return items

    def _names(self, own: str, problems: Problems) -> list[str]:
        """The fixed list; where the archives' own lists name other images, theirs, by the rule it was made by."""
        lists = self.place / "ImageSets/Segmentation"
        if own == "train" and self.settings.train == "voc":
            return self.below(sorted(read_lines(lists / "train.txt", self.dataset)), lists, problems)
        fixed, theirs = set(listed(f"voc2012_{own}")), self._listed(lists, own)
        return self.below(sorted(fixed if theirs <= fixed else theirs), lists, problems)

    def _listed(self, lists: Path, own: str) -> set[str]:
        """Images by the archives' lists: VOC's and SBD's training and validation images but VOC's validation images."""
        val = self._lines(lists / "val.txt")
        if own == "val":
            return val
        if (lists / "trainaug.txt").is_file():  # as others made it
            return self._lines(lists / "trainaug.txt")
        # SBD's own split is another one
        sbd = self._lines(self.sbd / "train.txt") | self._lines(self.sbd / "val.txt")
        return (self._lines(lists / "train.txt") | sbd) - val

    def _lines(self, path: Path) -> set[str]:
        return set(read_lines(path, self.dataset)) if path.is_file() else set()

    def _mask_file(self, name: str, own: str) -> Path:
        """SegmentationClassAug where somebody made it, else VOC's own mask, else SBD's."""
        makers = ("SegmentationClassAug", "SegmentationClass") if own == "train" else ("SegmentationClass",)
        if own == "train" and self.settings.train == "voc":
            makers = ("SegmentationClass",)
        files = [self.place / f"{maker}/{name}.png" for maker in makers]
        if own == "train":
            files.append(self.sbd / f"cls/{name}.mat")
        return next((path for path in files if path.is_file()), files[-1])

    def values(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Class indices as stored: of SBD's, GTcls.Segmentation."""
        path = item.files["mask"]
        if path.suffix != ".mat":
            return self.stored(item, problems)
        try:
            return np.atleast_2d(read_mat(path)["GTcls"].Segmentation).astype(np.int64)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            remedy = "Fetch SBD's benchmark.tgz (anew), or correct `path`."
            problems.add(self.name(path), f"no mask ({error})", "SBD's GTcls.Segmentation", remedy)
            return None


ADAPTER = OfficialAdapter(Settings, PascalVocReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
