"""The miniature world: deterministic, independent of batching, and consistent across annotation types."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer_atlas.datasets import miniature
from transfer_atlas.datasets.miniature import rendering
from transfer_atlas.datasets.prepared import IGNORE_LABEL, DatasetDescription, Record
from transfer_atlas.errors import ConfigurationError

NAMES = miniature.names()
OF_ATDT = ("carla", "cityscapes_depth")
SEGMENTED = [name for name in NAMES if "segmentation" in miniature.specification(name).task_types]
SMALL = {"seed": 0, "image_size": 96}
TABLE_1 = {
    "pascal_context": ("segmentation",),
    "pascal_voc": ("segmentation", "detection"),
    "mpii": ("keypoints",),
    "ade20k": ("segmentation",),
    "coco": ("segmentation", "detection", "keypoints"),
    "bdd": ("segmentation", "detection"),
    "sun_rgbd": ("segmentation", "depth"),
    "underwater_trash": ("detection",),
    "stanford_dogs": ("keypoints",),
    "vkitti2": ("segmentation", "depth"),
    "vgallery": ("segmentation", "depth"),
    "ilsvrc": ("classification",),
}


@pytest.fixture(scope="module")
def first_images() -> dict[str, dict[str, list[Record]]]:
    """The first thirty images of train and 24 of val of every dataset."""
    counts = {"train": 30, "val": 24}
    return {
        name: {split: rendering.render(name, split, range(n), **SMALL) for split, n in counts.items()}
        for name in NAMES
    }


def same(a: Record, b: Record) -> bool:
    pairs = [(a.image, b.image), (a.mask, b.mask), (a.depth, b.depth)]
    if a.objects is not None:
        pairs += [
            (getattr(a.objects, field), getattr(b.objects, field))
            for field in ("boxes", "labels", "keypoints")
        ]
    return a.id == b.id and all((x is None and y is None) or np.array_equal(x, y) for x, y in pairs)


def test_the_datasets_are_those_of_table_1_and_of_at_dt():
    of_table_1 = [name for name in NAMES if name not in OF_ATDT]
    assert len(of_table_1) == 21 and set(OF_ATDT) <= set(NAMES)
    for name in of_table_1:
        assert miniature.specification(name).task_types == TABLE_1.get(name, ("segmentation",))
    for name in OF_ATDT:
        assert set(miniature.specification(name).task_types) == {"segmentation", "depth"}
    domains = {miniature.specification(name).domain for name in of_table_1}
    assert domains == {"consumer", "driving", "aerial", "indoor", "underwater", "close_ups", "synthetic"}
    sizes = [miniature.specification(name) for name in of_table_1[:20]]
    assert 6000 <= sum(each.n_train + each.n_val for each in sizes) <= 11000


@pytest.mark.parametrize("name", NAMES)
def test_describe_fills_a_dataset_description(name):
    DatasetDescription(**miniature.describe(name), counts={}, mean=(0, 0, 0), std=(1, 1, 1))


def test_an_unknown_name_is_answered_with_near_ones():
    with pytest.raises(ConfigurationError, match="cityscapes"):
        miniature.specification("cityscape")


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    split=st.sampled_from(["train", "val"]),
    indices=st.lists(st.integers(0, 3000), min_size=2, max_size=3, unique=True),
    seed=st.integers(0, 2**31),
    image_size=st.sampled_from([32, 48, 96]),
)
def test_an_image_depends_on_its_index_only(name, split, indices, seed, image_size):
    together = rendering.render(name, split, indices, seed=seed, image_size=image_size)
    for index, record in zip(reversed(indices), reversed(together), strict=True):
        (alone,) = rendering.render(name, split, [index], seed=seed, image_size=image_size)
        assert same(record, alone)
        assert record.id == f"{split}_{index:05d}"
        assert record.image.shape == (image_size, image_size, 3)
        assert record.image.dtype == np.uint8


def test_splits_seeds_and_datasets_differ():
    base = rendering.render("kitti", "train", [0], **SMALL)[0].image
    others = [
        ("kitti", "val", 0, 0),
        ("kitti", "train", 1, 0),
        ("kitti", "train", 0, 1),
        ("camvid", "train", 0, 0),
    ]
    for name, split, index, seed in others:
        assert not np.array_equal(
            base, rendering.render(name, split, [index], seed=seed, image_size=96)[0].image
        )


@pytest.mark.parametrize("name", NAMES)
def test_records_hold_the_annotations_of_the_dataset_and_no_others(name, first_images):
    given_types = miniature.specification(name).task_types
    for record in first_images[name]["train"]:
        assert (record.mask is not None) == ("segmentation" in given_types)
        assert (record.depth is not None) == ("depth" in given_types)
        assert (record.objects is not None) == bool({"detection", "keypoints"} & set(given_types))
        assert (record.label is not None) == ("classification" in given_types)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("name", NAMES)
def test_every_class_occurs_in_few_images(name, split, first_images):
    records, description = first_images[name][split], miniature.describe(name)
    if "segmentation" in description:
        values, counts = np.unique(np.stack([r.mask for r in records]), return_counts=True)
        seen = set(values[counts > 30].tolist()) - {IGNORE_LABEL}
        assert seen == set(range(len(description["segmentation"]["classes"])))
    if "detection" in description:
        labels = np.concatenate([r.objects.labels[~r.objects.crowd] for r in records])
        assert set(labels.tolist()) == set(range(len(description["detection"]["classes"])))
    if "keypoints" in description:
        points = np.concatenate([r.objects.keypoints for r in records])
        assert (points[..., 2] == 2).any(0).all()


def test_every_label_of_ilsvrc_occurs():
    classes = miniature.describe("ilsvrc")["classification"]["classes"]
    records = rendering.render("ilsvrc", "train", range(len(classes)), **SMALL)
    assert [r.label for r in records] == list(range(len(classes)))


@pytest.mark.parametrize(
    "name", [n for n in NAMES if {"detection", "keypoints"} & set(miniature.specification(n).task_types)]
)
def test_boxes_and_keypoints_are_inside_the_image(name, first_images):
    for record in first_images[name]["train"]:
        found = record.objects
        assert (found.boxes >= 0).all() and (found.boxes <= 96).all()
        assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
        assert len(found.boxes) == len(found.labels) == len(found.crowd) == len(found.area)
        assert (found.area > 0).all()
        assert (found.area <= np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)).all()
        if found.keypoints is not None:
            shown = found.keypoints[..., 2] == 2
            low, high = found.boxes[:, None, :2], found.boxes[:, None, 2:]
            inside = ((found.keypoints[..., :2] >= low) & (found.keypoints[..., :2] <= high)).all(-1)
            assert inside[shown].all(), "a visible keypoint lies on its figure, so inside its box"


def test_boxes_fit_the_mask(first_images):
    """Each edge of an object's box touches a pixel of its class, as far as the mask knows the class alone."""
    description = miniature.describe("coco")
    for record in first_images["coco"]["train"]:
        for box, label, crowd in zip(
            record.objects.boxes, record.objects.labels, record.objects.crowd, strict=True
        ):
            if description["detection"]["classes"][label] not in ("boat", "plane") or crowd:
                continue
            code = description["segmentation"]["classes"].index(description["detection"]["classes"][label])
            x0, y0, x1, y1 = box.astype(int)
            crop = record.mask[y0:y1, x0:x1] == code
            assert crop[0].any() and crop[-1].any() and crop[:, 0].any() and crop[:, -1].any()


