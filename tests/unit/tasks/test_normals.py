"""Surface normals: derived from the depth of planes and spheres, stored, augmented, scored by hand, learned."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from transfer_atlas.datasets import normals as surface
from transfer_atlas.datasets.adapters.camera import Camera
from transfer_atlas.datasets.open import open_dataset
from transfer_atlas.datasets.prepared import DatasetDescription, Intrinsics, NormalsDescription, Record
from transfer_atlas.datasets.reading import PreparedDataset, Sample
from transfer_atlas.datasets.registry import ADAPTERS, settings_of
from transfer_atlas.datasets.writing import write_prepared
from transfer_atlas.errors import DatasetError, LegitimateFailure
from transfer_atlas.scoring.annotations import DIRECTIONS, directions_of
from transfer_atlas.tasks.answers import Answer, annotated_answer, answers_of
from transfer_atlas.tasks.drawing import colours_of_normals, draw_error
from transfer_atlas.tasks.normals import NormalsEvaluator, angular_errors
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training.geometry import Window, augment

NORMALS = TASK_TYPES["normals"]
CAMERA = Intrinsics(focal=(0.9, 1.1), centre=(0.45, 0.55))
TASK = {"name": "some", "counts": {}, "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def rays(height, width, camera=CAMERA):
    """Directions (H, W, 3) of the pixels' rays, of depth 1."""
    x = (np.arange(width) + 0.5 - camera.centre[0] * width) / (camera.focal[0] * width)
    y = (np.arange(height)[:, None] + 0.5 - camera.centre[1] * height) / (camera.focal[1] * width)
    return np.stack(
        [np.broadcast_to(x, (height, width)), np.broadcast_to(y, (height, width)), np.ones((height, width))],
        -1,
    )


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.5, 20))
@settings(max_examples=40, deadline=None)
def test_the_normal_of_a_plane_is_exact(x, y, distance):
    normal = np.array([x, y, -2.0]) / math.hypot(x, y, 2.0)
    depth = -distance / (rays(12, 17) @ normal)
    assert (depth > 0).all()
    found = surface.normals_of_depth(depth, CAMERA)
    assert np.abs(found - normal).max() < 1e-5


def test_the_normals_of_a_sphere_point_away_from_its_centre():
    direction, middle = rays(64, 64), np.array([0.0, 0.0, 4.0])
    along, square = direction @ middle, (direction**2).sum(axis=-1)
    inside = along**2 - square * (16 - 1.5**2)
    depth = np.where(inside > 0, (along - np.sqrt(np.maximum(inside, 0))) / square, 0)
    found, points = surface.normals_of_depth(depth, CAMERA), depth[..., None] * direction
    known = (found != 0).any(axis=-1)
    expected = (points - middle) / 1.5
    angles = np.degrees(np.arccos((found * expected).sum(axis=-1)[known].clip(-1, 1)))
    assert known.sum() > 0.9 * (depth > 0).sum() and not known[depth == 0].any()
    assert np.median(angles) < 3


def test_an_edge_between_two_walls_is_not_bridged():
    depth = np.full((8, 8), 2.0)
    depth[:, 4:] = 5.0
    assert np.abs(surface.normals_of_depth(depth, CAMERA) - (0, 0, -1)).max() < 1e-6


def test_a_pixel_without_neighbours_has_no_normal():
    depth = np.zeros((5, 5))
    depth[2, 2] = 1.0
    depth[0, :2] = 1.0  # neighbours in x alone
    assert not surface.normals_of_depth(depth, CAMERA).any()
    assert not surface.normals_of_depth(np.full((4, 4), np.nan), CAMERA).any()
    assert not surface.normals_of_depth(np.ones((1, 1)), CAMERA).any()


