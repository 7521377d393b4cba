"""What is planned after clones, pulls and edits: behaviours 1 to 6 and 8 of the design, on real runs."""

import os
import shutil

import pytest
from clones import ALL_RUNS, STUDY_FILE, TABLES_AND_FIGURES, dvc_add, transfers
from PIL import Image
from steps import ALL_TRANSFERS, PREPARATIONS, STARTS_FROM_MEADOW, declare, edit_loss, pull, with_desert
from tiny_data import draw_scenes


def test_blank_clone_plans_the_whole_study(begun):
    assert begun.planned() == ALL_RUNS | TABLES_AND_FIGURES


# --------------------------------------------------------------------------------------------- behaviour 1


def test_clone_and_pull_leave_nothing_to_be_done(finished, fresh):
    pull(finished, fresh, "store", "results", "data/things", "data/meadow", "data/street", "data/harbour")
    assert fresh.planned() == set()
    assert fresh.snakemake().well().jobs == set()


def test_touched_files_change_nothing(finished, fresh, done):
    pull(finished, fresh, "store", "results", "data/things", "data/meadow", "data/street", "data/harbour")
    for clone in (done, fresh):  # with Snakemake's own memory, and without
        for path in clone.folder.rglob("*"):
            parts = path.relative_to(clone.folder).parts
            if path.is_file() and parts[0] not in (".git", ".snakemake"):
                product = parts[0] in ("store", "results")
                # Products long ago, the rest in the future: whoever goes by times runs everything.
                when = 1_000_000_000 if product else 4_000_000_000
                os.utime(path, (when, when))
        assert clone.planned() == set()


def test_another_branch_and_back_changes_nothing(done):
    done.git("checkout", "--quiet", "-b", "aside")
    for file in (STUDY_FILE, "src/transfer_atlas/tasks/segmentation.py", "workflow_scripts/transfer.py"):
        with (done.folder / file).open("a", encoding="utf-8") as opened:
            opened.write("# an aside\n")
    (done.folder / "notes.md").write_text("notes\n", encoding="utf-8")
    done.git("add", "--all")
    done.git("commit", "--quiet", "--message", "An aside")
    assert done.planned() == set()
    done.git("checkout", "--quiet", "main")
    assert not (done.folder / "notes.md").exists()
    assert done.planned() == set()


# --------------------------------------------------------------------------------------------- behaviour 2


def test_sources_are_usable_without_what_they_were_trained_on(finished, fresh):
    def only_from_meadow(study):
        study["experiments"][0]["sources"] = ["segmentation/meadow"]

    fresh.change(only_from_meadow)
    pull(finished, fresh, "store/ilsvrc", "store/sources/segmentation-meadow", "data/street", "data/harbour")
    assert not (fresh.folder / "data/meadow").exists()
    assert not (fresh.folder / "data/things").exists()
    expected = transfers(
        {"street": ["ilsvrc", "scratch", "meadow"], "harbour": ["ilsvrc", "scratch", "meadow"]}
    )
    targets = {"prepare_dataset street", "prepare_dataset harbour"}
    assert fresh.planned() == expected | targets | TABLES_AND_FIGURES
    pull(finished, fresh, "store/prepared/street", "store/prepared/harbour")
    assert fresh.planned() == expected | TABLES_AND_FIGURES
    assert fresh.snakemake().well().finished == expected | TABLES_AND_FIGURES
    for job in expected:  # the same as where the sources were trained
        assert fresh.record(job)["key"] == finished.record(job)["key"]
        assert fresh.record(job)["metrics"]["value"] == finished.record(job)["metrics"]["value"]


# --------------------------------------------------------------------------------------------- behaviour 3


def test_a_setting_changed_and_changed_back(done):
    def train_longer(study):
        study["datasets"]["meadow"]["tasks"]["segmentation"] = {"training": {"steps": 3}}

    expected = {"train_source segmentation-meadow"} | STARTS_FROM_MEADOW | TABLES_AND_FIGURES
    before = done.change(train_longer)
    assert done.planned() == expected
    done.write(before)
    assert done.planned() == set()
    done.change(train_longer)
    assert done.snakemake().well().finished == expected
    assert done.planned() == set()
    done.write(before)
    assert done.planned() == TABLES_AND_FIGURES


def test_settings_by_command_line_reach_the_study(done):
    sources = {"train_source segmentation-meadow", "train_source segmentation-street"}
    assert done.planned("--config", "source_seed=1") == (
        sources | transfers({"street": ["meadow"], "harbour": ["meadow", "street"]}) | TABLES_AND_FIGURES
    )
    changed_checkpoint = ALL_RUNS - PREPARATIONS - transfers({"street": ["scratch"], "harbour": ["scratch"]})
    assert done.planned("--config", "ilsvrc={seed: 1}") == changed_checkpoint | TABLES_AND_FIGURES


