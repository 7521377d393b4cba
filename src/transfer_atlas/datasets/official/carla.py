"""CARLA: frames that users render themselves, in a layout of the project's own.

<path>/episode_<name>/CameraRGB/<frame>.png
<path>/episode_<name>/CameraSemSeg/<frame>.png    the class in the red channel, as the raw camera gives it
<path>/episode_<name>/CameraDepth/<frame>.png     (R + 256 G + 65536 B) / (2^24 - 1) * 1000 m, likewise
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.official.base import Item, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.coded_depth import CodedReader, CodedSettings
from transfer_atlas.datasets.official.eleven_classes import eleven_classes, with_sky
from transfer_atlas.datasets.official.files import find_files, unpacked
from transfer_atlas.datasets.official.label_tables import Unknown, label_table
from transfer_atlas.datasets.official.splits import held_out
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems

SKY_METRES = 999.0
CARD = Card(
    title="CARLA (rendered by its user)",
    obtain="https://carla.org: render frames with the raw cameras, versions 0.8 to 0.9.12",
    archives=("episode_*/{CameraRGB,CameraSemSeg,CameraDepth}/*.png, as rendered",),
    layout=("episode_*/CameraRGB/*.png", "episode_*/CameraSemSeg/*.png", "episode_*/CameraDepth/*.png"),
    licence="code MIT, assets CC BY",
    citation="Dosovitskiy et al., CARLA: An Open Urban Driving Simulator, CoRL 2017",
    differences=(
        "There is no fixed dataset: whole episodes are held out by a seeded rule.",
        "Newer versions number classes in another way (22 and more), and are refused.",
        "AT/DT's 11 classes have a sky, which CARLA leaves without class: pixels without class at 999 m and more.",
    ),
)


class Settings(CodedSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation", "depth")
    name: Literal["carla"] = "carla"
    path: str = Field("carla", description="Folder with the episodes.")
    unknown: Unknown = Field(
        "error", description="What other classes are: newer versions of CARLA number theirs in another way."
    )
    labels: Literal["own", "atdt_11"] = Field("own", description="CARLA's 12 classes, or AT/DT's 11.")
    episodes: list[str] | None = Field(
        None,
        description="Episodes to evaluate on, by folder name; by default `held_out` and `seed` say which.",
    )
    held_out: float = Field(0.2, gt=0, lt=1, description="Share of episodes to evaluate on.")
    seed: int = Field(0, ge=0, description="Seed of that division.")

    def unused(self) -> set[str]:
        """How episodes are divided, where they are named."""
        return super().unused() | ({"held_out", "seed"} if self.episodes else set())


class CarlaReader(CodedReader):
    """Frames by episode."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        labels = label_table("carla", settings.ignore_background, settings.unknown)
        if settings.labels == "atdt_11":
            labels = eleven_classes("carla", settings.unknown)
        super().__init__(settings, root, dataset, labels)
        self.place = unpacked(self.folder, "carla", "episode_*")

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Frames by episode and number."""
        own = split_on_disk(self.settings, split, ("train", "val"), self.dataset)
        images = find_files(self.place, "episode_*/CameraRGB/*", (".png", ".jpg"))
        names = {path.parents[1].name for path in images}
        out = set(self.settings.episodes or held_out(names, self.settings.held_out, self.settings.seed))
        images = [path for path in images if (path.parents[1].name in out) == (own == "val")]
        if not images:
            remedy = "Render at least two episodes, or correct `path`."
            problems.add(
                self.name(self.place), f"no image (split {split})", "episode_*/CameraRGB/*.png", remedy
            )
        items = []
        for path in images:
            place, files = path.parents[1], {}
            if "segmentation" in self.task_types:
                files["mask"] = place / f"CameraSemSeg/{path.stem}.png"
            if "depth" in self.task_types or self.settings.labels == "atdt_11":
                files["depth"] = place / f"CameraDepth/{path.stem}.png"
            items.append(Item(self.identifier(path), split, path, files))
        return items

    def mask(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Mask of class indices; of AT/DT's, with the sky by depth."""
        values = self.values(item, problems)
        if values is None:
            return None
        mask = self.mapped(self.labels, values, item.files["mask"], problems)
        if mask is None or self.settings.labels != "atdt_11":
            return mask
        depth = self.depth(item, problems)
        if depth is None or depth.shape != mask.shape:
            return None if depth is None else mask
        return with_sky(mask, values, depth, SKY_METRES)


ADAPTER = OfficialAdapter(Settings, CarlaReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