@given(st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_stored_normals_are_near_what_they_were(seed):
    values = np.random.default_rng(seed).normal(size=(6, 5, 3))
    values /= np.linalg.norm(values, axis=-1, keepdims=True)
    values[0, 0] = 0
    found = surface.decoded(surface.coloured(values))
    assert not found[0, 0].any()
    cosine = (found * values).sum(axis=-1).ravel()[1:]
    assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 0.4
    assert np.allclose(np.linalg.norm(found, axis=-1).ravel()[1:], 1, atol=1e-5)


@given(st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_every_colour_but_near_black_and_mid_grey_is_a_unit_vector(seed):
    colours = np.random.default_rng(seed).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    vectors = colours / 127.5 - 1
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    expected = np.where((length > 0.5) & (colours != 0).any(axis=-1, keepdims=True), vectors / length, 0)
    np.testing.assert_allclose(surface.decoded(colours), expected, atol=1e-6)


def test_mid_grey_and_black_of_other_writers_are_no_normals():
    colours = np.array([[[0, 0, 0], [128, 128, 128], [127, 127, 127], [128, 128, 0]]], np.uint8)
    assert (surface.decoded(colours) != 0).any(axis=-1).tolist() == [[False, False, False, True]]


def test_a_camera_by_its_field_of_view_or_its_pixels():
    assert Camera(field_of_view=90).described()["intrinsics"]["focal"] == pytest.approx((0.5, 0.5))
    told = Camera(focal_length=(725.0, 720.0), centre=(620.5, 187), size=(375, 1242)).described()[
        "intrinsics"
    ]
    assert told["focal"] == pytest.approx((725 / 1242, 720 / 1242))
    assert told["centre"] == pytest.approx((620.5 / 1242, 187 / 375))
    for wrong in (
        {},
        {"field_of_view": 60, "focal_length": (1, 1)},
        {"focal_length": (1, 1)},
        {"field_of_view": 60, "size": (1, 1)},
    ):
        with pytest.raises(ValidationError):
            Camera(**wrong)


def sample(normals, image=None):
    normals = torch.as_tensor(np.asarray(normals), dtype=torch.float32)
    image = torch.zeros(3, *normals.shape[1:], dtype=torch.uint8) if image is None else image
    return Sample("a", image, normals=normals)


def test_a_mirrored_normal_points_the_other_way():
    normals = torch.zeros(3, 4, 4)
    normals[:, :, :2] = torch.tensor([0.6, 0.0, -0.8]).view(3, 1, 1)
    found = augment(sample(normals), Window(1.0, 0, 0, True), (4, 4), (0.0, 0.0, 0.0)).normals
    assert torch.allclose(found[:, 0, 3], torch.tensor([-0.6, 0.0, -0.8])) and not found[:, :, :2].any()
    beyond = augment(sample(normals), Window(1.0, -2, 0, False), (8, 4), (0.0, 0.0, 0.0)).normals
    assert not beyond[:, :2].any() and beyond[:, 2:6, :2].any() and not beyond[:, 6:].any()


def test_angles_by_hand():
    found = angular_errors(
        torch.tensor([[1.0, 0, 0], [5.0, 0, 0], [1.0, 1, 0], [-1.0, 0, 0], [0.0, 0, 0]]),
        torch.tensor([[1.0, 0, 0]]).expand(5, 3),
    )
    assert found.tolist() == pytest.approx([0, 0, 45, 180, 90])


def test_metrics_by_hand_over_all_pixels():
    """Errors of 0, 20 and 45 degrees; a pixel without normal and an image without any do not count."""
    degrees = [0.0, 20.0, 45.0]
    annotated = torch.zeros(3, 4, 16)
    for number, angle in enumerate(degrees):
        radians = math.radians(angle)
        annotated[:, :, 4 * number : 4 * number + 4] = torch.tensor(
            [math.sin(radians), 0, -math.cos(radians)]
        ).view(3, 1, 1)
    outputs = torch.tensor([0.0, 0.0, -3.0]).view(1, 3, 1, 1).expand(2, 3, 1, 4)
    evaluator = NormalsEvaluator()
    evaluator.update(outputs, [sample(annotated), sample(torch.zeros(3, 4, 16))], [(4, 16), (4, 16)])
    found = evaluator.result()
    assert found["value"] == found["mean_angular_error"] == pytest.approx(sum(degrees) / 3, abs=1e-4)
    assert found["median_angular_error"] == pytest.approx(20, abs=0.011)
    assert found["below_11_25"] == pytest.approx(1 / 3) and found["below_22_5"] == pytest.approx(2 / 3)
    assert found["below_30"] == pytest.approx(2 / 3) and found["images_without_normals"] == 1
    columns = evaluator.per_image()
    assert columns["image"] == ["a"] and columns["denominator"] == [48]
    assert sum(columns["numerator"]) / sum(columns["denominator"]) == pytest.approx(found["value"])
    with pytest.raises(LegitimateFailure, match="no image"):
        NormalsEvaluator().result()


def test_the_loss_is_one_minus_the_cosine_where_there_is_a_normal():
    annotated = torch.zeros(1, 3, 8, 8)
    annotated[:, 2, :, :4] = -1
    outputs = torch.zeros(1, 3, 2, 2)
    outputs[:, 0], outputs[:, 2] = 2.0, -2.0
    found = NORMALS.loss(outputs, {"normals": annotated})
    assert found.item() == pytest.approx(1 - math.cos(math.radians(45)))
    assert NORMALS.loss(outputs, {"normals": torch.zeros(1, 3, 8, 8)}).item() == 0
    halves = [NORMALS.loss(outputs, {"normals": annotated}, {"pixels": torch.tensor(64)}) for _ in range(2)]
    assert sum(halves).item() == pytest.approx(found.item())  # parts of a batch add up


def test_answers_are_of_unit_length_and_drawn():
    description = DatasetDescription.model_validate({**TASK, "normals": {}})
    (answer,) = answers_of("normals", torch.ones(1, 3, 2, 2), [(8, 8)], [(8, 8)], description)
    assert answer.normals.shape == (8, 8, 3) and np.allclose(np.linalg.norm(answer.normals, axis=-1), 1)
    facing = np.zeros((1, 3, 3))
    facing[0, 0], facing[0, 1] = (0, 0, -1), (0, -1, 0)  # towards the camera; up
    assert colours_of_normals(facing).tolist() == [[[128, 128, 255], [128, 255, 128], [128, 128, 128]]]
    truth = annotated_answer(sample(np.moveaxis(facing, 2, 0)), description)
    error = np.asarray(draw_error(Answer((1, 3), normals=facing), truth, description))
    assert error[0, 0].tolist() == [0, 0, 3] and error[0, 2].tolist() == [128, 128, 128]


def prepared(folder, description, records):
    write_prepared(folder, {"name": "some", **description}, records)
    return PreparedDataset.open(folder)


DEPTH = {"unit": "metre", "minimum": 0.5, "maximum": 10.0}


def record(split, **annotation):
    image = np.full((8, 12, 3), 90, np.uint8)
    return Record(split, split, image, depth=np.full((8, 12), 3.0, np.float32), **annotation)


def test_normals_are_derived_when_a_dataset_is_prepared_and_its_own_are_kept(tmp_path):
    derived = {"depth": DEPTH, "normals": {"intrinsics": {"focal": [0.5, 0.5]}}}
    found = prepared(tmp_path / "derived", derived, [record("train"), record("val")])
    assert found.description.normals.known == {"train": 1.0, "val": 1.0}
    (read,) = found.read("val", [0], "normals")
    assert (
        torch.allclose(read.normals[:, 3, 3], torch.tensor([0.0, 0.0, -1.0]), atol=0.01)
        and read.depth is None
    )
    own = np.zeros((8, 12, 3), np.float32)
    own[:, :6] = (0, -1, 0)
    found = prepared(
        tmp_path / "own",
        {"depth": DEPTH, "normals": {}},
        [record("train", normals=own), record("val", normals=own)],
    )
    assert found.description.normals.known == {"train": 0.5, "val": 0.5}
    opened = open_dataset("prepared", tmp_path / "own", "val", "normals")[0]
    assert np.isnan(opened.normals[0, 8]).all() and opened.normals[0, 0] == pytest.approx(
        [0, -1, 0], abs=0.01
    )


def test_a_description_without_normals_is_what_it_was(tmp_path):
    assert (
        "normals"
        not in prepared(tmp_path, {"depth": DEPTH}, [record("train"), record("val")]).description.model_dump()
    )
    assert "normals" not in (tmp_path / "dataset.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("description", "own", "told"),
    [
        ({"depth": DEPTH, "normals": {}}, None, "missing"),
        ({"depth": DEPTH, "normals": {}}, np.zeros((8, 11, 3), np.float32), "shape 8 x 11 x 3"),
        ({"depth": DEPTH, "normals": {}}, np.full((8, 12, 3), 0.9, np.float32), "unit length"),
        ({"depth": DEPTH, "normals": {}}, np.zeros((8, 12, 3), np.float32), "no pixel with a normal"),
        ({"normals": {"intrinsics": {"focal": [0.5, 0.5]}}}, None, "no depth"),
    ],
)
def test_normals_that_cannot_be_are_refused(tmp_path, description, own, told):
    with pytest.raises(DatasetError, match=told):
        write_prepared(
            tmp_path,
            {"name": "some", **description},
            [record("train", normals=own), record("val", normals=own)],
        )


def test_the_miniature_world_has_normals_by_each_images_own_camera():
    settings = settings_of("miniature", dataset="vgallery", image_size=32, n_train=2, n_val=1, normals=True)
    assert "normals" in ADAPTERS["miniature"].task_types(settings)
    assert (
        "normals" not in settings_of("miniature", dataset="vgallery").hashed()
    )  # nor in the keys of those without
    records = list(ADAPTERS["miniature"].records(settings, None, None))
    known = np.stack([each.normals for each in records])
    known = known[(known != 0).any(axis=-1)]
    # Of a room with an upright camera, floors and ceilings point up and down.
    upright = np.abs(known[:, 1]) > 0.99
    level = np.abs(known[:, 1]) < 0.01
    assert upright.mean() > 0.1 and level.mean() > 0.2 and (upright | level).mean() > 0.8
    with pytest.raises(Exception, match="derived from depth"):
        bare = settings_of("miniature", dataset="camvid", normals=True)
        ADAPTERS["miniature"].describe(bare, None, "camvid")


def test_a_folder_of_depth_maps_has_normals_of_its_camera_or_of_files(tmp_path):
    for split in ("train", "val"):
        for kind in ("images", "depth", "normals"):
            (tmp_path / "set" / kind / split).mkdir(parents=True)
        Image.fromarray(np.full((8, 12, 3), 90, np.uint8)).save(tmp_path / f"set/images/{split}/a.png")
        Image.fromarray(np.full((8, 12), 3000, np.uint16)).save(tmp_path / f"set/depth/{split}/a.png")
        up = np.zeros((8, 12, 3), np.uint8)
        up[:] = (128, 255, 128)  # of x right, y up
        Image.fromarray(up).save(tmp_path / f"set/normals/{split}/a.png")

    def opened(**options):
        given = {"depth": {"maximum": 10.0, **options.pop("depth", {})}, **options}
        return open_dataset("depth_png", tmp_path, "val", "normals", path="set", **given)[0].normals[4, 4]

    assert opened(depth={"camera": {"field_of_view": 60}}) == pytest.approx([0, 0, -1], abs=1e-6)
    assert opened(normals={"axes": [1, -1, -1]}) == pytest.approx([0, -1, 0], abs=0.01)
    with pytest.raises(DatasetError, match="exclude each other"):
        opened(depth={"camera": {"field_of_view": 60}}, normals={})
    with pytest.raises(DatasetError, match="no annotation for normals"):
        opened()


def test_official_datasets_with_depth_take_a_camera_and_others_refuse_it():
    plain = settings_of("vkitti2")
    camera = {"focal_length": [725.0, 725.0], "centre": [620.5, 187], "size": [375, 1242]}
    with_camera = settings_of("vkitti2", camera=camera)
    assert "camera" not in plain.hashed() and with_camera.hashed()["camera"]["centre"] == [620.5, 187.0]
    assert ADAPTERS["vkitti2"].task_types(with_camera) == (*ADAPTERS["vkitti2"].task_types(plain), "normals")
    with pytest.raises(DatasetError, match="derived from depth"):
        settings_of("camvid", camera={"field_of_view": 60})


def test_the_description_of_derived_normals_is_checked():
    assert NormalsDescription.model_validate({"intrinsics": {"focal": [1, 1]}}).intrinsics.centre == (
        0.5,
        0.5,
    )


def test_metrics_tell_normals_apart_by_twenty_directions():
    assert len(np.unique(DIRECTIONS.round(6), axis=0)) == 20
    assert np.allclose(np.linalg.norm(DIRECTIONS, axis=1), math.sqrt(3))
    unit = DIRECTIONS / math.sqrt(3)
    found = directions_of(np.concatenate([unit, np.zeros((1, 3))]).T[:, None])
    assert found.tolist() == [[*range(20), -1]]
