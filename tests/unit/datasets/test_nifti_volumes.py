"""Volumes of NIfTI and Analyze files as slices, and what is refused of them in one line."""

import gzip
import pickle
import re

import nibabel
import numpy as np
import pytest
from adapter_examples import parse, records_of

from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.errors import DatasetError

SHAPE = (10, 12, 6)  # right, anterior, superior
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
SETTINGS = {
    "name": "nifti_volumes",
    "path": "brains",
    "images": {"t1": "{case}/{case}_t1.nii.gz", "t2": "{case}/{case}_t2.nii.gz"},
    "labels": "{case}/{case}_seg.nii.gz",
    "classes": {"background": 0, "oedema": 2, "core": [1, 4]},
    "split": 0.34,
}


def volume(seed):
    return np.random.default_rng(seed).integers(1, 900, SHAPE).astype(np.int16)


def save(root, case, what, values, affine=AFFINE, kind=nibabel.Nifti1Image, suffix=".nii.gz"):
    path = root / "brains" / case / f"{case}_{what}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(kind(values, affine), path)
    return path


@pytest.fixture
def brains(tmp_path):
    """Three cases; labels in slices 2 and 3 of the axial axis, a corner of known place."""
    for number in range(3):
        labels = np.zeros(SHAPE, np.uint8)
        labels[7:9, 10:12, 2:4] = (1, 2, 4)[number]
        labels[0, 0, 2] = 4
        save(tmp_path, f"case{number}", "seg", labels)
        for at, modality in enumerate(("t1", "t2")):
            save(tmp_path, f"case{number}", modality, volume(10 * number + at))
    return tmp_path


def test_slices_hold_modalities_as_channels_and_labels_as_classes(brains):
    records = records_of(parse(SETTINGS), brains)
    assert [record.id for record in records if record.split == "val"] in (
        [f"case{number}_{at:03d}" for at in (2, 3)] for number in range(3)
    )
    assert len(records) == 6
    first = next(record for record in records if record.id == "case0_002")
    assert first.image.shape == (12, 10, 3) and first.mask.shape == (12, 10)
    # anterior is up, right is right; values 1 and 4 are one class, the last by value
    assert (first.mask[0:2, 7:9] == 1).all() and first.mask[11, 0] == 1 and (first.mask > 0).sum() == 5
    assert not first.image[..., 2].any() and first.image[..., :2].any()
    one = records_of(parse(SETTINGS, modalities=["t2"]), brains)
    grey = next(record for record in one if record.id == "case0_002").image
    assert np.array_equal(grey[..., 0], grey[..., 2]) and np.array_equal(grey[..., 0], first.image[..., 1])


def test_classes_are_ordered_by_value_and_modalities_by_name(brains):
    turned = SETTINGS | {
        "images": dict(reversed(SETTINGS["images"].items())),
        "classes": {"core": [4, 1], "oedema": 2, "background": 0},
    }
    assert parse(turned).class_names == ["background", "core", "oedema"] == parse(SETTINGS).class_names
    assert parse(turned).modalities == parse(SETTINGS).modalities == ["t1", "t2"]
    first, second = (records_of(parse(each), brains) for each in (SETTINGS, turned))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


def test_a_volume_stored_in_other_directions_is_the_same(brains):
    plain = records_of(parse(SETTINGS), brains)
    for number in range(3):
        for what in ("seg", "t1", "t2"):
            path = brains / f"brains/case{number}/case{number}_{what}.nii.gz"
            values = np.asarray(nibabel.load(path).dataobj)
            # columns run from left to right backwards, and are stored first
            turned = np.ascontiguousarray(values[::-1].swapaxes(0, 1))
            affine = np.array([[0, -2.0, 0, 18.0], [2.0, 0, 0, 0], [0, 0, 3.0, 0], [0, 0, 0, 1]])
            nibabel.save(nibabel.Nifti1Image(turned, affine), path)
    again = records_of(parse(SETTINGS), brains)
    assert [r.id for r in again] == [r.id for r in plain]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(plain, again, strict=True))
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(plain, again, strict=True))


def test_analyze_files_with_a_fourth_axis_of_one_are_read(tmp_path):
    for number in range(2):
        labels = np.zeros((*SHAPE, 1), np.uint8)
        labels[3:6, 3:6, 3] = 10
        pair = {"kind": nibabel.Spm2AnalyzeImage, "suffix": ".img"}
        save(tmp_path, f"s{number}", "label", labels.astype(np.int16), **pair)
        save(tmp_path, f"s{number}", "T1", volume(number)[..., None], **pair)
    settings = {
        "name": "nifti_volumes",
        "path": "brains",
        "images": {"t1": "{case}/{case}_T1.hdr"},
        "labels": "{case}/{case}_label.hdr",
        "classes": {"other": 0, "csf": 10},
    }
    assert {record.id for record in records_of(parse(settings), tmp_path)} == {"s0_003", "s1_003"}


def test_prepared_in_several_processes_as_in_one(brains, tmp_path):
    settings = parse(SETTINGS, least_labelled=0.0, every=1)
    for workers in (1, 2):
        prepare_dataset(settings, brains, tmp_path / str(workers), dataset="toy", workers=workers)
    found = [PreparedDataset.open(tmp_path / str(workers)) for workers in (1, 2)]
    assert found[0].count("train") == 12 and found[0].count("val") == 6
    for split in ("train", "val"):
        assert found[0].ids(split) == found[1].ids(split)
    assert found[0].description == found[1].description


