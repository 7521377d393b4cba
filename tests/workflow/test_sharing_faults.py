"""Sharing under faults, as two laboratories meet them: real git, real DVC, runs that nobody had to compute."""

import contextlib
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
from laboratories import REPOSITORY, another, copied, first_laboratory

from transfer_atlas.sharing.pull import pull_records
from transfer_atlas.sharing.repository import Repository

LATER = "2026-02-02T00:00:00+00:00"
OTHER = {"value": 0.4, "created": LATER}


@pytest.fixture(scope="session")
def origin(tmp_path_factory):
    """A laboratory that published a chain of runs and the tables of a study."""
    laboratory = first_laboratory(tmp_path_factory.mktemp("origin") / "all")
    dataset = laboratory.run("prepared", "meadow", files={"train.parquet": b"shard"})
    source = laboratory.run(
        "source",
        "segmentation-meadow",
        files={"model.safetensors": b"weights"},
        parents={"dataset": dataset.name},
    )
    for seed in (0, 1, 2):
        laboratory.run("transfer", "meadow--street", 0.3 + seed, seed=seed, parents={"source": source.name})
    laboratory.tables("paper", sorted(laboratory.folder.glob("store/transfers/*/*")))
    said = laboratory.sharing("publish", "-m", "First runs")
    assert "git: pushed to origin/main" in said
    return laboratory


@pytest.fixture
def first(origin, tmp_path):
    """That laboratory, with all its runs here; of the test's own."""
    return copied(origin, tmp_path / "all")


@pytest.fixture
def second(first):
    """A fresh clone of it, with nothing pulled."""
    return another(first, "second")


def of(laboratory, kind, seed=0):
    """The folder of a run, relative to the clone."""
    found = [
        path.parent
        for path in sorted(laboratory.folder.glob(f"store/{kind}/*/*/run.json"))
        if json.loads(path.read_text(encoding="utf-8"))["settings"]["seed"] == seed
    ]
    return found[0].relative_to(laboratory.folder)


# -------------------------------------------------------------------------------- results against the record


def test_an_edited_result_is_refused_by_verify_and_record(first):
    run = of(first, "transfers")
    first.edit(run, metrics={"value": 0.99})
    said = first.sharing("verify", status=1)
    assert f"refused: {run}/run.json was changed after it was recorded: value 0.99" in said
    assert "value 0.3 (" in said and "5 runs looked at, 4 whole, 1 refused" in said
    before = first.recorded("transfers")
    assert f"not recorded: {run}/run.json was changed" in first.sharing("record", status=1)
    assert first.recorded("transfers") == before
    assert "1 fetched again" in first.sharing("verify", "--refetch")
    assert first.value(run) == 0.3


def test_a_result_changed_in_the_remote_is_not_accepted(first, second):
    run = of(first, "transfers")
    stored = first.remote_object(run / "run.json")
    stored.chmod(0o644)
    stored.write_bytes(stored.read_bytes().replace(b'"value": 0.3', b'"value": 0.9'))
    said = second.sharing("pull", status=1)
    assert f"{run}/run.json is not what is recorded" in said and "pulled 4 of 5 runs" in said
    assert not (second.folder / run).exists()
    assert "4 whole, 0 refused" in second.sharing("verify")


