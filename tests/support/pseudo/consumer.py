"""Draws pseudo datasets of the consumer domain."""

from pathlib import Path

import numpy as np

from pseudo.files import box_xml, matlab, palette, photo, stripes, values, voc_xml, write


def ade20k(folder: Path) -> None:
    """Ids as values, 0 for what has no class; a grey photograph among those in colour."""
    for number, (split, name) in enumerate(
        (
            ("training", "ADE_train_00000001"),
            ("training", "ADE_train_00000002"),
            ("validation", "ADE_val_00000001"),
        )
    ):
        place = folder / "ADEChallengeData2016"
        photo(place / f"images/{split}/{name}.jpg", seed=number)
        values(place / f"annotations/{split}/{name}.png", stripes(0, 1, 3, 150))
    values(place / "images/training/ADE_train_00000002.jpg", stripes(10, 200))
    write(place / "objectInfo150.txt", "Idx\tRatio\n")


def pascal_voc(folder: Path) -> None:
    """Masks with a palette and void borders; training masks of VOC, and of SBD in .mat files."""
    place, sbd = folder / "VOCdevkit/VOC2012", folder / "benchmark_RELEASE/dataset"
    # 2007_000032 is VOC's own, 2008_000008 only SBD's, 2007_000033 is evaluated on, the last in no list
    for number, name in enumerate(("2007_000032", "2008_000008", "2007_000033", "2009_999999")):
        photo(place / f"JPEGImages/{name}.jpg", seed=number)
    mask = stripes(0, 1, 15, 20)
    mask[:, 10] = 255
    palette(place / "SegmentationClass/2007_000032.png", mask, first=(0, 0, 0, 128, 0, 0))
    palette(place / "SegmentationClass/2007_000033.png", mask)
    for name in ("2008_000008", "2007_000033"):
        matlab(
            sbd / f"cls/{name}.mat", {"GTcls": {"Segmentation": stripes(0, 13), "CategoriesPresent": [13]}}
        )
    write(place / "ImageSets/Segmentation/train.txt", "2007_000032\n")
    write(place / "ImageSets/Segmentation/val.txt", "2007_000033\n")
    write(sbd / "train.txt", "2008_000008\n")
    write(sbd / "val.txt", "2007_000033\n")


def pascal_voc_2007(folder: Path) -> None:
    """Boxes from 1 with the last pixel inside; difficult objects, parts, fractions, a list with two columns."""
    place = folder / "VOCdevkit/VOC2007"
    part = "<part><name>head</name><bndbox><xmin>3</xmin><ymin>3</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></part>"
    annotations = {
        "000005": [
            box_xml("dog", (1, 1, 32, 24), f"<difficult>0</difficult>{part}"),
            box_xml("person", ("5.70", "6", "20", "12"), "<difficult>1</difficult>"),
        ],
        "000007": [box_xml("car", (9, 7, 16, 12), "<truncated>1</truncated>")],
        "000001": [box_xml("tvmonitor", (2, 2, 3, 3))],
    }
    for number, (name, objects) in enumerate(annotations.items()):
        photo(place / f"JPEGImages/{name}.jpg", seed=number)
        write(place / f"Annotations/{name}.xml", voc_xml((32, 24), objects))
    write(place / "ImageSets/Main/trainval.txt", "000005\n000007\n")
    write(place / "ImageSets/Main/test.txt", "000001\n")
    write(place / "ImageSets/Main/dog_trainval.txt", "000005  1\n000007 -1\n")


def pascal_context(folder: Path) -> None:
    """LabelMap of 16 bits: 2 aeroplane, 458 wood (more than a byte), 1 accordion, which is background."""
    place = folder / "VOCdevkit/VOC2010"
    for number, name in enumerate(("2008_000008", "2008_000015", "2008_000002")):
        photo(place / f"JPEGImages/{name}.jpg", seed=number)
        mask = stripes(0, 2, 458, 1, dtype=np.uint16)
        matlab(folder / f"trainval/{name}.mat", {"LabelMap": mask})
    photo(place / "JPEGImages/2010_999999.jpg")  # not annotated
    write(place / "ImageSets/Main/train.txt", "2008_000008\n2008_000015\n")


def coco(folder: Path) -> None:
    """Panoptic masks in colours that need 24 bits, crowds, empty boxes, people without keypoints, and no people."""
    for split, names in {"train": (9, 25, 30), "val": (139,)}.items():
        images = [{"id": n, "file_name": f"{n:012d}.jpg", "width": 32, "height": 24} for n in names]
        for n in names:
            photo(folder / f"{split}2017/{n:012d}.jpg", seed=n)
        boxes, people, panoptic = [], [], []
        for n in names:
            common = {"image_id": n, "area": 60.5, "segmentation": [[1, 1, 9, 1, 9, 7]]}
            person = {"id": 10 * n, "category_id": 1, "bbox": [4.5, 2, 10, 12.25], "iscrowd": 0} | common
            keypoints = [8, 4, 2, 9, 3, 1] + [0, 0, 0] * 15
            found = [
                person,
                {"id": 10 * n + 1, "category_id": 90, "bbox": [20, 10, 20, 5], "iscrowd": 1} | common,
                {"id": 10 * n + 2, "category_id": 13, "bbox": [3, 3, 0, 5], "iscrowd": 0} | common,
            ]
            if n != 30:  # an image without any object
                boxes += found
                people.append(person | {"keypoints": keypoints, "num_keypoints": 2})
            # ids that need all three channels; the crowd is a segment like others
            segments = {0: 0, 1: 7, 2: 300 * 256 + 1, 3: 255}
            ids = np.vectorize(segments.get)(stripes(0, 1, 2, 3)).astype(np.int64)
            rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
            values(folder / f"annotations/panoptic_{split}2017/{n:012d}.png", rgb)
            info = [
                {"id": 7, "category_id": 1, "iscrowd": 0},
                {"id": 300 * 256 + 1, "category_id": 200, "iscrowd": 0},
                {"id": 255, "category_id": 13, "iscrowd": 1},
            ]
            panoptic.append({"image_id": n, "file_name": f"{n:012d}.png", "segments_info": info})
        categories = [
            {"id": 1, "name": "person"},
            {"id": 13, "name": "stop sign"},
            {"id": 90, "name": "toothbrush"},
        ]
        for kind, annotations in (
            ("instances", boxes),
            ("person_keypoints", people),
            ("panoptic", panoptic),
        ):
            content = {"images": images, "annotations": annotations, "categories": categories}
            write(folder / f"annotations/{kind}_{split}2017.json", content)


DRAW = {
    "ade20k": ade20k,
    "coco": coco,
    "pascal_context": pascal_context,
    "pascal_voc": pascal_voc,
    "pascal_voc_2007": pascal_voc_2007,
}
