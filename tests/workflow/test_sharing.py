"""Recording, pulling, merging, verifying and throwing away, with real git, real DVC and a remote in a folder."""

import itertools
import json
import re
import shutil
import subprocess

import pytest
from clones import LAYERS, STUDY_FILE, TABLES_AND_FIGURES, Clone, cloned, commit, transfers
from steps import with_desert
from tiny_data import draw_scenes

from transfer_atlas.sharing.record_files import read_records

KEYED = ("prepared", "backbones", "sources", "transfers")
MEADOW = "store/sources/segmentation-meadow"


def recorded(clone: Clone, layer: str) -> dict[str, dict]:
    """Recorded files of a layer by run, of the version that is taken."""
    return dict(read_records(clone.folder / f"recorded/{layer}", clone.folder).runs)


def run_folder(clone: Clone, job: str):
    return clone.record_file(job).parent


# ---------------------------------------------------------------------------------------------------- recording


def test_recording_writes_what_dvc_would(published, tmp_path):
    """The list of a layer's folder, and so its version, is DVC's own."""
    text = (published.folder / "dvc.lock").read_text(encoding="utf-8")
    published_again = copied(published, tmp_path / "again")
    published_again.dvc("commit", "--force", *KEYED, "tables")
    assert (published_again.folder / "dvc.lock").read_text(encoding="utf-8") == text
    assert {layer: len(recorded(published, layer)) for layer in KEYED} == {
        "prepared": 4,
        "backbones": 1,
        "sources": 2,
        "transfers": 7,
    }


def test_recorded_files_are_no_second_copy(published):
    for file in (published.folder / MEADOW).rglob("*.safetensors"):
        assert file.stat().st_nlink == 2, "one in the store, one in the cache"
        assert not file.stat().st_mode & 0o222, "which must not be written to"


def test_recording_twice_changes_nothing(pulled):
    said = pulled.sharing("record")
    assert said.count(" 0 of them new") == LAYERS
    assert changes(pulled) == ""


def test_what_is_not_here_stays_recorded(blank_clone, published):
    """After a partial pull, new runs are added to what the others recorded."""
    blank_clone.dvc("pull", "backbones", "sources")

    def another_seed(study):
        study["experiments"] = [
            study["experiments"][0] | {"sources": [], "targets": ["segmentation/harbour"], "seeds": [1]}
        ]
        study["experiments"][0]["baselines"] = ["scratch"]

    blank_clone.change(another_seed)
    blank_clone.snakemake().well()
    assert "1 runs were computed here again" in blank_clone.sharing("record")
    assert len(recorded(blank_clone, "transfers")) == 8
    for layer in KEYED:  # harbour, which was prepared again, included
        now = recorded(blank_clone, layer)
        assert now == now | recorded(published, layer)
    commit(blank_clone.folder, "One more transfer")
    blank_clone.dvc("push")
    shutil.rmtree(blank_clone.folder / "store")
    shutil.rmtree(blank_clone.folder / ".dvc/cache")
    blank_clone.dvc("pull", "transfers")
    assert len(list((blank_clone.folder / "store/transfers").glob("*/*/run.json"))) == 8


@pytest.mark.parametrize("harm", ["no_record", "cut_short", "edited_record", "moved"])
def test_unknown_provenance_is_not_recorded(pulled, harm):
    (model,) = (pulled.folder / MEADOW).glob("*/model.safetensors")
    folder = model.parent
    foreign = folder.with_name("0123456789abcdef")
    shutil.copytree(folder, foreign)
    record_file = foreign / "run.json"
    record = json.loads(record_file.read_text(encoding="utf-8"))
    if harm == "no_record":
        record_file.unlink()
    elif harm == "cut_short":
        shutil.rmtree(foreign)
        foreign = folder
        harm_file(model)
    elif harm == "edited_record":
        record["key"], record["settings"]["seed"] = foreign.name, 7
        rewrite(record_file, record)
    before = recorded(pulled, "sources")
    said = pulled.sharing("record", status=1)
    assert f"not recorded: {foreign.relative_to(pulled.folder)}" in said
    assert recorded(pulled, "sources") == before
    if harm == "cut_short":
        assert re.search(r"model.safetensors is damaged: it has 1000 bytes, expected \d{6}", said)


