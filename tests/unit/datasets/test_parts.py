"""Parts of prepared datasets: sampled classes and shots, binary tasks, and what is asked for and not there."""

import io

import numpy as np
import pytest
from prepared_examples import description

from transfer_atlas.datasets.parts import sampled_classes, take_part
from transfer_atlas.datasets.prepared import Record
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.writing import write_prepared
from transfer_atlas.errors import DatasetError

CLASSES = ["ant", "bee", "cat", "dog", "eel"]


@pytest.fixture(scope="module")
def animals(tmp_path_factory):
    """Five classes of eight training and three validation images, whose grey tells class and number."""
    folder = tmp_path_factory.mktemp("animals")
    records = [
        Record(f"{split}-{label}-{at}", split, np.full((8, 8, 3), 40 * label + at, np.uint8), label=label)
        for split, count in (("train", 8), ("val", 3))
        for at in range(count)
        for label in range(5)
    ]
    write_prepared(folder, description(classification={"classes": CLASSES}), records)
    return folder


def taken(whole, tmp_path, part, name="animals.some"):
    request = {
        "settings": {"name": name, "part": part},
        "parents": {"whole": {"folder": str(whole)}},
        "name": name,
    }
    told = take_part(request, tmp_path, io.StringIO())
    return PreparedDataset.open(tmp_path / "output"), told


def test_a_part_by_classes_has_their_images_and_no_others(animals, tmp_path):
    found, told = taken(animals, tmp_path, {"classes": ["dog", "bee"]})
    assert found.description.classification.classes == [
        "bee",
        "dog",
    ]  # the dataset's order, whatever was written
    assert (found.count("train"), found.count("val")) == (16, 6)
    for index, label in enumerate(found.labels("train")):
        pixel = int(found.read("train", [index], "classification")[0].image[0, 0, 0])
        assert pixel // 40 == (1, 3)[label]
    assert told["lacking"] == {}


def test_sampled_tasks_differ_by_their_number_alone(animals, tmp_path):
    part = {"numbers": [3, 3], "shots": 2, "queries": 1, "seed": 5}
    found = [
        taken(animals, tmp_path / str(at), part | {"number": number})
        for at, number in enumerate((0, 0, 1, 2))
    ]
    classes = [each.description.classification.classes for each, _ in found]
    ids = [each.ids("train") for each, _ in found]
    assert classes[0] == classes[1] and ids[0] == ids[1]
    assert len({tuple(names) for names in ids}) == 3
    for each, _ in found:
        assert np.bincount(each.labels("train")).tolist() == [2, 2, 2]
        assert np.bincount(each.labels("val")).tolist() == [1, 1, 1]


def test_fewer_shots_than_asked_are_told_and_fewer_classes_refused(animals, tmp_path):
    _, told = taken(animals, tmp_path, {"classes": ["ant", "bee"], "shots": 9})
    assert told["lacking"] == {"ant (train)": 8, "bee (train)": 8}
    with pytest.raises(DatasetError, match="few: 7 classes are asked for, and there are 5 to draw from"):
        taken(animals, tmp_path, {"numbers": [7, 7], "number": 0}, "few")
    with pytest.raises(DatasetError, match="no class elk; the dataset has ant, bee"):
        taken(animals, tmp_path, {"classes": ["ant", "elk"]})


def test_shares_of_classes_cover_their_range():
    generator = np.random.default_rng(0)
    names = [f"c{number}" for number in range(100)]
    counts = [len(sampled_classes(names, {"share": [0.02, 1.0]}, "x", generator)) for _ in range(300)]
    assert min(counts) >= 2 and max(counts) <= 100
    assert min(counts) < 8 and max(counts) > 93
    assert 45 < np.mean(counts) < 57


def test_a_binary_part_has_two_classes_and_keeps_what_is_ignored(tmp_path):
    mask = np.zeros((4, 6), np.uint8)
    mask[:, 2:4], mask[:, 4], mask[0, 0] = 1, 2, 255
    segmentation = {"classes": ["air", "core", "edge"], "colours": [(0, 0, 0), (1, 1, 1), (2, 2, 2)]}
    records = [
        Record(f"{s}-{n}", s, np.zeros((4, 6, 3), np.uint8), mask=mask)
        for s in ("train", "val")
        for n in "ab"
    ]
    write_prepared(tmp_path / "whole", description(segmentation=segmentation), records)
    found, told = taken(tmp_path / "whole", tmp_path, {"foreground": ["edge", "core"]}, "brain.tumour")
    got = found.read("val", [1], "segmentation")[0].mask.numpy()
    expected = np.where(mask == 255, 255, mask > 0)
    assert np.array_equal(got, expected)
    assert found.description.segmentation.classes == ["background", "foreground"]
    assert told["images_with_foreground"] == 4
    with pytest.raises(DatasetError, match="no class heart; the dataset has air, core, edge"):
        taken(tmp_path / "whole", tmp_path, {"foreground": ["heart"]})
    with pytest.raises(DatasetError, match="no image classes to take a part by"):
        taken(tmp_path / "whole", tmp_path, {"classes": ["air", "core"]})
