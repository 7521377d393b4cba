"""Small inputs that people met in public, each with its right outcome; see the README beside them."""

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from transfer_atlas.datasets.decoding_all import decode_all
from transfer_atlas.datasets.open import PREPARED, open_dataset
from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.registry import AdapterSettings
from transfer_atlas.errors import DatasetError

CASES = Path(__file__).parents[4] / "shared" / "cases"
README = CASES / "README.md"

MASKS = {"name": "image_mask_folders", "classes": ["a", "b"]}
TIFF_MASKS = MASKS | {"masks": "masks/{split}/{stem}.tif"}
FLAT = MASKS | {
    "images": "images/*",
    "masks": "masks/{stem}.png",
    "lists": {"train": "train.txt", "val": "val.txt"},
}
COCO = {"name": "coco_json"}
POINTS = COCO | {"keypoints": {"names": ["left", "right"], "sigmas": {"left": 0.1, "right": 0.1}}}
VOC = {"name": "voc_xml", "classes": ["cat", "dog"]}
DEPTH = {"name": "depth_png", "depth": {"maximum": 10.0, "files": "depth/{split}/{stem}.png"}}
CLASSES = {"name": "imagenet_folders"}
BOX = [2, 3, 12, 11]


def depth(suffix: str, **changed) -> dict:
    return DEPTH | {"depth": DEPTH["depth"] | {"files": f"depth/{{split}}/{{stem}}.{suffix}"} | changed}


@dataclass
class Right:
    """settings of a case, and either what is said of it, or what the first training image is like."""

    settings: dict[str, Any]
    refused: str | None = None
    counts: tuple[int, int] | None = None
    mask: Any = None  # share of pixels by value
    image: Any = None  # (least, most) mean of the image
    boxes: list | None = None
    crowd: list | None = None
    classes: list[str] | None = None
    depth: tuple[float, float] | None = None  # least and most, in metres
    passed_over: str | None = None
    task_type: str = field(default="", init=False)


