"""Adapters: official layouts, label and colour maps, and what they say about files that are not in order."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import prepared_examples as examples
import pytest
import yaml
from adapter_examples import DATA, REAL, parse, records_of, save
from PIL import Image
from prepared_examples import pixels, record
from pydantic import ValidationError

from transfer_atlas.datasets import miniature
from transfer_atlas.datasets.adapters.masks import LabelMap
from transfer_atlas.datasets.adapters.patterns import find
from transfer_atlas.datasets.miniature import rendering
from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.registry import ADAPTERS, raw_path
from transfer_atlas.errors import DatasetError

CAMVID = """
name: image_mask_folders
path: pseudo_camvid
images: 701_StillsRaw_full/*.png
masks: LabeledApproved_full/{stem}_L.png
lists: {train: train.txt, val: val.txt}
classes: [sky, road, car]
mask_colours: {ignore: [0, 0, 0], sky: [128, 128, 128], road: [128, 64, 128], car: [64, 0, 128]}
"""
FOLDERS = {
    "name": "image_mask_folders",
    "path": "toy",
    "images": "images/{split}/*.png",
}


def folders(**changed):
    return parse(FOLDERS, **({"images": "images/{split}/*.png", "classes": ["sky", "road", "car"]} | changed))


@pytest.fixture
def toy(tmp_path) -> Path:
    """A data root with a dataset of images and masks: two training images, one for validation."""
    for split, stem in (("train", "a"), ("train", "b"), ("val", "a")):
        save(tmp_path / f"toy/images/{split}/{stem}.png", pixels(4, 6))
        save(
            tmp_path / f"toy/masks/{split}/{stem}.png",
            np.tile(np.array([0, 1, 2, 255, 0, 1], np.uint8), (4, 1)),
        )
    return tmp_path


# image_mask_folders


def test_camvid_with_colour_coded_masks_and_list_files(tmp_path):
    found = prepare_dataset(parse(CAMVID), DATA, tmp_path, dataset="toy")
    assert found.counts == {"train": 2, "val": 1}
    assert found.segmentation.classes == ["sky", "road", "car"]
    assert found.segmentation.colours[1] == (128, 64, 128)
    assert found.segmentation.absent_classes == {"val": ["car"]}
    dataset = PreparedDataset.open(tmp_path)
    assert dataset.ids("train") == ["701_StillsRaw_full/0001TP_006690", "701_StillsRaw_full/0006R0_f00930"]
    for index in (0, 1):
        mask = dataset.read("train", [index], "segmentation")[0].mask.numpy()
        expected = np.zeros((9, 12), np.uint8)
        expected[4:] = 1
        expected[5:7, 2 + index : 5 + index] = 2
        expected[0, 0] = 255
        np.testing.assert_array_equal(mask, expected)


def test_the_drawn_dataset_in_the_repository_is_what_its_script_draws(tmp_path):
    from importlib.util import module_from_spec, spec_from_file_location

    specification = spec_from_file_location("draw", DATA / "draw_pseudo_camvid.py")
    module = module_from_spec(specification)
    specification.loader.exec_module(module)
    module.draw(tmp_path)
    drawn = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")}
    stored = DATA / "pseudo_camvid"
    assert drawn == {path.relative_to(stored) for path in stored.rglob("*.*")}
    for path in (path for path in drawn if path.suffix == ".png"):
        np.testing.assert_array_equal(Image.open(tmp_path / path), Image.open(stored / path))


def test_records_come_in_the_order_of_their_paths_with_unique_ids(toy):
    found = records_of(folders(), toy)
    assert [(r.split, r.id) for r in found] == [
        ("train", "images/train/a"),
        ("train", "images/train/b"),
        ("val", "images/val/a"),
    ]
    assert found[0].image == (toy / "toy/images/train/a.png").read_bytes()


@pytest.mark.parametrize("kind", ["grey", "palette", "16 bits"])
def test_values_on_disk_are_mapped_to_classes(toy, kind):
    values = {"grey": [7, 33, 0, 9], "palette": [7, 33, 0, 9], "16 bits": [700, 40000, 0, 65535]}[kind]
    mask = np.array([values] * 4)[:, [0, 1, 2, 3, 0, 1]]
    for path in (toy / "toy/masks").rglob("*.png"):
        if kind == "palette":
            image = Image.fromarray(mask.astype(np.uint8)).convert("P")
            image = Image.frombytes("P", image.size, mask.astype(np.uint8).tobytes())
            image.putpalette([255 - value // 3 for value in range(768)])  # colours say nothing about labels
            image.save(path)
        else:
            save(path, mask.astype(np.uint8 if kind == "grey" else np.uint16))
    labels = {values[0]: "car", values[1]: "sky", values[2]: "ignore", values[3]: "road"}
    for r in records_of(folders(labels=labels, ignore_label=None), toy):
        assert r.mask.dtype == np.uint8
        assert r.mask[0].tolist() == [2, 0, 255, 1, 2, 0]


def test_classes_need_not_be_listed_where_a_map_names_them(toy):
    given = parse(FOLDERS, labels={9: "car", 0: "ignore", 7: "sky", 8: "car"}, classes=None)
    assert given.classes == ["sky", "car"]  # by ascending value, whatever the order in the file
    assert given == parse(FOLDERS, labels={7: "sky", 8: "car", 0: "ignore", 9: "car"})
    colours = {"road": (1, 1, 1), "ignore": (0, 0, 0), "car": (2, 2, 2)}
    assert parse(FOLDERS, mask_colours=colours).classes == ["car", "road"]
    with pytest.raises(ValidationError, match="classes: none; list them"):
        parse(FOLDERS)


def test_images_in_sub_folders_matched_by_named_parts(tmp_path):
    for city in ("aachen", "ulm"):
        save(tmp_path / f"toy/left/train/{city}/{city}_1_left.png", pixels(4, 6))
        save(tmp_path / f"toy/fine/train/{city}/{city}_1_ids.png", np.zeros((4, 6), np.uint8))
    pattern = {
        "images": "left/{split}/{city}/{frame}_left.png",
        "masks": "fine/{split}/{city}/{frame}_ids.png",
    }
    found = records_of(folders(**pattern, splits={"train": "train"}), tmp_path)
    assert [r.id for r in found] == ["left/train/aachen/aachen_1_left", "left/train/ulm/ulm_1_left"]


def test_patterns_match_within_one_part_of_a_path_and_skip_hidden_files(tmp_path):
    for name in ("x/1.jpg", "x/y/2.jpg", "x/.3.jpg", "x[1]/4.jpg", "x1/5.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path, _ in find(tmp_path, "{split}/*.jpg", {"split": "x"})] == ["1.jpg"]
    assert [path.name for path, _ in find(tmp_path, "{split}/*.jpg", {"split": "x[1]"})] == ["4.jpg"]
    assert [parts for _, parts in find(tmp_path, "{a}/{b}/{stem}.jpg", {})] == [
        {"a": "x", "b": "y", "stem": "2", "parent": "y"}
    ]


def break_toy(toy: Path, how: str) -> dict:
    """Break the toy dataset; return changed settings."""
    folder, image, mask = toy / "toy", toy / "toy/images/train/b.png", toy / "toy/masks/train/b.png"
    if how == "folder missing":
        shutil.rmtree(folder)
    elif how == "no match":
        return {"images": "images/{split}/*.jpg"}
    elif how == "truncated image":
        image.write_bytes(image.read_bytes()[:60])
    elif how == "missing mask":
        mask.unlink()
    elif how == "truncated mask":
        mask.write_bytes(mask.read_bytes()[:50])
    elif how == "other size":
        save(mask, np.zeros((4, 5), np.uint8))
    elif how == "unknown value":
        save(mask, np.array([[0, 1, 2, 3, 3, 9]] * 4, np.uint8))
    elif how == "colours":
        save(mask, pixels(4, 6))
    elif how == "unknown colour":
        save(mask, np.full((4, 6, 3), 7, np.uint8))
        return {"mask_colours": {"sky": (0, 0, 0), "road": (1, 1, 1), "car": (2, 2, 2), "ignore": (255,) * 3}}
    elif how == "list missing":
        return {"lists": {"train": "train.txt"}}
    elif how in ("unknown stem", "ambiguous stem"):
        (folder / "train.txt").write_text("b\n\nc\n" if how == "unknown stem" else "a\n")
        save(folder / "images/more/a.png", pixels(4, 6))
        return {
            "lists": {"train": "train.txt"},
            "images": "images/*/*.png",
            "masks": "masks/{parent}/{stem}.png",
        }
    return {}


