"""The behaviours of the design with real git, real DVC and a remote: each asserts the exact set of planned runs."""

import os
import signal

from clones import LAYERS, STUDY_FILE, TABLES_AND_FIGURES, cloned, commit, transfers
from PIL import Image
from steps import ALL_TRANSFERS, STARTS_FROM_MEADOW, declare, edit_loss, wait_for, with_desert
from tiny_data import draw_scenes

# ------------------------------------------------------------------------------ 1: clone and pull, touch, branches


def test_fresh_clone_and_pull(pulled):
    assert pulled.planned() == set()
    for path in pulled.folder.rglob("*"):
        parts = path.relative_to(pulled.folder).parts
        if path.is_file() and parts[0] not in (".git", ".dvc", ".snakemake"):
            # Products long ago, the rest in the future: whoever goes by times runs everything.
            when = 1_000_000_000 if parts[0] in ("store", "results") else 4_000_000_000
            os.utime(path, (when, when))
    assert pulled.planned() == set()


def test_another_branch_and_back(pulled):
    pulled.git("checkout", "--quiet", "-b", "aside")
    path = pulled.folder / "data/meadow/masks/train/00.png"
    repaint(path)
    pulled.dvc("add", "data/meadow")
    commit(pulled.folder, "Another meadow")
    assert pulled.planned() == MEADOW_ANEW
    pulled.git("checkout", "--quiet", "main")
    pulled.dvc("checkout")
    assert pulled.planned() == set()


# ----------------------------------------------------------------------------------------------- 2: partial pull


def test_sources_without_their_training_data(blank_clone):
    blank_clone.dvc("pull", "backbones", "sources")
    blank_clone.dvc("pull", "data/street")
    assert not (blank_clone.folder / "data/meadow").exists()
    assert not (blank_clone.folder / "data/things").exists()
    targets = {"prepare_dataset street", "prepare_dataset harbour"}
    assert blank_clone.planned() == ALL_TRANSFERS | targets | TABLES_AND_FIGURES
    blank_clone.dvc("pull", *(f"store/prepared/{name}" for name in ("street", "harbour")))
    assert blank_clone.planned() == ALL_TRANSFERS | TABLES_AND_FIGURES


# --------------------------------------------------------------------------------------- 3: a setting, and back


def test_a_changed_setting_and_back(pulled):
    def train_longer(study):
        study["datasets"]["meadow"]["tasks"]["segmentation"] = {"training": {"steps": 3}}

    expected = {"train_source segmentation-meadow"} | STARTS_FROM_MEADOW | TABLES_AND_FIGURES
    before = pulled.change(train_longer)
    assert pulled.planned() == expected
    pulled.write(before)
    assert pulled.planned() == set()


# ------------------------------------------------------------------------- 4 and 6: datasets added, removed, changed


def test_a_dataset_added_and_removed(pulled):
    draw_scenes(pulled.folder / "data", "desert")
    pulled.dvc("add", "data/desert")
    before = pulled.change(with_desert)
    assert pulled.planned() == DESERT | TABLES_AND_FIGURES
    pulled.write(before)
    assert pulled.planned() == set()

    def without_harbour(study):
        del study["datasets"]["harbour"]
        study["experiments"][0]["targets"].remove("segmentation/harbour")

    pulled.change(without_harbour)
    assert pulled.planned() == TABLES_AND_FIGURES


def test_a_dataset_changed_and_back(pulled):
    repaint(pulled.folder / "data/meadow/masks/train/00.png")
    assert pulled.planned() == set(), "the .dvc file says which version the study uses"
    pulled.dvc("add", "data/meadow")
    assert pulled.planned() == MEADOW_ANEW
    pulled.git("checkout", "--quiet", "data/meadow.dvc")
    pulled.dvc("checkout", "data/meadow")
    assert pulled.planned() == set()


# ----------------------------------------------------------------------------------------- 5: comment against loss