# ------------------------------------------------------------------------------------- what a DVC user expects


def test_a_layer_is_a_target(blank_clone, published, tmp_path):
    blank_clone.dvc("pull", "sources")
    assert [path.name for path in (blank_clone.folder / "store").iterdir()] == ["sources"]
    assert len(list((blank_clone.folder / "store/sources").glob("*/*/model.safetensors"))) == 2
    blank_clone.git("tag", "--annotate", "sources@v1.0.0", "--message", "First sources")
    blank_clone.dvc("artifacts", "get", ".", "sources", "--rev", "v1.0.0", "--out", str(tmp_path / "got"))
    assert len(list((tmp_path / "got").glob("*/*/model.safetensors"))) == 2


def test_metrics_and_plots(pulled, tmp_path):
    assert "segmentation/harbour" in pulled.dvc("metrics", "show", "--md")
    pulled.dvc("plots", "show", "--out", str(tmp_path / "plots"))
    html = (tmp_path / "plots/index.html").read_text(encoding="utf-8")
    assert "gains_segmentation_small_target.png" in html
    pulled.change(lambda study: study["experiments"][0].update(sources=["segmentation/meadow"]))
    assert pulled.snakemake("tables").well().finished == {"tables"}
    pulled.sharing("record")
    lost = json.loads(pulled.dvc("metrics", "diff", "--json"))["results/shared/metrics.json"]
    assert [name for name in lost if "harbour.segmentation/street" in name]


def test_a_dvc_user_is_at_home(pulled):
    """A clean status without warnings, a graph from data to tables, settings beside gains."""
    assert pulled.dvc("status").strip() == "Data and pipelines are up to date."
    edges = [line.strip() for line in pulled.dvc("dag", "--mermaid").splitlines() if "-->" in line]
    names = dict(re.findall(r'(node\d+)\["([a-z_]+)"\]', pulled.dvc("dag", "--mermaid")))
    edges = {tuple(names.get(end) for end in edge.split("-->")) for edge in edges}
    chain = ["prepared", "backbones", "sources", "transfers", "tables"]
    assert set(itertools.pairwise(chain)) <= edges and ("scores", "tables") in edges
    pulled.replace(
        "config.yaml", "small_target: {steps: 80}\n  detection", "small_target: {steps: 90}\n  detection"
    )
    changed = json.loads(pulled.dvc("params", "diff", "--json"))["config.yaml"]
    assert changed == {
        "task_types.segmentation.regimes.small_target.steps": {"old": 80, "new": 90, "diff": 10}
    }
    shown = pulled.dvc("exp", "show", "--csv")
    assert "task_types.segmentation.regimes.small_target.steps" in shown and "segmentation/harbour" in shown


def test_repro_drives_snakemake(pulled):
    """It computes what the tables lack; `record` puts what is recorded and not here back."""
    (pulled.folder / "config.yaml").write_bytes((pulled.folder / STUDY_FILE).read_bytes())
    shutil.rmtree(run_folder(pulled, f"train_source {MEADOW.split('/')[-1]}"))
    (gone,) = transfers({"harbour": ["scratch"]})
    shutil.rmtree(run_folder(pulled, gone))
    for stamp in (pulled.folder / "results/.shows").glob("tables-*"):
        stamp.unlink()
    before = {layer: recorded(pulled, layer) for layer in KEYED}
    pulled.dvc("repro", "--single-item", "tables")
    assert pulled.planned(study=None) == set()
    pulled.sharing("record")
    after = {layer: recorded(pulled, layer) for layer in KEYED}
    assert {layer: set(runs) for layer, runs in after.items()} == {k: set(v) for k, v in before.items()}
    assert after["sources"] == before["sources"], "what the tables do not need was not computed"


# ------------------------------------------------------------------------------------------- pull in the graph

PULL = ("--config", "pull=true")


def test_what_is_recorded_is_pulled_and_not_computed(blank_clone, published):
    call = blank_clone.snakemake("--dry-run", *PULL).well()
    assert call.jobs == TABLES_AND_FIGURES
    assert "would pull 7 runs" in call.said
    assert not (blank_clone.folder / "store").exists()
    assert blank_clone.snakemake(*PULL).well().finished == TABLES_AND_FIGURES
    assert not list(blank_clone.folder.glob("store/*/*/*/model.safetensors")), "checkpoints nobody needs"
    assert blank_clone.planned() == set()
    tables = [f"results/tables/{name}.parquet" for name in ("transfers", "gains", "runs")]
    assert blank_clone.files(*tables) == published.files(*tables)