@pytest.mark.parametrize("name", ["coco", "mpii", "stanford_dogs"])
def test_flips_are_an_involution(name):
    points = miniature.describe(name)["keypoints"]
    flips = points["flips"]
    assert [flips[flips[k]] for k in range(len(flips))] == list(range(len(flips)))
    assert (
        len(points["names"]) == len(points["sigmas"]) == {"coco": 17, "mpii": 16, "stanford_dogs": 20}[name]
    )
    assert all(0 <= end < len(flips) for bone in points["skeleton"] for end in bone)


@pytest.mark.parametrize("name", ["sun_rgbd", "vkitti2", "vgallery"])
def test_depth_is_in_range_and_agrees_with_the_mask(name, first_images):
    description = miniature.describe(name)
    for record in first_images[name]["train"]:
        valid = record.depth > 0
        assert record.depth.dtype == np.float32
        assert valid.mean() > 0.3
        assert (record.depth[valid] >= description["depth"]["minimum"]).all()
        assert (record.depth[valid] <= description["depth"]["maximum"]).all()
        if name == "vkitti2":
            sky = record.mask == description["segmentation"]["classes"].index("sky")
            assert not valid[sky].any()
            road = record.mask == description["segmentation"]["classes"].index("road")
            road &= valid
            rows = [record.depth[y][road[y]].mean() for y in range(96) if road[y].any()]
            assert (np.diff(rows) < 1e-3).all(), "the ground gets nearer downwards"


