"""The prepared format: exact round trips, statistics, determinism, and every way a record can be wrong."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import prepared_examples as examples
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from prepared_examples import description, encoded, objects, pixels, record, round_trip

from transfer_atlas.datasets import decoding, encoding, shards, writing
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.writing import write_prepared
from transfer_atlas.errors import DatasetError

SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))
MASK = np.array([[0, 1, 2, 255, 0, 1, 2, 255]] * 6, np.uint8)


def pillow_rgb(data: bytes) -> np.ndarray:
    import io

    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


# Round trips


@given(arrays.arrays(np.uint8, SHAPES))
@settings(max_examples=50, deadline=None)
def test_masks_of_8_bits_decode_exactly(mask):
    decoded = decoding.decode_mask(encoding.encode_mask(mask))
    assert decoded.dtype == torch.uint8
    np.testing.assert_array_equal(decoded.numpy(), mask)


@given(arrays.arrays(np.uint16, SHAPES))
@settings(max_examples=50, deadline=None)
def test_masks_of_16_bits_decode_exactly(mask):
    decoded = decoding.decode_mask(encoding.encode_mask(mask))
    assert decoded.dtype == torch.int64
    np.testing.assert_array_equal(decoded.numpy(), mask)


@given(arrays.arrays(np.uint8, SHAPES.map(lambda shape: (*shape, 3))))
@settings(max_examples=50, deadline=None)
def test_images_given_as_arrays_decode_exactly(image):
    stored, _ = encoding.open_image(image)
    np.testing.assert_array_equal(decoding.decode_image(stored).permute(1, 2, 0).numpy(), image)
    np.testing.assert_array_equal(pillow_rgb(stored), image)  # other software reads them as well


@given(arrays.arrays(np.uint16, SHAPES), st.sampled_from([0.001, 1 / 256, 0.1, 60 / 65535]))
@settings(max_examples=50, deadline=None)
def test_depth_of_whole_steps_decodes_exactly(steps, scale):
    depth = (steps.astype(np.float64) * scale).astype(np.float32)
    decoded = decoding.decode_depth(encoding.encode_depth(depth, scale, 0, 65535 * scale), scale)
    assert decoded.dtype == torch.float32
    np.testing.assert_array_equal(decoded.numpy(), depth)


@given(arrays.arrays(np.float32, SHAPES, elements=st.floats(-1, 100, width=32)))
@settings(max_examples=50, deadline=None)
def test_depth_is_within_half_a_step_and_invalid_outside_the_range(depth):
    step, low, high = 0.001, 0.5, 60.0
    decoded = decoding.decode_depth(encoding.encode_depth(depth, step, low, high), step).numpy()
    valid = (depth >= low) & (depth <= high)
    assert (decoded[~valid] == 0).all()
    np.testing.assert_allclose(decoded[valid], depth[valid], rtol=1e-6, atol=step / 2)


def test_depth_that_is_no_number_is_invalid_and_the_smallest_depth_stays_valid():
    depth = np.array([[np.nan, np.inf, -np.inf, -1, 0, 0.0001, 0.1]], np.float32)
    decoded = decoding.decode_depth(encoding.encode_depth(depth, 0.001, 0, 0.1), 0.001).numpy()
    np.testing.assert_array_equal(decoded, np.array([[0, 0, 0, 0, 0, 0.001, 0.1]], np.float32))


def test_objects_and_keypoints_come_back(tmp_path):
    keypoints = np.array([[[1, 2, 2], [0, 0, 0]], [[3.5, 1, 1], [7, 5, 2]]], np.float32)
    given_ = objects([(0, 0, 8, 6), (1.25, 1, 2, 3)], [1, 0], keypoints)
    _, sample = round_trip(
        tmp_path, record(objects=given_), keypoints=examples.KEYPOINTS, detection=examples.DETECTION
    )
    for name, array in (
        vars(given_) | {"labels": np.zeros(2, int)}
    ).items():  # whatever has keypoints is one class
        np.testing.assert_array_equal(getattr(sample.objects, name), array)
        assert getattr(sample.objects, name).dtype == array.dtype


def test_an_image_without_objects_has_arrays_without_rows(tmp_path):
    none = objects([], keypoints=np.zeros((0, 2, 3), np.float32))
    _, sample = round_trip(tmp_path, record(objects=none), keypoints=examples.KEYPOINTS)
    assert sample.objects.boxes.shape == (0, 4) and sample.objects.labels.shape == (0,)
    assert sample.objects.keypoints.shape == (0, 2, 3)


def test_a_label_and_a_mask_come_back(tmp_path):
    task_types = {"segmentation": examples.SEGMENTATION, "classification": examples.CLASSIFICATION}
    dataset, sample = round_trip(tmp_path, record(mask=MASK, label=1), **task_types)
    np.testing.assert_array_equal(sample.mask.numpy(), MASK)
    assert sample.label is None and sample.objects is None and sample.depth is None
    assert dataset.read("val", [0], "classification")[0].label == 1


def test_more_than_255_classes_give_masks_of_16_bits(tmp_path):
    classes = [f"c{number}" for number in range(300)]
    mask = np.array([[299, 0, 255, 65535]], np.int64)
    segmentation = {"classes": classes, "colours": [(0, 0, 0)] * 300}
    _, sample = round_trip(tmp_path, record(image=pixels(1, 4), mask=mask), segmentation=segmentation)
    assert sample.mask.tolist() == mask.tolist()


RGB = Image.fromarray(pixels(16, 16))
MODES = {
    "grey JPEG": encoded(RGB.convert("L"), "JPEG"),
    "colour JPEG": encoded(RGB, "JPEG"),
    "CMYK JPEG": encoded(RGB.convert("CMYK"), "JPEG"),
    "progressive JPEG": encoded(RGB, "JPEG", progressive=True),
    "palette PNG": encoded(RGB.convert("P")),
    "RGBA PNG": encoded(
        Image.fromarray(np.dstack([pixels(16, 16), np.arange(256).reshape(16, 16)]).astype("u1"))
    ),
    "grey PNG with alpha": encoded(RGB.convert("LA")),
    "PNG of 1 bit": encoded(RGB.convert("1")),
    "BMP": encoded(RGB, "BMP"),
    "TIFF": encoded(RGB, "TIFF"),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_image_becomes_rgb_as_pillow_makes_it(tmp_path, mode):
    data = MODES[mode]
    _, sample = round_trip(tmp_path, record(image=data, label=0), classification=examples.CLASSIFICATION)
    assert sample.image.dtype == torch.uint8
    np.testing.assert_array_equal(sample.image.permute(1, 2, 0).numpy(), pillow_rgb(data))


def test_images_of_16_bits_keep_their_high_byte(tmp_path):
    grey = np.array([[0, 255, 256, 65535]], np.uint16)
    _, sample = round_trip(
        tmp_path, record(image=encoded(grey), label=0), classification=examples.CLASSIFICATION
    )
    assert sample.image[0].tolist() == [[0, 0, 1, 255]]


def test_the_orientation_in_exif_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees
    data = encoded(pixels(16, 8), "JPEG", exif=exif)
    _, sample = round_trip(tmp_path, record(image=data, label=0), classification=examples.CLASSIFICATION)
    assert sample.image.shape == (3, 16, 8)


def test_jpegs_are_stored_as_they_are(tmp_path):
    data = MODES["colour JPEG"]
    round_trip(tmp_path, record(image=data, label=0), classification=examples.CLASSIFICATION)
    assert pq.read_table(tmp_path / "shards/train-00000.parquet")["image"][0].as_py() == data


# What is found out when writing


def test_mean_and_std_are_those_of_all_training_pixels(tmp_path):
    images = [pixels(6, 8, seed=1), pixels(20, 3, seed=2)]
    records = [record(str(at), image=image, label=0) for at, image in enumerate(images)]
    records.append(record("v", "val", image=np.zeros((5, 5, 3), np.uint8), label=0))
    found = write_prepared(tmp_path, description(classification=examples.CLASSIFICATION), records)
    values = np.concatenate([image.reshape(-1, 3) for image in images]).astype(np.float64)
    np.testing.assert_allclose(found.mean, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.std, values.std(axis=0), rtol=1e-12)
    assert found.counts == {"train": 2, "val": 1}
    assert found == PreparedDataset.open(tmp_path).description


def test_absent_classes_and_unlabelled_images_are_listed(tmp_path):
    ignored = np.full((6, 8), 255, np.uint8)
    records = [
        record("a", mask=MASK, label=0),
        record("b", mask=ignored, label=1),
        record("c", "val", mask=MASK % 2, label=1),
    ]
    found = write_prepared(
        tmp_path,
        description(segmentation=examples.SEGMENTATION, classification=examples.CLASSIFICATION),
        records,
    )
    assert found.segmentation.absent_classes == {"val": ["car"]}
    assert found.segmentation.unlabelled_images == {"train": 1}
    assert found.classification.absent_classes == {"val": ["indoor"]}


# Files


def many(number: int):
    for index in range(number):
        split = "val" if index % 3 == 2 else "train"
        yield record(f"image{index}", split, image=pixels(40, 50, seed=index), label=index % 2)


def digests(folder) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def small_files(monkeypatch):
    monkeypatch.setattr(writing, "SHARD_IMAGES", 10)
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 15_000)


def test_the_same_records_give_identical_files_and_nothing_of_an_older_dataset_stays(tmp_path, small_files):
    about = description(classification=examples.CLASSIFICATION)
    write_prepared(tmp_path / "first", about, many(40))
    write_prepared(tmp_path / "again", about, many(80))
    write_prepared(tmp_path / "again", about, many(40))
    assert digests(tmp_path / "first") == digests(tmp_path / "again")


def test_shards_and_row_groups_stay_small_and_every_image_is_found(tmp_path, small_files):
    write_prepared(tmp_path, description(classification=examples.CLASSIFICATION), many(40))
    files = sorted(tmp_path.glob("shards/train-*.parquet"))
    assert len(files) > 1
    assert all(pq.ParquetFile(file).metadata.num_row_groups > 1 for file in files[:-1])
    dataset = PreparedDataset.open(tmp_path, threads=2)
    expected = [r for r in many(40) if r.split == "train"]
    assert dataset.ids("train") == [r.id for r in expected] and dataset.count("train") == len(expected)
    order = [5, 0, 5, len(expected) - 1, 11]
    for sample, index in zip(dataset.read("train", order, "classification"), order, strict=True):
        assert sample.id == expected[index].id and sample.label == expected[index].label
        np.testing.assert_array_equal(sample.image.permute(1, 2, 0).numpy(), expected[index].image)


def test_writing_holds_one_row_group_at_a_time(tmp_path):
    alive, most = 0, 0

    class Counted(np.ndarray):
        def __del__(self):
            nonlocal alive
            alive -= self.base is None

    def records():
        nonlocal alive, most
        for r in many(300):
            image = np.ndarray.__new__(Counted, r.image.shape, np.uint8)
            image[...] = r.image
            alive, most = alive + 1, max(most, alive + 1)
            yield record(r.id, r.split, image=image, label=0)
            del image

    write_prepared(tmp_path, description(classification=examples.CLASSIFICATION), records())
    assert most <= 3


def test_writing_needs_no_torch(tmp_path):
    code = (
        "import sys; from transfer_atlas.datasets import writing, reading, adapters, versions;"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": ":".join(sys.path)}
    )


# Reading


@pytest.fixture
def dataset_folder(tmp_path):
    write_prepared(tmp_path, description(classification=examples.CLASSIFICATION), many(30))
    return tmp_path


def test_the_cache_returns_the_same_samples_and_keeps_its_bound(dataset_folder):
    size = 40 * 50 * 3
    dataset = PreparedDataset.open(dataset_folder, cache_bytes=5 * size + 10)
    first = dataset.read("train", range(8), "classification")
    second = dataset.read("train", range(8), "classification")
    shared = [a.image is b.image for a, b in zip(first, second, strict=True)]
    assert shared == [True] * 5 + [False] * 3
    for a, b in zip(first, second, strict=True):
        assert a.id == b.id and torch.equal(a.image, b.image)


def test_cached_samples_need_no_file(dataset_folder):
    dataset = PreparedDataset.open(dataset_folder, cache_bytes=10**9)
    before = dataset.read("train", range(20), "classification")
    for shard in dataset_folder.glob("shards/*"):
        shard.unlink()
    dataset._start()  # as in a new process: no open files
    assert [s.id for s in dataset.read("train", range(20), "classification")] == [s.id for s in before]
    with pytest.raises(DatasetError, match=r"val-00000.parquet is missing"):
        dataset.read("val", [0], "classification")


def test_reading_from_many_threads_and_after_pickling(dataset_folder):
    dataset = PreparedDataset.open(dataset_folder, cache_bytes=50_000, threads=3)
    expected = [
        s.image for s in PreparedDataset.open(dataset_folder).read("train", range(20), "classification")
    ]
    wrong = []

    def read(seed: int) -> None:
        for _ in range(5):
            order = np.random.default_rng(seed).permutation(20)
            for index, sample in zip(order, dataset.read("train", order, "classification"), strict=True):
                if not torch.equal(sample.image, expected[index]):
                    wrong.append(index)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy.read("train", [3], "classification")[0].image, expected[3])


def test_reading_says_what_there_is(dataset_folder):
    dataset = PreparedDataset.open(dataset_folder)
    with pytest.raises(DatasetError, match=r"no annotation for depth; it has \['classification'\]"):
        dataset.read("train", [0], "depth")
    with pytest.raises(DatasetError, match=r"no split 'test'; it has \['train', 'val'\]"):
        dataset.read("test", [0], "classification")
    for index in (-1, 20):
        with pytest.raises(IndexError, match="which has 20 images"):
            dataset.read("train", [index], "classification")


def test_a_folder_whose_writing_was_cut_off_is_refused(dataset_folder):
    (dataset_folder / "dataset.json").unlink()
    with pytest.raises(DatasetError, match=r"dataset\.json is missing.*Prepare it"):
        PreparedDataset.open(dataset_folder)
    (dataset_folder / "dataset.json").write_text(json.dumps({"name": "x"}))
    with pytest.raises(DatasetError, match="is damaged"):
        PreparedDataset.open(dataset_folder)


# Bad records: (task types, record, what the message must say)

JPEG = encoded(pixels(64, 64), "JPEG")
PNG = encoded(pixels(64, 64))
POINTS = np.zeros((1, 2, 3), np.float32)
FLIPPED = np.array([[[1, 1, 3], [0, 0, 0]]], np.float32)
BAD = {
    "truncated JPEG": (
        "classification",
        {"image": JPEG[: len(JPEG) // 2], "label": 0},
        "cannot be decoded.*Fetch",
    ),
    "truncated PNG": ("classification", {"image": PNG[: len(PNG) // 2], "label": 0}, "cannot be decoded"),
    "damaged PNG": (
        "classification",
        {"image": PNG[:60] + b"xxxx" + PNG[64:], "label": 0},
        "cannot be decoded",
    ),
    "no image": ("classification", {"image": b"<html>", "label": 0}, "cannot be decoded"),
    "empty file": ("classification", {"image": b"", "label": 0}, "cannot be decoded"),
    "no mask": ("segmentation", {}, "mask of a: missing"),
    "mask of another size": ("segmentation", {"mask": MASK[:5]}, "mask of 8 x 5; expected the image's 8 x 6"),
    "unknown label": (
        "segmentation",
        {"mask": MASK + 1},
        r"label\(s\) \[3\] in 12 pixels; expected 0 to 2, or 255",
    ),
    "box outside": (
        "detection",
        {"objects": objects([(1, 1, 9, 4)])},
        r"\[1, 1, 9, 4\].*inside the image of 8 x 6",
    ),
    "box of no number": ("detection", {"objects": objects([(1, 1, np.nan, 4)])}, "inside the image"),
    "box without area": ("detection", {"objects": objects([(3, 1, 3, 4)])}, "box 0 .*a box with an area"),
    "label of a box": ("detection", {"objects": objects(labels=[2])}, "box 0 has label 2; expected 0 to 1"),
    "no objects": ("detection", {}, "no objects; expected a .possibly empty. list"),
    "labels of another length": ("detection", {"objects": objects(labels=[0, 1])}, r"labels of shape \(2,\)"),
    "keypoint count": (
        "keypoints",
        {"objects": objects(keypoints=POINTS[:, :1])},
        r"\(1, 1, 3\); expected \(1, 2, 3\)",
    ),
    "no keypoints": ("keypoints", {"objects": objects()}, "keypoints of shape nothing"),
    "visibility": ("keypoints", {"objects": objects(keypoints=FLIPPED)}, "visibility 0, 1 or 2"),
    "depth of another size": ("depth", {"depth": np.ones((2, 2), np.float32)}, "depth of 2 x 2; expected"),
    "no depth": ("depth", {}, "missing; expected one depth map"),
    "label outside": ("classification", {"label": 2}, "label 2; expected 0 to 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_record_is_an_error_that_says_what_was_expected(tmp_path, case):
    task_type, fields, message = BAD[case]
    about = description(**{task_type: getattr(examples, task_type.upper())})
    with pytest.raises(DatasetError, match=message) as caught:
        write_prepared(tmp_path, about, [record(**fields), record("v", "val", **fields)])
    assert "Dataset 'toy'" in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_problems_are_collected_up_to_twenty(tmp_path):
    about = description(segmentation=examples.SEGMENTATION)
    three = [record("a"), record("b", mask=MASK), record("c", mask=MASK[:2]), record("d", mask=MASK + 1)]
    with pytest.raises(DatasetError, match=r"3 problem\(s\)") as caught:
        write_prepared(tmp_path, about, three)
    assert all(f"mask of {name}" in str(caught.value) for name in "acd")
    drawn = []
    endless = (drawn.append(index) or record(str(index)) for index in range(2000))
    with pytest.raises(DatasetError, match="first 20 problems"):
        write_prepared(tmp_path, about, endless)
    assert len(drawn) == 20


@pytest.mark.parametrize("empty", ["train", "val"])
def test_a_split_without_images_is_an_error(tmp_path, empty):
    other = "val" if empty == "train" else "train"
    with pytest.raises(DatasetError, match=f"split {empty}: no image; expected at least one"):
        write_prepared(
            tmp_path, description(classification=examples.CLASSIFICATION), [record(split=other, label=0)]
        )


def test_an_id_that_occurs_twice_is_an_error_also_across_splits(tmp_path):
    records = [record("a", label=0), record("a", "val", label=0)]
    with pytest.raises(DatasetError, match=r"a: this id occurs twice \(again in split val\)"):
        write_prepared(tmp_path, description(classification=examples.CLASSIFICATION), records)


@pytest.mark.parametrize(
    ("task_types", "message"),
    [
        ({}, "no task type"),
        ({"segmentation": {"classes": ["a", "b"], "colours": [(0, 0, 0)]}}, "1 colours for 2 classes"),
        ({"detection": {"classes": ["a", "a"]}}, "named twice"),
        ({"keypoints": examples.KEYPOINTS | {"flips": [0, 0]}}, "flips a permutation"),
        ({"depth": examples.DEPTH | {"maximum": 100.0}}, "Use a larger scale"),
    ],
)
def test_a_description_that_contradicts_itself_is_an_error(tmp_path, task_types, message):
    with pytest.raises(DatasetError, match=message):
        write_prepared(tmp_path, description(**task_types), [])
