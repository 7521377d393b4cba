"""MPII Human Pose: 16 joints a person, from the .mat file or from the JSON files that others made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.official.base import (
    Item,
    OfficialAdapter,
    OfficialSettings,
    Reader,
    size_of_image,
    split_on_disk,
)
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import read_json, read_mat, unpacked
from transfer_atlas.datasets.official.label_tables import table
from transfer_atlas.datasets.official.objects import ObjectList
from transfer_atlas.datasets.official.splits import held_out
from transfer_atlas.datasets.prepared import Objects, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

POINTS = 16
SKELETON = (
    (0, 1), (1, 2), (2, 6), (6, 3), (3, 4), (4, 5), (6, 7), (7, 8), (8, 9),
    (10, 11), (11, 12), (12, 7), (7, 13), (13, 14), (14, 15),
)  # fmt: skip
MAT = ("mpii_human_pose_v1_u12_2/mpii_human_pose_v1_u12_1.mat", "mpii_human_pose_v1_u12_1.mat")
JSON = {"train": ("train",), "val": ("valid", "val"), "trainval": ("trainval",)}
FOLDERS = ("annot", "annotations", ".")
CARD = Card(
    title="MPII Human Pose",
    obtain="http://human-pose.mpi-inf.mpg.de",
    archives=("mpii_human_pose_v1.tar.gz", "mpii_human_pose_v1_u12_2.zip"),
    layout=(
        "images/*.jpg",
        "mpii_human_pose_v1_u12_2/mpii_human_pose_v1_u12_1.mat, or annot/{train,valid}.json",
    ),
    gigabytes=13,
    licence="annotations: simplified BSD; images: research",
    citation="Andriluka et al., 2D Human Pose Estimation: New Benchmark and State of the Art Analysis, CVPR 2014",
    expected={},
    table1={"keypoints": 16, "train": 17000, "val": 7000},
    differences=(
        "Table 1's 7000 are the official test images, whose joints are withheld: a part of the training videos is held "
        "out by a seeded rule. With the JSON files of HRNet, their split of people is used.",
        "MPII has no boxes of people: they are drawn around the joints. Sigmas are those of mmpose, not official.",
        "People without annotated joints are neither trained nor scored.",
    ),
    unverified=("Coordinates count from 1 (`first_pixel`); about 17,400 training images are annotated.",),
)


class Settings(OfficialSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("keypoints",)
    name: Literal["mpii"] = "mpii"
    path: str = Field("mpii", description="Folder with images and the annotations.")
    annotations: Literal["mat", "json"] | None = Field(
        None, description="The official .mat file, or JSON files; by default the .mat file where it is there."
    )
    held_out: float = Field(
        0.2, gt=0, lt=1, description="Share of the training videos to evaluate on; of the .mat file only."
    )
    seed: int = Field(0, ge=0, description="Seed of that division.")
    first_pixel: Literal[0, 1] = Field(1, description="Coordinate of the first pixel.")
    boxes: Literal["joints", "scale"] = Field(
        "joints",
        description="Boxes around the joints, or squares of the stated height (200 * scale) around the centre.",
    )
    padding: float = Field(
        0.1,
        ge=0,
        description="What is added to a box around joints on each side, relative to its longer side.",
    )


class MpiiReader(Reader):
    """Collects the people of each image, whatever file they are in."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(settings, root, dataset)
        self.place = unpacked(self.folder, "mpii", "images")
        self.mat = next((self.place / name for name in MAT if (self.place / name).is_file()), None)
        if settings.annotations == "json":
            self.mat = None
        elif settings.annotations == "mat" and self.mat is None:
            self.mat = self.place / MAT[0]

    def description(self) -> dict[str, Any]:
        """Per task type, the fields of its description."""
        known = table("mpii")
        return {
            "keypoints": {
                "names": [entry["name"] for entry in known["classes"]],
                "flips": known["flip"],
                "skeleton": SKELETON,
                "sigmas": known["oks_sigmas"],
            }
        }

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images with at least one person, by name."""
        own = split_on_disk(self.settings, split, tuple(JSON), self.dataset)
        people = self._of_json(own) if self.mat is None else self._of_mat(own, problems)
        chosen = []
        for name in self.below(sorted(people), self.mat or self.place, problems):
            image = self.place / "images" / name
            chosen.append(Item(self.identifier(image), split, image, known=people[name]))
        return self.present(chosen, problems, "images that the annotations name")

    def _of_json(self, own: str) -> dict[str, list[dict[str, Any]]]:
        """People by image, of HRNet's files: one entry a person."""
        files = [self.place / f"{folder}/{name}.json" for name in JSON[own] for folder in FOLDERS]
        path = next((file for file in files if file.is_file()), files[0])
        people: dict[str, list[dict[str, Any]]] = {}
        try:
            for entry in read_json(path, self.dataset):
                joints = np.array(entry["joints"], np.float64).reshape(POINTS, 2)
                visible = np.array(entry["joints_vis"], np.float64).reshape(POINTS)
                given = (joints > 0).all(axis=1)
                points = np.column_stack([joints, np.where(visible > 0, 2, 1)]) * given[:, None]
                person = {"points": points, "centre": entry.get("center"), "scale": entry.get("scale")}
                people.setdefault(Path(str(entry["image"])).name, []).append(person)
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"Dataset '{self.dataset}': {path} is not as expected ({error}). Expected a list of people with image, "
                "center, scale, joints [16][2] and joints_vis [16]: fetch the file anew."
            ) from error
        return people

    def _of_mat(self, own: str, problems: Problems) -> dict[str, list[dict[str, Any]]]:
        """People by image, of the official file's training images; videos are kept together."""
        try:
            found = _people_of(read_mat(self.mat)["RELEASE"])
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise DatasetError(
                f"Dataset '{self.dataset}': {self.mat} is no release of MPII ({error}). Expected "
                "mpii_human_pose_v1_u12_1.mat: fetch it anew."
            ) from error
        if not found:
            problems.add(self.name(self.mat), "no training image with joints", "some", "Fetch the file anew.")
        groups = {group for group, _ in found.values()}
        out = held_out(groups, self.settings.held_out, self.settings.seed)
        wanted = {"train": groups - out, "val": out, "trainval": groups}[own]
        return {name: people for name, (group, people) in found.items() if group in wanted}

    def objects(self, item: Item, problems: Problems) -> Objects | None:
        """People with their joints; those without any are crowds."""
        size = size_of_image(self, item, problems)
        if size is None:
            return None
        found = ObjectList(size, POINTS)
        for person in item.known:
            points = person["points"].astype(np.float64)
            points[points[:, 2] > 0, :2] -= self.settings.first_pixel
            box = self._box(points, person)
            if box is None:
                problems.pass_over("people without joints, centre and scale", 1)
            else:
                found.add(box, crowd=not points[:, 2].any(), keypoints=points)
        return found.objects()

    def _box(self, points: np.ndarray, person: dict[str, Any]) -> tuple[float, float, float, float] | None:
        """Box of a person, x_min, y_min, x_max, y_max; None if nothing tells where it is."""
        given = points[points[:, 2] > 0, :2]
        centre, scale = person["centre"], person["scale"]
        placed = centre is not None and scale is not None and float(scale) > 0
        if placed and (self.settings.boxes == "scale" or len(given) < 2):
            x, y = (float(value) - self.settings.first_pixel for value in centre)
            half = 100 * float(scale)
            return (x - half, y - half, x + half, y + half)
        if not len(given):
            return None
        low, high = given.min(axis=0), given.max(axis=0)
        more = max(self.settings.padding * float((high - low).max()), 1.0)
        return (low[0] - more, low[1] - more, high[0] + more, high[1] + more)


