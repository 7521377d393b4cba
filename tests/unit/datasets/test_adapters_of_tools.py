"""Formats that labelling tools and hubs write: YOLO, outlines and panoptic PNG of COCO, Parquet, tar, OpenEXR."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from adapter_examples import parse, records_of, save, write
from prepared_examples import encoded, pixels
from pydantic import ValidationError

from transfer_atlas.datasets import open_dataset
from transfer_atlas.datasets.adapters.split_rules import split_by_share
from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.errors import DatasetError

HEIGHT, WIDTH = 20, 40
BOX = [4, 5, 24, 15]  # of every object drawn here: x0, y0, x1, y1


def draw_images(root: Path, names=("a", "b")) -> None:
    for split in ("train", "val"):
        for seed, name in enumerate(names):
            save(root / f"toy/images/{split}/{name}.png", pixels(HEIGHT, WIDTH, seed=seed))


def rectangle() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 1
    return mask


# ---- YOLO

LINES = {
    "boxes": "1 0.35 0.5 0.5 0.5\n",
    "segments": "1 0.1 0.25 0.6 0.25 0.6 0.75 0.1 0.75\n",
    "poses": "1 0.35 0.5 0.5 0.5 0.1 0.25 2 0 0 0\n",
}


def yolo(root: Path, holds: str, **changed):
    draw_images(root)
    for split in ("train", "val"):
        write(root / f"toy/labels/{split}/a.txt", LINES[holds])
    write(root / "toy/data.yaml", "names: {0: cat, 1: dog}\n")
    points = {"keypoints": {"names": ["left", "right"], "sigmas": {"left": 0.1, "right": 0.1}}}
    extra = points if holds == "poses" else {}
    return parse({"name": "yolo_txt", "path": "toy", "holds": holds}, **extra, **changed)


@pytest.mark.parametrize("holds", LINES)
def test_yolo_files_are_read(tmp_path, holds):
    settings = yolo(tmp_path, holds)
    found = prepare_dataset(settings, tmp_path, tmp_path / "out", dataset="toy")
    assert found.detection.classes == ["cat", "dog"] and found.counts == {"train": 2, "val": 2}
    task_type = {"boxes": "detection", "segments": "segmentation", "poses": "keypoints"}[holds]
    opened = open_dataset("prepared", tmp_path / "out", "train", task_type)
    if holds == "segments":
        assert opened.classes == ["background", "cat", "dog"]
        assert np.array_equal(opened[0].mask, 2 * rectangle()) and not opened[1].mask.any()
        opened = open_dataset("prepared", tmp_path / "out", "train", "detection")
    np.testing.assert_allclose(opened[0].boxes, [BOX], atol=1e-5)
    assert len(opened[1].boxes) == 0  # no file, no objects
    if holds == "poses":
        np.testing.assert_allclose(opened[0].keypoints, [[[4, 5, 2], [0, 0, 0]]], atol=1e-5)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2 0.5 0.5 0.5 0.5", "a class of 0 to 1"),
        ("1 0.5 0.5 0.5", "centre x, centre y, width and height"),
        ("1 0.5 0.5 nan 0.5", r"a\.txt .*line 2"),
        ("dog 0.5 0.5 0.5 0.5", "'dog 0.5"),
        ("1 4 5 20 10", "a box inside the image"),  # pixels instead of shares
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, said):
    settings = yolo(tmp_path, "boxes")
    write(tmp_path / "toy/labels/train/a.txt", LINES["boxes"] + line)
    with pytest.raises(DatasetError, match=said):
        records_of(settings, tmp_path)


def test_a_pattern_without_any_text_file_is_no_dataset_without_objects(tmp_path):
    settings = yolo(tmp_path, "boxes", annotations="lables/{split}/{stem}.txt")
    with pytest.raises(DatasetError, match="not one image of split train has a text file"):
        records_of(settings, tmp_path)


# ---- COCO's outlines and panoptic PNG


def coco(root: Path, outline, **annotation) -> None:
    draw_images(root, ["a"])
    for split in ("train", "val"):
        entry = {"id": 1, "image_id": 1, "category_id": 3, "bbox": [4, 5, 20, 10], "segmentation": outline}
        small = entry | {"id": 2, "category_id": 5, "segmentation": [[6, 7, 8, 7, 8, 9, 6, 9]]}
        small |= {"bbox": [6, 7, 2, 2]}
        content = {
            "images": [{"id": 1, "file_name": "a.png"}],
            "annotations": [small, entry | annotation],
            "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}],
        }
        write(root / f"toy/annotations/{split}.json", content)


POLYGON = [[4, 5, 24, 5, 24, 15, 4, 15]]
RUNS = {"size": [HEIGHT, WIDTH], "counts": [4 * HEIGHT + 5, *[10, 10] * 19, 10, HEIGHT - 15 + 16 * HEIGHT]}


@pytest.mark.parametrize("outline", [POLYGON, RUNS], ids=["polygon", "runs"])
def test_masks_are_drawn_of_outlines_with_small_objects_on_top(tmp_path, outline):
    coco(tmp_path, outline)
    opened = open_dataset("coco_json", tmp_path / "toy", "train", "segmentation", outlines={})
    expected = rectangle()
    expected[7:9, 6:8] = 2
    assert opened.classes == ["background", "cat", "dog"]
    assert np.array_equal(opened[0].mask, expected)
    bare = open_dataset("coco_json", tmp_path / "toy", "train", "segmentation", outlines={"background": None})
    assert np.array_equal(bare[0].mask, np.where(expected == 0, 255, expected.astype(int) - 1))


def test_crowds_may_be_ignored(tmp_path):
    coco(tmp_path, RUNS, iscrowd=1)
    chosen = {"outlines": {"crowd": "ignore"}}
    mask = open_dataset("coco_json", tmp_path / "toy", "train", "segmentation", **chosen)[0].mask
    assert set(np.unique(mask)) == {0, 2, 255}


@pytest.mark.parametrize(
    "outline",
    [None, [], [[1, 2, 3, 4]], [["a", 2, 3, 4, 5, 6]], {"size": [3, 4], "counts": [12]},
     {"size": [HEIGHT, WIDTH], "counts": [1, 2]}, {"size": [HEIGHT, WIDTH], "counts": "~~~"},
     {"size": [HEIGHT, WIDTH]}, "outline", [[1, 2, 3, 4, float("nan"), 6]],
     [[1, 2, 3, 4, 5, 10**400]]],
)  # fmt: skip
def test_a_wrong_outline_is_named(tmp_path, outline):
    coco(tmp_path, outline)
    with pytest.raises(DatasetError, match=r"train\.json, annotation 1 of .*(outline|run lengths)"):
        records_of(parse({"name": "coco_json", "path": "toy", "outlines": {}}), tmp_path)


def panoptic(root: Path, segments, mask: str = "a.png") -> None:
    draw_images(root, ["a"])
    numbers = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    numbers[rectangle() == 1] = (5, 1, 2)  # 5 + 256 + 2 * 65536
    numbers[0] = (9, 0, 0)
    for split in ("train", "val"):
        save(root / f"toy/annotations/panoptic_{split}/a.png", numbers)
        content = {
            "images": [{"id": 1, "file_name": "a.png"}],
            "annotations": [{"image_id": 1, "file_name": mask, "segments_info": segments}],
            "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "sky"}],
        }
        write(root / f"toy/annotations/panoptic_{split}.json", content)


SEGMENTS = [{"id": 5 + 256 + 2 * 65536, "category_id": 3}, {"id": 9, "category_id": 5}]


def test_numbers_of_segments_may_be_text(tmp_path):
    panoptic(tmp_path, [{name: str(value) for name, value in segment.items()} for segment in SEGMENTS])
    mask = open_dataset("coco_panoptic", tmp_path / "toy", "train", "segmentation")[0].mask
    assert set(np.unique(mask)) == {0, 1, 255}


def test_panoptic_segments_become_classes_and_void_is_ignored(tmp_path):
    panoptic(tmp_path, SEGMENTS)
    opened = open_dataset("coco_panoptic", tmp_path / "toy", "train", "segmentation")
    expected = np.where(rectangle() == 1, 0, 255)
    expected[0] = 1
    assert opened.classes == ["cat", "sky"] and np.array_equal(opened[0].mask, expected)


@pytest.mark.parametrize(
    ("segments", "said"),
    [
        (SEGMENTS[:1], r"segments \[9\]"),
        ([*SEGMENTS[:1], {"id": 9, "category_id": 7}], "category_id 7"),
        ([{"id": 9, "category_id": [3]}], r"category_id \[3\]"),
        ([{"id": 9}], "category_id None"),
        ([{"category_id": 3}], "the segment {'category_id': 3}"),
        ([{"id": {}, "category_id": 3}], "the segment"),
        ([{"id": "x", "category_id": 3}], "the segment"),
        ([{"id": 1e400, "category_id": 3}], "the segment"),
        ([5], "the segment 5"),
        (None, "segments_info None"),
        ("abc", "segments_info abc"),
    ],
)
def test_wrong_segments_are_named(tmp_path, segments, said):
    panoptic(tmp_path, segments)
    with pytest.raises(DatasetError, match=said):
        records_of(parse({"name": "coco_panoptic", "path": "toy"}), tmp_path)


@pytest.mark.parametrize("mask", ["..", "/", "a\0.png", "\ud800.png", "x" * 5000, "\n"])
def test_a_mask_that_nothing_can_be_called_is_named(tmp_path, mask):
    panoptic(tmp_path, SEGMENTS, mask)
    with pytest.raises(DatasetError, match="that of a mask"):
        records_of(parse({"name": "coco_panoptic", "path": "toy"}), tmp_path)


def test_a_mask_may_have_the_folders_of_another_machine_before_its_name(tmp_path):
    panoptic(tmp_path, SEGMENTS, "/home/somebody/../masks/a.png")
    assert len(open_dataset("coco_panoptic", tmp_path / "toy", "train", "segmentation")) == 1
    records_of(parse({"name": "coco_panoptic", "path": "toy"}), tmp_path)


def test_one_json_for_all_with_lists_or_a_rule(tmp_path):
    for number in range(10):
        save(tmp_path / f"toy/images/s{number // 2}_{number}.png", pixels(HEIGHT, WIDTH, seed=number))
    images = [{"id": number, "file_name": f"s{number // 2}_{number}.png"} for number in range(10)]
    write(
        tmp_path / "toy/all.json",
        {"images": images, "annotations": [], "categories": [{"id": 1, "name": "a"}]},
    )
    write(tmp_path / "toy/train.txt", "\n".join(f"s{n // 2}_{n}" for n in range(7)))
    write(tmp_path / "toy/val.txt", "\n".join(f"s{n // 2}_{n}" for n in range(7, 10)))
    base = {
        "name": "coco_json",
        "path": "toy",
        "annotations": "all.json",
        "images": "images/{scene}_{number}.png",
    }
    listed = records_of(parse(base, lists={"train": "train.txt", "val": "val.txt"}), tmp_path)
    assert [record.split for record in listed] == ["train"] * 7 + ["val"] * 3
    ruled = records_of(parse(base, split=0.2, split_groups="{scene}"), tmp_path)
    by_split = {
        split: {r.id.split("/")[1][:2] for r in ruled if r.split == split} for split in ("train", "val")
    }
    assert len(ruled) == 10 and not by_split["train"] & by_split["val"] and len(by_split["val"]) == 1


def test_a_rule_divides_no_group_and_moves_few_images_when_some_are_added():
    groups = [f"g{number // 3}" for number in range(300)]
    chosen = split_by_share(groups, 0.2, seed=0)
    assert 0.18 <= np.mean(chosen) <= 0.22
    assert all(len({c for c, g in zip(chosen, groups, strict=True) if g == group}) == 1 for group in groups)
    assert split_by_share(groups, 0.2, seed=1) != chosen
    more = split_by_share([*groups, *(f"h{number}" for number in range(30))], 0.2, seed=0)[:300]
    assert sum(one != other for one, other in zip(chosen, more, strict=True)) <= 30
    assert split_by_share(["one"], 0.5, 0) == [False] and sorted(split_by_share(["a", "b"], 0.01, 0)) == [
        False,
        True,
    ]


# ---- values of masks


def test_instance_png_by_a_rule(tmp_path):
    draw_images(tmp_path, ["a"])
    kitti, cityscapes = (
        np.full((HEIGHT, WIDTH), 7 * 256 + 3, np.uint16),
        np.full((HEIGHT, WIDTH), 26003, np.uint16),
    )
    kitti[0], cityscapes[0] = 26 * 256, 7
    for split in ("train", "val"):
        save(tmp_path / f"toy/kitti/{split}/a.png", kitti)
        save(tmp_path / f"toy/cityscapes/{split}/a.png", cityscapes)
    base = {"name": "image_mask_folders", "path": "toy", "labels": {7: "road", 26: "car"}}
    rules = {"kitti": {"divide": 256}, "cityscapes": {"divide": 1000, "divide_from": 1000}}
    for name, rule in rules.items():
        mask = records_of(parse(base, masks=f"{name}/{{split}}/{{stem}}.png", **rule), tmp_path)[0].mask
        assert (mask[0, 0], mask[1, 0]) == ((1, 0) if name == "kitti" else (0, 1))


def test_depth_in_openexr(tmp_path):
    openexr = pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")
    draw_images(tmp_path, ["a"])
    depth = np.linspace(0.5, 9, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    depth[0, 0] = np.inf
    for split in ("train", "val"):
        path = tmp_path / f"toy/depth/{split}/a.exr"
        path.parent.mkdir(parents=True)
        openexr.File({"type": openexr.scanlineimage}, {"Z": depth}).write(str(path))
    section = {"files": "depth/{split}/{stem}.exr", "maximum": 10.0}
    found = open_dataset("depth_png", tmp_path / "toy", "train", "depth", depth=section)[0].depth
    assert np.isnan(found[0, 0]) and np.array_equal(found.ravel()[1:], depth.ravel()[1:])
    path.write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"a\.exr .*cannot be decoded"):
        open_dataset("depth_png", tmp_path / "toy", "val", "depth", depth=section)[0]


# ---- packed


def hub(root: Path, metadata: bool = True) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    for split in ("train", "val"):
        rows = {
            "image": [{"bytes": encoded(pixels(8, 9, seed=k)), "path": f"{k}.png"} for k in range(5)],
            "label": [0, 1, 1, 0, 1],
            "annotation": [{"bytes": encoded(np.eye(8, 9, dtype=np.uint8)), "path": None}] * 5,
        }
        table = pa.table(rows)
        if metadata:
            table = table.replace_schema_metadata(
                {"huggingface": json.dumps({"info": {"features": features}})}
            )
        file = root / f"toy/data/{split}-00000-of-00001.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, file, row_group_size=2)


def test_parquet_of_a_hub(tmp_path):
    hub(tmp_path)
    opened = open_dataset("parquet_files", tmp_path / "toy", "train", "classification")
    assert opened.classes == ["cat", "dog"] and [sample.label for sample in opened] == [0, 1, 1, 0, 1]
    assert np.array_equal(opened[3].image, pixels(8, 9, seed=3))
    masked = {"segmentation": {"classes": ["sky", "road"]}}
    assert np.array_equal(
        open_dataset("parquet_files", tmp_path / "toy", "val", "segmentation", **masked)[4].mask, np.eye(8, 9)
    )
    found = prepare_dataset(
        parse({"name": "parquet_files", "path": "toy"}), tmp_path, tmp_path / "out", dataset="toy", workers=2
    )
    assert found.counts == {"train": 5, "val": 5}


def test_parquet_that_does_not_fit_is_refused(tmp_path):
    hub(tmp_path, metadata=False)
    with pytest.raises(DatasetError, match="does not name the classes of column 'label'"):
        open_dataset("parquet_files", tmp_path / "toy", "train", "classification")
    with pytest.raises(DatasetError, match="no column picture; expected columns among image, label"):
        open_dataset(
            "parquet_files", tmp_path / "toy", "train", "classification", image="picture", classes=["a", "b"]
        )
    pointer = tmp_path / "toy/data/train-00000-of-00001.parquet"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(DatasetError, match=r"is no Parquet file.*only a pointer"):
        open_dataset("parquet_files", tmp_path / "toy", "train", "classification", classes=["a", "b"])


def tar(root: Path, label: str = "1") -> None:
    files = {
        "jpg": encoded(pixels(8, 9), "JPEG"),
        "cls": label.encode(),
        "seg.png": encoded(np.eye(8, 9, dtype=np.uint8)),
    }
    for split in ("train", "val"):
        (root / "toy").mkdir(exist_ok=True)
        with tarfile.open(root / f"toy/{split}-000000.tar", "w") as opened:
            for sample in ("./n01/000", "n01/001"):
                for suffix, content in files.items():
                    member = tarfile.TarInfo(f"{sample}.{suffix}")
                    member.size = len(content)
                    opened.addfile(member, io.BytesIO(content))


def test_tar_files_of_webdataset(tmp_path):
    tar(tmp_path)
    options = {"classes": ["cat", "dog"], "segmentation": {"classes": ["sky", "road"]}}
    opened = open_dataset("webdataset_tar", tmp_path / "toy", "train", "classification", **options)
    assert opened.ids == ["train-000000/n01/000", "train-000000/n01/001"] and opened[1].label == 1
    masks = open_dataset("webdataset_tar", tmp_path / "toy", "val", "segmentation", **options)
    assert np.array_equal(masks[0].mask, np.eye(8, 9))


def test_tar_files_that_do_not_fit_are_refused(tmp_path):
    tar(tmp_path, label="5")
    options = {"classes": ["cat", "dog"]}
    with pytest.raises(
        DatasetError, match=r"train-000000\.tar, n01/000: label '5'; expected a number of 0 to 1"
    ):
        open_dataset("webdataset_tar", tmp_path / "toy", "train", "classification", **options)[0]
    (tmp_path / "toy/val-000000.tar").write_bytes(b"no tar file")
    with pytest.raises(DatasetError, match="the tar file cannot be read"):
        open_dataset("webdataset_tar", tmp_path / "toy", "val", "classification", **options)


# ---- where data are


def test_a_data_root_of_its_own_is_expanded(tmp_path, monkeypatch):
    from transfer_atlas.datasets.registry import raw_folder

    monkeypatch.setenv("ATLAS_DATA", str(tmp_path))
    settings = parse({"name": "yolo_txt", "path": "toy", "data_root": "$ATLAS_DATA/disk"})
    assert raw_folder(settings, Path("data")) == tmp_path / "disk/toy"
    home = parse({"name": "yolo_txt", "path": "toy", "data_root": "~/disk"})
    assert raw_folder(home, Path("data")) == Path.home() / "disk/toy"
    with pytest.raises(DatasetError, match=r"NOT_SET_ANYWHERE.*not set"):
        raw_folder(
            parse({"name": "yolo_txt", "path": "toy", "data_root": "$NOT_SET_ANYWHERE/x"}), Path("data")
        )


@pytest.mark.parametrize(
    "pattern", ["../x/*.png", "/abs/*.png", ".hidden/*.png", "a/.b/{stem}.png", "{stem:05d}.png", "{}.png",
                "{stem.png", "a**/x.png", "a\\b.png", ""]
)  # fmt: skip
def test_patterns_that_lead_elsewhere_or_are_none_are_refused(pattern):
    for key, value in {
        "images": pattern,
        "masks": pattern,
        "lists": {"train": pattern, "val": pattern},
    }.items():
        base = {
            "name": "image_mask_folders",
            "path": "toy",
            "classes": ["a", "b"],
            "splits": {"train": "train"},
        }
        with pytest.raises(ValidationError, match=r"no path below|hidden files|is no pattern"):
            parse(base | {key: value})