def test_kept_target_models_are_made_when_asked_for_and_repeat_no_transfer(done):
    before = done.files("store/transfers/*/*/run.json")
    call = done.snakemake("--config", "keep_target_models=true").well()
    names = {job.split(" ")[1] for job in ALL_TRANSFERS}
    assert call.finished == {f"keep_target_model {name}" for name in names}
    assert done.planned("--config", "keep_target_models=true") == set()
    assert done.files("store/transfers/*/*/run.json") == before
    for name in names:
        assert len(list(done.folder.glob(f"store/target_models/{name}/*/model.safetensors"))) == 1
    assert done.planned() == set()


# --------------------------------------------------------------------------------------------- behaviour 4


def test_a_dataset_added(done):
    draw_scenes(done.folder / "data", "desert")
    done.change(with_desert)
    assert done.planned() == (
        {"prepare_dataset desert", "train_source segmentation-desert"}
        | transfers(
            {
                "street": ["desert"],
                "harbour": ["desert"],
                "desert": ["ilsvrc", "scratch", "meadow", "street"],
            }
        )
        | TABLES_AND_FIGURES
    )


def test_a_dataset_named_but_not_used_changes_only_the_tables(done):
    def only_name_it(study):
        study["datasets"]["desert"] = study["datasets"]["meadow"] | {"domain": "dry"}

    done.change(only_name_it)
    assert done.planned() <= TABLES_AND_FIGURES


def test_a_dataset_removed(done):
    def without_harbour(study):
        del study["datasets"]["harbour"]
        study["experiments"][0]["targets"].remove("segmentation/harbour")

    done.change(without_harbour)
    shutil.rmtree(done.folder / "data/harbour")
    assert done.planned() == TABLES_AND_FIGURES


# --------------------------------------------------------------------------------------------- behaviour 5


def test_edited_comments_change_nothing(done):
    file = "src/transfer_atlas/tasks/segmentation.py"
    done.replace(file, "Cross entropy at each annotated pixel", "Pixelwise cross entropy")
    done.replace(file, "# (B, H, W)\n", "# batch, height, width\n\n")
    assert done.planned() == set()


def test_an_edited_loss_stops_planning_until_declared(done):
    edit_loss(done)
    call = done.snakemake("--dry-run")
    assert call.status == 1
    assert "task_segmentation: tasks/segmentation.py" in call.said
    command = "transfer-atlas code declare task_segmentation"
    assert f"{command} --results-can-change" in call.said
    assert f"{command} --results-cannot-change" in call.said
    assert "Traceback" not in call.said
    declare(done, "--results-can-change")
    sources = {"train_source segmentation-meadow", "train_source segmentation-street"}
    assert done.planned() == sources | ALL_TRANSFERS | TABLES_AND_FIGURES


def test_an_edit_declared_harmless_changes_nothing(done):
    edit_loss(done)
    declare(done, "--results-cannot-change")
    assert done.planned() == set()


# --------------------------------------------------------------------------------------------- behaviour 6


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        (
            "meadow",
            {"prepare_dataset meadow", "train_source segmentation-meadow"} | STARTS_FROM_MEADOW,
        ),
        (
            "street",
            {"prepare_dataset street", "train_source segmentation-street"}
            | transfers({"street": ["ilsvrc", "scratch", "meadow"], "harbour": ["street"]}),
        ),
        (
            "harbour",
            {"prepare_dataset harbour"} | transfers({"harbour": ["ilsvrc", "scratch", "meadow", "street"]}),
        ),
    ],
)
def test_an_edited_mask(done, dataset, expected):
    path = done.folder / "data" / dataset / "masks/train/00.png"
    with Image.open(path) as mask:
        mask.putpixel((0, 0), 1)
        mask.save(path)
    if dataset != "harbour":  # which is under no version control: its files are looked at
        assert done.planned() == set(), "the .dvc file says which version the study uses"
        dvc_add(done.folder / "data" / dataset)
    assert done.planned() == expected | TABLES_AND_FIGURES


def test_a_dataset_kept_elsewhere_is_the_same(done):
    (done.folder / "data/harbour").rename(done.folder / "data/port")
    done.change(lambda study: study["datasets"]["harbour"]["adapter"].update(path="port"))
    assert done.planned() == set()


# --------------------------------------------------------------------------------------------- behaviour 8


def test_two_studies_share_a_store(finished, done, fresh):
    def other_study(study):
        study["study"] = "other"
        study["store"] = str(done.folder / "store")
        study["experiments"][0] |= {
            "sources": ["segmentation/street", "segmentation/harbour"],
            "targets": ["segmentation/meadow", "segmentation/harbour"],
        }

    pull(finished, fresh, "data/harbour", "data/things", "data/meadow", "data/street")
    fresh.change(other_study)
    lacking = {"train_source segmentation-harbour"} | transfers(
        {"meadow": ["ilsvrc", "scratch", "street", "harbour"]}
    )
    assert fresh.planned() == lacking | TABLES_AND_FIGURES
    assert fresh.snakemake().well().finished == lacking | TABLES_AND_FIGURES
    assert done.planned() == set(), "the first study is as it was"


# ----------------------------------------------------------------------------------------------- helpers
