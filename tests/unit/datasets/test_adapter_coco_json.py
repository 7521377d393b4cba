"""The adapter of COCO's JSON format: boxes, keypoints, masks beside them, and what is not in order."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from adapter_examples import REAL, parse, records_of, save, write
from prepared_examples import pixels
from pydantic import ValidationError

from transfer_atlas.datasets.adapters.keypoint_files import coco_sigmas, describe_keypoints
from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.registry import ADAPTERS
from transfer_atlas.errors import DatasetError

CATEGORIES = [  # ids with gaps and out of order, as COCO's
    {"id": 7, "name": "dog"},
    {
        "id": 1,
        "name": "person",
        "keypoints": ["nose", "left_eye", "right_eye"],
        "skeleton": [[1, 2], [1, 3]],
    },
]
IMAGES = [
    {"id": 20, "file_name": "b.png", "width": 6, "height": 4},
    {"id": 10, "file_name": "a.png", "width": 6, "height": 4},
]
POINTS = [1, 1, 2, 2.5, 1, 1, 0, 0, 0]
ANNOTATIONS = [
    {"id": 1, "image_id": 10, "category_id": 1, "bbox": [1, 0.5, 2, 3], "area": 4.5, "keypoints": POINTS},
    {"id": 2, "image_id": 10, "category_id": 7, "bbox": [0, 0, 6, 4], "iscrowd": 1, "area": 20},
    {"id": 3, "image_id": 10, "category_id": 7, "bbox": [3, 1, 0, 2], "area": 0},
    {"id": 4, "image_id": 10, "category_id": 7, "bbox": [4, 1, 2.5, 2], "segmentation": [[4, 1, 6, 1, 6, 3]]},
]


def centres(values):
    """Annotated keypoints moved from the names of pixels to their centres."""
    return [v + 0.5 * (n % 3 < 2 and values[n - n % 3 + 2] > 0) for n, v in enumerate(values)]


def content() -> dict:
    return copy.deepcopy({"images": IMAGES, "annotations": ANNOTATIONS, "categories": CATEGORIES})


def settings(**changed):
    return parse({"name": "coco_json", "path": "toy", "images": "images/{split}/*.png"}, **changed)


@pytest.fixture
def toy(tmp_path) -> Path:
    """A data root with a dataset of two images in each split, one of them without objects."""
    for split in ("train", "val"):
        for number, stem in enumerate("abc"):  # c is in no JSON, so not used
            save(tmp_path / f"toy/images/{split}/{stem}.png", pixels(4, 6, number))
            save(tmp_path / f"toy/masks/{split}/{stem}.png", np.full((4, 6), number, np.uint8))
            save(tmp_path / f"toy/depth/{split}/{stem}.png", np.full((4, 6), 1000 + number, np.uint16))
        write(tmp_path / f"toy/annotations/{split}.json", content())
    return tmp_path


CENTRES = centres(POINTS)


def test_boxes_are_read_with_classes_by_ascending_category_id(toy, tmp_path):
    found = prepare_dataset(settings(), toy, tmp_path / "prepared", dataset="toy")
    assert found.detection.classes == ["person", "dog"] and found.counts == {"train": 2, "val": 2}
    first, second = PreparedDataset.open(tmp_path / "prepared").read("train", [0, 1], "detection")
    assert (first.id, second.id) == ("images/train/a", "images/train/b")
    # x, y, width, height; the box of no width is left out; half a pixel outside is clipped
    np.testing.assert_array_equal(first.objects.boxes, [[1, 0.5, 3, 3.5], [0, 0, 6, 4], [4, 1, 6, 3]])
    assert first.objects.labels.tolist() == [0, 1, 1]
    assert first.objects.crowd.tolist() == [False, True, False]
    assert first.objects.area.tolist() == [4.5, 20, 4]  # the last without area: its box
    assert second.objects.boxes.shape == (0, 4)


def test_keypoints_come_with_names_skeleton_flips_and_sigmas_from_file_and_coco(toy, tmp_path):
    chosen = settings(keypoints={})
    assert ADAPTERS["coco_json"].task_types(chosen) == ("detection", "keypoints")
    about = prepare_dataset(chosen, toy, tmp_path / "prepared", dataset="toy").keypoints
    assert about.names == ["nose", "left_eye", "right_eye"] and about.flips == [0, 2, 1]
    assert about.classes == ["person"]
    assert about.skeleton == [(0, 1), (0, 2)] and about.sigmas == [0.026, 0.025, 0.025]
    sample = PreparedDataset.open(tmp_path / "prepared").read("val", [0], "keypoints")[0]
    np.testing.assert_array_equal(sample.objects.keypoints[0].ravel(), CENTRES)
    assert not sample.objects.keypoints[1:].any()  # objects of other classes have none


def test_keypoints_in_a_file_of_their_own_are_found_by_annotation_id(toy):
    for split in ("train", "val"):
        people = content()
        people["annotations"] = people["annotations"][:1]
        write(toy / f"toy/annotations/person_keypoints_{split}.json", people)
        boxes = content()
        del boxes["annotations"][0]["keypoints"], boxes["categories"][1]["keypoints"]
        write(toy / f"toy/annotations/{split}.json", boxes)
    chosen = settings(keypoints={"annotations": "annotations/person_keypoints_{split}.json"})
    assert ADAPTERS["coco_json"].describe(chosen, toy, "toy")["keypoints"]["names"][0] == "nose"
    np.testing.assert_array_equal(records_of(chosen, toy)[0].objects.keypoints[0].ravel(), CENTRES)
    people["annotations"][0]["id"] = 99
    write(toy / "toy/annotations/person_keypoints_val.json", people)
    with pytest.raises(
        DatasetError, match=r"keypoints_val\.json: 1 annotation ids, such as 99, that .* lacks"
    ):
        records_of(chosen, toy)


def test_settings_say_more_about_keypoints_than_files_do():
    section = {
        "names": ["nose", "tail", "ear_a", "ear_b"],
        "sigmas": {"tail": 0.1, "ear_a": 0.05, "ear_b": 0.05},
        "flips": [["ear_a", "ear_b"]],
        "skeleton": [["nose", "tail"]],
    }
    chosen = settings(classes=["dog"], keypoints=section).keypoints
    assert describe_keypoints(chosen, chosen.names) == {
        "names": section["names"],
        "flips": [0, 1, 3, 2],
        "skeleton": [(0, 1)],
        "sigmas": [0.026, 0.1, 0.05, 0.05],
        "classes": [],
    }


def test_masks_and_depth_of_the_same_images_come_along(toy, tmp_path):
    chosen = settings(
        segmentation={"classes": ["a", "b", "c"]},
        depth={"maximum": 5.0},
        keypoints={},
        labels={"dog": "ignore"},
    )
    assert ADAPTERS["coco_json"].task_types(chosen) == ("segmentation", "detection", "keypoints", "depth")
    found = prepare_dataset(chosen, toy, tmp_path / "prepared", dataset="toy")
    assert found.detection.classes == ["person"]  # dogs are left out
    dataset = PreparedDataset.open(tmp_path / "prepared")
    assert (dataset.read("val", [1], "segmentation")[0].mask == 1).all()
    assert dataset.read("val", [1], "depth")[0].depth[0, 0] == np.float32(1.001)
    assert len(dataset.read("val", [0], "detection")[0].objects.boxes) == 1


def test_labels_merge_and_rename_categories(toy):
    chosen = settings(classes=["animal"], labels={"dog": "animal", "person": "animal"}, keypoints={})
    assert ADAPTERS["coco_json"].describe(chosen, toy, "toy")["keypoints"]["classes"] == ["animal"]
    assert records_of(chosen, toy)[0].objects.labels.tolist() == [0, 0, 0]
    chosen = settings(classes=["dog"], unknown="ignore")
    assert records_of(chosen, toy)[0].objects.boxes.tolist() == [[0, 0, 6, 4], [4, 1, 6, 3]]


def test_boxes_far_outside_are_clipped_where_asked_for(toy):
    rewrite(toy, lambda c: c["annotations"][0].update(bbox=[-5, 1, 7, 2]))
    assert records_of(settings(outside="clip"), toy)[0].objects.boxes[0].tolist() == [0, 1, 2, 3]
    rewrite(toy, lambda c: c["annotations"][0].update(bbox=[-9, 1, 7, 2]))  # nothing left of it
    assert len(records_of(settings(outside="clip"), toy)[0].objects.boxes) == 2


def test_file_names_may_hold_folders(toy):
    rewrite(toy, lambda c: [i.update(file_name=f"train/{i['file_name']}") for i in c["images"]])
    assert len(records_of(settings(splits={"train": "train"}), toy)) == 2


def test_images_of_all_splits_may_lie_in_one_folder(toy, tmp_path):
    others = content()
    others["images"] = [{"id": 10, "file_name": "c.png"}]  # sizes need not be stated
    others["annotations"] = others["annotations"][:1]
    write(toy / "toy/annotations/val.json", others)
    chosen = settings(images="images/train/*.png")
    assert [(r.split, r.id[-1]) for r in records_of(chosen, toy)] == [
        ("train", "a"),
        ("train", "b"),
        ("val", "c"),
    ]
    others["images"][0]["file_name"] = "a.png"
    write(toy / "toy/annotations/val.json", others)
    with pytest.raises(DatasetError, match=r"images/train/a: this id occurs twice \(again in split val\)"):
        prepare_dataset(chosen, toy, tmp_path / "prepared", dataset="toy")


def test_keypoints_outside_the_image_are_refused_or_left_out_as_boxes_are(toy):
    outside = [-2, 1, 2, 6.5, 1, 1, 0, 0, 0]  # the second by no more than rounding
    rewrite(toy, lambda c: c["annotations"][0].update(keypoints=outside))
    with pytest.raises(DatasetError, match=r"keypoint 0 at \[-2, 1\].*inside the image of 6 x 4"):
        records_of(settings(keypoints={}), toy)
    kept = records_of(settings(keypoints={}, outside="clip"), toy)[0].objects.keypoints[0]
    assert kept.ravel().tolist() == centres([0, 0, 0, 6.5, 1, 1, 0, 0, 0])


def rewrite(toy: Path, change) -> None:
    """Change the training annotations."""
    changed = content()
    change(changed)
    write(toy / "toy/annotations/train.json", changed)


def first(**values):
    """A change of the first annotation."""
    return lambda c: c["annotations"][0].update(values)


BROKEN = {
    "unknown category": (
        first(category_id=3),
        r"train\.json, annotation 1 of .*a\.png: category_id 3; .*\{1: \w+, 7: \w+\}",
    ),
    "no category": (lambda c: c["annotations"][0].pop("category_id"), "category_id None"),
    "outside": (first(bbox=[1, 1, 7, 2]), r"box \[1, 1, 8, 3\] .*inside the image of 6 x 4.*`outside: clip`"),
    "negative size": (first(bbox=[1, 1, -2, 2]), r"box \[1, 1, -1, 3\] .*x_min <= x_max"),
    "no numbers": (first(bbox=["a", 1, 2, 2]), r"bbox \['a', 1, 2, 2\]; expected bbox as four numbers"),
    "infinite": (first(bbox=[1, 1, float("inf"), 2]), r"bbox \[1, 1, inf, 2\]"),
    "not a number": (first(bbox=[1, 1, float("nan"), 2]), r"bbox \[1, 1, nan, 2\]"),
    "no box": (lambda c: c["annotations"][0].pop("bbox"), "bbox None; expected bbox as four numbers"),
    "too few keypoints": (first(keypoints=[1, 1, 2]), "3 numbers for keypoints; expected 9"),
    "visibility": (
        first(keypoints=[*POINTS[:-1], 3]),
        r"visibilities \[1\.0, 2\.0, 3\.0\]; expected 0, 1 or 2",
    ),
    "image missing": (lambda c: c["images"][0].update(file_name="z.png"), r"image 20: 'z\.png' is not there"),
    "unlisted image": (first(image_id=5), r"annotation 1: image 5, which the file does not list"),
    "same id twice": (lambda c: c["images"][0].update(id=10), "1 image ids that occur again"),
    "same image twice": (lambda c: c["images"][0].update(file_name="a.png"), "this id occurs twice"),
    "other size": (
        lambda c: c["images"][1].update(width=7),
        r"a\.png: an image of 6 x 4; expected the 7 x 4",
    ),
    "no list": (lambda c: c.pop("categories"), r"train\.json has no list of categories"),
    "no file name": (lambda c: c["images"][0].pop("file_name"), r"images\[0\] is .*with id and file_name"),
    "no image id": (lambda c: c["annotations"][2].pop("image_id"), r"annotations\[2\] is .*with image_id"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_annotation_is_an_error_that_names_the_file(toy, tmp_path, how):
    change, message = BROKEN[how]
    rewrite(toy, change)
    with pytest.raises(DatasetError, match=message) as caught:
        prepare_dataset(settings(keypoints={}), toy, tmp_path / "prepared", dataset="toy")
    assert "'toy'" in str(caught.value)
    assert not list((tmp_path / "prepared").rglob("*.json"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{'images': 1}", r"train\.json is not JSON \(.*fetch the file anew"),
        (b"\xff\xfe\x00", r"is not JSON"),
        ("[1]", "has no list of images, annotations, categories"),
        (None, r"annotations .*train\.json do not exist"),
    ],
)
def test_a_file_that_is_not_cocos_format_is_an_error(toy, text, message):
    path = toy / "toy/annotations/train.json"
    path.unlink()
    if text is not None:
        write(path, text)
    with pytest.raises(DatasetError, match=message):
        records_of(settings(classes=["person", "dog"]), toy)


def test_an_image_that_two_files_may_be_is_an_error(toy):
    with pytest.raises(DatasetError, match=r"'a\.png' is the name of 2 files"):
        records_of(settings(images="images/*/*.png"), toy)


def test_a_truncated_image_is_told_once(toy, tmp_path):
    path = toy / "toy/images/train/b.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(
        DatasetError, match=r"1 problem\(s\):\n  toy/images/train/b\.png: the image cannot be"
    ):
        prepare_dataset(settings(), toy, tmp_path / "prepared", dataset="toy")


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        (
            lambda c: c[1].pop("keypoints"),
            "0 categories of .*train.json name keypoints.*give `keypoints.names`",
        ),
        (lambda c: c[0].update(keypoints=["tail"]), "2 categories"),
        (lambda c: c[1].update(keypoints=["nose", "tail", "ear"]), "sigmas: none for tail, ear"),
        (
            lambda c: c[1].update(keypoints=["nose", "left_eye"], skeleton=[]),
            "flips: no mirror image of left_eye",
        ),
    ],
)
def test_keypoints_that_files_leave_open_must_be_told(toy, categories, message):
    rewrite(toy, lambda c: categories(c["categories"]))
    with pytest.raises(DatasetError, match=message):
        records_of(settings(keypoints={}), toy)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"annotations": "annotations/all.json"}, r"must hold \{split\}"),
        ({"annotations": "{split}/{city}.json"}, r"must hold \{split\} and no other part"),
        ({"keypoints": {"annotations": "people.json"}}, r"keypoints\.annotations: 'people\.json' must hold"),
        ({"classes": ["dog", "dog"]}, "occurs twice"),
        ({"classes": ["ignore"]}, "cannot name a class"),
        ({"classes": ["dog"], "labels": {"cat": "animal"}}, r"\['animal'\] are not among the classes"),
        ({"keypoints": {"names": ["nose", "nose"]}}, "a name occurs twice"),
        ({"keypoints": {"names": ["nose"], "sigmas": {"tail": 0.1}}}, r"sigmas: \['tail'\] are no keypoints"),
        ({"keypoints": {"names": ["tail"]}}, "none for tail"),
        ({"keypoints": {"names": ["nose"], "sigmas": {"nose": 0}}}, "greater than 0"),
        (
            {
                "keypoints": {
                    "names": ["nose", "left_eye", "right_eye"],
                    "flips": [["nose", "left_eye"], ["nose", "right_eye"]],
                }
            },
            "in two pairs",
        ),
        (
            {"segmentation": {"masks": "{town}/{stem}.png", "classes": ["a"]}},
            r"segmentation\.masks: \['town'\]",
        ),
        ({"depth": {"files": "{town}.png", "maximum": 5}}, r"depth\.files: \['town'\]"),
        ({"listss": {"train": "train.txt"}}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changed, message):
    with pytest.raises(ValidationError, match=message):
        settings(**changed)


def test_the_sigmas_of_coco_are_the_seventeen_of_its_evaluation():
    from faster_coco_eval import COCOeval_faster

    official = COCOeval_faster(iouType="keypoints").params.kpt_oks_sigmas
    np.testing.assert_allclose(list(coco_sigmas().values()), official)


# Real datasets, where they are at hand

STUDY = Path(__file__).parents[3] / "studies" / "real_images.yaml"


@pytest.mark.parametrize("name", ["carla_det", "trashcan", "lsp_extended"])
def test_a_real_dataset_is_read_as_its_json_says(tmp_path, name):
    if not (REAL / name).is_dir():
        pytest.skip(f"the real dataset {name} is not at hand ({REAL / name})")
    chosen = parse(yaml.safe_load(STUDY.read_text(encoding="utf-8"))["datasets"][name]["adapter"])
    found = prepare_dataset(chosen, REAL, tmp_path, dataset=name)
    about = yaml.safe_load((REAL / name / "dataset.yaml").read_text())
    assert found.counts == {"train": about["n_train"], "val": about["n_val"]}
    assert found.detection.classes == about["classes"]
    truth = json.loads((REAL / name / "annotations/val.json").read_text())
    listed = {image["file_name"]: image["id"] for image in truth["images"]}
    samples = PreparedDataset.open(tmp_path).read("val", range(found.counts["val"]), "detection")
    for sample in samples:
        wanted = [a for a in truth["annotations"] if a["image_id"] == listed[f"{Path(sample.id).name}.jpg"]]
        x, y, width, height = np.array([a["bbox"] for a in wanted]).T
        np.testing.assert_allclose(
            sample.objects.boxes, np.stack([x, y, x + width, y + height], 1), atol=1e-3
        )
        assert sample.objects.crowd.tolist() == [bool(a["iscrowd"]) for a in wanted]
    if found.keypoints:
        assert found.keypoints.names == about["keypoints"]
        assert [(one + 1, other + 1) for one, other in found.keypoints.skeleton] == [
            tuple(pair) for pair in about["skeleton"]
        ]
        assert found.keypoints.flips == [5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13]


@pytest.mark.parametrize(("coordinates", "moved"), [("indices", 0.5), ("continuous", 0.0)])
def test_keypoints_that_name_pixels_are_taken_to_their_centres(toy, coordinates, moved):
    asked = settings(keypoints={"coordinates": coordinates})
    found = records_of(asked, toy)[0].objects.keypoints[0]
    wanted = np.array(POINTS, float).reshape(-1, 3)
    wanted[wanted[:, 2] > 0, :2] += moved
    np.testing.assert_array_equal(found, wanted)
    # earlier datasets were read as places, and keep their keys only if they still are
    assert ("coordinates" in asked.keypoints.hashed()) == (coordinates == "indices")
