"""The datasets of the miniature world, read from worlds.yaml: what each is called, shows and annotates."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from transfer_atlas.datasets.miniature.appearance import Look
from transfer_atlas.datasets.miniature.scenes_consumer import ILSVRC_CLASSES
from transfer_atlas.datasets.miniature.surfaces import Material
from transfer_atlas.errors import ConfigurationError

Classes = dict[str, tuple[str, ...]]  # class -> materials that it groups, in the order of the labels


class KeypointSet(BaseModel):
    """Keypoints in the order of a dataset, with skeleton and OKS sigmas."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: tuple[str, ...]
    skeleton: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]

    def flips(self) -> list[int]:
        """The index of each keypoint's mirror image."""
        swap = {"left": "right", "right": "left"}
        return [
            self.names.index("_".join(swap.get(word, word) for word in name.split("_")))
            for name in self.names
        ]


class MiniatureSpecification(BaseModel):
    """One dataset of the miniature world."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    domain: str
    n_train: int
    n_val: int
    segmentation: Classes | None = None
    detection: Classes | None = None
    keypoint_set: str | None = None
    keypoint_things: tuple[str, ...] = ()
    depth: tuple[float, float] | None = None
    classification: tuple[str, ...] | None = None
    boundary: bool = False  # whether pixels between two segments are left without a label
    scenes: dict[str, dict[str, float]]
    camera: dict[str, tuple[float, float]] = {}
    look: Look = Look()

    @property
    def task_types(self) -> tuple[str, ...]:
        """The task types annotated, in the order of the paper's Table 1."""
        given = {
            "segmentation": self.segmentation,
            "detection": self.detection,
            "keypoints": self.keypoint_set,
            "depth": self.depth,
            "classification": self.classification,
        }
        return tuple(task_type for task_type, value in given.items() if value is not None)


@cache
def _table() -> dict:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C: every plan reads this
    return yaml.load((Path(__file__).parent / "worlds.yaml").read_text(encoding="utf-8"), Loader=loader)


@cache
def materials() -> dict[str, Material]:
    """All materials of the world."""
    return {name: Material(**values) for name, values in _table()["materials"].items()}


@cache
def keypoint_sets() -> dict[str, KeypointSet]:
    """The orders in which datasets list keypoints."""
    return {name: KeypointSet(**values) for name, values in _table()["keypoint_sets"].items()}


def names() -> list[str]:
    """The 21 datasets: the paper's twenty in its order, then ilsvrc."""
    return list(_table()["datasets"])


@cache
def specification(name: str) -> MiniatureSpecification:
    """The specification of one dataset."""
    table = _table()["datasets"]
    if name not in table:
        near = difflib.get_close_matches(name, table, n=3) or list(table)
        raise ConfigurationError(
            f"There is no miniature dataset '{name}'. Nearest known names: {', '.join(near)}. "
            f"miniature.names() lists all {len(table)}."
        )
    row = dict(table[name])
    n_train, n_val = row.pop("sizes")
    keypoints = row.pop("keypoints", None) or {}
    return MiniatureSpecification(
        name=name,
        n_train=n_train,
        n_val=n_val,
        keypoint_set=keypoints.get("set"),
        keypoint_things=tuple(keypoints.get("things", ())),
        classification=ILSVRC_CLASSES if row.pop("classification", False) else None,
        **row,
    )


def describe(name: str) -> dict:
    """All of a DatasetDescription but counts, mean and std."""
    given = specification(name)
    description: dict = {
        "name": name,
        "domain": given.domain,
        "source": f"Miniature world of Transfer Atlas: scenes shaped after {name}, not that dataset.",
        "licence": "generated",
    }
    if given.segmentation is not None:
        classes = list(given.segmentation)
        description["segmentation"] = {
            "classes": classes,
            "colours": [colour(k) for k in range(len(classes))],
        }
    if given.detection is not None:
        description["detection"] = {"classes": list(given.detection)}
    if given.keypoint_set is not None:
        points = keypoint_sets()[given.keypoint_set]
        description["keypoints"] = {
            "names": list(points.names),
            "flips": points.flips(),
            "skeleton": [tuple(bone) for bone in points.skeleton],
            "sigmas": list(points.sigmas),
            "classes": [
                name
                for name, group in (given.detection or {}).items()
                if not set(group).isdisjoint(given.keypoint_things)
            ],
        }
    if given.depth is not None:
        description["depth"] = {"unit": "metre", "minimum": given.depth[0], "maximum": given.depth[1]}
    if given.classification is not None:
        description["classification"] = {"classes": list(given.classification)}
    return description


def colour(index: int) -> tuple[int, int, int]:
    """A distinct colour per class, by the bit-reversal rule of PASCAL VOC without its black."""
    channels, code = [0, 0, 0], index + 1
    for bit in range(7, -1, -1):
        for channel in range(3):
            channels[channel] |= ((code >> channel) & 1) << bit
        code >>= 3
    return channels[0], channels[1], channels[2]
