"""Pascal Context: 459 labels in .mat files, mapped to 59 classes and background."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.official.base import Item, MaskSettings, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import read_lines, read_mat, unpacked
from transfer_atlas.datasets.official.label_tables import LabelTable, label_table, listed, table
from transfer_atlas.datasets.official.mask_reader import MaskReader
from transfer_atlas.datasets.prepared import IGNORE_LABEL, TaskType
from transfer_atlas.datasets.problems import Problems

CARD = Card(
    title="Pascal Context (59 classes and background)",
    obtain="http://host.robots.ox.ac.uk/pascal/VOC/voc2010 and https://cs.stanford.edu/~roozbeh/pascal-context",
    archives=("VOCtrainval_03-May-2010.tar", "trainval.tar.gz"),
    layout=("VOCdevkit/VOC2010/JPEGImages/*.jpg", "trainval/*.mat"),
    gigabytes=1.5,
    licence="images under the terms of Flickr; annotations for research",
    citation="Mottaghi et al., The Role of Context for Object Detection and Semantic Segmentation in the Wild, "
    "CVPR 2014",
    expected={"segmentation": {"train": 4998, "val": 5105}},
    table1={"segmentation": 60, "train": 5000, "val": 5000},
    differences=("MSeg's training list has 4999 lines, of which 2008_000008 is one twice.",),
)


class Settings(MaskSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation",)
    name: Literal["pascal_context"] = "pascal_context"
    path: str = Field("pascal_context", description="Folder with VOCdevkit and trainval (the .mat files).")
    ignore_background: bool = Field(
        False, description="Whether what is none of the 59 classes is ignored, or the first class."
    )
    masks: Literal["mat", "png", "mseg"] | None = Field(
        None,
        description="Form of the masks: the .mat files as distributed; SegmentationClassContext/*.png with 0 to 59, as "
        "mmsegmentation makes them; Segmentation_GT_60cls/*.png, as MSeg does (another order, 255 ignored). By default "
        "the first that is there.",
    )


class PascalContextReader(MaskReader):
    """Masks are LabelMap of a .mat file, 16 bits."""

    FOLDERS: ClassVar = {
        "mat": "trainval",
        "png": "SegmentationClassContext",
        "mseg": "Segmentation_GT_60cls",
    }

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(settings, root, dataset, _labels(settings, "mat"))
        self.place = unpacked(self.folder, "VOCdevkit/VOC2010", "JPEGImages")
        wanted = [settings.masks] if settings.masks else list(self.FOLDERS)
        places = [(kind, b / self.FOLDERS[kind]) for kind in wanted for b in (self.folder, self.place)]
        self.kind, self.masks = next((one for one in places if one[1].is_dir()), places[0])
        self.labels = _labels(settings, self.kind)

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images of the list that have a mask, sorted by name."""
        own = split_on_disk(self.settings, split, ("train", "val"), self.dataset)
        suffix = "mat" if self.kind == "mat" else "png"
        chosen = []
        for name in self._names(own, suffix, problems):
            image = self.place / f"JPEGImages/{name}.jpg"
            mask: Path = self.masks / f"{name}.{suffix}"
            chosen.append(Item(id=self.identifier(image), split=split, image=image, files={"mask": mask}))
        return self.present(chosen, problems)

    def _names(self, own: str, suffix: str, problems: Problems) -> list[str]:
        """The fixed list; where the archive's own list names other annotated images, that."""
        fixed, path = set(listed(f"pascal_context_{own}")), self.place / f"ImageSets/Main/{own}.txt"
        lines = read_lines(path, self.dataset) if path.is_file() else []
        theirs = self.below(dict.fromkeys(line.split()[0] for line in lines), path, problems)
        theirs = {name for name in theirs if (self.masks / f"{name}.{suffix}").is_file()}
        return sorted(fixed if theirs <= fixed else theirs)

    def values(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Values as stored; LabelMap has up to 459, which 8 bits cannot hold."""
        path = item.files["mask"]
        if self.kind != "mat":
            return self.stored(item, problems)
        try:
            return np.atleast_2d(read_mat(path)["LabelMap"]).astype(np.int64)
        except (ValueError, KeyError, TypeError) as error:
            remedy = "Fetch trainval.tar.gz anew, or correct `path`."
            problems.add(self.name(path), f"no mask ({error})", "a .mat file with LabelMap", remedy)
            return None


def _labels(settings: Settings, kind: str) -> LabelTable:
    base = label_table("pascal_context", settings.ignore_background, settings.unknown)
    first = 1 if settings.ignore_background else 0

    def index(identifier: int) -> int:
        return identifier - first if identifier >= first else IGNORE_LABEL

    if kind == "mseg":
        return base
    if kind == "png":
        sources = {identifier: index(identifier) for identifier in range(60)} | {255: IGNORE_LABEL}
    else:  # 255 is a label like others here
        sources = {e["id460"]: index(e["id60"]) for e in table("pascal_context_460")["classes"]}
    return LabelTable(base.classes, base.colours, sources, {}, settings.unknown)


ADAPTER = OfficialAdapter(Settings, PascalContextReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
