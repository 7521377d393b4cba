"""What holds for every official adapter: it opens, prepares, has a card, and never reads what it need not."""

from pathlib import Path

import numpy as np
import pytest
from official_examples import OFFICIAL, drawn
from pseudo import DRAW

from transfer_atlas.datasets import official, open_dataset
from transfer_atlas.datasets.catalogue import PAGE, catalogue_text
from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.registry import settings_of

# task types that are not read by default
MORE = {"cityscapes": ["segmentation", "depth"]}


def test_every_adapter_has_a_pseudo_dataset():
    assert sorted(DRAW) == sorted(OFFICIAL)


@pytest.mark.parametrize("name", sorted(DRAW))
def test_opened_and_prepared_it_holds_the_same(name, tmp_path):
    folder = drawn(name, tmp_path / "data")
    options = {"task_types": MORE[name]} if name in MORE else {}
    settings = settings_of(name, **options)
    description = prepare_dataset(settings, tmp_path / "data", tmp_path / "prepared", dataset=name)
    prepared = PreparedDataset.open(tmp_path / "prepared")
    assert set(description.counts) == {"train", "val"}
    for task_type in OFFICIAL[name].task_types(settings):
        for split in ("train", "val"):
            raw = open_dataset(name, folder, split, task_type)
            stored = open_dataset("prepared", tmp_path / "prepared", split, task_type)
            assert len(raw) >= 1
            # people alone are of no detection class
            assert raw.classes == stored.classes or task_type == "keypoints"
            if "task_types" not in type(settings).model_fields:  # else other images may be annotated
                assert raw.ids == stored.ids == prepared.ids(split)
            by_id = dict(zip(raw.ids, raw, strict=True))
            for sample in stored:
                assert sample.image.dtype == np.uint8 and sample.image.shape[2] == 3
                _same(by_id[sample.id], sample)


def _same(one, other):
    """What is stored is what was read; depth within a step of its storage."""
    np.testing.assert_array_equal(one.image, other.image)
    for field in ("mask", "boxes", "box_labels", "crowd", "keypoints", "label"):
        first, second = getattr(one, field), getattr(other, field)
        assert (first is None) == (second is None), field
        if first is not None:
            np.testing.assert_array_equal(first, second)
    if one.depth is not None:
        np.testing.assert_allclose(one.depth, other.depth, atol=0.01)


@pytest.mark.parametrize("name", sorted(OFFICIAL))
def test_cards_say_what_is_needed(name):
    card = OFFICIAL[name].CARD
    assert card.title and card.obtain and card.licence and card.citation and card.archives and card.layout
    settings = settings_of(name)
    assert set(card.expected) <= set(type(settings).available)


@pytest.mark.parametrize("name", sorted(DRAW))
def test_ids_and_splits_do_not_depend_on_where_the_data_lie(name, tmp_path):
    folder = drawn(name, tmp_path)
    task_type = OFFICIAL[name].task_types(settings_of(name))[0]
    here = open_dataset(name, tmp_path, "train", task_type)
    assert open_dataset(name, folder, "train", task_type).ids == here.ids


def test_the_page_of_datasets_is_current():
    assert PAGE.read_text(encoding="utf-8") == catalogue_text(), "transfer-atlas catalogue"


def test_no_adapter_imports_what_unpickles():
    """What others publish is never unpickled."""
    folder = Path(official.__file__).parent
    for path in folder.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import pickle" not in text and "allow_pickle=True" not in text, path.name