BROKEN = {
    "folder missing": r"the folder .*toy does not exist.*dvc pull",
    "no match": r"images/train/\*\.jpg: no file matches \(split train\).*Correct `images`",
    "truncated image": r"toy/images/train/b\.png: the image cannot be decoded",
    "missing mask": r"toy/masks/train/b\.png \(mask of toy/images/train/b\.png\): no such mask",
    "truncated mask": r"toy/masks/train/b\.png .*the mask cannot be decoded",
    "other size": r"toy/masks/train/b\.png: mask of 5 x 4; expected the image's 6 x 4",
    "unknown value": r"b\.png.*value 3 \(8 pixels\), 9 \(4 pixels\); .*0: sky, 1: road, 2: car, 255: ignore",
    "colours": r"b\.png.*: a mask of mode RGB; .*Set `mask_colours`",
    "unknown colour": r"b\.png.*: colour \[7, 7, 7\] \(24 pixels\); .*sky: \[0, 0, 0\]",
    "list missing": r"list file .*train\.txt does not exist",
    "unknown stem": r"train\.txt, line 3: 'c' is not there",
    "ambiguous stem": r"train\.txt, line 1: 'a' is the name of 3 files",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_dataset_is_an_error_that_names_the_file(toy, tmp_path, how):
    changed = break_toy(toy, how)
    with pytest.raises(DatasetError, match=BROKEN[how]) as caught:
        prepare_dataset(folders(**changed), toy, tmp_path / "prepared", dataset="toy")
    assert "'toy'" in str(caught.value)
    assert not list((tmp_path / "prepared").rglob("*.json"))


def test_all_problems_are_told_at_once(toy, tmp_path):
    for how in ("truncated image", "other size"):
        break_toy(toy, how)
    (toy / "toy/masks/val/a.png").unlink()
    save(toy / "toy/masks/train/a.png", np.full((4, 6), 4, np.uint8))
    with pytest.raises(DatasetError, match=r"3 problem\(s\)") as caught:
        prepare_dataset(folders(), toy, tmp_path / "prepared", dataset="toy")
    assert all(name in str(caught.value) for name in ("train/a.png", "train/b.png", "val/a.png"))


def test_unknown_values_and_colours_are_ignored_where_asked_for(toy):
    break_toy(toy, "unknown value")
    assert records_of(folders(unknown="ignore"), toy)[1].mask[0].tolist() == [0, 1, 2, 255, 255, 255]
    changed = break_toy(toy, "unknown colour")
    assert (records_of(folders(unknown="ignore", **changed), toy)[1].mask == 255).all()


def test_an_image_in_two_splits_is_an_error(toy, tmp_path):
    for split in ("train", "val"):
        (toy / f"toy/{split}.txt").write_text("a\n")
    changed = {"images": "images/train/*.png", "masks": "masks/train/{stem}.png"}
    settings = folders(**changed, lists={"train": "train.txt", "val": "val.txt"})
    with pytest.raises(DatasetError, match=r"images/train/a: this id occurs twice \(again in split val\)"):
        prepare_dataset(settings, toy, tmp_path / "prepared", dataset="toy")


def test_list_files_may_hold_paths(toy):
    (toy / "toy/train.txt").write_text("/SegNet/toy/b.png /SegNet/annotation/b.png\nimages/a.png\n")
    changed = {"images": "images/train/*.png", "masks": "masks/train/{stem}.png"}
    found = records_of(folders(**changed, lists={"train": "train.txt"}), toy)
    assert [r.id for r in found] == ["images/train/b", "images/train/a"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"clases": ["a"]}, "Extra inputs are not permitted"),
        ({"name": "image_masks"}, "image_mask_folders"),
        ({"labels": {0: "tree"}}, r"\['tree'\] are not among the classes"),
        ({"mask_colours": {"tree": (0, 0, 0)}}, r"\['tree'\] are not among the classes"),
        ({"mask_colours": {"sky": (0, 0, 0), "car": (0, 0, 0)}}, "same colour"),
        ({"mask_colours": {"sky": (0, 0, 256)}}, "less than or equal to 255"),
        ({"labels": {0: "sky"}, "mask_colours": {"sky": (0, 0, 0)}}, "exclude each other"),
        ({"classes": ["sky", "sky"]}, "occurs twice"),
        ({"classes": ["ignore"]}, "cannot name a class"),
        ({"colours": [(0, 0, 0)]}, "1 for 3 classes"),
        ({"images": "images/*.png"}, r"without \{split\}"),
        ({"masks": "masks/{town}/{stem}.png"}, r"\['town'\] do not occur in images"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changed, message):
    with pytest.raises(ValidationError, match=message):
        folders(**changed)