def _people_of(release: Any) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """Name of each training image with joints -> the video it is of (itself if that is not told), and its people."""
    images = np.atleast_1d(release.annolist)
    training = np.atleast_1d(getattr(release, "img_train", np.ones(len(images))))
    found: dict[str, tuple[str, list[dict[str, Any]]]] = {}
    for image, trained in zip(images, training, strict=True):
        people = [_person(one) for one in np.atleast_1d(getattr(image, "annorect", []))]
        people = [person for person in people if person is not None]
        if trained and any(person["points"].any() for person in people):
            name = str(image.image.name)
            video = np.atleast_1d(getattr(image, "vididx", []))
            found[name] = (f"video {int(video[0])}" if video.size else name, people)
    return found


def _person(rectangle: Any) -> dict[str, Any] | None:
    """One `annorect`: joints (16, 3), centre and scale, of which each may be missing; None for an empty one."""
    if not hasattr(rectangle, "_fieldnames"):
        return None
    points = np.zeros((POINTS, 3))
    joints = getattr(getattr(rectangle, "annopoints", None), "point", [])
    for joint in np.atleast_1d(joints):
        shown = np.atleast_1d(getattr(joint, "is_visible", []))
        # '1' or 1: visible; '0', 0, or nothing said: hidden, at least not known to be seen
        visible = shown.size > 0 and str(shown[0]).strip() not in ("", "0")
        points[int(joint.id)] = float(joint.x), float(joint.y), 2 if visible else 1
    position, scale = getattr(rectangle, "objpos", None), np.atleast_1d(getattr(rectangle, "scale", []))
    centre = (float(position.x), float(position.y)) if hasattr(position, "_fieldnames") else None
    if not points.any() and (centre is None or not scale.size):
        return None
    return {"points": points, "centre": centre, "scale": float(scale[0]) if scale.size else None}


ADAPTER = OfficialAdapter(Settings, MpiiReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