def test_only_what_new_runs_need_is_pulled(blank_clone):
    def from_meadow_again(study):
        study["experiments"] = [
            {
                "sources": ["segmentation/meadow"],
                "targets": ["segmentation/street"],
                "baselines": [],
                "seeds": [1],
            }
        ]

    blank_clone.change(from_meadow_again)
    call = blank_clone.snakemake("transfers", *PULL).well()
    (new,) = call.finished
    assert new.startswith("transfer segmentation-meadow--segmentation-street")
    here = {path.parent.parent.name for path in blank_clone.folder.glob("store/*/*/*/*") if path.is_file()}
    models = {path.parents[1].name for path in blank_clone.folder.glob("store/*/*/*/model.safetensors")}
    assert models == {"segmentation-meadow"}
    assert {"street", "segmentation-meadow"} <= here
    assert not (blank_clone.folder / "data/street").exists(), "its prepared dataset was pulled"


def test_raw_data_is_pulled_where_it_must_be_prepared(blank_clone):
    blank_clone.change(with_other_classes)
    call = blank_clone.snakemake("prepared_datasets", *PULL).well()
    assert call.finished == {"prepare_dataset meadow"}
    assert (blank_clone.folder / "data/meadow").is_dir()
    assert not (blank_clone.folder / "data/things").exists()


def test_a_target_of_its_own(blank_clone):
    assert blank_clone.snakemake("pull").well().stdout.count("pulled 7 of 7 runs") == 1
    assert blank_clone.planned() == TABLES_AND_FIGURES


@pytest.mark.parametrize("lack", ["remote", "network", "repository"])
def test_without_remote_it_says_so_and_goes_on(blank_clone, lack):
    if lack == "remote":
        blank_clone.dvc("remote", "remove", "storage")
    elif lack == "network":
        blank_clone.dvc("remote", "modify", "storage", "url", "http://127.0.0.1:9/nowhere")
    else:
        shutil.rmtree(blank_clone.folder / ".dvc")
    blank_clone.change(
        lambda study: study["experiments"][0].update(
            sources=[], targets=["segmentation/harbour"], baselines=["scratch"]
        )
    )
    call = blank_clone.snakemake("prepared_datasets", *PULL).well()
    assert call.finished == {"prepare_dataset harbour"}
    assert "going on with what can be computed" in call.said
    assert call.said.count("going on with") == 1
    assert {"remote": "no DVC remote is set", "network": "did not come", "repository": "no DVC"}[
        lack
    ] in call.said


# ------------------------------------------------------------------------------------------------------ merging