def test_other_numbers_are_shown_with_both_values_and_tables_follow(first):
    run = of(first, "transfers")
    first.run("transfer", "meadow--street", **OTHER, parents={"source": of(first, "sources").name})
    first.tables("paper", sorted(first.folder.glob("store/transfers/*/*")), "other gains")
    said = first.sharing("verify", status=1)
    assert (
        f"differs: {run} was computed here again, with other numbers: value 0.4 (cpu (x86_64), {LATER}"
        in said
    )
    assert "value 0.3 (" in said and "1 differ" in said
    lock = (first.folder / "dvc.lock").read_text(encoding="utf-8")
    said = first.sharing("record", status=1)
    assert "1 runs were computed here again" in said and "with other numbers" in said
    assert "not recorded: results/paper shows 1 of 3 runs in versions that are not the recorded ones" in said
    assert (first.folder / "dvc.lock").read_text(encoding="utf-8") == lock
    assert len(first.recorded("transfers")) == 4, "the other version is on record as well"
    assert "value 0.4" in first.sharing("verify", status=1)
    first.sharing("verify", "--refetch")
    assert first.value(run) == 0.3
    first.tables("paper", sorted(first.folder.glob("store/transfers/*/*")), "gains anew")
    said = first.sharing("record")
    assert "1 studies" in said and "1 of them new" in said
    assert "value 0.3" in first.sharing("verify"), "both versions stay visible"


def test_a_table_edited_or_removed_under_its_right_stamp_is_not_recorded(first):
    """The runs are those that are recorded, and the numbers are nobody's."""
    first.tables("paper", sorted(first.folder.glob("store/transfers/*/*")), "gains anew")
    table = first.folder / "results/paper/tables/gains.csv"
    table.unlink()
    table.write_text("better gains", encoding="utf-8")
    said = first.sharing("record", status=1)
    assert "results/paper/tables/gains.csv changed since the study wrote it" in said
    table.unlink()
    said = first.sharing("record", status=1)
    assert "results/paper/tables/gains.csv is not there any more, though the study wrote it" in said
    (account,) = (first.folder / "results/paper/.shows").glob("*.md5")
    account.unlink()
    said = first.sharing("record", status=1)
    assert "whether they follow from the recorded ones is not known" in said
    first.tables("paper", sorted(first.folder.glob("store/transfers/*/*")), "gains anew")
    assert "1 studies" in first.sharing("record")


def test_this_clones_version_can_be_taken(first, second):
    run = of(first, "transfers")
    first.run("transfer", "meadow--street", **OTHER, parents={"source": of(first, "sources").name})
    first.tables("paper", sorted(first.folder.glob("store/transfers/*/*")), "other gains")
    first.sharing("record", "--replace")
    first.sharing("publish", "-m", "A better version")
    second.git("pull", "--quiet")
    second.sharing("pull")
    assert second.value(run) == 0.4
    assert (second.folder / "results/paper/tables/gains.csv").read_text(encoding="utf-8") == "other gains"


def test_the_same_numbers_again_are_no_finding(first):
    first.run("transfer", "meadow--street", 0.3, created=LATER, parents={"source": of(first, "sources").name})
    first.tables("paper", sorted(first.folder.glob("store/transfers/*/*")), "made again")
    assert "with the same numbers" in first.sharing("verify")
    said = first.sharing("record")
    assert "other numbers" not in said and "1 runs were computed here again" in said


def test_what_builds_on_a_damaged_run_is_not_recorded(first):
    shard = first.folder / of(first, "prepared") / "train.parquet"
    shard.unlink()
    shard.write_bytes(b"blank")
    source = of(first, "sources")
    new = first.run("source", "segmentation-meadow", seed=5, parents={"dataset": of(first, "prepared").name})
    said = first.sharing("record", status=1)
    assert f"not recorded: {new} builds on a damaged dataset" in said and "train.parquet is damaged" in said
    assert len(first.recorded("sources")) == 1 and source != new


def test_a_run_whose_recorded_version_does_not_come_stays_as_it_is(first):
    """Of a damaged run it may be the run.json alone that is damaged: the model is somebody's week."""
    run, remote = of(first, "sources"), first.folder.parent / "remote"
    first.edit(run, metrics={"value": 0.99})
    shutil.rmtree(first.folder / ".dvc/cache")
    remote.rename(remote.with_name("away"))
    said = first.sharing("verify", "sources", "--refetch", status=1)
    assert "0 fetched again" in said and f"{run} did not come" in said
    assert (first.folder / run / "model.safetensors").read_bytes() == b"weights"
    remote.with_name("away").rename(remote)
    assert "1 fetched again" in first.sharing("verify", "sources", "--refetch")


