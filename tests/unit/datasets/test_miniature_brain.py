"""Drawn brains, and modalities of the miniature world: the same scenes, shown by other sensors."""

import numpy as np
import pytest
from adapter_examples import parse, records_of

from transfer_atlas.datasets.miniature import rendering
from transfer_atlas.datasets.miniature.brain import CLASSES, MODALITIES, render


def test_all_modalities_show_the_same_scene_with_their_own_contrast():
    shown = {m: [render("train", at, [m], seed=0, size=64) for at in range(12)] for m in MODALITIES}
    masks = np.stack([record.mask for record in shown["t1"]])
    for records in shown.values():
        assert np.array_equal(masks, np.stack([record.mask for record in records]))

    def mean(modality, name):
        images = np.stack([record.image[..., 0] for record in shown[modality]])
        return images[masks == CLASSES.index(name)].mean()

    assert mean("t1", "white_matter") > mean("t1", "grey_matter") > mean("t1", "csf")
    assert mean("t2", "csf") > mean("t2", "grey_matter") > mean("t2", "white_matter")
    assert mean("flair", "oedema") > mean("flair", "grey_matter") > mean("flair", "csf")
    assert mean("t1ce", "enhancing") > mean("t1", "enhancing") + 60


def test_a_tumour_is_an_oedema_around_a_rim_around_a_core():
    shares = dict.fromkeys(CLASSES, 0)
    without = 0
    for at in range(60):
        mask = render("train", at, ["t1"], seed=3, size=64).mask
        for label, name in enumerate(CLASSES):
            shares[name] += (mask == label).mean() / 60
        without += not (mask >= 4).any()
    assert shares["white_matter"] > shares["oedema"] > shares["enhancing"] > shares["necrosis"] > 0.003
    assert 2 <= without <= 20


def test_an_image_depends_on_its_place_and_seed_alone_and_channels_on_their_order_not():
    one = records_of(
        parse({"name": "miniature_brain", "n_train": 3, "n_val": 2, "modalities": ["flair", "t1"]}), None
    )
    two = records_of(
        parse({"name": "miniature_brain", "n_train": 2, "n_val": 1, "modalities": ["t1", "flair"]}), None
    )
    by_id = {record.id: record for record in one}
    for record in two:
        assert np.array_equal(record.image, by_id[record.id].image)
        assert not record.image[..., 2].any()
    other = records_of(parse({"name": "miniature_brain", "n_train": 2, "n_val": 1, "seed": 1}), None)
    assert not np.array_equal(other[0].mask, two[0].mask)


@pytest.mark.parametrize("modality", ["brightness", "thermal", "distance"])
def test_a_modality_of_the_world_shows_the_annotated_scene(modality):
    plain = rendering.render("vkitti2", "train", range(3), seed=0, image_size=48)
    shown = rendering.render("vkitti2", "train", range(3), seed=0, image_size=48, modalities=[modality])
    for camera, other in zip(plain, shown, strict=True):
        assert camera.id == other.id and np.array_equal(camera.mask, other.mask)
        assert np.array_equal(camera.depth, other.depth)
        grey = other.image[..., 0].astype(float)
        assert np.array_equal(other.image[..., 0], other.image[..., 2]) and grey.std() > 5
        if modality == "distance":
            known = camera.depth > 0
            assert np.corrcoef(grey[known], 1 / camera.depth[known])[0, 1] > 0.5
    together = rendering.render(
        "vkitti2", "train", [0], seed=0, image_size=48, modalities=["thermal", "distance"]
    )
    channel = {"thermal": 0, "distance": 1}.get(modality)
    if channel is not None:
        assert np.array_equal(together[0].image[..., channel], shown[0].image[..., 0])
