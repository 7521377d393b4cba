"""Which results of other versions lie in a store, and what makes them others."""

import dataclasses

import pytest
import study_examples as examples

from transfer_atlas.sharing.other_versions import other_versions, results_beside, summary, told_of_others
from transfer_atlas.store.store import publish


@pytest.fixture(scope="module")
def plan():
    return examples.plan()


def record(run):
    """What a run.json says of a run."""
    return {
        "kind": run.kind,
        "name": run.name,
        "key": run.key,
        "settings": run.settings,
        "versions": run.versions,
        "code_versions": run.code,
        "parents": {role: parent.key for role, parent in run.parents.items()},
    }


def changed(run, **changes):
    """The same run with other contents, and so another key."""
    return dataclasses.replace(run, **changes)


def test_code_and_settings_are_named(plan):
    source = plan.of_kind("source")[0]
    stage = sorted(source.code)[0]
    older = changed(source, code=source.code | {stage: source.code[stage] - 1})
    (found,) = other_versions([source], [record(older)])
    assert found.key == older.key
    assert found.differences == (f"code {stage}: {source.code[stage] - 1} -> {source.code[stage]}",)
    settings = source.settings | {"training": source.settings["training"] | {"steps": 77}}
    (found,) = other_versions([source], [record(changed(source, settings=settings))])
    assert found.differences == (f"training.steps: 77 -> {source.settings['training']['steps']}",)


def test_a_parent_is_explained_by_its_own_differences(plan):
    transfer = next(run for run in plan.of_kind("transfer") if "source" in run.parents)
    source = transfer.parents["source"]
    older = changed(source, settings=source.settings | {"seed": 5})
    child = changed(transfer, parents=transfer.parents | {"source": older})
    (found,) = other_versions([transfer], [record(child), record(older)])
    assert found.differences == (f"seed: 5 -> {source.settings['seed']}",)
    (found,) = other_versions([transfer], [record(child)])
    assert found.differences == (f"source: {older.key} -> {source.key}",), (
        "what is not here cannot be explained"
    )


def test_the_planned_version_and_other_runs_are_no_other_versions(plan):
    runs = plan.of_kind("source")
    assert other_versions(runs, [record(run) for run in plan]) == []


def test_groups_are_counted_the_most_frequent_first(plan):
    sources = plan.of_kind("source")
    found = other_versions(
        sources, [record(changed(run, versions={"x": "1"})) for run in sources] + [
            record(changed(sources[0], settings=sources[0].settings | {"seed": 5}))
        ]
    )  # fmt: skip
    first, second = summary(found)
    assert (
        first
        == f'{len(sources)} source results of other versions lie here; they differ in version of x: "1" -> not set'
    )
    assert second.startswith("1 source results")
    assert summary(found, most=1)[-1] == "and 1 groups more"


def test_results_are_found_beside_the_planned_ones(plan, tmp_path):
    source = plan.of_kind("source")[0]
    older = changed(source, settings=source.settings | {"seed": 5})
    for run in (source, older):
        (tmp_path / "work").mkdir()
        publish(tmp_path / "work", run.folder(tmp_path / "store"), record(run))
        (tmp_path / "work").rmdir()
    (source.folder(tmp_path / "store").parent / "0123456789abcdef").mkdir()  # a job that has begun
    found = results_beside([source], tmp_path / "store")
    assert {entry["key"] for entry in found} == {source.key, older.key}
    (other,) = other_versions([source], found)
    assert other.differences == (f"seed: 5 -> {source.settings['seed']}",)
    said = f"1 source results of other versions lie here; they differ in seed: 5 -> {source.settings['seed']}"
    assert told_of_others([source], tmp_path / "store") == [said]
