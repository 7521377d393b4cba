"""The reading interface, the same for every official adapter whatever its options: types, shapes and ranges."""

import typing
from types import UnionType

import numpy as np
import pytest
from official_examples import drawn
from pseudo import DRAW

from transfer_atlas.datasets import open_dataset
from transfer_atlas.datasets.registry import settings_of
from transfer_atlas.errors import DatasetError

pytestmark = pytest.mark.filterwarnings("ignore:Dataset .* passed over")


def is_as_promised(sample, opened) -> None:
    """A sample holds what its task type says, and nothing else, in the types of the documentation."""
    height, width = sample.image.shape[:2]
    assert isinstance(sample.id, str) and sample.image.dtype == np.uint8 and sample.image.shape[2] == 3
    held = {
        "segmentation": {"mask"},
        "detection": {"boxes", "box_labels", "crowd"},
        "keypoints": {"boxes", "box_labels", "crowd", "keypoints"},
        "depth": {"depth"},
        "normals": {"normals"},
        "classification": {"label"},
    }[opened.task_type]
    annotated = ("mask", "boxes", "box_labels", "crowd", "keypoints", "depth", "normals", "label")
    assert {name for name in annotated if getattr(sample, name) is not None} == held
    classes = len(opened.classes)
    if sample.mask is not None:
        assert np.issubdtype(sample.mask.dtype, np.integer) and sample.mask.shape == (height, width)
        assert set(np.unique(sample.mask).tolist()) <= {*range(classes), opened.ignore_index}
    else:
        assert opened.ignore_index is None
    if sample.boxes is not None:
        number = len(sample.boxes)
        assert sample.boxes.dtype == np.float32 and sample.boxes.shape == (number, 4)
        assert (sample.boxes[:, :2] < sample.boxes[:, 2:]).all() and (sample.boxes >= 0).all()
        assert (sample.boxes[:, 2] <= width).all() and (sample.boxes[:, 3] <= height).all()
        assert np.issubdtype(sample.box_labels.dtype, np.integer) and sample.box_labels.shape == (number,)
        assert ((sample.box_labels >= 0) & (sample.box_labels < max(classes, 1))).all()
        assert sample.crowd.dtype == bool and sample.crowd.shape == (number,)
    if sample.keypoints is not None:
        assert sample.keypoints.dtype == np.float32
        assert sample.keypoints.shape == (len(sample.boxes), len(opened.keypoint_names), 3)
        assert np.isin(sample.keypoints[..., 2], (0, 1, 2)).all()
    else:
        assert opened.keypoint_names == []
    if sample.depth is not None:
        assert sample.depth.dtype == np.float32 and sample.depth.shape == (height, width)
        known = sample.depth[~np.isnan(sample.depth)]
        assert np.isfinite(known).all() and (known > 0).all()
    if sample.label is not None:
        assert type(sample.label) is int and 0 <= sample.label < classes


def choices(name: str) -> list[dict]:
    """Every other value of every setting that chooses among a few, one at a time; and none at all."""
    settings, found = settings_of(name), [{}]
    for key, field in type(settings).model_fields.items():
        given = field.annotation
        parts = typing.get_args(given) if typing.get_origin(given) in (typing.Union, UnionType) else (given,)
        values = [
            value
            for part in parts
            if typing.get_origin(part) is typing.Literal
            for value in typing.get_args(part)
        ]
        values += [True, False] if bool in parts else []
        found += [{key: value} for value in values if key != "name" and value != getattr(settings, key)]
    return found


@pytest.mark.parametrize("name", sorted(DRAW))
def test_every_option_gives_what_is_promised_or_says_why_not(name, tmp_path):
    folder = drawn(name, tmp_path)
    every = choices(name)
    for options in every:
        for task_type in type(settings_of(name)).available:
            try:
                opened = open_dataset(name, folder, "train", task_type, **options)
                samples = [opened[0], opened[-1]]
            except DatasetError as error:
                # other releases are not drawn: what is expected instead must be said
                assert options, f"{name} cannot be opened as it is: {error}"
                assert "xpected" in str(error) or "has no annotation" in str(error), (options, str(error))
                continue
            for sample in samples:
                is_as_promised(sample, opened)


def test_how_it_is_called(tmp_path):
    folder = drawn("camvid", tmp_path)
    by_name = open_dataset(adapter="camvid", root=folder, split="val", task_type="segmentation")
    assert by_name.ids == open_dataset("camvid", folder, "val", "segmentation").ids
    with pytest.raises(TypeError, match="lacks `split`; it takes adapter, root, split, task_type"):
        open_dataset("camvid", folder, task_type="segmentation")
    with pytest.raises(DatasetError, match="no task type 'boxes'; expected one of segmentation, detection"):
        open_dataset("camvid", folder, "val", "boxes")
    with pytest.raises(DatasetError, match="prepared dataset has no options; found labels"):
        open_dataset("prepared", folder, "val", "segmentation", labels="camvid32")