# ------------------------------------------------------------------------------------------ files of others


def test_nothing_outside_is_touched_whatever_a_colleague_commits(first, tmp_path):
    precious = tmp_path / "precious"
    (precious / "0123456789abcdef").mkdir(parents=True)
    (precious / "0123456789abcdef/file").write_text("precious", encoding="utf-8")
    folder = first.folder / "recorded/sources/evil"
    folder.mkdir()
    md5 = "0" * 32
    runs = [str(precious), "../../../../precious/0123456789abcdef", f"{precious}/0123456789abcdef"]
    for number, run in enumerate(runs):
        content = {"run": run, "files": {"run.json": [md5, 3]}}
        (folder / f"{number}.json").write_text(json.dumps(content), encoding="utf-8")
    content = {
        "run": "evil/0123456789abcdef",
        "files": {"run.json": [f"xx{precious}/0123456789abcdef/file", 3]},
    }
    (folder / "x.json").write_text(json.dumps(content), encoding="utf-8")
    (first.folder / "store/sources/evil").symlink_to(precious)
    before = (precious / "0123456789abcdef/file").stat()
    first.sharing("merge")
    for command in (("record",), ("pull",), ("verify", "--remove"), ("garbage", "--remove", "--yes")):
        done = first.call_any("-m", "transfer_atlas.sharing", *command)
        assert "Traceback" not in done
    said = first.sharing("record", status=1)
    assert "recorded/sources/evil/0.json" in said and "store/sources/evil is a link" in said
    after = (precious / "0123456789abcdef/file").stat()
    assert (after.st_mode, after.st_ino, after.st_nlink) == (before.st_mode, before.st_ino, before.st_nlink)
    assert (precious / "0123456789abcdef/file").read_text(encoding="utf-8") == "precious"
    assert [path.name for path in precious.rglob("*")] == ["0123456789abcdef", "file"]


def test_a_run_json_that_no_table_could_read_does_not_come(first, second):
    """Published by a laboratory whose tools are others: all md5s are right, and what they vouch for is none."""
    run = of(first, "sources")
    first.edit(run, metrics={"value": "high"}, created=LATER)
    record = next((first.folder / "recorded/sources" / run.parent.name).glob("*.json"))
    content = json.loads(record.read_text(encoding="utf-8"))
    text = (first.folder / run / "run.json").read_bytes()
    md5 = hashlib.md5(text).hexdigest()
    content["files"]["run.json"] = [md5, len(text)]
    record.unlink()
    record.with_name(f"{run.name}-{md5[:12]}.json").write_text(json.dumps(content), encoding="utf-8")
    stored = first.folder.parent / "remote/files/md5" / md5[:2] / md5[2:]
    stored.parent.mkdir(exist_ok=True)
    stored.write_bytes(text)
    first.commit("Of other tools")
    first.git("push", "--quiet")
    second.git("pull", "--quiet")
    said = second.sharing("pull", status=1)
    assert f"{run}/run.json: value is 'high'; expected a number" in said and "pulled 4 of 5 runs" in said
    with contextlib.chdir(second.folder):
        pulled = pull_records(Repository(second.folder), [second.folder / run])
    assert "value is 'high'" in pulled.problems[0] and not (second.folder / run / "run.json").exists()


# ------------------------------------------------------------------------------------ one missing object