@pytest.mark.parametrize("name", ["camvid", "coco", "isprs", "scannet", "suim"])
def test_colour_alone_does_not_give_classes_away(name, first_images):
    """The nearest class centroid in RGB, learned from 30 images, is a poor segmenter of others."""
    count = len(miniature.describe(name)["segmentation"]["classes"])
    train, val = first_images[name]["train"], first_images[name]["val"]

    def pixels(records: list[Record]) -> tuple[np.ndarray, np.ndarray]:
        rgb, mask = np.stack([r.image for r in records]), np.stack([r.mask for r in records])
        return rgb[mask != IGNORE_LABEL].astype(np.float32), mask[mask != IGNORE_LABEL]

    (x, y), (test_x, test_y) = pixels(train), pixels(val)
    centroids = np.stack([x[y == k].mean(0) for k in range(count)])
    guess = ((test_x[:, None] - centroids) ** 2).sum(-1).argmin(1)
    confusion = np.bincount(test_y * count + guess, minlength=count**2).reshape(count, count)
    union = confusion.sum(0) + confusion.sum(1) - np.diag(confusion)
    assert float((np.diag(confusion) / np.maximum(union, 1)).mean()) < 0.25


def test_speed():
    start = time.process_time()
    for name in ("camvid", "coco", "isprs", "sun_rgbd"):
        rendering.render(name, "train", range(100, 105), seed=3, image_size=96)
    assert 20 / (time.process_time() - start) > 8, (
        "images per second; an unloaded core makes several times as many"
    )


def test_cities_divide_a_dataset_and_each_shows_every_class():
    indices = range(48)
    plain = rendering.render("bdd", "train", indices, seed=0, image_size=32)
    cities = rendering.render("bdd", "train", indices, seed=0, image_size=32, cities=3)
    one = rendering.render("bdd", "train", [17], seed=0, image_size=32, cities=3)[0]
    assert one.id == cities[17].id and (one.image == cities[17].image).all()
    named = [each.id.partition("_") for each in cities]
    assert [rest for _, _, rest in named] == [each.id for each in plain]
    assert {name for name, _, _ in named} == {"city0", "city1", "city2"}
    classes = {
        city: set(np.unique([each.mask for each in cities if each.id.startswith(city)])) - {IGNORE_LABEL}
        for city in ("city0", "city1", "city2")
    }
    assert min(map(len, classes.values())) >= max(map(len, classes.values())) - 2
    # They look different: by how much mean colours are off those of the plain images, which without cities is nothing,
    # differs by more than two grey values between any two.
    shift = {
        city: np.mean(
            [
                a.image.mean((0, 1)) - b.image.mean((0, 1))
                for a, b in zip(cities, plain, strict=True)
                if a.id.startswith(city)
            ],
            axis=0,
        )
        for city in classes
    }
    colours = np.array(list(shift.values()))
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=-1)[np.triu_indices(3, 1)]
    assert (apart > 2).all(), apart