# imagenet_folders


@pytest.fixture
def ilsvrc(tmp_path) -> Path:
    """A data root in the layout of ILSVRC'12 with three classes."""
    for wnid in ("n02", "n01", "n03"):
        save(tmp_path / f"ilsvrc/train/{wnid}/{wnid}_1.JPEG", pixels(), format="JPEG")
        save(tmp_path / f"ilsvrc/val/{wnid}/val_{wnid}.JPEG", pixels(), format="JPEG")
        save(tmp_path / f"ilsvrc/flat/ILSVRC2012_val_{wnid}.JPEG", pixels(), format="JPEG")
    (tmp_path / "ilsvrc/train/.hidden").mkdir()
    (tmp_path / "ilsvrc/train/n01/notes.txt").write_text("no image")
    return tmp_path


def imagenet(**changed):
    return parse({"name": "imagenet_folders", "path": "ilsvrc"}, **changed)


def test_class_folders_are_numbered_in_sorted_order(ilsvrc, tmp_path):
    found = prepare_dataset(imagenet(), ilsvrc, tmp_path / "prepared", dataset="toy")
    assert found.classification.classes == ["n01", "n02", "n03"] and found.counts == {"train": 3, "val": 3}
    samples = PreparedDataset.open(tmp_path / "prepared").read("val", range(3), "classification")
    assert [(s.id, s.label) for s in samples] == [(f"val/n0{k + 1}/val_n0{k + 1}", k) for k in range(3)]


