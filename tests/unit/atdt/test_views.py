"""A dataset as AT/DT sees it: stored images say beforehand what they decode to."""

import every_task_examples as examples
import pytest
import torch

from transfer_atlas.atdt.views import View
from transfer_atlas.datasets.reading import PreparedDataset, outline_of

SIZES = ((64, 64), (48, 80), (80, 48))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "all"
    examples.dataset(folder, train=4, val=2, sizes=SIZES)
    return folder


@pytest.mark.parametrize("centre_crop", [None, (50, 60), (32, 32), (400, 10)])
@pytest.mark.parametrize("task_type", ["depth", "normals"])
def test_stored_images_have_the_outline_and_the_pixels_of_what_is_read(folder, task_type, centre_crop):
    view = View(PreparedDataset.open(folder), centre_crop=centre_crop)
    read = view.read("train", range(4), task_type)
    for image, sample in zip(view.stored("train", range(4), task_type), read, strict=True):
        assert image.outline == outline_of(sample)
        assert torch.equal(image.decode().image, sample.image)
        if centre_crop is not None:
            assert image.outline.height <= centre_crop[0] and image.outline.width <= centre_crop[1]