def test_two_clones_merge(published, tmp_path):
    """Each adds a dataset and runs, records and pushes; one run is computed by both."""
    hub = tmp_path / "hub"
    published.git("clone", "--quiet", "--bare", ".", str(hub))
    remote = tmp_path / "remote"
    clones = []
    for name in ("desert", "harbour"):
        clone = cloned(published, tmp_path / name)
        clone.git("remote", "set-url", "origin", str(hub))
        shutil.copytree(published.folder.parent / "remote", remote, dirs_exist_ok=True)
        clone.dvc("remote", "modify", "--local", "storage", "url", str(remote))
        clone.dvc("pull", "backbones", "sources", "prepared")
        clones.append(clone)
    ours, theirs = clones

    def other_seed(study, target):
        study["experiments"] = [
            {"sources": [], "targets": [f"segmentation/{target}", "segmentation/street"], "seeds": [1]}
        ]
        study["experiments"][0]["baselines"] = ["scratch"]

    draw_scenes(ours.folder / "data", "desert")
    ours.dvc("add", "data/desert")
    ours.change(with_desert)
    ours.change(lambda study: other_seed(study, "desert"))
    theirs.change(lambda study: other_seed(study, "harbour"))
    for clone in clones:
        clone.snakemake("transfers").well()
        clone.sharing("record")
        commit(clone.folder, "Runs of one side")
        clone.dvc("push")
    theirs.git("push", "--quiet", "origin", "main")
    ours.git("fetch", "--quiet")
    with pytest.raises(subprocess.CalledProcessError):  # dvc.lock was changed on both sides
        ours.git("merge", "--no-edit", "origin/main")
    ours.git("checkout", "--ours", STUDY_FILE)
    ours.git("add", STUDY_FILE)
    said = ours.sharing("merge")
    assert "transfers" in said and "was computed as well" not in said, "it came to the same numbers"
    both = {path.name.split("-")[0] for path in (ours.folder / "recorded/transfers").glob("*street*seed1/*")}
    assert len(both) == 1
    assert len(list((ours.folder / "recorded/transfers").glob("*street*seed1/*"))) == 2, "both are on record"
    ours.git("commit", "--no-edit", "--quiet")
    runs = recorded(ours, "transfers")
    assert len(runs) == 7 + 3
    assert set(runs) == set(recorded(theirs, "transfers")) | {
        run for run in runs if "desert" in run and "seed1" in run
    }
    assert len(recorded(ours, "prepared")) == 5
    ours.dvc("push")
    ours.git("push", "--quiet", "origin", "main")
    third = tmp_path / "third"
    published.git("clone", "--quiet", str(hub), str(third))
    shutil.copytree(published.folder / "data/harbour", third / "data/harbour")
    colleague = Clone(third)
    colleague.dvc("remote", "modify", "--local", "storage", "url", str(remote))
    colleague.dvc("pull")
    assert colleague.planned() == TABLES_AND_FIGURES, "of our study nothing is computed again"
    colleague.write(theirs.study())
    assert colleague.planned() == TABLES_AND_FIGURES, "and nothing of theirs"
    colleague.write(published.study())
    assert colleague.planned() == set(), "nor of the study before"


# ---------------------------------------------------------------------------------------------------- integrity


def test_a_damaged_checkpoint_is_refused_by_name_and_fetched_again(pulled):
    assert "14 runs looked at, 14 whole" in pulled.sharing("verify")
    (model,) = (pulled.folder / MEADOW).glob("*/model.safetensors")
    harm_file(model)
    name = model.relative_to(pulled.folder)
    said = pulled.sharing("verify", "sources", status=1)
    assert f"refused: {name} is damaged: it has 1000 bytes" in said
    assert "2 runs looked at, 1 whole, 1 refused" in said
    assert "1 fetched again" in pulled.sharing("verify", "--refetch")
    assert "14 whole" in pulled.sharing("verify")
    assert pulled.planned() == set()


def test_a_damaged_checkpoint_is_not_started_from(pulled):
    (model,) = (pulled.folder / MEADOW).glob("*/model.safetensors")
    content = bytearray(model.read_bytes())
    content[-1] ^= 1  # one bit of a weight: the file can still be read
    model.unlink()
    model.write_bytes(content)
    (job,) = transfers({"harbour": ["meadow"]})
    shutil.rmtree(run_folder(pulled, job))
    call = pulled.snakemake("transfers")
    assert call.status == 1 and job not in call.finished
    assert f"{model.relative_to(pulled.folder)} is damaged" in call.said
    assert "1 removed" in pulled.sharing("verify", "--remove")
    assert pulled.planned("transfers") == {"train_source segmentation-meadow", job}
    call = pulled.snakemake("--dry-run", "transfers", *PULL).well()
    assert call.jobs == set() and "would pull 1 runs" in call.said, "the transfer; its source is not needed"


def test_what_the_remote_damaged_is_not_accepted(blank_clone, published, tmp_path):
    files = {files["model.safetensors"][0] for files in recorded(published, "sources").values()}
    shutil.copytree(published.folder.parent / "remote", tmp_path / "remote")
    blank_clone.dvc("remote", "modify", "--local", "storage", "url", str(tmp_path / "remote"))
    for md5 in files:
        harm_file(tmp_path / "remote/files/md5" / md5[:2] / md5[2:])
    call = blank_clone.snakemake("sources", *PULL).well()
    assert call.said.count("model.safetensors is damaged") == 2
    assert call.finished == {"train_source segmentation-meadow", "train_source segmentation-street"}
    assert "0 refused" in blank_clone.sharing("verify")


# ------------------------------------------------------------------------------------------------------ garbage


