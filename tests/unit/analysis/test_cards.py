"""Dataset cards: what is counted, what is said of it, and the annotation drawn where it belongs."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from prepared_examples import CLASSIFICATION, DETECTION, KEYPOINTS, SEGMENTATION, description

from transfer_atlas.analysis.cards.card import dataset_card, image_sizes, sampled
from transfer_atlas.analysis.cards.contact_sheet import GAP, TILE, contact_sheet
from transfer_atlas.analysis.cards.files import card_as_markdown, write_card
from transfer_atlas.datasets.prepared import Objects, Record
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.registry import ADAPTERS
from transfer_atlas.datasets.writing import write_prepared
from transfer_atlas.tasks.drawing import UNKNOWN, colour_of, colours_of_normals

HEIGHT, WIDTH = 20, 40
FACTOR = TILE // WIDTH  # tiles are five times as wide as the pictures here
GREY = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
DEPTH = {"unit": "metre", "minimum": 0.0, "maximum": 10.0, "scale": 0.001}


def objects(boxes, labels, keypoints=None, crowd=None) -> Objects:
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Objects(
        boxes=boxes,
        labels=np.array(labels, np.int64),
        crowd=np.zeros(len(boxes), bool) if crowd is None else np.array(crowd),
        area=np.ones(len(boxes), np.float32),
        keypoints=None if keypoints is None else np.array(keypoints, np.float32),
    )


def prepared(folder, about, *images, val=None) -> PreparedDataset:
    records = [Record(f"t{at}", "train", GREY, **image) for at, image in enumerate(images)]
    write_prepared(folder, about, [*records, Record("v", "val", GREY, **(val or images[0]))])
    return PreparedDataset.open(folder)


def tile(sheet: Image.Image, row: int, column: int = 0) -> np.ndarray:
    """Pixels of a tile of a sheet of pictures twice as wide as high."""
    height = HEIGHT * FACTOR
    top, left = row * (height + GAP), column * (TILE + GAP)
    return np.asarray(sheet)[top : top + height, left : left + TILE]


def test_a_row_for_the_pictures_and_one_for_each_task_type(tmp_path):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, 20:], mask[:4] = 2, 255
    box = objects([[10, 5, 30, 15]], [1])
    about = description(segmentation=SEGMENTATION | {"classes": ["sky", "road", "dog"]}, detection=DETECTION)
    sheet = contact_sheet(prepared(tmp_path, about, *[{"mask": mask, "objects": box}] * 3))
    assert sheet.size == (3 * TILE + 2 * GAP, 3 * HEIGHT * FACTOR + 2 * GAP)
    assert (tile(sheet, 0) == 100).all() and np.array_equal(tile(sheet, 0), tile(sheet, 0, 2))
    covered = tile(sheet, 1)
    sky, dog, unknown = (covered[50, 10], covered[50, 150], covered[5, 10])
    assert sky[2] > sky[0] and dog[0] > dog[1] and len(set(unknown.tolist())) == 1, "the dataset's colours"
    boxed = tile(sheet, 2)
    # a dog is red in the masks; the box is where it was, five times as large, and filled with the picture
    assert boxed[15 * FACTOR, 20 * FACTOR].tolist() == [255, 0, 0]
    assert boxed[10 * FACTOR, 30 * FACTOR].tolist() == [255, 0, 0]
    assert (boxed[12 * FACTOR, 25 * FACTOR] == 100).all() and (boxed[:, : 9 * FACTOR] == 100).all()


def test_skeletons_of_what_is_annotated(tmp_path):
    joints = [[[5, 10, 2], [35, 10, 1]], [[20, 2, 2], [20, 18, 0]]]  # the second has one joint alone
    about = description(keypoints=KEYPOINTS | {"skeleton": [(0, 1)]})
    people = objects([[2, 2, 38, 18], [15, 1, 25, 19]], [0, 0], joints)
    drawn = tile(contact_sheet(prepared(tmp_path, about, {"objects": people})), 1)
    assert drawn[10 * FACTOR, 20 * FACTOR].tolist() == list(colour_of(0)), "the limb of the first"
    assert drawn[2 * FACTOR, 20 * FACTOR].tolist() == list(colour_of(1)), "the one joint of the second"
    assert (drawn[14 * FACTOR : 18 * FACTOR, 20 * FACTOR] == 100).all(), (
        "no limb to a joint that is not annotated"
    )


def test_depth_is_bright_where_near_and_grey_where_unknown(tmp_path):
    depth = np.tile(np.linspace(0.5, 9.5, WIDTH, dtype=np.float32), (HEIGHT, 1))
    depth[:5] = 0
    drawn = tile(contact_sheet(prepared(tmp_path, description(depth=DEPTH), {"depth": depth})), 1)
    brightness = drawn[60].astype(int).sum(axis=1)
    assert brightness[0] > 350 and brightness[-1] < 60, "all of the colours are used"
    assert (np.diff(brightness[:: 4 * FACTOR]) < 0).all()
    assert (drawn[10] == UNKNOWN).all()


def test_normals_have_the_colours_of_their_directions(tmp_path):
    normals = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    normals[:, :20, 2] = -1  # towards the camera; nothing is known of the rest
    about = description(normals={"intrinsics": None})
    drawn = tile(contact_sheet(prepared(tmp_path, about, {"normals": normals})), 1)
    shown = drawn[::FACTOR, ::FACTOR].astype(int)
    assert np.abs(shown - colours_of_normals(normals)).max() <= 1, "stored in steps"


def test_crowds_are_not_drawn_and_scores_not_written(tmp_path):
    crowd = objects([[10, 5, 30, 15]], [0], crowd=[True])
    nothing = objects([], [])
    about = description(detection=DETECTION)
    seen = objects([[10, 5, 30, 15]], [0])
    sheet = contact_sheet(
        prepared(tmp_path, about, {"objects": crowd}, {"objects": nothing}, {"objects": seen})
    )
    assert (tile(sheet, 1, 0) == 100).all() and (tile(sheet, 1, 1) == 100).all()
    label = tile(sheet, 1, 2)[5 * FACTOR : 5 * FACTOR + 12]
    ink = np.flatnonzero((label == colour_of(0)).all(axis=2).any(axis=0))
    filled = (label[6] != 100).any(axis=1).nonzero()[0]
    assert ink.min() == 10 * FACTOR and filled.max() - filled.min() > 15
    assert (label[5, 10 * FACTOR + 60 : 30 * FACTOR - 2] == 100).all(), "cat, and no number after it"


def test_what_is_counted(tmp_path):
    about = description(
        segmentation=SEGMENTATION,
        detection={"classes": ["person", "ball"]},
        keypoints=KEYPOINTS | {"classes": ["person"]},
        depth=DEPTH,
        classification=CLASSIFICATION,
    )
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, :10], mask[:, 30:] = 1, 255
    depth = np.full((HEIGHT, WIDTH), 5, np.float32)
    depth[:, :20], depth[:, 20:25] = 0, 20
    joints = np.zeros((3, 2, 3))
    joints[0, 0] = [5, 5, 2]
    joints[2, 1] = [6, 6, 2]  # of a ball, which has none
    shown = objects([[1, 1, 9, 9], [2, 2, 9, 9], [3, 3, 9, 9]], [0, 0, 1], joints)
    image = {"mask": mask, "objects": shown, "depth": depth, "label": 1}
    dataset = prepared(
        tmp_path, about, image, image, val=image | {"objects": objects([], [], np.zeros((0, 2, 3)))}
    )
    tasks = dataset_card("toy", "indoor", "coco_json", dataset)["tasks"]
    assert tasks["keypoints"]["objects"] == {"train": 2, "val": 0}, "people with a joint"
    assert [row["train"] for row in tasks["detection"]["classes"]] == [4, 2]
    assert tasks["detection"]["absent"] == {"val": ["person", "ball"]}
    assert [(row["name"], row["train"], row["val"]) for row in tasks["segmentation"]["classes"]] == [
        ("sky", 2, 1),
        ("road", 2, 1),
        ("car", 0, 0),
    ]
    assert tasks["segmentation"]["valid"] == {"train": 0.75, "val": 0.75}
    assert tasks["depth"]["valid"] == {"train": 0.5, "val": 0.5}
    assert tasks["depth"]["in_range"] == {"train": 0.75, "val": 0.75}
    assert tasks["classification"]["absent"]["train"] == ["indoor"]


def test_sizes_and_places():
    sizes = image_sizes(np.array([10, 10, 30]), np.array([20, 20, 5]))
    assert sizes["smallest"] == [10, 5] and sizes["largest"] == [30, 20]
    assert sizes["commonest"] == [10, 20] and sizes["commonest_share"] == pytest.approx(2 / 3)
    assert sum(sizes["numbers"]) == 3 and sizes["edges"][0] == 20 and sizes["edges"][-1] == 30
    one = image_sizes(np.array([8, 8]), np.array([8, 8]))
    assert one["numbers"] == [2] and len(one["edges"]) == 2
    assert sampled(1) == [0] and sampled(3, 6) == [0, 1, 2] and sampled(1000, 3) == [0, 500, 999]


@pytest.mark.parametrize(
    ("found", "printed", "noted"),
    [(2975, 3000, False), (118287, 118000, False), (475, 425, True), (35740, 43000, True)],
)
def test_counts_that_differ_from_table_1_are_noted_unless_they_are_rounded(
    found, printed, noted, tmp_path, monkeypatch
):
    printed_in = {"train": printed, "val": 1}
    known = replace(ADAPTERS["camvid"].CARD, expected={}, table1=printed_in)
    monkeypatch.setattr(ADAPTERS["camvid"], "CARD", known)
    dataset = prepared(tmp_path, description(detection=DETECTION), {"objects": objects([], [])})
    dataset.description.counts["train"] = found
    card = dataset_card("toy", "indoor", "camvid", dataset)
    said = [text for text in card["notes"] if "Table 1 prints" in text]
    assert bool(said) == noted and all(f"{found:,}" in text and f"{printed:,}" in text for text in said)


def test_the_files_of_a_card(tmp_path):
    about = description(detection={"classes": ["a | b"]}, source="https://example.org", licence="CC0")
    prepared(tmp_path / "made", about, {"objects": objects([[1, 1, 9, 9]], [0])})
    paths = [tmp_path / f"cards/toy.{suffix}" for suffix in ("json", "jpg", "md")]
    write_card("toy", {"domain": "close_ups", "adapter": "coco_json", "folder": tmp_path / "made"}, *paths)
    facts = json.loads(paths[0].read_text())
    assert facts["here"] and facts["counts"] == {"train": 1, "val": 1} and facts["licence"] == "CC0"
    text = paths[2].read_text()
    assert "![Images of toy with their annotation](toy.jpg)" in text and "image domain: close ups" in text
    assert "| a \\| b | 1 | 1 |" in text and "https://example.org" in text and "\n\n\n" not in text
    with Image.open(paths[1]) as sheet:
        assert sheet.size == (TILE, 2 * HEIGHT * FACTOR + GAP)


def test_a_dataset_that_is_not_here_has_a_card_of_what_is_known():
    card = dataset_card("camvid", "driving", "camvid", None, {"counts": {"train": 367}})
    text = card_as_markdown(card, "camvid.jpg")
    assert not card["here"] and "| train | 367 | 367 |" in text and "not on this machine" in text
    assert contact_sheet(None).height == TILE // 2
