"""Tables of studies: whose files they are, and whether they follow from the recorded runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_atlas.planning.shown import write_stamp
from transfer_atlas.sharing.records import Version, records_of
from transfer_atlas.sharing.tables import (
    agreeing_versions,
    by_study,
    disagreements,
    parse_tables,
    pruned,
    read_shown,
    tables_version,
    unlike_written,
)
from transfer_atlas.store.checked import Unacceptable
from transfer_atlas.store.files import write_json

RUN = "meadow--street/0123456789abcdef"


def test_files_belong_to_the_study_whose_folder_they_lie_in():
    files = {name: name for name in ("tables/gains.parquet", "figures/a.png", ".shows/tables.json")}
    nested = {f"paper/{name}": f"paper/{name}" for name in files}
    found = by_study(files | nested | {"paper/shared/metrics.json": "x"})
    assert found == {
        "": files,
        "paper": {name: f"paper/{name}" for name in files} | {"shared/metrics.json": "x"},
    }


@given(st.dictionaries(st.from_regex(r"[a-c](/(tables|a|b)){0,2}/[a-z]", fullmatch=True), st.integers()))
def test_no_file_is_lost(files):
    found = {}
    for study, of_study in by_study(files).items():
        found |= {f"{study}/{name}" if study else name: content for name, content in of_study.items()}
    assert found == files


def test_what_tables_show_is_read_as_it_was_written(tmp_path):
    store, stamp = tmp_path / "store", tmp_path / "results/.shows/tables-0123456789abcdef.json"
    folder = store / "transfers" / RUN
    folder.mkdir(parents=True)
    (folder / "run.json").write_bytes(b"{}")
    assert read_shown(tmp_path / "results") is None
    write_stamp(stamp, [str(folder), str(store / "transfers/absent/0123456789abcdef")], store, [])
    assert read_shown(tmp_path / "results") == {
        (f"transfers/{RUN}", "99914b932bd37a50b983c5e7c90ae93b")
    }  # md5sum
    stamp.write_text('{"../x/0123456789abcdef": "y"}', encoding="utf-8")
    with pytest.raises(Unacceptable):
        read_shown(tmp_path / "results")


def version(digit, numbers, created):
    return Version(RUN, {"run.json": (digit * 32, 3)}, numbers, {"created": created})


def test_tables_follow_the_version_that_is_taken_and_its_equals():
    records = records_of([version("a", "x", "1"), version("b", "x", "2"), version("c", "y", "3")])
    agreeing = agreeing_versions({"transfers": records})
    shown = {name: {(f"transfers/{RUN}", name * 32)} for name in "abc"}
    assert disagreements(shown["a"], agreeing) == disagreements(shown["b"], agreeing) == []
    assert disagreements(shown["c"], agreeing) == [f"transfers/{RUN}"]
    assert disagreements({("transfers/other/0123456789abcdef", "a" * 32)}, agreeing), "which nobody recorded"
    versions = [tables_version("paper", {"t": (name * 32, 1)}, shown[name]) for name in "abc"]
    (kept,) = pruned(records_of(versions), agreeing)
    assert kept in versions[:2], "of two sides' tables those that follow"
    (kept,) = pruned(records_of(versions[2:]), agreeing)
    assert kept == versions[2], "none is dropped for it"


def test_tables_read_as_they_were_written():
    for study in ("", "paper", "group/paper"):
        found = tables_version(study, {".shows/tables.json": ("a" * 32, 1)}, {("x", "b" * 32)})
        assert parse_tables(found.text()) == found
        assert found.place.count("/") == 1


def test_files_that_changed_or_are_gone_are_told_apart(tmp_path):
    write_json(tmp_path / ".shows/tables-1.json", {"transfers/a/b": "a" * 32})
    account = tmp_path / ".shows/tables-1.md5"
    account.write_text(
        "".join(f"{digit * 32}  tables/{digit}.parquet\n" for digit in "123"), encoding="utf-8"
    )
    digests = {"tables/1.parquet": "1" * 32, "tables/2.parquet": "0" * 32, "own.txt": "9" * 32}
    assert unlike_written(tmp_path, digests) == {"tables/2.parquet": "changed", "tables/3.parquet": "removed"}
    account.unlink()
    assert unlike_written(tmp_path, digests) is None
