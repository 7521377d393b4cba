"""Parts of sharing that need no DVC: what is needed, lists of runs and their merging, presence, manifests."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import study_examples as examples
from hypothesis import given
from hypothesis import strategies as st

from transfer_atlas.datasets.manifest import check_manifest, write_manifest
from transfer_atlas.datasets.versions import dataset_version
from transfer_atlas.errors import DatasetError
from transfer_atlas.planning.need import need
from transfer_atlas.planning.presence import Presence
from transfer_atlas.sharing.puller import ancestry, leaves
from transfer_atlas.sharing.record_files import read_records, write_records
from transfer_atlas.sharing.records import Records, Version, records_of
from transfer_atlas.store.keys import key_of
from transfer_atlas.store.store import problems_of, publish, read_run

# --------------------------------------------------------------------------------------------- what is needed


@pytest.fixture(scope="module")
def plan():
    return examples.plan()


def names(runs):
    return {(run.kind, run.name) for run in runs}


def test_nothing_is_needed_where_all_is_present(plan):
    found = need(leaves(plan), present=lambda run: True, recorded=lambda run: True)
    assert (found.pull, found.compute) == ((), ())


def test_all_is_computed_where_nothing_is_known(plan):
    found = need(leaves(plan), present=lambda run: False, recorded=lambda run: False)
    assert found.pull == () and names(found.compute) == names(plan)
    order = {run.key: place for place, run in enumerate(found.compute)}
    assert all(order[parent.key] < order[run.key] for run in plan for parent in run.parents.values())


def test_what_is_pulled_needs_nothing_itself(plan):
    found = need(leaves(plan), present=lambda run: False, recorded=lambda run: run.kind != "transfer")
    assert {run.kind for run in found.compute} == {"transfer"}
    direct = {(p.kind, p.name) for run in found.compute for p in run.parents.values()}
    assert names(found.pull) == direct
    assert not names(plan.of_kind("prepared")) <= names(found.pull), (
        "those of sources alone stay where they are"
    )


def test_every_run_is_asked_about_once(plan):
    asked = []

    def present(run):
        asked.append(run.key)
        return False

    need(leaves(plan), present, recorded=lambda run: False)
    assert len(asked) == len(set(asked)) == len(plan.runs)


def test_leaves_and_ancestry_make_the_plan(plan):
    assert {run.kind for run in leaves(plan)} == {"transfer"}
    assert names(leaves(plan)) | names(ancestry(leaves(plan))) == names(plan)


# ------------------------------------------------------------------------------------------- recorded runs

RUN_NAMES = st.from_regex(r"[a-z]{1,4}-[a-z]{1,4}/[0-9a-f]{16}", fullmatch=True)
MD5 = st.from_regex(r"[0-9a-f]{32}", fullmatch=True)
FILES = st.dictionaries(
    st.sampled_from(["model.safetensors", "shards/train-0.parquet"]),
    st.tuples(MD5, st.integers(0, 10**12)),
)
VERSIONS = st.builds(
    lambda run, md5, files, created, state: Version(
        run, files | {"run.json": (md5, 3)}, "numbers", {"created": created, "value": 0.5}, state
    ),
    RUN_NAMES,
    MD5,
    FILES,
    st.sampled_from(["2026-01-01", "2026-01-02"]),
    st.sampled_from(["", "set aside", "removed"]),
)


@given(st.lists(VERSIONS))
def test_records_read_as_they_were_written(tmp_path_factory, versions):
    root = tmp_path_factory.mktemp("records")
    records = records_of(versions)
    write_records(root / "sources", root, records)
    assert read_records(root / "sources", root) == records


@given(st.lists(VERSIONS), st.lists(VERSIONS))
def test_a_union_of_records_is_the_same_in_either_order(ours, theirs):
    """As git makes it: files of both sides, none of which has the name of another version's."""
    found = records_of(ours + theirs)
    assert found == records_of(theirs + ours)
    for run, files in found.runs.items():
        (taken,) = [v for v in found.versions[run] if v.files == files][:1]
        assert taken.rank == min(v.rank for v in found.versions[run] if v.state != "removed")
    removed = {v.place for v in ours + theirs if v.state == "removed"}
    assert not removed & {found.taken(run).place for run in found.runs}, "what one side removed stays removed"


def test_which_version_is_taken():
    early = Version("a/0123456789abcdef", {"run.json": ("b" * 32, 1)}, "1", {"created": "2026-01-01"})
    late = Version("a/0123456789abcdef", {"run.json": ("a" * 32, 1)}, "2", {"created": "2026-01-02"})
    (run,) = records_of([late, early]).runs
    assert records_of([late, early]).taken(run) == early, "what was computed first"
    aside = dataclasses.replace(early, state="set aside")
    assert records_of([late, aside]).taken(run) == late, "unless people decided otherwise"
    removed = [dataclasses.replace(version, state="removed") for version in (early, late)]
    assert records_of(removed).runs == {} and records_of(removed).known(run, "a" * 32) == removed[1]