def refused(brains, **changed):
    with pytest.raises(DatasetError) as caught:
        records_of(parse(SETTINGS, **changed), brains)
    (line,) = str(caught.value).splitlines()[1:]
    return line.strip()


FOUR = np.zeros((*SHAPE, 3), np.int16)


@pytest.mark.parametrize(
    ("what", "values", "told"),
    [
        ("t1", FOUR, r"4 axes \(10 x 12 x 6 x 3\); expected a volume of three axes. Take one of its volumes"),
        ("seg", FOUR, "4 axes"),
        (
            "seg",
            np.zeros(SHAPE, np.uint8),
            "no voxel of another class than background; expected .* Leave the case",
        ),
        ("seg", np.full(SHAPE, 1.5, np.float32), "the label 1.5, which is no whole number; .* nearest voxel"),
        ("seg", np.full(SHAPE, np.nan, np.float32), "720 voxels that are no finite number"),
        (
            "seg",
            np.full(SHAPE, 3, np.uint8),
            "the label 3; expected one of 0, 1, 2, 4. Name its class in `classes`",
        ),
        ("seg", np.full(SHAPE, -1, np.int16), "the label -1; expected one of"),
        ("t2", np.zeros((10, 12, 7), np.int16), "10 x 12 x 7 voxels; expected the 10 x 12 x 6 of .*_seg"),
        ("t2", np.zeros(SHAPE, np.int16), "voxels that are all alike"),
        ("t2", np.full(SHAPE, 7, np.int16), "voxels that are all alike"),
        ("t2", np.full(SHAPE, np.inf, np.float32), "720 voxels that are no finite number; .* Replace them"),
        ("t1", np.zeros(SHAPE, np.complex64), "voxels of type complex64; expected whole or real numbers"),
        ("t1", np.zeros((10, 12), np.int16), "2 axes"),
    ],
)
def test_what_is_in_no_order_is_refused_in_one_line(brains, what, values, told):
    save(brains, "case1", what, values)
    line = refused(brains)
    assert line.startswith(f"brains/case1/case1_{what}.nii.gz: ")
    assert re.search(told, line), line


@pytest.mark.parametrize("kept", [0, 5, 60, 200, 0.6, 0.97])
@pytest.mark.parametrize("packed", [True, False])
def test_a_file_that_was_cut_is_refused(brains, kept, packed):
    suffix = ".nii.gz" if packed else ".nii"
    images = {"t1": f"{{case}}/{{case}}_t1{suffix}", "t2": SETTINGS["images"]["t2"]}
    paths = [save(brains, f"case{number}", "t1", volume(number), suffix=suffix) for number in range(3)]
    content = paths[1].read_bytes()
    paths[1].write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    line = refused(brains, images=images)
    assert line.startswith(f"brains/case1/case1_t1{suffix}: ") and "expected a" in line
    assert line.endswith("Fetch the file anew, or leave the case out.")


def test_damaged_and_foreign_files_are_refused(brains):
    path = brains / "brains/case1/case1_t1.nii.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(bytes(content))
    assert "its voxels cannot be read" in refused(brains)
    save(brains, "case1", "t1", volume(1))
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(1 << 25)))
    assert "it holds much more than the voxels that its header tells of" in refused(brains)
    path.write_bytes(gzip.compress(pickle.dumps({"no": "volume"}) * 40))
    assert "it is neither NIfTI nor Analyze" in refused(brains)
    path.unlink()
    assert "case1_t1.nii.gz: the file is not there" in refused(brains)


def test_a_header_that_promises_more_than_memory_holds_is_refused_unread(brains):
    image = nibabel.Nifti2Image(np.zeros((2, 2, 2), np.int16), AFFINE)
    header = image.header.copy()
    header.set_data_shape((30_000, 30_000, 30_000))
    content = header.binaryblock + bytes(4) + bytes(100)
    (brains / "brains/case1/case1_t1.nii.gz").write_bytes(gzip.compress(content))
    assert "30000 x 30000 x 30000 voxels; expected 1 to 512 million" in refused(brains)


def test_a_grid_elsewhere_in_space_is_refused(brains):
    moved = AFFINE.copy()
    moved[0, 3] = 5
    save(brains, "case1", "t2", volume(5), moved)
    assert "another place or direction in space; expected that of brains/case1/case1_seg" in refused(brains)


def test_cases_are_never_divided_and_one_alone_is_refused(brains):
    for number in (1, 2):
        (brains / f"brains/case{number}/case{number}_seg.nii.gz").unlink()
    assert "slices of 1 case(s); expected two cases or more" in refused(brains)
    assert "no file matches" in refused(brains, labels="{case}/{case}_mask.nii.gz")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"labels": "{case}/{case}_seg.gii"}, "expected a file that ends in"),
        ({"labels": "seg.nii"}, "expected a pattern with {case}"),
        ({"modalities": ["t1", "flair"]}, "no flair .known: t1, t2"),
        ({"classes": {"a": 0, "b": 0}}, "no two the same"),
        ({"window": [90, 10]}, "expected 0 <= least < most"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changed, told):
    with pytest.raises(ValueError, match=told):
        parse(SETTINGS, **changed)


def test_without_nibabel_the_extra_is_named(brains, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(DatasetError, match="Install the extra `medical`"):
        records_of(parse(SETTINGS), brains)
