"""Whatever files of others say, nothing outside store, cache and records is read as a run, written or removed."""

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transfer_atlas.errors import AtlasError
from transfer_atlas.sharing import cache, tables
from transfer_atlas.sharing.layers import layers_of, locked_version, parse_lock
from transfer_atlas.sharing.pull import discard
from transfer_atlas.sharing.raw_data import check_dvc_file
from transfer_atlas.sharing.record import run_folders
from transfer_atlas.sharing.record_files import read_records, write_records
from transfer_atlas.sharing.records import parse_version, records_of
from transfer_atlas.sharing.repository import Repository, SharingError
from transfer_atlas.store import checked
from transfer_atlas.store.checked import Unacceptable, checked_problems, inside, read_checked, read_formed
from transfer_atlas.store.keys import key_of
from transfer_atlas.store.store import StoreError, publish

KEY = "0123456789abcdef"
BAD_RUNS = [
    "/elsewhere/precious",
    f"/elsewhere/{KEY}",
    f"../../../{KEY}",
    f"../{KEY}",
    f"./{KEY}",
    f"a/../{KEY}",
    f"a/b/{KEY}",
    f"A/{KEY}",
    f"a/{KEY}\n",
    f"a\0/{KEY}",
    f"-rf/{KEY}",
    f".git/{KEY}",
    "a/..",
    "a/0123",
    "",
    None,
    5,
    ["a", KEY],
    f"{'a' * 300}/{KEY}",
]
BAD_FILES = [
    "../x",
    "/etc/passwd",
    "a/../../x",
    "",
    ".",
    "a//b",
    "a\\b",
    "a\nb",
    ".git/config",
    ".dvc/config",
    None,
]
BAD_MD5S = [
    "xx/elsewhere/precious",
    "../" * 5 + "x",
    "0" * 31,
    "0" * 33,
    "G" * 32,
    "0" * 32 + ".dir",
    None,
    5,
]


@pytest.mark.parametrize("name", BAD_RUNS)
def test_names_of_runs(name):
    with pytest.raises(Unacceptable, match="no name of a run"):
        checked.run_name(name)
    assert checked.run_name(f"segmentation-coco--x.y_z/{KEY}")


@pytest.mark.parametrize("name", BAD_FILES)
def test_names_of_files(name):
    with pytest.raises(Unacceptable, match="no name of a file"):
        checked.file_name(name)
    assert checked.file_name("shards/train-00000.parquet") and checked.file_name(".shows/tables.json")


@pytest.mark.parametrize("md5", BAD_MD5S)
def test_md5s(md5):
    with pytest.raises(Unacceptable, match="no md5"):
        checked.md5(md5)


# -------------------------------------------------------------------------------------------------- records


@pytest.fixture
def repository(tmp_path):
    """A repository with a layer, a cache, and precious things outside."""
    root = tmp_path / "clone"
    (root / ".dvc/cache").mkdir(parents=True)
    (root / "dvc.yaml").write_text(
        "stages: {sources: {cmd: snakemake sources, outs: [store/sources]}}", encoding="utf-8"
    )
    (root / "store/sources/a").mkdir(parents=True)
    (tmp_path / "precious" / KEY).mkdir(parents=True)
    (tmp_path / "precious" / KEY / "file").write_text("precious", encoding="utf-8")
    found = Repository(root)
    found.__dict__["settings"] = {"cache.dir": ("cache", root / ".dvc")}  # as `dvc config` would say
    return found


def write_record(repository, place, content):
    path = repository.folder / "recorded/sources" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def with_file(name):
    return {"run": f"b/{KEY}", "files": {"run.json": ["0" * 32, 1], name: ["0" * 32, 1]}}


def good(run=f"a/{KEY}", md5="0" * 32):
    return {"run": run, "files": {"run.json": [md5, 3]}}


