"""What of a dataset is there, by the names of files: present, partly there, missing, and where it comes from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image

from transfer_atlas.datasets.decoding_all import decode_all
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.datasets.registry import ADAPTERS, settings_of
from transfer_atlas.datasets.whereabouts import FoundSplit, whereabouts

MASKS = {
    "path": "meadow",
    "images": "{split}/*.png",
    "masks": "{split}/masks/{stem}.png",
    "classes": ["grass", "sky"],
    "source": "the farm",
}


def picture(file: Path, value: int, mode: str = "RGB") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (8, 6), value if mode == "L" else (value, value, value)).save(file)


@pytest.fixture
def meadow(tmp_path):
    """Five images of a plain dataset, each with a mask of both classes, and the settings that read it."""
    for split, names in (("train", "abc"), ("val", "de")):
        for at, name in enumerate(names):
            picture(tmp_path / f"meadow/{split}/{name}.png", 40 * at)
            mask = tmp_path / f"meadow/{split}/masks/{name}.png"
            picture(mask, 0, "L")
            with Image.open(mask) as opened:
                opened.putpixel((0, 0), 1)
                opened.save(mask)
    return tmp_path, settings_of("image_mask_folders", **MASKS)


def test_a_whole_dataset_is_present(meadow):
    root, settings = meadow
    found = whereabouts(settings, root, "meadow")
    assert (found.state, found.findings, found.files) == ("present", (), 10)
    assert found.splits == (FoundSplit("train", 3), FoundSplit("val", 2))
    assert found.size == sum(file.stat().st_size for file in (root / "meadow").rglob("*.png"))


@pytest.mark.parametrize(
    ("damage", "state", "finding"),
    [
        (lambda folder: shutil.rmtree(folder), "missing", "does not exist"),
        (lambda folder: (shutil.rmtree(folder), folder.mkdir()), "missing", "is empty"),
        (lambda folder: (shutil.rmtree(folder), folder.write_text("")), "missing", "a file, not a folder"),
        (lambda folder: shutil.rmtree(folder / "val"), "partly there", "val"),
        (lambda folder: (folder / "train/z.png").symlink_to(folder / "nowhere"), "partly there", "nowhere"),
    ],
)
def test_what_lacks_is_told(meadow, damage, state, finding):
    root, settings = meadow
    damage(root / "meadow")
    found = whereabouts(settings, root, "meadow")
    assert found.state == state
    assert any(finding in text for text in found.findings), found.findings
    assert found.remedies == ["from the farm"]


def test_a_record_of_dvc_tells_how_many_files_and_what_brings_them(meadow):
    root, settings = meadow
    output = {"md5": "0" * 32 + ".dir", "path": "meadow", "nfiles": 11, "size": 5}
    (root / "meadow.dvc").write_text(yaml.safe_dump({"outs": [output]}))
    found = whereabouts(settings, root, "meadow")
    assert found.state == "partly there"
    assert found.findings == ("10 files of the 11 that meadow.dvc records",)
    assert "dvc pull" in found.remedies[0]
    shutil.rmtree(root / "meadow")
    assert "dvc pull" in whereabouts(settings, root, "meadow").remedies[0]


def test_an_incomplete_official_copy_is_counted_against_the_complete_one(tmp_path):
    from official_examples import drawn

    folder, settings = drawn("cityscapes", tmp_path), settings_of("cityscapes")
    found = whereabouts(settings, tmp_path, "cityscapes")
    assert found.state == "partly there"
    assert [str(split) for split in found.splits] == ["train 4 of 2,975", "val 2 of 500"]
    assert any("cityscapes-dataset" in line for line in found.remedies)
    for mask in folder.rglob("val/**/*_labelIds.png"):
        mask.unlink()
    texts = whereabouts(settings, tmp_path, "cityscapes").findings
    assert any(text.startswith("2 files of annotations of val are missing") for text in texts)


def test_a_choice_among_an_official_dataset_is_not_counted_against_the_whole(tmp_path):
    from official_examples import drawn

    drawn("cityscapes", tmp_path)
    settings = settings_of("cityscapes", cities=["aachen", "frankfurt"])
    assert whereabouts(settings, tmp_path, "cityscapes").state == "present"


def test_a_generated_dataset_needs_no_files(tmp_path):
    assert whereabouts(settings_of("miniature", dataset="coco"), tmp_path, "coco").state == "generated"


# ------------------------------------------------------------------------------------------- every image decoded


@pytest.mark.parametrize("workers", [1, 2])
def test_all_is_decoded_once_and_what_changed_again(meadow, tmp_path, workers):
    root, settings = meadow
    kept = tmp_path / "kept/meadow.jsonl"

    def look():
        return decode_all(settings, root, "meadow", kept=kept, workers=workers)

    first = look()
    assert (first.images, first.looked_at, first.problems) == (5, 5, ())
    assert (look().images, look().looked_at) == (5, 0)
    picture(root / "meadow/train/a.png", 200)  # changed, and in order
    assert look().looked_at == 1
    picture(root / "meadow/train/f.png", 7)  # added, with its mask: nobody else is looked at again
    shutil.copy(root / "meadow/train/masks/a.png", root / "meadow/train/masks/f.png")
    assert (look().images, look().looked_at) == (6, 0)


def test_problems_are_all_told_and_looked_at_again(meadow, tmp_path):
    root, settings = meadow
    kept = tmp_path / "kept.jsonl"
    (root / "meadow/train/a.png").write_bytes(b"no image")
    picture(root / "meadow/val/masks/d.png", 9, "L")
    (root / "meadow/train/masks/b.png").unlink()
    found = decode_all(settings, root, "meadow", kept=kept)
    assert found.images == 2
    assert len(found.problems) == 3
    for name in ("train/a.png", "val/masks/d.png", "b.png"):
        assert any(name in text for text in found.problems), found.problems
    picture(root / "meadow/train/a.png", 1)
    again = decode_all(settings, root, "meadow", kept=kept)
    assert (again.images, again.looked_at, len(again.problems)) == (3, 3, 2)


def test_what_was_cut_off_or_damaged_counts_as_far_as_it_goes(meadow, tmp_path):
    root, settings = meadow
    kept = tmp_path / "kept.jsonl"
    decode_all(settings, root, "meadow", kept=kept)
    lines = kept.read_text().splitlines()
    kept.write_text("\n".join(lines[:3]) + '\n{"number": 7, "ids"')
    assert decode_all(settings, root, "meadow", kept=kept).looked_at == 3
    for damaged in ("", "{}", "[]\nnull", "\0", '"other"\n' + "\n".join(lines[1:])):
        kept.write_text(damaged)
        assert decode_all(settings, root, "meadow", kept=kept).looked_at == 5
    changed = settings_of("image_mask_folders", **MASKS | {"classes": ["grass", "cloud"]})
    assert decode_all(changed, root, "meadow", kept=kept).looked_at == 5


def test_broken_pictures_may_be_tolerated(meadow, tmp_path):
    root, _ = meadow
    (root / "meadow/train/a.png").write_bytes(b"no image")
    tolerant = settings_of("image_mask_folders", **MASKS, tolerate_broken=0.5)
    found = decode_all(tolerant, root, "meadow", kept=tmp_path / "kept.jsonl")
    assert found.problems == () and list(found.broken) == ["meadow/train/a.png"]


def one_class_alone(folder: Path) -> None:
    for mask in folder.glob("train/masks/*.png"):
        picture(mask, 1, "L")


def test_a_class_that_appears_with_one_more_image_is_judged_with_what_is_kept(meadow, tmp_path):
    root, settings = meadow
    kept = tmp_path / "kept.jsonl"
    one_class_alone(root / "meadow")
    for looked_at in (5, 0):
        found = decode_all(settings, root, "meadow", kept=kept)
        assert found.looked_at == looked_at
        assert len(found.problems) == 1 and "'sky' is all that occurs in 3 masks" in found.problems[0]
    with Image.open(root / "meadow/train/masks/a.png") as opened:
        opened.putpixel((0, 0), 0)
        opened.save(root / "meadow/train/masks/a.png")
    found = decode_all(settings, root, "meadow", kept=kept)
    assert (found.images, found.looked_at, found.problems) == (5, 1, ())


def test_an_id_given_twice_and_a_split_without_images_are_told(meadow, tmp_path, monkeypatch):
    root, settings = meadow
    adapter = ADAPTERS[settings.name]
    listed = [*adapter.records(settings, root, Problems("meadow"))]
    train = [entry for entry in listed if entry.split == "train"]
    for entries, finding in ((train, "split val: no image"), ([*listed, train[0]], "occurs twice")):
        monkeypatch.setattr(adapter, "records", lambda *_, given=entries: iter(given))
        for _ in range(2):
            (text,) = decode_all(settings, root, "meadow", kept=tmp_path / "kept.jsonl").problems
            assert finding in text
