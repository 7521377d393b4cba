"""What a plan will cost, and what a run says while it goes on."""

import io
import json

import pytest
import study_examples as examples

from transfer_atlas.planning.estimates import measured, pixels, plan_table, regime_table, unmeasured_backbones
from transfer_atlas.planning.run import Run
from transfer_atlas.process import progress
from transfer_atlas.process.progress import Progress


def finish(run, store, seconds, **changes):
    """Leave the record of a run."""
    folder = run.folder(store)
    folder.mkdir(parents=True)
    record = {"key": run.key, "status": "finished", "settings": run.settings, "seconds": seconds} | changes
    for path in run.outputs(store).values():
        path.touch()
    (folder / "run.json").write_text(json.dumps(record))


def lines_of(plan, store, workers=1):
    return [line.split() for line in plan_table(plan, store, workers).splitlines()]


def test_an_empty_store_gives_counts_and_no_guess(tmp_path):
    table = lines_of(examples.plan(), tmp_path)
    assert table[1] == ["prepared", "datasets", "4", "0", "4", "not", "yet", "measured"]
    assert table[4] == ["transfers", "10", "0", "10", "not", "yet", "measured"]
    assert table[5] == ["all", "17", "0", "17", "not", "yet", "measured"]


def test_time_is_estimated_by_the_pixels_of_finished_runs(tmp_path):
    plan = examples.plan()
    source, other = plan.of_kind("source")
    finish(source, tmp_path, 80.0)
    table = lines_of(plan, tmp_path)
    assert table[3] == ["sources", "2", "1", "1", "80", "s"]
    transfer = plan.of_kind("transfer")[0]
    assert pixels(transfer.settings) == 40 * 32 * 64 * 64 * 3  # steps, batch, crop, learning rates
    assert pixels(other.settings) == 100 * 32 * 64 * 64
    assert table[4][-2:] == ["16", "min"]  # 10 transfers of 1.2 times the source's pixels
    assert lines_of(plan, tmp_path, workers=2)[4][-2:] == ["8", "min"]
    finish(transfer, tmp_path, 1.0, status="diverged")  # ended early: no measure of the others
    assert lines_of(plan, tmp_path)[3] == table[3]


def test_networks_of_other_widths_are_not_alike(tmp_path):
    wide = {"backbone": {"name": "unet"}, "training": {"crop": [64, 64], "steps": 10, "batch_size": 8}}
    narrow = wide | {"backbone": {"name": "unet", "width": 0.125}}
    plan = [
        Run("source", name, settings, code={})
        for name, settings in (("a", wide), ("b", narrow), ("c", narrow))
    ]
    finish(plan[0], tmp_path, 640.0)
    known = measured(tmp_path)
    assert known.guess(plan[0]) == 640.0
    assert known.guess(plan[1]) is None and known.size(plan[1]) is None
    (asked,) = unmeasured_backbones(known, plan).items()
    expected = {"backbone": narrow["backbone"], "side": 64, "batch": 8}
    assert asked == ("unet at width 0.125", expected)
    assert measured(tmp_path, {"unet at width 0.125": 1e-4}).guess(plan[1]) == 1e-4 * 10 * 8 * 64 * 64


def test_a_finished_plan_costs_nothing(tmp_path):
    plan = examples.plan()
    for run in plan:
        finish(run, tmp_path, 1.0)
    table = lines_of(plan, tmp_path)
    assert [row[-2:] for row in table[1:]] == [["0", "-"]] * 5


def test_gains_and_baselines_are_counted_by_regime():
    other = {
        "regime": "full_target",
        "sources": ["segmentation/suim"],
        "targets": ["segmentation/suim", "segmentation/camvid"],
        "baselines": ["ilsvrc"],
    }
    first = examples.STUDY["experiments"][0]
    rows = regime_table(examples.plan(("experiments", [first, other]))).splitlines()
    assert [row.split() for row in rows[1:]] == [["small_target", "4", "6"], ["full_target", "1", "2"]]


def test_a_damaged_record_gives_no_estimate(tmp_path):
    plan = examples.plan()
    source = plan.of_kind("source")[0]
    finish(source, tmp_path, 1.0)
    (source.folder(tmp_path) / "run.json").write_text("{")
    assert lines_of(plan, tmp_path)[3][-3:] == ["not", "yet", "measured"]


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_progress_is_a_line_now_and_then(clock):
    stream = io.StringIO()
    shown = Progress("camvid", 100, stream, every=10)
    for second, done in ((5, 5), (10, 10), (15, 15), (20, 20)):
        clock[0] = second
        shown.show(done, "loss 1")
    assert stream.getvalue().splitlines() == [
        "  camvid: step 10 of 100, loss 1, 90 s left",
        "  camvid: step 20 of 100, loss 1, 80 s left",
    ]


def test_steps_of_an_earlier_attempt_do_not_count_as_speed(clock):
    stream = io.StringIO()
    shown = Progress("camvid", 100, stream, every=10)
    shown.skip(50)
    for second, done in ((4, 84), (14, 94)):  # taken up at step 80, in the middle of a learning rate
        clock[0] = second
        shown.show(done, "loss 1")
    assert stream.getvalue() == "  camvid: step 94 of 100, loss 1, 6 s left\n"
