"""Draws pseudo datasets with keypoints, and those with one class an image."""

from pathlib import Path
from typing import Any

import numpy as np

from pseudo.files import matlab, photo, struct_array, write


def _joints(*given: tuple[int, float, float, Any]) -> dict[str, Any]:
    point = [{"id": number, "x": x, "y": y, "is_visible": shown} for number, x, y, shown in given]
    return {"point": struct_array(point)}


def mpii(folder: Path) -> None:
    """A release with every oddity: one person or several, none, no joints, no scale, visibility as text or empty."""
    nothing = np.empty((0, 0))
    whole = {
        "x1": 5.0, "y1": 1.0, "x2": 9.0, "y2": 5.0, "scale": 0.1, "objpos": {"x": 16.0, "y": 12.0},
        "annopoints": _joints((0, 11.0, 21.0, 1), (9, 13.0, 3.0, "0"), (6, 12.0, 12.0, "1"), (7, 12.0, 9.0, nothing)),
    }  # fmt: skip
    unlabelled = {"scale": 0.05, "objpos": {"x": 25.0, "y": 9.0}}
    without_scale = {"annopoints": _joints((15, 30.0, 5.0, 1), (14, 27.0, 8.0, 0))}
    images = [
        ("000000001.jpg", struct_array([whole, unlabelled]), 1, 1),
        ("000000002.jpg", struct_array([without_scale]), 1, 1),
        ("000000003.jpg", struct_array([whole]), 1, 2),
        ("000000004.jpg", struct_array([unlabelled]), 1, 3),  # nobody's joints
        ("000000005.jpg", nothing, 1, 3),  # nobody
        ("000000006.jpg", struct_array([unlabelled]), 0, 4),  # a test image
    ]
    entries = [
        {"image": {"name": name}, "annorect": people, "vididx": float(video)}
        for name, people, _, video in images
    ]
    release = {
        "annolist": struct_array(entries),
        "img_train": np.array([[trained for _, _, trained, _ in images]], np.uint8),
        "version": "12",
    }
    matlab(folder / "mpii_human_pose_v1_u12_2/mpii_human_pose_v1_u12_1.mat", {"RELEASE": release})
    for number, (name, *_) in enumerate(images):
        photo(folder / f"images/{name}", seed=number)


def mpii_json(folder: Path) -> None:
    """HRNet's files: one entry a person, missing joints as 0, 0 or -1, -1."""
    joints = [[11.0, 21.0], [-1, -1]] + [[0, 0]] * 7 + [[13.0, 3.0]] + [[0, 0]] * 6
    person = {"center": [16.0, 12.0], "scale": 0.1, "joints": joints, "joints_vis": [1] + [0] * 15}
    write(
        folder / "annot/train.json",
        [{"image": "000000001.jpg"} | person, {"image": "000000001.jpg"} | person],
    )
    write(folder / "annot/valid.json", [{"image": "000000003.jpg"} | person])
    for name in ("000000001", "000000003"):
        photo(folder / f"images/{name}.jpg")


def stanford_dogs(folder: Path) -> None:
    """24 joints of which 20 are used, an image of another size, one that is missing, one on no list."""
    names = {
        "n02085620-Chihuahua/n02085620_10074.jpg": "train",
        "n02085620-Chihuahua/n02085620_10131.jpg": "train",
        "n02085620-Chihuahua/n02085620_999.jpg": "train",  # of another size
        "n02110185-Siberian_husky/n02110185_1.jpg": "train",  # missing
        "n02116738-African_hunting_dog/n02116738_105.jpg": "test",
        "n02116738-African_hunting_dog/n02116738_7.jpg": "neither",
    }
    joints = (
        [[5.5, 6.25, 1.0], [7.0, 8.0, 0.0], [0.0, 0.0, 0.0]] + [[0.0, 0.0, 0.0]] * 17 + [[1.0, 1.0, 1.0]] * 4
    )
    entries = []
    for number, name in enumerate(names):
        width = 33 if name.endswith("_999.jpg") else 32
        about = {
            "img_path": name,
            "img_width": width,
            "img_height": 24,
            "is_multiple_dogs": False,
            "seg": "abc",
        }
        entries.append(about | {"joints": joints, "img_bbox": [2, 3, 20, 30]})
        if not name.endswith("_1.jpg"):
            photo(folder / f"Images/{name}", seed=number)
    write(folder / "StanfordExtra_v1.json", entries)
    for split in ("train", "test"):
        listed = [name for name, of in names.items() if of == split]
        cells = np.empty((len(listed), 1), dtype=object)
        cells[:, 0] = listed
        matlab(folder / f"{split}_list.mat", {"file_list": cells, "labels": np.ones((len(listed), 1))})


def ilsvrc(folder: Path) -> None:
    """Validation images flat, by numbers of the development kit, which do not follow the sorted names."""
    for number, name in enumerate(
        ("n01440764/n01440764_10026", "n01443537/n01443537_2", "n15075141/n15075141_9")
    ):
        photo(folder / f"train/{name}.JPEG", seed=number)
    photo(folder / "val/ILSVRC2012_val_00000001.JPEG", seed=8)
    photo(folder / "val/ILSVRC2012_val_00000002.JPEG", seed=9)
    kit = folder / "ILSVRC2012_devkit_t12/data"
    write(kit / "ILSVRC2012_validation_ground_truth.txt", "1\n3\n")
    names = {1: "n15075141", 2: "n01440764", 3: "n01443537"}
    synsets = [{"ILSVRC2012_ID": float(number), "WNID": name, "words": "x"} for number, name in names.items()]
    matlab(kit / "meta.mat", {"synsets": struct_array(synsets)})


DRAW = {"ilsvrc": ilsvrc, "mpii": mpii, "stanford_dogs": stanford_dogs}
