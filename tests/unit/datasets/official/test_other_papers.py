"""Datasets of the papers on domains and tasks in their official layouts."""

import numpy as np
import pytest
from official_examples import column, described, drawn, names_of, records, splits_of
from PIL import Image
from pseudo import other_papers as pseudo
from pseudo.files import stripes, values, write

from transfer_atlas.datasets import open_dataset
from transfer_atlas.errors import DatasetError


def test_gta5_lists_classes_and_labels_of_another_size(tmp_path):
    drawn("gta5", tmp_path)
    found = records("gta5", tmp_path)
    classes = described("gta5", tmp_path)["segmentation"]["classes"]
    assert splits_of(found) == {"train": ["00001", "00002"], "val": ["00004"]}
    assert len(classes) == 19
    assert [names_of(found["00004"], classes, (row, 0)) for row in (0, 6, 12, 18)] == [
        "ignored",
        "road",
        "bicycle",
        "ignored",
    ]
    resized = records("gta5", tmp_path, mismatched="resize")["00003"]
    assert resized.mask.shape == (24, 32) and column(resized) == [255, 0, 18, 255]
    assert len(described("gta5", tmp_path, labels="ids")["segmentation"]["classes"]) == 32
    assert column(records("gta5", tmp_path, labels="ids")["00004"]) == [255, 5, 31, 255]


def test_gta5_without_its_lists(tmp_path):
    folder = drawn("gta5", tmp_path)
    (folder / "read_mapping/split.mat").unlink()
    with pytest.raises(DatasetError, match=r"split\.mat does not tell the split"):
        records("gta5", tmp_path)
    assert set(splits_of(records("gta5", tmp_path, split="seeded", held_out=0.3))) == {"train", "val"}


def test_synthia_sf_classes_in_the_red_channel_and_depth_in_all(tmp_path):
    drawn("synthia_sf", tmp_path)
    found = records("synthia_sf", tmp_path)
    classes = described("synthia_sf", tmp_path)["segmentation"]["classes"]
    assert [(r.split, r.id) for r in found.values()] == [
        ("train", "SEQ1/RGBLeft/0000000"),
        ("train", "SEQ2/RGBLeft/0000000"),
        ("val", "SEQ5/RGBLeft/0000000"),
    ]
    record = found["SEQ5/RGBLeft/0000000"]
    assert len(classes) == 22
    assert [names_of(record, classes, (row, 0)) for row in (0, 6, 12, 18)] == [
        "ignored",
        "Road",
        "RoadWorks",
        "Sky",
    ]
    np.testing.assert_allclose(record.depth[[0, 6, 12, 18], 0], [2.5, 100, 998, 1000], atol=1e-4)
    opened = open_dataset("synthia_sf", tmp_path, "test", "depth", cameras=["left", "right"])
    assert opened.ids == ["SEQ6/RGBLeft/0000000", "SEQ6/RGBRight/0000000"]
    assert np.isnan(opened[0].depth[18, 0]), "the sky is farther than any depth"


def test_eleven_classes_are_the_same_across_three_datasets(tmp_path):
    names = {}
    for name, options in (("synthia_sf", {}), ("carla", {}), ("cityscapes", {})):
        folder = drawn(name, tmp_path)
        opened = open_dataset(name, folder, "val", "segmentation", labels="atdt_11", **options)
        names[name] = opened.classes
        mask = opened[0].mask
        found = {
            row: "ignored" if mask[row, 0] == 255 else opened.classes[mask[row, 0]] for row in (0, 6, 12, 18)
        }
        expected = {
            "synthia_sf": {0: "ignored", 6: "Road", 12: "ignored", 18: "Sky"},
            # no class: sky where it is far, ignored where it is near
            "carla": {0: "Sky", 6: "ignored", 12: "Road", 18: "Vehicles"},
            "cityscapes": {0: "ignored", 6: "ignored", 12: "ignored", 18: "Road"},
        }
        assert found == expected[name]
    assert names["synthia_sf"] == names["carla"] == names["cityscapes"] and len(names["carla"]) == 11


