"""COCO 2017: panoptic masks, boxes and keypoints, each from the files as distributed."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.official.base import (
    Item,
    MaskSettings,
    OfficialAdapter,
    Reader,
    SeveralTaskTypes,
    decoded_values,
    size_of_image,
    split_on_disk,
)
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import read_json_lists, unpacked
from transfer_atlas.datasets.official.label_tables import label_table, table
from transfer_atlas.datasets.official.objects import ObjectList
from transfer_atlas.datasets.prepared import Objects, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

POINTS = 17
# joints from 0; COCO's files count them from 1
SKELETON = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
    (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip
CARD = Card(
    title="COCO 2017 (panoptic, detection, keypoints)",
    obtain="https://cocodataset.org/#download",
    archives=(
        "train2017.zip",
        "val2017.zip",
        "annotations_trainval2017.zip (detection, keypoints)",
        "panoptic_annotations_trainval2017.zip, with the two zip files in it (segmentation)",
    ),
    layout=(
        "{train,val}2017/*.jpg",
        "annotations/instances_{train,val}2017.json",
        "annotations/person_keypoints_{train,val}2017.json",
        "annotations/panoptic_{train,val}2017.json",
        "annotations/panoptic_{train,val}2017/*.png",
    ),
    gigabytes=21,
    licence="annotations CC BY 4.0; images under the terms of Flickr",
    citation="Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014",
    expected={
        "segmentation": {"train": 118287, "val": 5000},
        "detection": {"train": 118287, "val": 5000},
        "keypoints": {"train": 118287, "val": 5000},
    },
    table1={"segmentation": 134, "detection": 80, "keypoints": 17, "train": 118000, "val": 5000},
    differences=(
        "Table 1 counts pixels of no segment as a class; here they are ignored, which leaves 133.",
        "Crowds are kept as such: neither trained nor scored. The authors' data code takes them as objects.",
    ),
    unverified=("With `only_annotated`, keypoints have 64115 and 2693 images of people.",),
)


class Settings(MaskSettings, SeveralTaskTypes):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation", "detection", "keypoints")
    name: Literal["coco"] = "coco"
    path: str = Field("coco", description="Folder with train2017, val2017 and annotations.")
    unknown: Literal["ignore", "background", "error"] = Field(
        "error", description="What segments of a panoptic mask are that its JSON file does not list."
    )
    only_annotated: bool = Field(
        False, description="Whether images without any object (of keypoints: without people) are left out."
    )


class CocoReader(Reader):
    """Reads the JSON files of a split once, and then images one by one."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(settings, root, dataset)
        self.place = unpacked(self.folder, "coco", "annotations")
        self.labels = label_table("coco_panoptic", settings.ignore_background, settings.unknown)
        self.classes = [e for e in table("coco_detection")["classes"] if e["id"] > 0]
        self.indices = {e["source"][0]: at for at, e in enumerate(self.classes)}
        self.boxes, self.people = "detection" in self.task_types, "keypoints" in self.task_types

    def description(self) -> dict[str, Any]:
        """Per task type, the fields of its description."""
        described: dict[str, Any] = {}
        if "segmentation" in self.task_types:
            described["segmentation"] = {
                "classes": list(self.labels.classes),
                "colours": list(self.labels.colours),
            }
        if self.boxes:
            described["detection"] = {"classes": [e["name"] for e in self.classes]}
        if self.people:
            known = table("coco_keypoints")
            described["keypoints"] = {
                "names": [e["name"] for e in known["classes"]],
                "flips": known["flip"],
                "skeleton": SKELETON,
                "sigmas": known["oks_sigmas"],
                "classes": ["person"] if self.boxes else [],
            }
        return described

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images that the JSON files list, by file name, each with its annotations."""
        own = split_on_disk(self.settings, split, ("train", "val"), self.dataset)
        known: dict[str, dict[str, Any]] = {}
        if self.boxes:
            self._add(known, "boxes", f"instances_{own}2017.json")
        if self.people:
            self._add(known, "people", f"person_keypoints_{own}2017.json")
        if "segmentation" in self.task_types:
            self._add_segments(known, f"panoptic_{own}2017.json")
        chosen = []
        for file_name in self.below(sorted(known), self.place / "annotations", problems):
            about = known[file_name]
            if self.settings.only_annotated and not any(about.values()):
                continue
            image = self.place / f"{own}2017/{file_name}"
            files = {}
            if "segmentation" in self.task_types:
                files["mask"] = self.place / f"annotations/panoptic_{own}2017/{Path(file_name).stem}.png"
            item = Item(id=self.identifier(image), split=split, image=image, files=files, known=about)
            chosen.append(item)
        return self.present(chosen, problems, "images that the annotations list")

    def _file(self, name: str) -> tuple[dict[str, list[Any]], dict[Any, str]]:
        """One JSON file, and the file name of each image id."""
        path = self.place / "annotations" / name
        content = read_json_lists(path, self.dataset, ("images", "annotations"), _slim)
        try:
            listed = {image["id"]: Path(str(image["file_name"])).name for image in content["images"]}
        except (KeyError, TypeError) as error:
            raise DatasetError(
                f"Dataset '{self.dataset}': an image of {path} lacks {error}. Expected `id` and `file_name`, as in "
                "COCO's format: fetch the file anew."
            ) from error
        return content, listed

    def _add(self, known: dict[str, dict[str, Any]], kind: str, name: str) -> None:
        """Group the annotations of a file of objects by image."""
        content, listed = self._file(name)
        for file_name in listed.values():
            known.setdefault(file_name, {})[kind] = []
        for annotation in self._annotations(content, listed, name):
            if not all(isinstance(annotation.get(key), int) for key in ("id", "category_id")):
                raise DatasetError(
                    f"Dataset '{self.dataset}': an annotation of {name} is {str(annotation)[:60]}. Expected numbers "
                    "as id and category_id: fetch the file anew."
                )
            kept = {key: value for key, value in annotation.items() if key != "image_id"}
            known[listed[annotation["image_id"]]][kind].append(kept)

    def _add_segments(self, known: dict[str, dict[str, Any]], name: str) -> None:
        content, listed = self._file(name)
        for annotation in self._annotations(content, listed, name):
            try:
                segments = {int(s["id"]): int(s["category_id"]) for s in annotation["segments_info"]}
            except (KeyError, TypeError, ValueError) as error:
                raise DatasetError(
                    f"Dataset '{self.dataset}': {name}, image {annotation['image_id']}: no segments_info ({error}). "
                    "Expected COCO's panoptic format: fetch the file anew."
                ) from error
            known.setdefault(listed[annotation["image_id"]], {})["segments"] = segments

    def _annotations(
        self, content: dict[str, list[Any]], listed: dict[Any, str], name: str
    ) -> Iterator[dict[str, Any]]:
        """Annotations of a file, of whose images each must be listed. Raises DatasetError else.

        They leave the content one by one: what is made of them is not beside them in memory.
        """
        content["annotations"].reverse()
        while content["annotations"]:
            annotation = content["annotations"].pop()
            image = annotation.get("image_id") if isinstance(annotation, dict) else None
            if isinstance(image, list | dict) or image not in listed:
                raise DatasetError(
                    f"Dataset '{self.dataset}': an annotation of {name} is {str(annotation)[:60]}, of an image that "
                    "the file does not list. Expected the file as distributed: fetch it anew."
                )
            yield annotation

    def mask(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Mask of class indices: a segment's id is R + 256 G + 65536 B, its category is in the JSON file.

        Crowds are segments like others; pixels of no segment have id 0.
        """
        path = item.files["mask"]
        pixels = decoded_values(self, path, "panoptic mask", problems, "colours")
        if pixels is None:
            return None
        if "segments" not in item.known:
            remedy = "Use the JSON files of one release."
            problems.add(self.name(item.image), "no segments listed", "an entry in the panoptic JSON", remedy)
            return None
        wide = pixels.astype(np.int64)  # uint8 would wrap
        ids = wide[..., 0] + 256 * wide[..., 1] + 65536 * wide[..., 2]
        found, inverse = np.unique(ids, return_inverse=True)
        # -1: what is not listed, or of a category that is none of COCO's 133
        categories = np.array(
            [0 if one == 0 else item.known["segments"].get(one, -1) for one in found.tolist()]
        )
        sources = self.labels.sources
        ignored = sources[255]
        unlabelled = ignored if self.settings.ignore_background else 0
        indices = np.array([unlabelled if c == 0 else sources.get(c, -1) for c in categories.tolist()])
        if (indices < 0).any():
            bad = found[indices < 0].tolist()
            if self.settings.unknown == "error":
                remedy = "Use the masks and the JSON file of one release, or set `unknown: ignore`."
                text = f"segment(s) {bad[:5]}"
                problems.add(self.name(path), text, "segments that the JSON file lists", remedy)
                return None
            problems.pass_over("panoptic segments that the JSON file does not list", len(bad))
            indices = np.where(indices < 0, self.labels.rest, indices)
        return indices[inverse].reshape(ids.shape).astype(np.uint8)

    def objects(self, item: Item, problems: Problems) -> Objects | None:
        """Boxes of all objects, with the keypoints of people by annotation id; or people alone."""
        size = size_of_image(self, item, problems)
        if size is None:
            return None
        found = ObjectList(size, POINTS if self.people else None)
        people = {one.get("id"): one.get("keypoints") for one in item.known.get("people", ())}
        for one in item.known.get("boxes" if self.boxes else "people", ()):
            where = f"{self.name(item.image)}, annotation {one.get('id')}"
            label = self.indices.get(one.get("category_id"))
            try:
                x, y, width, height = (float(value) for value in one["bbox"])
                points = people.get(one.get("id"))
                points = None if points is None else np.array(points, np.float64).reshape(POINTS, 3)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                problems.add(where, f"no such numbers ({error})", "COCO's format", "Fetch the file anew.")
                return None
            if label is None:
                found_text = f"category {one.get('category_id')}"
                problems.add(where, found_text, "one of COCO's 80 categories", "Fetch the file anew.")
                return None
            if points is not None:
                points[points[:, 2] == 0] = 0
            area = one.get("area")  # of the outline
            found.add(
                (x, y, x + width, y + height),
                label if self.boxes else 0,
                crowd=one.get("iscrowd", 0) in (1, True, "1"),
                area=area if isinstance(area, int | float) and area > 0 else None,
                keypoints=points,
            )
        problems.pass_over("boxes without an area", found.dropped)
        return found.objects()


USED = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "keypoints", "segments_info")


def _slim(entry: dict[str, Any]) -> dict[str, Any]:
    """What is used of an annotation, a segment or an image: outlines and addresses take most of the memory.

    Of what is kept, numbers in lists do: they are kept as arrays.
    """
    if "image_id" not in entry:
        used = ("id", "category_id") if "category_id" in entry else ("id", "file_name")
        return {name: entry[name] for name in used if name in entry}
    slim = {name: entry[name] for name in USED if name in entry}
    for name in ("bbox", "keypoints"):
        values = slim.get(name)
        if isinstance(values, list) and all(type(value) in (int, float) for value in values):
            with suppress(OverflowError):  # told with its image
                slim[name] = array("d", values)
    return slim


ADAPTER = OfficialAdapter(Settings, CocoReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