RIGHT = {
    "binary_mask_0_255": [
        Right(MASKS, refused=r"t0\.png.*values 0 and 255 alone.*labels: \{0: a, 255: b\}"),
        Right(MASKS | {"labels": {0: "a", 255: "b"}}, mask={0, 1}),
        Right(
            MASKS | {"ignore_label": 255}, refused="'a' is all that occurs in 2 masks, all else is ignored"
        ),
        Right(MASKS | {"classes": ["a", "b", "c"]}, refused="'a' is all that occurs"),
    ],
    "mask_1_bit": [
        Right(MASKS | {"labels": {0: "a", 1: "b"}}, mask={0: 0.5, 1: 0.5}),
        Right(MASKS, mask={0: 0.5, 1: 0.5}),
    ],
    "mask_4_bit_grey": [
        Right(MASKS | {"classes": [f"c{k}" for k in range(16)]}, mask={1: 0.5, 15: 0.5}),
        Right(MASKS | {"labels": {1: "a", 15: "b"}}, mask={0: 0.5, 1: 0.5}),
    ],
    "photo_16_bit_rgb": [Right(MASKS, image=(100, 155))],
    "exif_no_sizes": [
        Right(COCO, refused=r"t0\.jpg: the orientation in its EXIF data .*orientation: as_stored"),
        Right(COCO | {"orientation": "as_stored"}, boxes=[[2, 10, 22, 22]]),
        Right(COCO | {"orientation": "as_shown"}, boxes=[[2, 10, 22, 22]]),
    ],
    "file_name_backslash": [Right(COCO, counts=(1, 1))],
    "file_name_absolute": [Right(COCO, counts=(1, 1))],
    "ids_from_zero": [Right(COCO, boxes=[BOX], classes=["a"])],
    "iscrowd_missing": [Right(COCO, boxes=[BOX], crowd=[False])],
    "iscrowd_text": [Right(COCO, crowd=[False, True, False])],
    "category_order": [Right(COCO, boxes=[BOX], classes=["cat", "dog"])],
    "category_id_twice": [Right(COCO, refused="several categories of the id 1")],
    "ids_as_text": [Right(COCO, counts=(1, 1), boxes=[BOX])],
    "sizes_zero": [Right(COCO, counts=(1, 1))],
    "sizes_float": [Right(COCO, counts=(1, 1))],
    "bbox_bad": [Right(COCO, refused=r"(?s)annotation 1 of.*annotation 3.*annotation 4.*annotation 7")],
    "annotation_no_image": [Right(COCO, refused="which the file does not list")],
    "image_id_twice": [Right(COCO, refused="image ids that occur again")],
    "image_id_list": [Right(COCO, refused=r"images\[0\] has the id \[1\] \(list\)")],
    "category_ids_mixed": [Right(COCO, refused="ids of different kinds")],
    "no_annotations_at_all": [Right(COCO, boxes=[])],
    "file_name_null": [Right(COCO, refused="file_name None")],
    "keypoints_v0_xy": [Right(POINTS, counts=(1, 1))],
    "keypoints_outside": [Right(POINTS, refused=r"keypoint 0 at \[700, 8\]")],
    "keypoints_v_float": [Right(POINTS, refused="visibilities")],
    "panoptic_json": [Right(COCO, refused="panoptic")],
    "labels_only_json": [Right(COCO, refused="bbox None")],
    "json_bom": [Right(COCO, counts=(1, 1))],
    "suffix_upper_case": [
        Right(MASKS, counts=(3, 3)),
        Right(MASKS | {"images": "images/{split}/*.jpg"}, counts=(3, 3)),
    ],
    "classes_webp": [Right(CLASSES, counts=(7, 7), passed_over="train/*.jpg outside the class folders")],
    "image_webp": [
        Right(MASKS, counts=(1, 1)),
        Right(MASKS | {"images": "images/{split}/*.webp"}, counts=(1, 1)),
    ],
    "image_bmp": [Right(MASKS, counts=(1, 1))],
    "image_tif": [Right(MASKS, counts=(1, 1))],
    "image_gif": [Right(MASKS, counts=(1, 1))],
    "photo_grey_12_in_16": [Right(MASKS, image=(60, 200))],
    "photo_truncated": [Right(MASKS, refused=r"t0\.jpg: the image cannot be decoded")],
    "photo_broken_middle": [Right(MASKS)],
    "photo_html": [Right(MASKS, refused=r"t0\.jpg: the image cannot be decoded \(it is no image\)")],
    "list_bom": [Right(FLAT, counts=(2, 2))],
    "list_crlf": [Right(FLAT, counts=(2, 2))],
    "list_utf16": [Right(FLAT, refused=r"train\.txt is not in UTF-8.*UTF-16")],
    "list_comment": [Right(FLAT, refused=r"train\.txt, line 1: '# my split' is not there|line 1")],
    "list_same_stems": [
        Right(FLAT | {"images": "images/*/*", "masks": "masks/{parent}/{stem}.png"}, counts=(2, 1))
    ],
    "list_empty": [Right(FLAT, refused=r"list file .*txt is empty")],
    "list_both": [Right(FLAT, refused=r"is in split \w+ as well")],
    "names_nfd": [Right(MASKS, counts=(1, 1))],
    "hidden_files": [
        Right(MASKS, counts=(1, 1)),
        Right(MASKS | {"images": "images/{split}/*.jpg"}, counts=(1, 1)),
    ],
    "hidden_folder": [Right(MASKS | {"images": "images/{split}/*/*.jpg"}, counts=(1, 1))],
    "mask_jpeg": [
        Right(MASKS | {"masks": "masks/{split}/{stem}.jpg"}, refused="a mask in JPEG.*compression with loss")
    ],
    "mask_254_void": [
        Right(MASKS, refused=r"value 254 .*`ignore_label`"),
        Right(MASKS | {"classes": ["z", "a", "b"], "ignore_label": 254}, refused="'a' is all that occurs"),
    ],
    "mask_red_channel": [
        Right(MASKS, refused="mode RGBA.*`channel` if one channel holds them"),
        Right(MASKS | {"channel": "red"}, mask={0, 1}),
    ],
    "mask_palette_trns": [Right(MASKS, mask={0, 1})],
    "mask_off_by_one": [
        Right(MASKS, refused=r"mask of 33 x 24; expected the image's 32 x 24.*fit: crop"),
        Right(MASKS | {"fit": "crop"}, mask={0, 1}),
        Right(MASKS | {"fit": "resize"}, mask={0, 1}),
    ],
    "mask_float_tif": [Right(TIFF_MASKS, mask={0, 1})],
    "mask_float_tif_half": [Right(TIFF_MASKS, refused=r"value 0\.6, 1\.6; expected whole numbers")],
    "mask_16_bit": [Right(MASKS | {"classes": [f"c{k}" for k in range(3001)]}, mask={0, 3000})],
    "voc_missing_xml": [
        Right(VOC, refused="no such file.*without_file: no_boxes"),
        Right(VOC | {"without_file": "no_boxes"}, boxes=[]),
    ],
    "voc_empty_xml": [Right(VOC, refused=r"t0\.xml .*not well-formed")],
    "voc_no_objects": [Right(VOC, boxes=[])],
    "voc_empty_bndbox": [Right(VOC, refused="corners")],
    "voc_no_size": [Right(VOC, boxes=[[2, 3, 10, 12]])],
    "voc_no_difficult": [Right(VOC, crowd=[False])],
    "voc_order": [Right(VOC, boxes=[[2, 3, 10, 12]])],
    "voc_zero_based": [
        Right(VOC, refused="coordinate of 0.*first_pixel: 0"),
        Right(VOC | {"first_pixel": 0}, boxes=[[0, 0, 32, 24]]),
    ],
    "voc_exclusive": [Right(VOC | {"first_pixel": 0, "ends": "outside"}, boxes=[[10, 5, 20, 15]])],
    "voc_bom": [Right(VOC, counts=(1, 1))],
    "voc_gb2312": [Right(VOC | {"unknown": "ignore"}, refused=r"t0\.xml .*encoding")],
    "voc_utf8_no_decl_latin": [Right(VOC, refused=r"t0\.xml .*not well-formed")],
    "voc_ampersand": [Right(VOC, refused=r"t0\.xml .*line 1")],
    "voc_space_case": [Right(VOC, refused="class '")],
    "voc_difficult_text": [Right(VOC, crowd=[True, True])],
    "voc_namespace": [Right(VOC, boxes=[[2, 3, 10, 12]])],
    "voc_polygon": [Right(VOC, refused="corners")],
    "voc_doctype": [Right(VOC, refused="document type")],
    "depth_mm": [Right(depth("png"), depth=(0.001, 9.0))],
    "depth_tif16": [Right(depth("tif"), depth=(0.001, 9.0))],
    "depth_tif_float": [
        Right(depth("tif"), depth=(0.001, 9.0)),
        Right(depth("tif", scale=1.0), depth=(0.0001, 9.0)),
    ],
    "depth_npy": [
        Right(depth("npy"), depth=(0.001, 9.0)),
        Right(depth("npy", scale=1.0), depth=(0.0001, 9.0)),
    ],
    "depth_8bit": [Right(depth("png"), refused="mode L; expected one channel of 16 bits")],
    "depth_wrong_scale": [
        Right(depth("png", maximum=8.95), refused=r"% of it in range.*Correct `scale`"),
        Right(depth("png")),
    ],
    "depth_65535": [Right(depth("png"), depth=(0.5, 10.0))],
    "image_200_megapixel": [Right(COCO, refused=r"196 megapixels.*largest_megapixels")],
    "ann_outside": [
        Right(COCO | {"annotations": "../ann_elsewhere/{split}.json"}, refused="out of the dataset's folder")
    ],
    "same_stem": [Right(MASKS, refused=r"t0\.jpg and t0\.png|t0\.png and t0\.jpg")],
    "mask_beside_image": [
        Right(MASKS | {"images": "{split}/*.png", "masks": "{split}/{stem}_mask.png"}, counts=(2, 2)),
        Right(
            MASKS
            | {
                "images": "{split}/*.png",
                "masks": "{split}/{stem}_mask.png",
                "exclude": ["{split}/*_mask.png"],
            },
            counts=(2, 2),
        ),
    ],
    "folders_deep": [Right(MASKS | {"images": "images/{split}/**/*.jpg"}, counts=(3, 3))],
}
PHOTOS = (
    "cmyk",
    "grey",
    "grey_16",
    "la",
    "rgba",
    "palette_transparent",
    "rgb_trns",
    "1bit",
    "progressive",
    "mpo",
)
RIGHT |= {f"photo_{kind}": [Right(MASKS, counts=(1, 1), image=(20, 235))] for kind in PHOTOS}
EVERY = [(name, number) for name, ways in sorted(RIGHT.items()) for number in range(len(ways))]