def test_many_class_folders_are_sorted_whatever_order_the_disk_has(tmp_path):
    numbers = np.random.default_rng(0).permutation(200)
    for number in numbers:
        (tmp_path / f"ilsvrc/train/n{number:03d}").mkdir(parents=True)
    classes = ADAPTERS["imagenet_folders"].describe(imagenet(), tmp_path, "toy")["classification"]["classes"]
    assert classes == [f"n{number:03d}" for number in range(200)]


def test_classes_can_be_given_in_another_order(ilsvrc):
    found = records_of(imagenet(classes=["n03", "n01", "n02"]), ilsvrc)
    assert [(r.id, r.label) for r in found[:2]] == [("train/n03/n03_1", 0), ("train/n01/n01_1", 1)]


@pytest.mark.parametrize(
    ("labels", "index"),
    [
        ("n03\nn01\nn02\n", None),
        ("1\n2\n3\n", "n03\nn01\nn02\n"),  # ILSVRC's own order of classes is not that of their names
        ("ILSVRC2012_val_n01.JPEG n03\nILSVRC2012_val_n02 n01\nILSVRC2012_val_n03.JPEG n02", None),
    ],
)
def test_a_flat_validation_folder_with_a_file_of_labels(ilsvrc, labels, index):
    (ilsvrc / "ilsvrc/truth.txt").write_text(labels)
    (ilsvrc / "ilsvrc/index.txt").write_text(index or "")
    splits = {"train": "train", "val": "flat"}
    settings = imagenet(splits=splits, val_labels="truth.txt", val_index="index.txt" if index else None)
    found = [r for r in records_of(settings, ilsvrc) if r.split == "val"]
    assert [r.id for r in found] == [f"flat/ILSVRC2012_val_n0{k}" for k in (1, 2, 3)]
    assert [r.label for r in found] == [2, 0, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("n01\nn02\n", "2 labels for 3 images"),
        ("n01\nn02\nn09\n", r"line 3: 'n09'; expected a class folder's name"),
        ("1\n2\n3\n", r"line 1: '1'; .*indices need `val_index`"),
        (
            "x_1 n01\nILSVRC2012_val_n02 n01\nILSVRC2012_val_n03 n01",
            "line 1: the label of 'x_1'; expected that of",
        ),
        (None, r"truth\.txt does not exist"),
    ],
)
def test_labels_that_do_not_fit_are_an_error(ilsvrc, labels, message):
    if labels:
        (ilsvrc / "ilsvrc/truth.txt").write_text(labels)
    settings = imagenet(splits={"train": "train", "val": "flat"}, val_labels="truth.txt")
    with pytest.raises(DatasetError, match=message):
        records_of(settings, ilsvrc)