def test_a_comment_and_a_loss(pulled):
    file = "src/transfer_atlas/tasks/segmentation.py"
    pulled.replace(file, "Cross entropy at each annotated pixel", "Pixelwise cross entropy")
    assert pulled.planned() == set()
    edit_loss(pulled)
    assert pulled.snakemake("--dry-run").status == 1
    declare(pulled, "--results-can-change")
    sources = {"train_source segmentation-meadow", "train_source segmentation-street"}
    assert pulled.planned() == sources | ALL_TRANSFERS | TABLES_AND_FIGURES


# ---------------------------------------------------------------------------------------------- 7: kill and resume


def test_what_was_killed_is_not_recorded_until_it_is_done(pulled, tmp_path):
    def train_long(study):
        study["datasets"]["meadow"]["tasks"]["segmentation"] = {"training": {"steps": 40}}

    pulled.change(train_long)
    expected = {"train_source segmentation-meadow"}
    assert pulled.planned("sources") == expected
    (state,) = [pulled.folder / "scratch" / key / "state.safetensors" for key in new_keys(pulled)]
    process, _ = pulled.start("sources", TRANSFER_ATLAS_SAVE_SECONDS="0")
    wait_for(state, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    pulled.no_process_left()
    said = pulled.sharing("record")
    assert said.count(" 0 of them new") == LAYERS and "not recorded" not in said
    pulled.snakemake("--unlock").well()
    assert pulled.planned("sources") == expected
    assert pulled.snakemake("sources").well().finished == expected
    pulled.sharing("record")
    commit(pulled.folder, "A longer training")
    pulled.dvc("push")
    colleague = cloned(pulled, tmp_path / "colleague")
    colleague.dvc("pull")
    assert colleague.planned("sources") == set()
    assert colleague.planned() == STARTS_FROM_MEADOW | TABLES_AND_FIGURES


# ------------------------------------------------------------------------------------------------ 8: shared store


def test_another_study_on_what_was_pulled(pulled):
    def other_study(study):
        study["study"] = "other"
        study["results"] = "results/other"
        study["experiments"][0] |= {
            "sources": ["segmentation/street", "segmentation/harbour"],
            "targets": ["segmentation/meadow", "segmentation/harbour"],
        }

    before = pulled.change(other_study)
    lacking = {"train_source segmentation-harbour"} | transfers(
        {"meadow": ["ilsvrc", "scratch", "street", "harbour"]}
    )
    assert pulled.planned() == lacking | TABLES_AND_FIGURES
    pulled.write(before)
    assert pulled.planned() == set()


# -------------------------------------------------------------------------------------------------------- helpers

MEADOW_ANEW = (
    {"prepare_dataset meadow", "train_source segmentation-meadow"} | STARTS_FROM_MEADOW | TABLES_AND_FIGURES
)
DESERT = {"prepare_dataset desert", "train_source segmentation-desert"} | transfers(
    {"street": ["desert"], "harbour": ["desert"], "desert": ["ilsvrc", "scratch", "meadow", "street"]}
)


def repaint(mask_file):
    """Change one pixel of a mask; what DVC checked out is read-only."""
    with Image.open(mask_file) as mask:
        mask.load()
    mask.putpixel((0, 0), 1)
    mask_file.unlink()
    mask.save(mask_file)


def new_keys(clone) -> list[str]:
    """Keys of the sources that are planned and not there."""
    code = (
        "from transfer_atlas.study.parse import load_study\nfrom transfer_atlas.planning.plan import make_plan\n"
        "from transfer_atlas.planning.content_versions import content_versions\n"
        f"study = load_study({STUDY_FILE!r})\n"
        "for run in make_plan(study, *content_versions(study)).of_kind('source'):\n"
        "    print(*([] if run.folder(study.store).exists() else [run.key]))\n"
    )
    return clone.python("-c", code).stdout.split()
