"""One line for each finished run: what came out, how many are done, how long the others will take."""

import json

import study_examples as examples

from transfer_atlas.planning.estimates import duration, work_of
from transfer_atlas.planning.workflow import Workflow
from transfer_atlas.running.tally import begin, count, finished_line, fresh_path


def record(value=0.5, **told):
    metrics = {"primary": "mean_iou", "higher_is_better": True, "value": value}
    return {"status": "finished", "reason": None, "seconds": 9.4, "metrics": metrics} | told


def test_a_line_says_what_came_out_and_the_gain():
    told = finished_line("transfer a to b", record(0.6), record(0.5), "3 of 8 runs, 40 s left")
    assert told == "  transfer a to b: mean iou 0.6 (+20.0 %), 9 s  [3 of 8 runs, 40 s left]"
    errors = {"primary": "rmse", "higher_is_better": False, "value": 4.0}
    told = finished_line("t", record(metrics=errors), record(5.0), "")
    assert told == "  t: rmse 4 (+20.0 %), 9 s"
    assert finished_line("dataset coco", record(metrics={"images": 10}), None, "") == "  dataset coco: 9 s"
    failed = record(status="no_class_present", reason="no class is annotated", metrics=None)
    assert "no class present (no class is annotated), 9 s" in finished_line("t", failed, record(), "")
    assert "%" not in finished_line("t", record(0.5), record(0.0), "")  # nothing is relative to nothing


def test_time_left_is_judged_by_like_runs(tmp_path):
    """Transfers by the sources' seconds per training pixel, prepared datasets by their own kind."""
    plan = examples.plan()
    runs = {kind: plan.of_kind(kind) for kind in ("prepared", "source", "transfer")}
    begin(tmp_path / "tally", plan.runs, 2)
    number = len(plan.runs)
    folders = [run for run in runs["prepared"] if run.settings["adapter"]["name"] == "image_mask_folders"]
    (classes,) = (run for run in runs["prepared"] if run not in folders)
    told = count(tmp_path / "tally", {folders[0].key: 10.0})
    assert told == f"1 of {number} runs, more than {10 * (len(folders) - 1) / 2:.0f} s left"
    pixels = {run.key: work_of(run.kind, run.settings)[1] for run in plan.runs}
    first = runs["source"][0]
    speed = 3.0 / pixels[first.key]
    told = count(tmp_path / "tally", {first.key: 3.0, classes.key: 1.0})
    left = [run for run in plan.runs if run not in (folders[0], first, classes)]
    seconds = sum(speed * pixels[run.key] if run.kind != "prepared" else 10.0 for run in left) / 2
    assert told == f"3 of {number} runs, {duration(seconds)} left"
    for run in left[:-1]:
        count(tmp_path / "tally", {run.key: 1.0})
    assert count(tmp_path / "tally", {left[-1].key: 1.0}) == f"{number} of {number} runs"


def test_a_tally_that_is_gone_or_damaged_fails_nothing(tmp_path):
    assert count(tmp_path / "nowhere" / "tally", {"a": 1.0}) == ""
    (tmp_path / "tally").write_text("{")
    assert count(tmp_path / "tally", {"a": 1.0}) == ""
    (tmp_path / "tally").write_text(json.dumps({"asked": {}}) + "\n")
    assert count(tmp_path / "tally", {"a": 1.0}) == ""


def test_old_tallies_go(tmp_path):
    import os

    old, young = tmp_path / "tally-1.jsonl", tmp_path / "tally-2.jsonl"
    for path in (old, young):
        path.touch()
    os.utime(old, (0, 0))
    assert fresh_path(tmp_path).parent == tmp_path
    assert not old.exists() and young.exists()


def test_jobs_are_called_by_what_they_are_wanted_for(tmp_path):
    chosen = (("store", str(tmp_path)), ("transferability", {"metrics": ["logme", "leep"]}))
    flow = Workflow(examples.study(*chosen), examples.plan(*chosen))
    wanted = {(each["source"], each["target"]): each.run for each in flow.plan.wanted_of("transfer")}
    run = wanted["segmentation/camvid", "segmentation/suim"]
    job = flow.job("transfer", run.name, run.key)
    assert job["what"] == "transfer segmentation/camvid to segmentation/suim, small target, seed 0"
    assert job["baseline"] == str(wanted["ilsvrc", "segmentation/suim"].folder(tmp_path))
    baseline = wanted["ilsvrc", "segmentation/suim"]
    assert flow.job("transfer", baseline.name, baseline.key)["baseline"] is None
    score = flow.plan.of_kind("score")[0]
    assert flow.job("score", score.name, score.key)["what"].endswith(", small target, 2 metrics")
    prepared = flow.plan.of_kind("prepared")[0]
    assert flow.job("prepared", prepared.name, prepared.key)["what"] == f"dataset {prepared.name}"