@pytest.mark.parametrize(
    ("place", "content"),
    [
        *[("b/x.json", good(run=run)) for run in BAD_RUNS],
        *[("b/x.json", with_file(name)) for name in BAD_FILES if name is not None],
        *[("b/x.json", good(md5=md5)) for md5 in BAD_MD5S],
        (f"b/{KEY}-{'0' * 12}.json", good(run=f"c/{KEY}")),  # of another run
        ("b/x.json", "{"),
        ("b/x.json", "[" * 100_000),
        ("b/x.json", "null"),
        ("b/x.json", {"run": f"b/{KEY}", "files": {}}),
        ("b/x.json", {"run": f"b/{KEY}", "files": {"run.json": 5}}),
        ("b/x.json", {"run": f"b/{KEY}", "files": {"run.json": ["0" * 32, -1]}}),
        ("b/x.json", {"run": f"b/{KEY}", "files": {"run.json": ["0" * 32, 1], "run.json/x": ["0" * 32, 1]}}),
        ("b/x.json", good(f"b/{KEY}") | {"told": 5}),
        ("b/x.json", json.dumps(good(f"b/{KEY}") | {"told": {"value": 5}}).replace("5}", "1e999}")),
        ("b/x.json", good(f"b/{KEY}") | {"state": "other"}),
    ],
)  # fmt: skip
def test_one_bad_record_is_refused_by_name_and_the_others_are_read(repository, place, content):
    write_record(repository, f"a/{KEY}-{'0' * 12}.json", good())
    write_record(repository, place, content)
    (layer,) = layers_of(repository)
    records = layer.records(repository)
    assert set(records.runs) == {f"a/{KEY}"}
    (problem,) = records.problems
    assert problem.startswith(f"recorded/sources/{place} ")
    write_records(repository.folder / "recorded/sources", repository.folder, records)
    assert (repository.folder / "recorded/sources" / place).exists(), "a person has to look at it"


@pytest.mark.parametrize("name", ["a b", "a\x1b[2J", "a\nb", "\udcff", "-rf"])
def test_a_refused_record_of_any_name_is_told_on_one_line_and_stays(repository, name):
    """A name with a space, control characters, or bytes that are no text; git keeps them all."""
    write_record(repository, f"{name}/x.json", "{")
    (layer,) = layers_of(repository)
    records = layer.records(repository)
    (problem,) = records.problems
    assert problem.isprintable() and problem.encode()
    write_records(repository.folder / "recorded/sources", repository.folder, records)
    assert (repository.folder / "recorded/sources" / name / "x.json").exists()


def test_records_that_lead_elsewhere_are_neither_read_nor_written(repository, tmp_path):
    (tmp_path / "precious/a").mkdir()
    (tmp_path / f"precious/a/{KEY}-{'0' * 12}.json").write_text(json.dumps(good()), encoding="utf-8")
    (repository.folder / "recorded").mkdir()
    folder = repository.folder / "recorded/sources"
    folder.symlink_to(tmp_path / "precious")
    records = read_records(folder, repository.folder)
    assert not records.runs and "leads out of the repository" in records.problems[0]
    with pytest.raises(SharingError, match="leads out of the repository"):
        write_records(folder, repository.folder, records_of([]))
    folder.unlink()
    folder.mkdir()
    (folder / "a").symlink_to(tmp_path / "precious/a")
    assert not read_records(folder, repository.folder).runs
    with pytest.raises(SharingError, match="leads out of the repository"):
        write_records(folder, repository.folder, records_of([parse_version(json.dumps(good()))]))
    assert (tmp_path / f"precious/a/{KEY}-{'0' * 12}.json").exists()


def test_what_dvc_yaml_puts_elsewhere_is_no_layer(repository):
    for out in ("../../precious", "/elsewhere/sources", "store/../../sources", ".git", "src"):
        (repository.folder / "dvc.yaml").write_text(
            json.dumps({"stages": {"sources": {"cmd": "", "outs": [out]}}}), encoding="utf-8"
        )
        with pytest.raises(SharingError, match="has the output"):
            layers_of(repository)


# --------------------------------------------------------------------------------- removing and placing


