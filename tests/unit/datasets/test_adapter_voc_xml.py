"""The adapter of Pascal VOC's layout: boxes, difficult objects, list files, and what is not in order."""

from pathlib import Path

import numpy as np
import pytest
from adapter_examples import parse, records_of, save, write
from prepared_examples import pixels
from pydantic import ValidationError

from transfer_atlas.datasets.adapters.xml_files import parse_xml
from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.registry import ADAPTERS
from transfer_atlas.errors import DatasetError

SIZE = "<size><width>6</width><height>4</height><depth>3</depth></size>"


def thing(name="cat", box=(1, 1, 3, 4), more="") -> str:
    corners = "".join(
        f"<{corner}>{value}</{corner}>"
        for corner, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return f"<object><name>{name}</name>{more}<bndbox>{corners}</bndbox></object>"


def annotation(*things: str, size=SIZE) -> str:
    return f"<annotation>{size}{''.join(things)}</annotation>"


def settings(**changed):
    values = {"name": "voc_xml", "path": "toy", "images": "JPEGImages/*.png", "classes": ["cat", "dog"]}
    return parse(values, **changed)


@pytest.fixture
def toy(tmp_path) -> Path:
    """A data root in VOC's layout: two training images, one for validation, one in no list."""
    for stem in ("2007_1", "2007_2", "2007_3", "2007_4"):
        save(tmp_path / f"toy/JPEGImages/{stem}.png", pixels(4, 6))
        write(tmp_path / f"toy/Annotations/{stem}.xml", annotation(thing()))
    write(tmp_path / "toy/ImageSets/Main/train.txt", "2007_2\n2007_1\n")
    write(tmp_path / "toy/ImageSets/Main/val.txt", "2007_3  1\n")
    return tmp_path


def test_boxes_are_one_based_and_include_their_last_pixel(toy, tmp_path):
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
    first = annotation(
        thing("dog", (1, 1, 6, 4), "<difficult>1</difficult>"),
        thing("cat", (2, "1.5", 3, 4), f"<difficult>0</difficult>{part}"),
    )
    write(toy / "toy/Annotations/2007_2.xml", first)
    write(toy / "toy/Annotations/2007_3.xml", annotation())
    found = prepare_dataset(settings(), toy, tmp_path / "prepared", dataset="toy")
    assert found.detection.classes == ["cat", "dog"] and found.counts == {"train": 2, "val": 1}
    dataset = PreparedDataset.open(tmp_path / "prepared")
    assert dataset.ids("train") == ["JPEGImages/2007_2", "JPEGImages/2007_1"]
    objects = dataset.read("train", [0], "detection")[0].objects
    np.testing.assert_array_equal(objects.boxes, [[0, 0, 6, 4], [1, 0.5, 3, 4]])
    assert objects.labels.tolist() == [1, 0] and objects.crowd.tolist() == [True, False]
    assert objects.area.tolist() == [24, 7]
    assert dataset.read("val", [0], "detection")[0].objects.boxes.shape == (0, 4)


def test_boxes_that_count_from_zero(toy):
    write(toy / "toy/Annotations/2007_2.xml", annotation(thing(box=(0, 0, 5, 3)), thing(box=(1, 1, 1, 1))))
    boxes = records_of(settings(first_pixel=0), toy)[0].objects.boxes
    np.testing.assert_array_equal(boxes, [[0, 0, 6, 4], [1, 1, 2, 2]])


def test_names_are_mapped_and_others_left_out(toy):
    things = [thing(name) for name in ("ctat", "timestamp", "dog")]
    write(toy / "toy/Annotations/2007_2.xml", annotation(*things))
    chosen = settings(labels={"ctat": "cat", "timestamp": "ignore"})
    assert records_of(chosen, toy)[0].objects.labels.tolist() == [0, 1]
    assert records_of(settings(unknown="ignore"), toy)[0].objects.labels.tolist() == [1]


def test_files_side_by_side_in_folders_of_splits(toy):
    for split in ("train", "val"):
        save(toy / f"toy/{split}/a.png", pixels(4, 6))
        write(toy / f"toy/{split}/a.xml", annotation(thing(), size=""))
    chosen = settings(images="{split}/*.png", annotations="{split}/{stem}.xml", lists=None)
    assert [(r.split, r.id) for r in records_of(chosen, toy)] == [("train", "train/a"), ("val", "val/a")]


def test_masks_of_the_same_images_come_along(toy, tmp_path):
    for stem in ("2007_1", "2007_2", "2007_3"):
        save(toy / f"toy/SegmentationClass/{stem}.png", np.eye(4, 6, dtype=np.uint8))
    chosen = settings(
        segmentation={"masks": "SegmentationClass/{stem}.png", "classes": ["background", "cat"]}
    )
    assert ADAPTERS["voc_xml"].task_types(chosen) == ("segmentation", "detection")
    prepare_dataset(chosen, toy, tmp_path / "prepared", dataset="toy")
    sample = PreparedDataset.open(tmp_path / "prepared").read("val", [0], "segmentation")[0]
    assert (sample.mask.numpy() == np.eye(4, 6)).all()


ENTITIES = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><annotation>&c;</annotation>'
BROKEN = {
    "unknown class": (
        annotation(thing("cow")),
        r"2007_2\.xml .*object 1: class 'cow'; expected one of {cat, dog}",
    ),
    "no name": ("<annotation><object></object></annotation>", r"object 1: class ''"),
    "outside": (annotation(thing(box=(1, 1, 9, 4))), r"box \[0, 0, 9, 4\] .*inside the image of 6 x 4"),
    "wrong order": (annotation(thing(box=(5, 1, 2, 4))), r"box \[4, 0, 2, 4\] .*x_min <= x_max"),
    "no number": (annotation(thing(box=("x", 1, 2, 4))), r"corners \[None, 1\.0, 2\.0, 4\.0\]"),
    "other size": (annotation(size=SIZE.replace("6", "7")), r"boxes for 7 x 4; expected the image's 6 x 4"),
    "not xml": ("{}", r"2007_2\.xml .*not well-formed XML"),
    "empty": ("", "not well-formed XML"),
    "cut off": (annotation(thing())[:-20], "not well-formed XML"),
    "another root": ("<html/>", "a file of <html>; expected <annotation>"),
    "entities": (ENTITIES, r"a document type declaration \(a\), which may hide entities"),
    "missing": (None, r"2007_2\.xml \(boxes of .*2007_2\.png\): no such file"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_annotation_is_an_error_that_names_the_file(toy, tmp_path, how):
    text, message = BROKEN[how]
    path = toy / "toy/Annotations/2007_2.xml"
    path.unlink()
    if text is not None:
        write(path, text)
    with pytest.raises(DatasetError, match=message):
        prepare_dataset(settings(), toy, tmp_path / "prepared", dataset="toy")
    assert not list((tmp_path / "prepared").rglob("*.json"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_external_entities_are_not_read_whatever_the_encoding(tmp_path, encoding):
    write(tmp_path / "secret.txt", "secret")
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a SYSTEM "{tmp_path}/secret.txt" '
        f'[<!ENTITY b SYSTEM "{tmp_path}/secret.txt">]><annotation>&b;</annotation>'
    )
    with pytest.raises(ValueError, match="document type declaration"):
        parse_xml(text.encode(encoding))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"classes": []}, "at least 1 item"),
        ({"classes": ["ignore"]}, "cannot name a class"),
        ({"labels": {"cow": "animal"}}, r"\['animal'\] are not among the classes"),
        ({"annotations": "{town}/{stem}.xml"}, r"annotations: \['town'\] do not occur"),
        ({"lists": None}, r"without \{split\}"),
        ({"first_pixel": 2}, "Input should be 0 or 1"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changed, message):
    with pytest.raises(ValidationError, match=message):
        settings(**changed)