def here() -> None:
    if not README.is_file():
        pytest.skip(f"the cases are not at hand ({CASES})")


def test_every_case_has_its_right_outcome_here():
    here()
    there = {path.name for path in CASES.iterdir() if path.is_dir()} - {"ann_elsewhere"}
    assert there == set(RIGHT)


@pytest.mark.parametrize(("name", "number"), EVERY)
@pytest.mark.parametrize("how", ["prepared", "opened"])
def test_the_outcome_is_right(tmp_path, name, number, how):
    here()
    right = RIGHT[name][number]
    values = right.settings | {"path": name}
    if right.refused is not None:
        if how == "opened":
            return  # what is refused one by one is refused when prepared; the rest is about all images
        with pytest.raises((DatasetError, ValidationError), match=f"(?s){right.refused}"):
            prepare(values, tmp_path)
        assert not list(tmp_path.rglob("*.parquet"))
        return
    found = prepare(values, tmp_path)
    if right.counts is not None:
        assert tuple(found.counts.values()) == right.counts
    if right.passed_over is not None:
        assert right.passed_over in found.passed_over
    task_type = next(
        t for t in ("keypoints", "detection", "segmentation", "depth", "classification") if getattr(found, t)
    )
    opened = open_dataset(PREPARED, tmp_path, "train", task_type)
    if how == "opened":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            opened = open_dataset(**_as_opened(values), split="train", task_type=task_type)
    check(opened[0], opened, right)