def test_lists_of_earlier_releases_are_read_and_become_files(tmp_path):
    run = "a/0123456789abcdef"
    (tmp_path / "sources.jsonl").write_text(
        "<<<<<<< HEAD\n\n" + json.dumps({"run": run, "files": {"run.json": ["0" * 32, 3]}}) + "\n=======\n",
        encoding="utf-8",
    )
    records = read_records(tmp_path / "sources", tmp_path)
    assert records.runs == {run: {"run.json": ("0" * 32, 3)}} and not records.problems
    write_records(tmp_path / "sources", tmp_path, records)
    assert not (tmp_path / "sources.jsonl").exists()
    assert read_records(tmp_path / "sources", tmp_path) == records


def test_version_of_a_folder_is_dvcs():
    """Worked by hand for two files: md5 of the list as DVC writes it."""
    records = Records({"a/1": {"run.json": ("aa", 1), "model": ("bb", 2)}})
    listing = b'[{"md5": "bb", "relpath": "a/1/model"}, {"md5": "aa", "relpath": "a/1/run.json"}]'
    assert records.listing() == listing
    assert records.version() == "5e4fb76d53e881a84974d5aad5c6ba87.dir"  # md5sum of that text
    assert (records.size, records.count) == (3, 2)
    assert Records({}).version() == "d751713988987e9331980363e24189ce.dir"  # DVC's empty folder


# ------------------------------------------------------------------------------------------------ presence


def test_a_run_is_there_when_all_its_outputs_are(plan, tmp_path):
    run = plan.of_kind("source")[0]
    folder = run.folder(tmp_path)
    presence = Presence(tmp_path)
    assert not presence(run)
    folder.mkdir(parents=True)
    (folder / "run.json").touch()
    presence.forget()
    assert not presence(run)
    (folder / "model.safetensors").touch()
    assert not presence(run), "the answer is kept"
    presence.forget()
    assert presence(run)


# ----------------------------------------------------------------------------------------------- integrity


@pytest.fixture
def result(tmp_path):
    """Folder of a published result."""
    told = {"kind": "source", "settings": {"seed": 0}, "versions": {}, "parents": {"ilsvrc": "ab"}}
    key = key_of(told | {"code": {"training": 1}})
    (tmp_path / "work").mkdir()
    (tmp_path / "work/model.safetensors").write_bytes(b"weights")
    publish(tmp_path / "work", tmp_path / key, told | {"key": key, "code_versions": {"training": 1}})
    return tmp_path / key


def test_a_whole_result_has_no_problems(result):
    assert problems_of(result) == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.safetensors", b"weight", "model.safetensors is damaged: it has 6 bytes, expected 7."),
        ("model.safetensors", b"Weights", "model.safetensors is damaged: its sha256"),
        ("model.safetensors", None, "model.safetensors is missing."),
        ("other.safetensors", b"", "other.safetensors is not named by run.json"),
        ("run.json", b"{", "run.json is damaged"),
        ("run.json", None, "run.json is missing"),
    ],
)
def test_a_harmed_result_is_named(result, name, content, said):
    (result / name).unlink(missing_ok=True)
    if content is not None:
        (result / name).write_bytes(content)
    (problem,) = problems_of(result)
    assert said in problem and str(result) in problem


@pytest.mark.parametrize("change", [{"settings": {"seed": 1}}, {"parents": {}}, {"files": None}])
def test_an_edited_record_has_unknown_provenance(result, change):
    record = read_run(result) | change
    (result / "run.json").write_text(json.dumps(record), encoding="utf-8")
    (problem,) = problems_of(result)
    assert "provenance is unknown" in problem


def test_only_the_named_files_are_read(result):
    (result / "model.safetensors").write_bytes(b"Weights")
    assert problems_of(result, only=()) == []
    assert problems_of(result, only=("model.safetensors",))


# ------------------------------------------------------------------------------------------------ manifests


@pytest.fixture
def in_place(tmp_path):
    """A raw dataset elsewhere, with a link to it below the data root."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "images").mkdir(parents=True)
    (elsewhere / "images/0.png").write_bytes(b"image")
    (elsewhere / "list.txt").write_bytes(b"0\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/large").symlink_to(elsewhere)
    return tmp_path / "data/large"


def test_a_manifest_gives_the_version_without_looking_at_the_files(in_place):
    said = write_manifest(in_place)
    version = dataset_version(in_place)
    assert version in said and "2 files, 7 bytes" in said
    (in_place / "list.txt").write_bytes(b"1\n")
    assert dataset_version(in_place) == version
    in_place.unlink()
    assert dataset_version(in_place) == version, "as on a machine that has only results"


def test_the_files_can_be_compared_with_the_manifest(in_place):
    write_manifest(in_place)
    assert "2 files are as recorded" in check_manifest(in_place)
    (in_place / "list.txt").write_bytes(b"1\n")
    with pytest.raises(DatasetError, match=r"is not what .* records: md5 .* instead of"):
        check_manifest(in_place)


def test_a_damaged_manifest_is_refused(in_place):
    in_place.with_name("large.manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DatasetError, match="records no version"):
        dataset_version(in_place)


def test_command_line_of_manifests(in_place):
    command = [sys.executable, "-m", "transfer_atlas.sharing", "manifest", str(in_place)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    assert subprocess.run([*command, "--check"], env=environment, check=False).returncode == 0
    (in_place / "list.txt").unlink()
    assert subprocess.run([*command, "--check"], env=environment, check=False).returncode == 1
