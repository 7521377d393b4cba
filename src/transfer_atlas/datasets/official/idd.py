"""India Driving Dataset, part I: masks drawn from the polygons as distributed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image, ImageDraw
from pydantic import Field

from transfer_atlas.datasets.official.base import Item, MaskSettings, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import find_files, read_json, unpacked
from transfer_atlas.datasets.official.label_tables import label_table, table
from transfer_atlas.datasets.official.mask_reader import MaskReader
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems

UNLABELLED = 35
CARD = Card(
    title="India Driving Dataset, IDD Segmentation (part I)",
    obtain="https://idd.insaan.iiit.ac.in (registration)",
    archives=("idd-segmentation.tar.gz",),
    layout=(
        "leftImg8bit/{train,val}/<drive>/*_leftImg8bit.png",
        "gtFine/{train,val}/<drive>/*_gtFine_polygons.json",
    ),
    gigabytes=18,
    licence="IDD licence: research",
    citation="Varma et al., IDD: A Dataset for Exploring Problems of Autonomous Navigation in Unconstrained "
    "Environments, WACV 2019",
    expected={"segmentation": {"train": 6993, "val": 981}},
    table1={"segmentation": 35, "train": 7000, "val": 981},
    differences=(
        "Table 1 counts unlabelled pixels as a class; here they are ignored, which leaves 34. Trains are among them, "
        "as in the authors' data code.",
        "The archive holds polygons; they are drawn here as the dataset's own tool does with --id-type id.",
    ),
)


class Settings(MaskSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation",)
    name: Literal["idd"] = "idd"
    path: str = Field("IDD_Segmentation", description="Folder with leftImg8bit and gtFine.")
    masks: Literal["polygons", "png"] = Field(
        "polygons",
        description="The polygons as distributed, or the *_gtFine_labelids.png drawn by the dataset's tool.",
    )


class IddReader(MaskReader):
    """Ids 0 to 39, drawn in the order of the file."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(
            settings, root, dataset, label_table("idd", settings.ignore_background, settings.unknown)
        )
        self.place = unpacked(self.folder, "IDD_Segmentation", "leftImg8bit")
        self.ids = {entry["name"]: entry["id"] for entry in table("idd_levels")["classes"]}

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images by drive and name; those of part II are .jpg."""
        own = split_on_disk(self.settings, split, ("train", "val"), self.dataset)
        found = find_files(self.place, f"leftImg8bit/{own}/*/*_leftImg8bit.*", (".png", ".jpg"))
        ending = "gtFine_polygons.json" if self.settings.masks == "polygons" else "gtFine_labelids.png"

        def mask_of(path: Path) -> Path:
            frame = path.stem.removesuffix("_leftImg8bit")
            return self.place / f"gtFine/{own}/{path.parent.name}/{frame}_{ending}"

        return self.paired(found, mask_of, split, problems, f"leftImg8bit/{own}/<drive>/*_leftImg8bit.png")

    def values(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Ids, drawn or as stored."""
        path = item.files["mask"]
        if path.suffix != ".json":
            return self.stored(item, problems)
        if not path.is_file():
            self.missing(path, "file of polygons", problems)
            return None
        content = read_json(path, self.dataset)
        try:
            return self._drawn(content, problems)
        except (KeyError, TypeError, ValueError) as error:
            expected = "imgHeight, imgWidth and objects with label and polygon"
            problems.add(self.name(path), f"no polygons ({error})", expected, "Fetch the file anew.")
            return None

    def _drawn(self, content: dict[str, Any], problems: Problems) -> np.ndarray:
        """Ids (H, W), each object over those before it.

        As the dataset's tool: deleted objects, unknown labels and less than three corners are passed over, and
        `cargroup` is a car.
        """
        mask = Image.new("L", (int(content["imgWidth"]), int(content["imgHeight"])), UNLABELLED)
        draw = ImageDraw.Draw(mask)
        for entry in content["objects"]:
            label = str(entry["label"])
            if label not in self.ids:
                label = label.removesuffix("group")
            corners = [(float(x), float(y)) for x, y in entry.get("polygon") or ()]
            if entry.get("deleted") or len(corners) < 3:
                problems.pass_over("polygons that are deleted or have less than three corners", 1)
            elif self.ids.get(label, -1) < 0:
                problems.pass_over(f"polygons of '{label}'", 1)
            else:
                draw.polygon(corners, fill=self.ids[label])
        return np.asarray(mask).astype(np.int64)


ADAPTER = OfficialAdapter(Settings, IddReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
