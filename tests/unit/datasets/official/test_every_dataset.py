"""What holds for every official adapter: it opens, prepares, has a card, and never reads what it need not."""

from pathlib import Path

import numpy as np
import pytest
from official_examples import OFFICIAL, drawn
from pseudo import DRAW

from transfer_atlas.datasets import official, open_dataset
from transfer_atlas.datasets.catalogue import PAGE, catalogue_text
from transfer_atlas.datasets.prepare import prepare_dataset
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.registry import settings_of
from transfer_atlas.errors import DatasetError

pytestmark = pytest.mark.filterwarnings("ignore:Dataset .* passed over")  # what the traps are there for
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


def passed_over(name, root, **options):
    """What is counted while a dataset is listed and read."""
    problems = Problems(name)
    for entry in OFFICIAL[name].records(settings_of(name, **options), root, problems):
        entry.read(problems)
    problems.raise_if_any()
    return problems.passed_over


def test_what_is_passed_over_is_counted(tmp_path):
    for name in (
        "camvid",
        "coco",
        "bdd_100k",
        "suim",
        "idd",
        "stanford_dogs",
        "sun_rgbd",
        "underwater_trash",
    ):
        drawn(name, tmp_path)
    pixels = "pixels of masks with a colour the label map does not name"
    assert passed_over("camvid", tmp_path) == {
        "images of the official list that are not there": 365 + 100,
        pixels: 3 * 4 * 32,
    }
    assert passed_over("coco", tmp_path) == {"boxes without an area": 3}
    assert passed_over("suim", tmp_path) == {"masks larger than their image, cropped": 1, pixels: 4 * 4}
    assert passed_over("idd", tmp_path) == {
        "polygons that are deleted or have less than three corners": 6,
        "polygons of 'unicorn'": 3,
    }
    assert passed_over("sun_rgbd", tmp_path) == {"test images that are not on MSeg's list": 1}
    assert passed_over("stanford_dogs", tmp_path) == {
        "entries whose image is of another size": 1,
        "images that StanfordExtra names that are not there": 1,
    }
    assert passed_over("underwater_trash", tmp_path) == {"boxes of 'timestamp'": 1, "boxes of 'metal'": 1}


def test_presence_tells_what_is_missing_without_decoding(tmp_path):
    folder = drawn("cityscapes", tmp_path)
    adapter, settings = OFFICIAL["cityscapes"].ADAPTER, settings_of("cityscapes")
    for path in folder.rglob("*.png"):  # no image at all any more
        path.write_bytes(b"")
    mask = folder / "gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_labelIds.png"
    mask.unlink()
    train, val = adapter.presence(settings, tmp_path, "cityscapes")
    assert (train.images, train.expected, train.missing, train.complete) == (4, 2975, (), False)
    assert val.missing == (mask.relative_to(tmp_path).as_posix(),) and (val.images, val.expected) == (2, 500)


@pytest.mark.parametrize("name", sorted(DRAW))
def test_presence_finds_a_drawn_dataset_in_order(name, tmp_path):
    drawn(name, tmp_path)
    for split in OFFICIAL[name].ADAPTER.presence(settings_of(name), tmp_path, name):
        assert split.images and not split.missing and not split.problems


def test_a_few_broken_files_are_left_out_and_named_where_that_is_allowed(tmp_path):
    folder = drawn("ade20k", tmp_path)
    place = folder / "ADEChallengeData2016"
    (place / "images/training/ADE_train_00000001.jpg").write_bytes(b"half a picture")
    settings = settings_of("ade20k")
    with pytest.raises(DatasetError, match="ADE_train_00000001"):
        prepare_dataset(settings, tmp_path, tmp_path / "refused", dataset="ade20k")
    tolerant = settings_of("ade20k", tolerate_broken=0.5)
    description = prepare_dataset(tolerant, tmp_path, tmp_path / "prepared", dataset="ade20k")
    assert description.counts == {"train": 1, "val": 1}
    assert [Path(name).name for name in description.broken] == ["ADE_train_00000001.jpg"]


@pytest.mark.parametrize(
    ("name", "key", "values"),
    [
        ("coco", "task_types", ["detection", "segmentation"]),
        ("cityscapes", "cities", ["aachen", "ulm"]),
        ("domainnet", "domains", ["real", "clipart"]),
        ("isaid", "left_out", ["P2", "P1", "P2"]),
        ("synthia_sf", "cameras", ["right", "left"]),
        ("omniglot", "parts", ["evaluation", "background"]),
    ],
)
def test_the_order_of_what_is_chosen_changes_neither_key_nor_images(name, key, values, tmp_path):
    drawn(name, tmp_path)
    one, other = (settings_of(name, **{key: chosen}) for chosen in (values, values[::-1]))
    assert one.hashed() == other.hashed() != settings_of(name).hashed()
    listed = [
        [(entry.id, entry.split) for entry in OFFICIAL[name].records(each, tmp_path, Problems(name))]
        for each in (one, other)
    ]
    assert listed[0] == listed[1]


@pytest.mark.parametrize("name", sorted(OFFICIAL))
def test_settings_come_back_from_what_is_hashed(name):
    settings = settings_of(name)
    assert type(settings).from_hashed(settings.hashed()) == settings


def test_settings_that_are_not_used_change_no_key():
    def key(name, **options):
        return settings_of(name, **options).hashed()

    assert key("cityscapes", maximum=99.0, seed=3) == key("cityscapes")
    assert key("cityscapes", maximum=99.0, task_types=["depth"]) != key("cityscapes", task_types=["depth"])
    assert key("cityscapes", cities="all", seed=3) != key("cityscapes", cities="all")
    assert key("vkitti2", task_types=["depth"], unknown="error") == key("vkitti2", task_types=["depth"])
    assert key("bdd_100k", labels="2018") != key("bdd_100k"), "which release is read, not what masks mean"
    assert key("gta5", seed=3) == key("gta5") != key("gta5", split="seeded")
    assert key("carla", episodes=["episode_1"], seed=1) == key("carla", episodes=["episode_1"])