@pytest.mark.parametrize(
    "run", ["/elsewhere/precious", f"../precious/{KEY}", f"store/sources/../../../precious/{KEY}"]
)
def test_nothing_outside_is_removed(repository, tmp_path, run):
    with pytest.raises(AtlasError):
        discard(repository, Path(run.replace("/elsewhere", str(tmp_path))))
    assert (tmp_path / "precious" / KEY / "file").exists()


def test_links_in_the_store_are_not_followed(repository, tmp_path):
    (repository.folder / "store/sources/evil").symlink_to(tmp_path / "precious")
    assert list(run_folders(repository.folder / "store/sources")) == []
    with pytest.raises(SharingError, match="leads out of"):
        discard(repository, Path(f"store/sources/evil/{KEY}"))
    with pytest.raises(SharingError, match="leads out of"):
        cache.place(
            repository,
            {},
            repository.folder / "store/sources/evil" / KEY,
            repository.folder / "store/sources",
            list,
        )
    assert (tmp_path / "precious" / KEY / "file").exists()


@pytest.mark.parametrize("md5", BAD_MD5S)
def test_no_md5_leads_out_of_the_cache(repository, md5):
    if md5 is not None and str(md5).endswith(".dir"):
        return
    with pytest.raises((Unacceptable, AttributeError)):
        cache.discard_damaged(repository, {"run.json": (md5, 3)})


# ------------------------------------------------------------------------------------------------ run.json


@pytest.fixture
def result(tmp_path):
    """Folder of a published result."""
    told = {"kind": "source", "settings": {"seed": 0}, "versions": {}, "parents": {}}
    key = key_of(told | {"code": {"training": 1}})
    (tmp_path / "work").mkdir()
    (tmp_path / "work/model.safetensors").write_bytes(b"weights")
    record = told | {
        "key": key,
        "code_versions": {"training": 1},
        "metrics": {"value": 0.5},
        "status": "finished",
    }
    publish(tmp_path / "work", tmp_path / key, record)
    return tmp_path / key


BAD_RECORDS = [
    {"files": {"model.safetensors": 5}},
    {"files": {"model.safetensors": {}}},
    {"files": {"model.safetensors": {"bytes": "7", "sha256": "0" * 64}}},
    {"files": {"../../model": {"bytes": 7, "sha256": "0" * 64}}},
    {"files": []},
    {"parents": {"source": "../../x"}},
    {"parents": {"source": 5}},
    {"settings": None},
    {"code_versions": "1"},
    {"metrics": [1]},
    {"kind": 5},
    {"status": ["finished"]},
    {"metrics": {"value": "0.9"}},
    {"metrics": {"value": True}},
    {"metrics": {"value": 10**400}},
    {"seconds": "long"},
    {"packages": ["torch"]},
    {"device": {"name": "cpu"}},
    {"key": KEY},
]


@pytest.mark.parametrize("change", BAD_RECORDS)
def test_a_run_json_of_another_form_is_refused_by_name(result, change):
    record = json.loads((result / "run.json").read_text(encoding="utf-8")) | change
    (result / "run.json").write_text(json.dumps(record), encoding="utf-8")
    (problem,) = checked_problems(result)
    assert str(result / "run.json") in problem
    for read in (read_checked, read_formed):
        with pytest.raises(StoreError, match=str(result / "run.json")):
            read(result)


def test_a_pipe_in_place_of_a_run_json_is_not_waited_for(result):
    (result / "run.json").unlink()
    os.mkfifo(result / "run.json")
    assert "is no file" in checked_problems(result)[0]


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 200 + "1" + "}" * 200, '{"key": NaN}', "\xff", "[]", "1"]
)
def test_a_run_json_that_is_none_is_refused_by_name(result, text):
    (result / "run.json").write_bytes(text.encode("latin-1"))
    (problem,) = checked_problems(result)
    assert str(result / "run.json") in problem


# ---------------------------------------------------------------------------------- .dvc files and dvc.lock