def test_one_missing_object_keeps_no_other_from_coming(first, second):
    """The second laboratory also has a run that nobody has recorded: it stays."""
    gone, model = of(first, "transfers", 1), of(first, "sources")
    first.remote_object(gone / "run.json").unlink()
    for listing in (first.folder.parent / "remote").rglob("*.dir"):
        listing.unlink()  # as where the push came from a clone that had only a part
    mine = second.run("transfer", "mine", 0.7)
    said = second.sharing("pull", status=1)
    assert f"{gone} did not come: the remote has no run.json (md5 " in said and "`dvc push`" in said
    assert "pulled 4 of 5 runs" in said and "tables and figures of 1 studies" in said
    assert (second.folder / model / "model.safetensors").exists() and (
        second.folder / mine / "run.json"
    ).exists()
    said = second.sharing("record")
    assert f"warning: {gone} is recorded, and neither here nor in the remote (run.json is missing)" in said
    assert any(name.startswith("mine/") for name in second.recorded("transfers"))
    assert len(second.recorded("transfers")) == 4
    first.dvc("push")
    assert "pulled 1 of 1 runs" in second.sharing("pull")


def test_a_remote_of_the_users_own_configuration_is_seen(first, second, monkeypatch, tmp_path):
    remote = first.folder.parent / "remote"
    (second.folder / ".dvc/config").write_text("[core]\n    analytics = false\n", encoding="utf-8")
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    assert "no DVC remote is set" in second.sharing("pull", status=1)
    (tmp_path / "global").mkdir()
    (tmp_path / "global/config").write_text(
        f"[core]\n    remote = mine\n['remote \"mine\"']\n    url = {remote}\n", encoding="utf-8"
    )
    assert "pulled 5 of 5 runs" in second.sharing("pull")


def test_a_store_in_no_layer_is_said(first):
    (first.folder / "config.yaml").write_text("study: x\nstore: /elsewhere/store\n", encoding="utf-8")
    said = first.sharing("record")
    assert (
        "config.yaml: the store /elsewhere/store is in no layer of dvc.yaml: nothing of it is shared" in said
    )


# --------------------------------------------------------------------------------------- tables, merging


def test_recording_a_partial_clone_drops_no_tables_of_others(first, second):
    second.sharing("pull", "transfers")
    second.tables("other", sorted(second.folder.glob("store/transfers/*/*")))
    said = second.sharing("record")
    assert "tables              2 studies" in said
    assert {name.split("/")[0] for name in second.recorded("tables")} == {"paper", "other"}
    second.sharing("publish")
    first.git("pull", "--quiet")
    first.sharing("pull")
    assert (first.folder / "results/other/tables/gains.csv").exists()
    assert (first.folder / "results/paper/tables/gains.csv").exists()
    assert first.dvc("status").strip() == "Data and pipelines are up to date."


def test_tables_changed_in_the_remote_are_not_accepted(first, second):
    stored = first.remote_object(Path("results/paper/tables/gains.csv"))
    stored.chmod(0o644)
    stored.write_text("Gain", encoding="utf-8")  # of the same length
    said = second.sharing("pull", "tables", status=1)
    assert "results/paper/tables/gains.csv is not what is recorded: it does not have the md5" in said
    assert not (second.folder / "results/paper/tables/gains.csv").exists()


def test_two_laboratories_publish_and_a_hosting_service_merges(first, second):
    """Both record new runs and the same run with other numbers. Only dvc.lock can be in conflict."""
    second.sharing("pull")
    for laboratory, value, created in ((first, 0.5, "2026-01-03"), (second, 0.6, "2026-01-04")):
        laboratory.run("transfer", f"of-{laboratory.folder.name}", value, created=created)
        laboratory.run("transfer", "of-both", value, created=created)
        laboratory.sharing("record")
        laboratory.git("add", "dvc.lock", "recorded")
        laboratory.git("commit", "--quiet", "--message", "Runs")
        laboratory.dvc("push")
    second.git("push", "--quiet", "origin", "main:other")
    first.git("push", "--quiet")
    hub = another(first, "hosting")  # merges as a service does: without drivers, without a working tree
    said = hub.git("merge-tree", "--write-tree", "--name-only", "origin/main", "origin/other", status=1)
    assert said.split("\n\n")[0].splitlines()[1:] == ["dvc.lock"]
    hub.git("merge", "--quiet", "-X", "theirs", "origin/other")  # somebody takes either side there
    hub.git("push", "--quiet")
    third = another(first, "third")
    said = third.sharing("pull")
    assert "dvc.lock did not follow from recorded/" in said and "pulled 8 of 8 runs" in said
    (both,) = (third.folder / "store/transfers/of-both").iterdir()
    assert third.value(both.relative_to(third.folder)) == 0.5, "what was computed first is taken"
    assert "value 0.6" in third.sharing("verify"), "the other stays visible"
    second.git("branch", "--quiet", "--set-upstream-to", "origin/main")
    said = second.sharing("publish")
    assert "merged" in said and "git: pushed to origin/main" in said
    assert second.value(both.relative_to(third.folder)) == 0.6, (
        "what is here is not touched without being asked"
    )


