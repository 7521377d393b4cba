"""The adapter of depth in 16-bit PNG: units, ranges, masks beside it, and what is not in order."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from adapter_examples import REAL, parse, records_of, save
from PIL import Image
from prepared_examples import pixels
from pydantic import ValidationError

from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.registry import ADAPTERS
from transfer_atlas.errors import DatasetError

MILLIMETRES = np.array([[0, 499, 500, 4000, 4001, 65535]] * 4, np.uint16)


def settings(depth=None, **changed):
    values = {"name": "depth_png", "path": "toy", "images": "images/{split}/*.png"}
    section = {"minimum": 0.5, "maximum": 4.0} | (depth or {})
    return parse(values, depth=section, **changed)


@pytest.fixture
def toy(tmp_path) -> Path:
    """A data root with a dataset of two training images, and one for validation."""
    for split, stem in (("train", "a"), ("train", "b"), ("val", "a")):
        save(tmp_path / f"toy/images/{split}/{stem}.png", pixels(4, 6))
        save(tmp_path / f"toy/depth/{split}/{stem}.png", MILLIMETRES)
        save(tmp_path / f"toy/masks/{split}/{stem}.png", np.eye(4, 6, dtype=np.uint8))
    return tmp_path


def read(root: Path, folder: Path, chosen, task_type="depth"):
    prepare_dataset(chosen, root, folder, dataset="toy")
    return PreparedDataset.open(folder).read("train", [0], task_type)[0]


def test_millimetres_become_metres_and_depth_out_of_range_is_invalid(toy, tmp_path):
    chosen = settings()
    assert ADAPTERS["depth_png"].task_types(chosen) == ("depth",)
    sample = read(toy, tmp_path / "prepared", chosen)
    np.testing.assert_array_equal(sample.depth[0], np.array([0, 0, 0.5, 4, 0, 0], np.float32))
    about = PreparedDataset.open(tmp_path / "prepared").description.depth
    assert (about.unit, about.minimum, about.maximum, about.step) == ("metre", 0.5, 4.0, 0.001)


def test_other_scales_units_and_invalid_values(toy, tmp_path):
    section = {"scale": 0.01, "minimum": 0.0, "maximum": 655.35, "unit": "relative", "invalid": [500, 65535]}
    sample = read(toy, tmp_path / "prepared", settings(section))
    # 0 is never a depth, whether it was named invalid or not
    np.testing.assert_allclose(sample.depth[0], [0, 4.99, 0, 40, 40.01, 0], rtol=1e-6)
    assert PreparedDataset.open(tmp_path / "prepared").description.depth.unit == "relative"


def test_every_stored_value_survives(toy, tmp_path):
    values = np.arange(1, 65536, 271, dtype=np.uint16)[: 4 * 60].reshape(4, 60)
    save(toy / "toy/images/train/a.png", pixels(4, 60))
    save(toy / "toy/depth/train/a.png", values)
    sample = read(toy, tmp_path / "prepared", settings({"minimum": 0.0, "maximum": 65.535}))
    np.testing.assert_array_equal(np.rint(sample.depth.numpy().astype(np.float64) / 0.001), values)


def test_masks_of_the_same_images_come_along(toy, tmp_path):
    chosen = settings(segmentation={"classes": ["wall", "floor"]})
    assert ADAPTERS["depth_png"].task_types(chosen) == ("segmentation", "depth")
    assert (read(toy, tmp_path / "prepared", chosen, "segmentation").mask.numpy() == np.eye(4, 6)).all()
    (toy / "toy/masks/val/a.png").unlink()
    with pytest.raises(DatasetError, match=r"toy/masks/val/a\.png .*no such mask"):
        records_of(chosen, toy)


def test_a_map_without_any_valid_depth_is_kept(toy, tmp_path):
    save(toy / "toy/depth/train/a.png", np.zeros((4, 6), np.uint16))
    assert not read(toy, tmp_path / "prepared", settings()).depth.any()


def test_images_told_apart_by_lists(toy):
    for split, stem in (("train", "b"), ("val", "a")):
        (toy / f"toy/{split}.txt").write_text(f"{stem}\n")
    chosen = settings(
        {"files": "depth/train/{stem}.png"},
        images="images/train/*.png",
        lists={"train": "train.txt", "val": "val.txt"},
    )
    assert [r.id for r in records_of(chosen, toy)] == ["images/train/b", "images/train/a"]


def break_toy(toy: Path, how: str) -> dict:
    """Break the toy dataset; return changed settings of the depth."""
    path = toy / "toy/depth/train/b.png"
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:50])
    elif how == "8 bits":
        save(path, np.zeros((4, 6), np.uint8))
    elif how == "colours":
        save(path, pixels(4, 6))
    elif how == "other size":
        save(path, np.ones((4, 5), np.uint16))
    elif how == "wrong scale":
        return {"scale": 1.0}
    elif how == "nothing known":
        for each in (toy / "toy/depth").rglob("*.png"):
            save(each, np.zeros((4, 6), np.uint16))
    return {}


BROKEN = {
    "missing": r"toy/depth/train/b\.png \(depth of toy/images/train/b\.png\): no such depth map",
    "truncated": r"b\.png .*the depth map cannot be decoded",
    "8 bits": r"b\.png .*a depth map of mode L; expected one channel of 16 bits",
    "colours": r"b\.png .*a depth map of mode RGB",
    "other size": r"toy/depth/train/b\.png: depth of 5 x 4; expected the image's 6 x 4",
    "wrong scale": r"train: 499 to 65535, 0% of it in range, in 2 depth maps; expected depth of 0\.5 to 4 metre",
    "nothing known": r"no known depth at all in 2 depth maps",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_dataset_is_an_error_that_names_the_file(toy, tmp_path, how):
    changed = break_toy(toy, how)
    with pytest.raises(DatasetError, match=BROKEN[how]):
        prepare_dataset(settings(changed), toy, tmp_path / "prepared", dataset="toy")
    assert not list((tmp_path / "prepared").rglob("*.json"))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"minimum": 5.0}, "minimum < maximum"),
        ({"maximum": 80.0}, "<= 65535 steps of 0.001"),
        ({"scale": 0.0}, "greater than 0"),
        ({"unit": "feet"}, "'metre' or 'relative'"),
        ({"files": "depth/{town}/{stem}.png"}, r"\['town'\] do not occur in images"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(section, message):
    with pytest.raises(ValidationError, match=message):
        settings(section)


# Real datasets, where they are at hand

STUDY = Path(__file__).parents[3] / "studies" / "real_images.yaml"


@pytest.mark.parametrize("name", ["kitchen_rgbd", "blender_rooms"])
def test_a_real_dataset_is_read_as_its_files_say(tmp_path, name):
    if not (REAL / name).is_dir():
        pytest.skip(f"the real dataset {name} is not at hand ({REAL / name})")
    chosen = parse(yaml.safe_load(STUDY.read_text(encoding="utf-8"))["datasets"][name]["adapter"])
    found = prepare_dataset(chosen, REAL, tmp_path, dataset=name)
    about = yaml.safe_load((REAL / name / "dataset.yaml").read_text())
    assert found.counts == {"train": about["n_train"], "val": about["n_val"]}
    assert found.depth.unit == ("relative" if "RELATIVE" in about["depth_unit"] else "metre")
    valid = 0.0
    for sample in PreparedDataset.open(tmp_path).read("val", range(20), "depth"):
        stored = np.asarray(Image.open(REAL / name / f"{sample.id.replace('images', 'depth', 1)}.png"))
        depth = stored.astype(np.int64) * 0.001
        depth[(depth < found.depth.minimum) | (depth > found.depth.maximum)] = 0
        np.testing.assert_allclose(sample.depth, depth, rtol=1e-6)
        valid += (depth > 0).mean() / 20
    assert valid > 0.6  # the range keeps what the sensor measured