def test_class_folders_that_are_not_in_order_are_an_error(ilsvrc):
    save(ilsvrc / "ilsvrc/val/n99/x.png", pixels())
    with pytest.raises(DatasetError, match=r"ilsvrc/val/n99: a folder that is no class"):
        records_of(imagenet(), ilsvrc)
    with pytest.raises(DatasetError, match=r"ilsvrc/flat: images without class folders.*`val_labels`"):
        records_of(imagenet(splits={"train": "train", "val": "flat"}), ilsvrc)
    with pytest.raises(DatasetError, match="has no class folder"):
        records_of(imagenet(splits={"train": "flat"}), ilsvrc)
    with pytest.raises(DatasetError, match="nowhere does not exist"):
        records_of(imagenet(path="nowhere"), ilsvrc)


# miniature


def test_miniature_datasets_are_rendered_in_order(tmp_path, monkeypatch):
    calls = []

    def render(name, split, indices, *, seed, image_size, **others):
        assert not any(others.values()), "what nobody asked for"
        calls.append((name, split, list(indices), seed))
        return [
            record(f"{split}/{k}", split, image=pixels(image_size, image_size, k), label=k % 2)
            for k in indices
        ]

    about = examples.description(classification=examples.CLASSIFICATION)
    monkeypatch.setattr(rendering, "render", render)
    monkeypatch.setattr(miniature, "describe", lambda name: about)
    monkeypatch.setattr(
        miniature, "specification", lambda name: SimpleNamespace(n_train=40, n_val=5), raising=False
    )
    settings = parse({"name": "miniature", "dataset": "toy", "seed": 3, "image_size": 16, "n_val": 2})
    assert raw_path(settings) is None
    assert prepare_dataset(settings, tmp_path, tmp_path / "prepared", dataset="toy").counts == {
        "train": 40,
        "val": 2,
    }
    assert calls == [
        ("toy", "train", list(range(32)), 3),
        ("toy", "train", list(range(32, 40)), 3),
        ("toy", "val", [0, 1], 3),
    ]


# Real datasets, where they are at hand


@pytest.mark.parametrize(
    ("name", "classes", "counts"),
    [("camvid", 11, (367, 101)), ("trashcan", 6, (400, 120)), ("dubai_aerial", 5, (400, 90))],
)
def test_a_real_dataset_needs_a_few_lines_of_settings(tmp_path, name, classes, counts):
    if not (REAL / name).is_dir():
        pytest.skip(f"the real dataset {name} is not at hand ({REAL / name})")
    about = yaml.safe_load((REAL / name / "dataset.yaml").read_text())
    names = about.get("mask_classes", about["classes"])
    settings = parse(
        {
            "name": "image_mask_folders",
            "path": name,
            "classes": names,
        }
    )
    found = prepare_dataset(settings, REAL, tmp_path, dataset="toy")
    assert (found.counts["train"], found.counts["val"]) == counts and len(names) == classes
    dataset = PreparedDataset.open(tmp_path)
    sample = dataset.read("val", [7], "segmentation")[0]
    image, mask = (
        REAL / name / f"{sample.id}.jpg",
        REAL / name / f"{sample.id.replace('images', 'masks', 1)}.png",
    )
    np.testing.assert_array_equal(sample.image.permute(1, 2, 0), np.asarray(Image.open(image).convert("RGB")))
    np.testing.assert_array_equal(sample.mask, np.asarray(Image.open(mask)))


@pytest.mark.parametrize("mode", ["L", "P"])
@pytest.mark.parametrize(
    "labels",
    [
        None,
        {0: "a", 1: "b", 2: "c"},
        {1: "a", 0: "b", 2: "c"},
        {0: "a", 1: "ignore", 2: "c"},
        {0: "a", 1: "b", 2: "ignore"},
    ],
)
def test_masks_of_plain_indices_become_what_the_labels_say(tmp_path, mode, labels):
    """They are not looked at value by value, which must change nothing."""
    values = np.array([[0, 1, 2, 2], [2, 0, 0, 1]], np.uint8)
    picture = Image.fromarray(values, "L")
    if mode == "P":
        picture = Image.fromarray(values, "P")
        picture.putpalette([9, 0, 0, 0, 9, 0, 0, 0, 9])
    picture.save(tmp_path / "mask.png")
    classes = ["a", "b", "c"]
    becomes = {
        value: classes.index(name) if name in classes else 255 for value, name in (labels or {}).items()
    }
    expected = np.vectorize(lambda value: becomes.get(value, value))(values)
    read = LabelMap(classes, 255, None, labels).read(tmp_path / "mask.png", "mask.png", Problems("x"))
    assert read.dtype == np.uint8 and read.tolist() == expected.tolist()