def test_garbage_is_listed_and_removed_when_told_to(pulled):
    def without_meadow(study):
        study["experiments"][0]["sources"].remove("segmentation/meadow")

    def another_seed(study):
        study["experiments"] = [{"targets": ["segmentation/harbour"], "baselines": ["scratch"], "seeds": [1]}]

    before = pulled.change(another_seed)
    pulled.snakemake("transfers").well()
    pulled.write(before)
    pulled.change(without_meadow)
    pulled.sharing("record")
    said = pulled.sharing("garbage", "--study", STUDY_FILE)
    unreached = {line.split("  ")[-2].strip() for line in said.splitlines() if "store/" in line}
    assert len([name for name in unreached if "meadow" in name and "seed1" not in name]) == 4
    assert said.count("recorded, NOT PUSHED") == 3  # the other seed, and so all of its layer that are listed
    assert (pulled.folder / MEADOW).exists(), "nothing is removed unless told to"
    said = pulled.sharing("garbage", "--study", STUDY_FILE, "--remove", "--yes", status=1)
    assert "2 removed" in said and "3 are kept: no remote is known to have them" in said
    assert not (pulled.folder / MEADOW).exists()
    assert len(recorded(pulled, "sources")) == 1
    assert len(list(pulled.folder.glob("store/transfers/*seed1/*/run.json"))) == 1
    assert pulled.planned() == TABLES_AND_FIGURES
    said = pulled.sharing("garbage", "--study", STUDY_FILE, "--remove", "--even-unpushed", "--yes")
    assert "3 removed" in said
    assert not list(pulled.folder.glob("store/transfers/*seed1"))
    pulled.git("checkout", "--quiet", "--", ".")
    pulled.dvc("pull", "sources", "prepared", "transfers")
    assert pulled.planned() == set(), "the remote still has what was removed"


def test_what_absent_data_could_need_is_kept_and_a_mistake_stops_the_listing(pulled):
    (pulled.folder / "data/meadow.dvc").unlink()
    shutil.rmtree(pulled.folder / "data/meadow")
    said = pulled.sharing("garbage", "--study", STUDY_FILE, "--remove", "--yes")
    assert "data are not here, so" in said and "0 runs are reached by none" in said
    pulled.change(lambda study: study.pop("ilsvrc"))
    said = pulled.sharing("garbage", "--study", STUDY_FILE, "--remove", "--yes", status=1)
    assert "cannot be planned" in said and "ilsvrc" in said
    assert (pulled.folder / MEADOW).exists()


# --------------------------------------------------------------------------------------------- datasets in place


def test_a_manifest_has_the_version_that_dvc_would_give(published, tmp_path):
    """So a dataset used in place has the keys of one under DVC: real `dvc add` on one side, a link on the other."""
    text = (published.folder / "data/meadow.dvc").read_text(encoding="utf-8")
    clone = copied(published, tmp_path / "linked")
    shutil.move(clone.folder / "data/meadow", tmp_path / "elsewhere")
    (clone.folder / "data/meadow.dvc").unlink()
    (clone.folder / "data/meadow").symlink_to(tmp_path / "elsewhere")
    assert clone.planned() == set()  # a plain folder has DVC's version, too
    clone.sharing("manifest", "data/meadow")
    manifest = json.loads((clone.folder / "data/meadow.manifest.json").read_text(encoding="utf-8"))
    assert f"md5: {manifest['md5']}" in text
    assert clone.planned() == set()


# ------------------------------------------------------------------------------------------------------ helpers


def copied(clone: Clone, folder) -> Clone:
    shutil.copytree(clone.folder, folder, symlinks=True)
    return Clone(folder)


def changes(clone: Clone) -> str:
    """Changed files that git knows of."""
    return clone.git_output("status", "--short", "--untracked-files=no")


def harm_file(path) -> None:
    """Cut a file short; what DVC put there is read-only."""
    content = path.read_bytes()[:1000]
    path.unlink()
    path.write_bytes(content)


def rewrite(path, value) -> None:
    path.unlink()
    path.write_text(json.dumps(value), encoding="utf-8")


def with_other_classes(study) -> None:
    study["datasets"]["meadow"]["adapter"]["classes"] = ["soil", "square", "circle"]