@pytest.mark.parametrize(
    "content",
    [
        "outs: [{md5: %s.dir, path: ../../elsewhere}]" % ("0" * 32),
        "outs: [{md5: %s.dir, path: other}]" % ("0" * 32),
        "wdir: ..\nouts: [{md5: %s.dir, path: meadow}]" % ("0" * 32),
        "outs: [{md5: ../../x, path: meadow}]",
        "outs: []",
        "outs: 5",
        "{",
        "[" * 5000,
    ],
)
def test_a_dvc_file_that_leads_elsewhere_is_refused(tmp_path, content):
    (tmp_path / "meadow.dvc").write_text(content, encoding="utf-8")
    with pytest.raises(Unacceptable):
        check_dvc_file(tmp_path / "meadow.dvc")
    (tmp_path / "meadow.dvc").write_text("outs: [{md5: %s.dir, path: meadow}]" % ("0" * 32), encoding="utf-8")
    check_dvc_file(tmp_path / "meadow.dvc")


def test_a_version_of_dvc_lock_is_an_md5():
    assert locked_version({"outs": [{"md5": "0" * 32 + ".dir"}]})
    for stage in (
        {"outs": [{"md5": "../../x.dir"}]},
        {"outs": [5]},
        {"outs": {}},
        None,
        5,
        "x",
        {"outs": [{"md5": 5}]},
    ):
        assert locked_version(stage) is None


# ----------------------------------------------------------------------------------------------------- fuzz

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
# Numbers that JSON can say and floating point cannot: what was read must be written again.
UNBOUNDED = st.sampled_from(["1e999", "-1e999", "1" * 400, "9" * 5000, "NaN", "1E+400"])
NAMES = st.sampled_from(
    [*[str(bad) for bad in (*BAD_RUNS, *BAD_FILES)], f"a/{KEY}", "run.json", "model.safetensors"]
)
RECORD = st.fixed_dictionaries(
    {},
    optional={
        "run": NAMES | JSON,
        "files": st.dictionaries(NAMES, st.tuples(st.sampled_from([*BAD_MD5S, "0" * 32]), JSON) | JSON)
        | JSON,
        "told": JSON,
        "numbers": JSON,
        "state": st.sampled_from(["", "set aside", "removed"]) | JSON,
    },
)
BOUNDED = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@BOUNDED
@given(RECORD | JSON)
def test_any_record_is_read_or_refused(content):
    for parse in (parse_version, tables.parse_tables):
        try:
            version = parse(json.dumps(content))
        except Unacceptable:
            continue
        for name in version.files:
            assert inside(Path("/store"), Path("/store") / version.run / name)
        for digest, size in version.files.values():
            assert len(digest) == 32 and digest.isalnum() and size >= 0
        assert inside(Path("/recorded"), Path("/recorded") / version.place)
        assert parse(version.text()) == version


@BOUNDED
@given(RECORD, UNBOUNDED)
def test_any_number_is_read_and_written_again_or_refused(content, number):
    text = json.dumps(content | {"told": {"value": 12345}, "run": f"a/{KEY}"}).replace("12345", number)
    try:
        version = parse_version(text)
    except Unacceptable:
        return
    assert parse_version(version.text()) == version


@BOUNDED
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(content):
    for parse in (parse_version, tables.parse_tables, checked.plain_json):
        try:
            parse(content)
        except Unacceptable:
            continue
    try:
        stages = parse_lock(content.decode(errors="replace"))
    except SharingError:
        return
    assert all(locked_version(stage) is None for stage in stages.values())


@BOUNDED
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "key",
                "kind",
                "name",
                "settings",
                "versions",
                "parents",
                "code_versions",
                "files",
                "metrics",
                "status",
            ]
        ),
        JSON | st.dictionaries(NAMES, st.fixed_dictionaries({"bytes": JSON, "sha256": JSON})),
    )
)
def test_any_run_json_is_whole_or_refused(tmp_path_factory, change):
    folder = tmp_path_factory.mktemp("fuzz") / KEY
    folder.mkdir()
    base = {
        "key": KEY,
        "kind": "source",
        "settings": {},
        "versions": {},
        "parents": {},
        "code_versions": {},
        "files": {},
    }
    (folder / "run.json").write_text(json.dumps(base | change), encoding="utf-8")
    assert checked_problems(folder), "this key follows from none of these"
    shutil.rmtree(folder)