def test_carla_holds_whole_episodes_out(tmp_path):
    drawn("carla", tmp_path)
    found = records("carla", tmp_path)
    classes = described("carla", tmp_path)["segmentation"]["classes"]
    episodes = {
        split: {r.id.split("/")[0] for r in found.values() if r.split == split} for split in ("train", "val")
    }
    assert (
        len(episodes["train"]) == 3 and len(episodes["val"]) == 1 and not episodes["train"] & episodes["val"]
    )
    record = next(iter(found.values()))
    assert [names_of(record, classes, (row, 0)) for row in (0, 6, 12, 18)] == [
        "ignored",
        "ignored",
        "Roads",
        "Vehicles",
    ]
    np.testing.assert_allclose(record.depth[[6, 12], 0], [20, 5], atol=1e-4)
    chosen = records("carla", tmp_path, episodes=["episode_002"])
    assert {r.id.split("/")[0] for r in chosen.values() if r.split == "val"} == {"episode_002"}


@pytest.mark.parametrize("name", ["kitti_2012", "kitti_2015"])
def test_kitti_stereo_depth_from_disparity_and_calibration(tmp_path, name):
    folder = drawn(name, tmp_path)
    found = records(name, tmp_path)
    assert {split: len(names) for split, names in splits_of(found).items()} == {"train": 4, "val": 1}
    depth = next(iter(found.values())).depth
    # 700 pixels * 0.5 m / 38.6 pixels
    np.testing.assert_allclose(depth[[0, 8], 0], [0, 350 / (round(38.6 * 256) / 256)], rtol=1e-6)
    opened = open_dataset(name, folder, "train", "depth")[0]
    assert np.isnan(opened.depth[0, 0]) and np.isnan(opened.depth[16, 0]), "unknown, or kilometres away"
    for path in folder.rglob("000000.txt"):
        write(path, "P0: 1 2 3\n")
    with pytest.raises(DatasetError, match=r"000000\.txt: no calibration"):
        records(name, tmp_path)


def test_domainnet_images_and_indices_of_the_lists(tmp_path):
    folder = drawn("domainnet", tmp_path)
    found = records("domainnet", tmp_path, domains=["real"])
    assert described("domainnet", tmp_path)["classification"]["classes"] == [
        "aircraft_carrier",
        "airplane",
        "zigzag",
    ]
    assert {split: len(names) for split, names in splits_of(found).items()} == {"train": 6, "val": 3}
    assert (
        found["real_003_000003"].label == 2 and found["real_003_000003"].id == "real/zigzag/real_003_000003"
    )
    assert len(records("domainnet", tmp_path)) == 54
    write(folder / "real_test.txt", "../secret/x/y.jpg 0\n")
    with pytest.raises(DatasetError, match=r"a line of .*real_test\.txt"):
        records("domainnet", tmp_path, domains=["real"])


def test_office_31_is_divided_within_classes(tmp_path):
    drawn("office_31", tmp_path)
    found = records("office_31", tmp_path, domains=["webcam"])
    assert described("office_31", tmp_path)["classification"]["classes"] == ["back_pack", "bike"]
    evaluated = [r.label for r in found.values() if r.split == "val"]
    assert evaluated == [0, 1] and len(found) == 10
    assert len(records("office_31", tmp_path)) == 30


def test_caltech101_leaves_the_background_out(tmp_path):
    drawn("caltech101", tmp_path)
    assert described("caltech101", tmp_path)["classification"]["classes"] == ["Faces", "accordion"]
    found = records("caltech101", tmp_path)
    assert {split: len(names) for split, names in splits_of(found).items()} == {"train": 8, "val": 2}
    assert len(described("caltech101", tmp_path, background=True)["classification"]["classes"]) == 3


def test_seeded_splits_do_not_move_when_other_classes_change(tmp_path):
    folder = drawn("caltech101", tmp_path)
    before = {r.id: r.split for r in records("caltech101", tmp_path).values()}
    for path in folder.glob("101_ObjectCategories/Faces/image_000[1-4].jpg"):
        path.unlink()
    after = {r.id: r.split for r in records("caltech101", tmp_path).values()}
    kept = {name: split for name, split in before.items() if "accordion" in name}
    assert kept == {name: split for name, split in after.items() if "accordion" in name}


