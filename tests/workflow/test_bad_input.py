"""Configurations and datasets with mistakes in them: one clear message each, and everything else goes on."""

import shutil

import pytest
from clones import TABLES_AND_FIGURES, dvc_add, transfers
from PIL import Image
from tiny_data import draw_scenes

# -------------------------------------------------------------------------------------------- configuration


def unknown_key(study):
    study["task_types"]["segmentation"]["training"]["batch_sise"] = 4


def unknown_key_at_the_top(study):
    study["experiment"] = study.pop("experiments")


def unknown_dataset(study):
    study["experiments"][0]["sources"] = ["segmentation/medow"]


def unknown_adapter(study):
    study["datasets"]["meadow"]["adapter"]["name"] = "image_mask_folder"


def unknown_regime(study):
    study["experiments"][0]["regime"] = "smal_target"


def unknown_backbone(study):
    study["backbone"]["name"] = "hrnet_tyni"


def crop_that_does_not_fit(study):
    study["task_types"]["segmentation"]["training"]["crop"] = [48, 48]


MISTAKES = {
    unknown_key: ["task_types.segmentation.training.batch_sise: unknown key (did you mean batch_size"],
    unknown_key_at_the_top: ["experiment: unknown key (did you mean experiments"],
    unknown_dataset: ["experiments[0].sources: unknown task 'segmentation/medow'", "segmentation/meadow"],
    unknown_adapter: [
        "datasets.meadow.adapter: unknown name 'image_mask_folder' (did you mean image_mask_folders"
    ],
    unknown_regime: ["experiments[0].regime: unknown regime 'smal_target' (did you mean small_target"],
    crop_that_does_not_fit: ["crop is [48, 48]; the backbone needs multiples of 32"],
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_mistake_in_the_configuration(begun, mistake):
    begun.change(mistake)
    call = begun.snakemake("--dry-run" if mistake is unknown_key else "plan")
    assert call.status == 1
    for words in MISTAKES[mistake]:
        assert call.said.count(words) == 1, call.said
    assert "Traceback" not in call.said
    assert len(call.said.splitlines()) < 12, "a message, not a flood"


def test_an_unknown_backbone_is_told_by_the_first_run_that_needs_it(begun):
    begun.change(unknown_backbone)
    call = begun.snakemake("ilsvrc")
    assert call.status == 1
    assert "backbone.name is 'hrnet_tyni'" in call.said
    assert "did you mean" in call.said
    assert "hrnet_tiny" in call.said
    assert "Traceback" not in call.said


@pytest.mark.parametrize(
    ("name", "of_snakemake", "of_doctor"),
    [
        ("torn.yaml", "Config file is not valid JSON or YAML", "torn.yaml, line 1, column 9: not YAML"),
        ("absent.yaml", "No such file or directory: 'absent.yaml'", "absent.yaml does not exist"),
    ],
)
def test_a_study_that_snakemake_cannot_read_is_told_by_doctor(begun, name, of_snakemake, of_doctor):
    """docs/troubleshooting.md quotes what Snakemake says before this workflow is asked."""
    (begun.folder / "torn.yaml").write_text("study: [")
    assert of_snakemake in begun.snakemake("--dry-run", study=name).said
    told = begun.python("-m", "transfer_atlas.command", "doctor", name)
    assert told.returncode == 1 and of_doctor in told.stderr and "Traceback" not in told.stderr


# ---------------------------------------------------------------------------------------------------- datasets


@pytest.mark.parametrize("what", ["missing", "empty"])
def test_raw_folder_without_recorded_version(done, what):
    shutil.rmtree(done.folder / "data/harbour")
    if what == "empty":
        (done.folder / "data/harbour").mkdir()
    call = done.snakemake()
    assert call.status == 1
    words = {
        "missing": "1 raw dataset of the study is not there:\n  harbour  data/harbour\n",
        "empty": "The raw dataset data/harbour is empty",
    }
    assert words[what] in call.said
    assert "put the files there, or correct" in call.said or "put them there, or correct" in call.said
    assert "Traceback" not in call.said


def test_what_is_absent_is_told_by_dataset_in_the_plan_and_where_it_is_expected_by_datasets(begun):
    shutil.rmtree(begun.folder / "data/harbour")  # neither there nor recorded
    shutil.rmtree(begun.folder / "data/meadow")  # recorded
    refused = begun.snakemake()
    assert refused.status == 1 and "harbour  data/harbour" in refused.said
    assert "Traceback" not in refused.said
    plan = begun.snakemake("plan").well().said
    assert "1 raw dataset of the study is not there:\n  harbour  data/harbour\n" in plan
    assert "snakemake datasets" in plan
    said = begun.snakemake("datasets").well().said
    rows = {line.split()[0]: line for line in said.splitlines() if line.strip()}
    assert "missing" in rows["harbour"]
    assert "present" in rows["street"]
    assert "meadow (missing): data/meadow\n  the folder does not exist" in said
    assert "`dvc pull data/meadow` brings them" in said


def missing_folder(folder):
    shutil.rmtree(folder)


def empty_folder(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def truncated_image(folder):
    path = folder / "images/train/03.png"
    path.write_bytes(path.read_bytes()[:500])


def mask_of_another_size(folder):
    path = folder / "masks/train/03.png"
    with Image.open(path) as mask:
        smaller = mask.resize((32, 48), Image.Resampling.NEAREST)
    smaller.save(path)


def label_outside_the_map(folder):
    path = folder / "masks/val/01.png"
    with Image.open(path) as mask:
        mask.putpixel((5, 6), 77)
        mask.save(path)


def missing_mask(folder):
    (folder / "masks/train/03.png").unlink()


FAULTS = {
    missing_folder: ["data/missing_folder does not exist", "dvc pull data/missing_folder"],
    empty_folder: ["0 of 32 files are in data/empty_folder", "dvc pull data/empty_folder"],
    truncated_image: ["truncated_image/images/train/03.png", "cannot be decoded"],
    mask_of_another_size: [
        "mask_of_another_size/masks/train/03.png",
        "mask of 32 x 48; expected the image's 64 x 64",
    ],
    label_outside_the_map: ["label_outside_the_map/masks/val/01.png", "value 77 (1 pixels)", "Add it to"],
    missing_mask: ["missing_mask/masks/train/03.png", "no such mask", "Add it"],
}

# Files that are not there are recorded before they go; faulty files are recorded as they are.
ABSENT = {missing_folder, empty_folder}


def test_faulty_datasets_are_told_and_the_others_go_on(done):
    names = [fault.__name__ for fault in FAULTS]
    for fault in FAULTS:
        folder = done.folder / "data" / fault.__name__
        draw_scenes(done.folder / "data", "desert")
        (done.folder / "data/desert").rename(folder)
        if fault in ABSENT:
            dvc_add(folder)
            fault(folder)
        else:
            fault(folder)
            dvc_add(folder)
    draw_scenes(done.folder / "data", "desert")

    def add(study):
        entry = study["datasets"]["meadow"]
        for name in [*names, "desert"]:
            study["datasets"][name] = entry | {"adapter": entry["adapter"] | {"path": name}}
        study["experiments"][0] |= {
            "targets": [f"segmentation/{name}" for name in [*names, "desert"]],
            "sources": [],
            "baselines": ["scratch"],
        }

    done.change(add)
    call = done.snakemake()
    assert call.status == 1
    assert "Traceback" not in call.said
    for fault, words in FAULTS.items():
        assert call.said.count(f"{fault.__name__} cannot be carried out: ") == 1
        for word in words:
            assert word in call.said
    sound = {"prepare_dataset desert"} | transfers({"desert": ["scratch"]})
    assert call.finished == sound

    # Mended, only what is missing runs.
    for name in names:
        shutil.rmtree(done.folder / "data" / name, ignore_errors=True)
        shutil.copytree(done.folder / "data/desert", done.folder / "data" / name)
        dvc_add(done.folder / "data" / name)
    missing = {f"prepare_dataset {name}" for name in names} | transfers({name: ["scratch"] for name in names})
    assert done.planned() == missing | TABLES_AND_FIGURES
    one = {"prepare_dataset truncated_image"} | transfers({"truncated_image": ["scratch"]})
    target = str(listed_output(done, "truncated_image"))
    assert done.snakemake(target).well().finished == one
    assert done.planned() == (missing - one) | TABLES_AND_FIGURES


def listed_output(clone, dataset: str):
    """The path of a transfer that is to come, as `snakemake --summary` lists it."""
    (name,) = [job.split(" ")[1] for job in transfers({dataset: ["scratch"]})]
    listed = clone.snakemake("--summary").well().stdout
    (path,) = [line.split("\t")[0] for line in listed.splitlines() if f"/{name}/" in line]
    return path