def test_publish_settles_conflicts_and_refuses_the_unsafe_order(first, second):
    second.sharing("pull")
    first.run("transfer", "of-first", 0.5)
    second.run("transfer", "of-second", 0.6)
    first.sharing("publish", "-m", "Of the first")
    remote = first.folder.parent / "remote"
    remote.rename(remote.with_name("away"))
    remote.write_text("no folder", encoding="utf-8")
    before = second.git("rev-parse", "origin/main")
    said = second.sharing("publish", "-m", "Of the second", status=1)
    assert "`dvc push` failed, so git was not pushed either" in said
    second.git("fetch", "--quiet")
    assert second.git("rev-parse", "origin/main") != before, "only what the first pushed is there"
    assert "Of the second" not in second.git("log", "--oneline", "origin/main")
    remote.unlink()
    remote.with_name("away").rename(remote)
    said = second.sharing("publish")
    assert "git: pushed to origin/main" in said
    assert len([name for name in second.recorded("transfers") if name.startswith("of-")]) == 2
    first.git("pull", "--quiet")
    assert "pulled 1 of 1 runs" in first.sharing("pull")
    (first.folder / "config.yaml").write_text("study: ours\n", encoding="utf-8")
    (first.folder / "code.py").write_text("", encoding="utf-8")
    first.git("add", "code.py")
    assert "code.py is staged" in first.sharing("publish", status=1)


def test_a_record_whose_files_nobody_has_is_not_published(first):
    """Recorded here, and then lost from the store and the cache."""
    run = first.run("transfer", "lost", 0.5)
    first.sharing("record")
    cached = first.remote_object(run / "run.json").relative_to(first.folder.parent / "remote")
    shutil.rmtree(first.folder / run)
    (first.folder / ".dvc/cache" / cached).unlink()
    before = first.git("rev-parse", "origin/main")
    said = first.sharing("publish", status=1)
    assert "git was not pushed: 1 runs would be recorded for everybody whose files nobody has" in said
    assert first.git("ls-remote", "origin", "main").split()[0] == before.strip()
    command = re.search(r"`git (rm \S+)`", said)[1]
    first.git(*command.split(), "--quiet")
    assert "git: pushed to origin/main" in first.sharing("publish")
    assert "pulled 5 of 5 runs" in another(first, "third").sharing("pull")


# ------------------------------------------------------------------------------------------ throwing away


def test_removed_runs_do_not_come_back(first, second):
    """Not by a merge with a clone that recorded other runs, nor by a colleague who has them still."""
    second.sharing("pull")
    second.run("transfer", "of-second", 0.6)
    second.sharing("record")
    second.git("add", "--all")
    second.git("commit", "--quiet", "--message", "Of the second")
    source = of(first, "sources")
    study = without_experiments(first)
    said = first.sharing("garbage", "--study", study, "--this-branch-only", "--remove", status=1)
    assert "Nothing was removed" in said and (first.folder / source).exists(), "it asks, and nobody answers"
    said = first.sharing("garbage", "--study", study, "--this-branch-only", "--remove", "--yes")
    assert "5 removed" in said and first.stored() == set()
    first.sharing("publish", "-m", "Thrown away")
    said = second.sharing("publish")
    assert "git: pushed" in said
    assert "were removed from the record" in second.sharing("record")
    first.git("pull", "--quiet")
    assert "pulled 1 of 1 runs" in first.sharing("pull")
    assert len(first.stored()) == 1
    second.sharing("record", "--bring-back")
    second.sharing("publish")
    first.git("pull", "--quiet")
    first.sharing("pull")
    assert (first.folder / source / "model.safetensors").exists()