@pytest.mark.parametrize(("name", "number"), EVERY)
def test_decoding_all_says_what_preparing_says(tmp_path, name, number):
    """`doctor --thorough`, which looks at images by themselves and together, and remembers what is in order."""
    here()
    right = RIGHT[name][number]
    for _ in range(2):
        try:
            settings = TypeAdapter(AdapterSettings).validate_python(right.settings | {"path": name})
            said = "\n".join(decode_all(settings, CASES, "case", kept=tmp_path / "kept.jsonl").problems)
        except (DatasetError, ValidationError) as error:
            said = str(error)
        if right.refused is None:
            assert said == ""
        else:
            assert re.search(f"(?s){right.refused}", said), said


def prepare(values: dict, folder: Path):
    settings = TypeAdapter(AdapterSettings).validate_python(values)
    return prepare_dataset(settings, CASES, folder, dataset="case")


def _as_opened(values: dict) -> dict:
    options = {name: value for name, value in values.items() if name not in ("name", "path")}
    return {"adapter": values["name"], "root": CASES / values["path"], **options}


def check(sample, opened, right: Right) -> None:
    assert sample.image.dtype == np.uint8 and sample.image.ndim == 3 and sample.image.shape[2] == 3
    if right.image is not None:
        assert right.image[0] <= sample.image.mean() <= right.image[1]
    if isinstance(right.mask, dict):
        shares = {int(value): float((sample.mask == value).mean()) for value in np.unique(sample.mask)}
        assert shares == pytest.approx(right.mask)
    elif right.mask is not None:
        assert set(np.unique(sample.mask).tolist()) == right.mask
    if right.boxes is not None:
        assert sample.boxes.tolist() == right.boxes
    if right.crowd is not None:
        assert sample.crowd.tolist() == right.crowd
    if right.classes is not None:
        assert opened.classes == right.classes
        assert opened.classes[sample.box_labels[0]] == right.classes[0]
    if right.depth is not None:
        valid = sample.depth[np.isfinite(sample.depth)]
        assert (
            right.depth[0] <= valid.min() + 1e-6 and valid.max() <= right.depth[1] + 1e-6 and valid.size > 100
        )


def test_what_training_decodes_is_what_was_counted(tmp_path):
    """The decoder that trains returns the pixels the statistics were taken of, whatever the file is like."""
    here()
    for name in sorted(name for name in RIGHT if name.startswith(("photo_", "image_"))):
        if RIGHT[name][0].refused:
            continue
        folder = tmp_path / name
        found = prepare(RIGHT[name][0].settings | {"path": name}, folder)
        data = PreparedDataset.open(folder)
        images = data.read("train", range(data.count("train")), "segmentation")
        pixels = np.concatenate([sample.image.numpy().reshape(3, -1) for sample in images], axis=1)
        assert pixels.dtype == np.uint8
        np.testing.assert_allclose(pixels.mean(axis=1), found.mean, atol=0.7, err_msg=name)