def test_omniglot_holds_people_out(tmp_path):
    drawn("omniglot", tmp_path)
    found = records("omniglot", tmp_path)
    classes = described("omniglot", tmp_path)["classification"]["classes"]
    assert classes == [f"{a}/character{c:02d}" for a in ("Greek", "Latin") for c in (1, 2)]
    people = {split: {r.id[-2:] for r in found.values() if r.split == split} for split in ("train", "val")}
    assert len(people["val"]) == 1 and not people["train"] & people["val"]
    assert {r.label for r in found.values() if r.split == "val"} == {0, 1, 2, 3}
    assert len(records("omniglot", tmp_path, alphabets=["Latin"])) == 10
    assert len(records("omniglot", tmp_path, parts=["background", "evaluation"])) == 30


@pytest.mark.parametrize(("name", "classes"), [("cifar10", "airplane"), ("cifar100", "apple")])
def test_cifar_planes_become_pixels(tmp_path, name, classes):
    drawn(name, tmp_path)
    found = records(name, tmp_path)
    assert described(name, tmp_path)["classification"]["classes"][0] == classes
    last = found["test_batch/00002"] if name == "cifar10" else found["test/00002"]
    assert last.split == "val" and last.label == 2
    shade = 52 if name == "cifar10" else 12
    assert last.image[0, :2].tolist() == [[shade, shade, 203], [201, shade, 203]]
    assert last.image[2, 0].tolist() == [shade, 202, 203]
    assert len(found) == (18 if name == "cifar10" else 6)


def test_cifar_is_never_unpickled(tmp_path):
    folder = drawn("cifar10", tmp_path)
    for path in list(folder.rglob("*.*")):
        path.unlink()
    write(folder / "cifar-10-batches-py/data_batch_1", "a pickle")
    with pytest.raises(DatasetError, match="binary version"):
        records("cifar10", tmp_path)


def records_by_id(name, root):
    """Rows of a file are numbered alike in train and test."""
    return {record.id: record for record in records(name, root).values()}


def test_mnist_idx_files_plain_and_compressed(tmp_path):
    folder = drawn("mnist", tmp_path)
    found = records_by_id("mnist", tmp_path)
    assert {name: record.label for name, record in found.items()} == {
        "train/00000": 5,
        "train/00001": 0,
        "train/00002": 9,
        "test/00000": 7,
        "test/00001": 2,
    }
    image = found["test/00001"].image
    assert image.shape == (28, 28, 3) and image[0, :2].tolist() == [[16] * 3, [17] * 3]
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DatasetError, match="damaged gzip"):
        records("mnist", tmp_path)


def test_mnist_in_folders(tmp_path):
    for split in ("training", "testing"):
        for digit in range(10):
            values(
                tmp_path / f"mnist/mnist_png/{split}/{digit}/{digit}.png", stripes(digit, height=28, width=28)
            )
    found = records("mnist", tmp_path)
    assert len(found) == 20 and found["testing/7/7"].label == 7


def test_usps_lines_of_libsvm_and_idx(tmp_path):
    folder = drawn("usps", tmp_path)
    found = records_by_id("usps", tmp_path)
    assert {name: record.label for name, record in found.items()} == {
        "train/00000": 6,
        "train/00001": 0,
        "test/00000": 9,
    }
    image = found["train/00000"].image
    assert image.shape == (16, 16, 3)
    assert (image[0, 0, 0], image[1, 1, 0], image[15, 15, 0], image[5, 5, 0]) == (255, 128, 64, 0)
    for path in folder.glob("*.bz2"):
        path.unlink()
    for split in ("train", "test"):
        pseudo.idx(folder / f"{split}-images-idx3-ubyte", np.zeros((2, 16, 16)), False)
        pseudo.idx(folder / f"{split}-labels-idx1-ubyte", np.array([3, 4]), False)
    assert [record.label for record in records("usps", tmp_path).values()] == [3, 4, 3, 4]


def test_one_bit_drawings_open_in_colours(tmp_path):
    folder = drawn("omniglot", tmp_path)
    assert Image.open(next(folder.rglob("*.png"))).mode == "1"
    image = open_dataset("omniglot", folder, "val", "classification")[0].image
    assert image.shape == (20, 20, 3) and set(np.unique(image)) == {0, 255}