def test_the_pages_gc_keeps_what_a_branch_or_tag_needs(first):
    """A branch that was recorded and not pushed, garbage removed on main, then the command of the page."""
    first.git("tag", "v1")
    first.git("checkout", "--quiet", "-b", "seed7")
    mine = first.run("transfer", "of-a-branch", 0.7)
    first.sharing("record")
    first.commit("Recorded, not pushed")
    first.git("checkout", "--quiet", "main")
    first.dvc("checkout")
    assert not (first.folder / mine).exists()
    first.sharing("garbage", "--study", without_experiments(first), "--this-branch-only", "--remove", "--yes")
    first.commit("Thrown away")
    page = (REPOSITORY / "docs/sharing.md").read_text(encoding="utf-8")
    (command,) = [line for line in page.splitlines() if line.startswith("dvc gc --workspace")]
    first.dvc(*command.split("#")[0].split()[1:], "--force")
    first.git("checkout", "--quiet", "seed7")
    first.sharing("pull", "transfers")
    assert (first.folder / mine / "run.json").exists()
    first.git("checkout", "--quiet", "v1")
    first.sharing("pull")
    assert "6 whole, 0 refused" in first.sharing("verify"), (
        "those of the tag, and the branch's that lies there"
    )


def test_garbage_keeps_a_version_that_is_only_here(first):
    """What is recorded and pushed of the run is what another computation came to."""
    run = of(first, "transfers")
    first.run("transfer", "meadow--street", **OTHER, parents={"source": of(first, "sources").name})
    garbage = ("garbage", "--study", without_experiments(first), "--this-branch-only")
    (line,) = [line for line in first.sharing(*garbage).splitlines() if str(run) in line]
    assert line.endswith("(here, NOT RECORDED)")
    said = first.sharing(*garbage, "--remove", "--yes", status=1)
    assert "1 are kept: no remote is known to have them" in said and first.value(run) == 0.4
    first.sharing("record")
    assert "NOT RECORDED" in first.sharing(*garbage), (
        "of a version that is not taken only the numbers are recorded"
    )


def test_garbage_works_as_shipped(first):
    """With all studies of the project, most of whose data are absent: what they could need is undecided, and kept."""
    shutil.copytree(REPOSITORY / "studies", first.folder / "studies")
    kept = first.run("prepared", "camvid", files={"train.parquet": b"x"})
    first.run("features", "old--street", files={"samples.safetensors": b"x"})
    said = first.sharing("garbage")
    assert "data are not here, so" in said and str(kept) not in said
    assert "store/features/old--street" in said and "never shared" in said
    assert str(of(first, "transfers")) in said
    first.commit("All studies")
    first.git("branch", "other")
    shutil.rmtree(first.folder / "studies")
    first.commit("Fewer studies")
    said = first.sharing("garbage")
    assert str(kept) not in said and "branch refs/heads/other" in said, "another branch's studies count"
    assert str(kept) in first.sharing("garbage", "--this-branch-only")


def without_experiments(laboratory):
    """A study that needs none of the runs."""
    text = (REPOSITORY / "studies/miniature_segmentation.yaml").read_text(encoding="utf-8")
    (laboratory.folder / "scratch").mkdir(exist_ok=True)
    (laboratory.folder / "scratch/study.yaml").write_text(text, encoding="utf-8")
    return "scratch/study.yaml"
