"""Draws pseudo datasets of the aerial and underwater domains."""

from pathlib import Path

import numpy as np

from pseudo.files import box_xml, coloured, photo, stripes, values, voc_xml, write


def _tile(height: int, width: int, seed: int) -> np.ndarray:
    """An image whose pixels tell where they are."""
    rows, columns = np.indices((height, width))
    return np.stack([rows % 251, columns % 241, np.full_like(rows, seed)], axis=2).astype(np.uint8)


def isprs(folder: Path) -> None:
    """Tiles in the folders of their archives; labels without boundaries and heights beside them."""
    colours = {
        0: (255, 255, 255),
        1: (0, 0, 255),
        2: (0, 255, 255),
        3: (0, 255, 0),
        4: (255, 255, 0),
        5: (255, 0, 0),
    }
    colours[6] = (252, 255, 0)  # as in a tile of Potsdam
    potsdam, height, width = folder / "potsdam", 900, 1500
    for name in ("top_potsdam_2_10", "top_potsdam_7_13"):
        values(potsdam / f"2_Ortho_RGB/{name}_RGB.tif", _tile(height, width, 7))
        labels = coloured(stripes(0, 1, 2, 3, 4, 5, 6, 0, 0, height=height, width=width), colours)
        values(potsdam / f"5_Labels_all/{name}_label.tif", labels)
        values(potsdam / f"5_Labels_all/{name}_label_noBoundary.tif", labels * 0)
    vaihingen = folder / "vaihingen"
    values(vaihingen / "top/top_mosaic_09cm_area1.tif", _tile(800, 801, 9))
    values(vaihingen / "dsm/dsm_09cm_matching_area1.tif", stripes(0, height=800, width=801))
    labels = coloured(stripes(0, 5, height=800, width=801), colours)
    place = vaihingen / "ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE"
    values(place / "top_mosaic_09cm_area1.tif", labels)


def isaid(folder: Path) -> None:
    """A large image and a small one, instance masks beside, a grey image, and one that the authors leave out."""
    colours = {0: (0, 0, 0), 1: (0, 0, 63), 2: (0, 127, 255), 3: (9, 9, 9)}
    for split, name, height, width in (
        ("train", "P0000", 810, 1000),
        ("train", "P0001", 60, 900),
        ("train", "P1527", 60, 60),
        ("val", "P0003", 60, 80),
    ):
        place = folder / f"{split}/images"
        values(
            place / f"{name}.png",
            _tile(height, width, 1) if name != "P0003" else stripes(9, height=60, width=80),
        )
        labels = coloured(stripes(0, 1, 2, 3, 0, 0, height=height, width=width), colours)
        values(place / f"{name}_instance_color_RGB.png", labels)
        values(place / f"{name}_instance_id_RGB.png", labels)


def suim(folder: Path) -> None:
    """Masks as bitmaps, one larger than its image; folders of single classes; one that went through JPEG."""
    colours = {0: (0, 0, 0), 1: (0, 0, 255), 2: (255, 255, 0), 3: (255, 255, 255), 4: (250, 3, 1)}
    for split, names in {"train_val": ("d_r_1_", "f_r_829_", "n_l_5_"), "TEST": ("d_r_86_",)}.items():
        for number, name in enumerate(names):
            photo(folder / f"{split}/images/{name}.jpg", seed=number)
            more = 3 if name == "f_r_829_" else 0
            labels = stripes(0, 1, 2, 3)
            labels[0, :4] = 4
            labels = np.pad(
                coloured(labels, colours), ((0, more), (0, 2 * more), (0, 0)), constant_values=255
            )
            values(folder / f"{split}/masks/{name}.bmp", labels)
    values(folder / "TEST/masks/HD/d_r_86_.bmp", stripes(0, 255))


def underwater_trash(folder: Path) -> None:
    """Misspelt names, classes that are left out, an image without objects, YOLO's files beside."""
    place = folder / "dataset"
    annotations = {
        "train/bio0001_frame0000001": [box_xml("platstic", (3, 4, 10, 12)), box_xml("rov", (1, 1, 32, 24))],
        "train/bio0001_frame0000002": [box_xml("timestamp", (1, 1, 5, 5)), box_xml("bio", (2, 2, 8, 9))],
        "val/obj0001_frame0000001": [box_xml("plastic", (2, 2, 8, 9))],
        "test/obj0002_frame0000001": [box_xml("metal", (2, 2, 8, 9)), box_xml("plastic", (5, 5, 6, 6))],
        "test/obj0002_frame0000002": [],
    }
    for number, (name, objects) in enumerate(annotations.items()):
        photo(place / f"{name}.jpg", seed=number)
        write(place / f"{name}.xml", voc_xml((32, 24), objects))
        write(place / f"{name}.txt", "0 0.5 0.5 0.1 0.1\n")


DRAW = {"isaid": isaid, "isprs": isprs, "suim": suim, "underwater_trash": underwater_trash}
