"""A start within a budget: what is tried, what is given up and why, and what is kept."""

from __future__ import annotations

import io

import pytest

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.start import seconds_of_budget
from transfer_atlas.running.start import start
from transfer_atlas.store.files import write_json

RATES = ("0.1", "0.01")
TRIAL_SECONDS, COMPLETE_SECONDS = 10.0, 20.0  # two rates of a quarter of the steps, one of all


class Laboratory:
    """Requests whose runs take their time by a clock of its own, and give the results that a test says."""

    def __init__(
        self, folder, results: dict[str, tuple[float | None, float]], higher_is_better: bool = True
    ) -> None:
        self.folder, self.results, self.higher, self.now = folder, results, higher_is_better, 0.0
        self.done: list[str] = []

    def facts(self, budget: float) -> dict:
        return {"budget": budget, "candidates": {name: self._candidate(name) for name in self.results}}

    def _candidate(self, name: str) -> dict:
        def asked(what: str, steps: int) -> dict:
            return {"folder": str(self.folder / f"{what}-{name}"), "settings": {"training": {"steps": steps}}}

        return {
            "before": [asked("before", 0)],
            "trial": asked("trial", 25),
            "complete": {rate: asked(f"complete{rate}", 100) for rate in RATES},
            "kept": {rate: asked(f"kept{rate}", 100) for rate in RATES},
        }

    def carry_out(self, request: dict, terminal) -> None:
        what, _, name = request["folder"].rpartition("/")[2].partition("-")
        seconds = TRIAL_SECONDS if what == "trial" else 0.0 if what == "before" else COMPLETE_SECONDS
        self.now += seconds
        self.done.append(f"{what} {name}")
        value = self.results[name][0 if what == "trial" else 1]
        failed = value is None
        metrics = {"value": value, "higher_is_better": self.higher, "best_learning_rate": 0.01}
        write_json(
            self.folder / f"{what}-{name}" / "run.json",
            {"key": f"{what}-{name}", "seconds": seconds, "status": "diverged" if failed else "finished"}
            | {"reason": "loss is nan" if failed else None, "metrics": None if failed else metrics},
        )

    def start(self, budget: float, order: list[str]):
        return start(self.facts(budget), order, io.StringIO(), self.carry_out, lambda: self.now)


def laboratory(tmp_path, higher_is_better=True, **results) -> Laboratory:
    found = Laboratory(tmp_path, results, higher_is_better)
    for name in results:
        (tmp_path / f"before-{name}").mkdir(parents=True)
        write_json(tmp_path / f"before-{name}" / "run.json", {"key": f"before-{name}"})
    return found


def test_the_best_is_completed_and_kept_and_the_hopeless_given_up(tmp_path):
    lab = laboratory(tmp_path, ilsvrc=(0.5, 0.6), a=(0.55, 0.7), b=(0.2, 0.9), c=(0.6, 0.65))
    found = lab.start(1000, ["a", "ilsvrc", "b", "c"])
    assert [line for line in lab.done if line.startswith("trial")] == [
        f"trial {name}" for name in ("ilsvrc", "a", "b", "c")
    ]
    assert lab.done[4:] == [
        "complete0.01 ilsvrc",
        "complete0.01 c",
        "complete0.01 a",
        "kept0.01 a",
    ]  # one rate only
    assert found.best == "a" and found.kept.endswith("kept0.01-a")
    assert "more than 10% worse" in found.tried["b"].fate and found.tried["b"].complete is None


def test_lower_may_be_better(tmp_path):
    lab = laboratory(tmp_path, False, ilsvrc=(5.0, 4.0), a=(6.0, 1.0), b=(4.0, 3.0))
    found = lab.start(1000, ["a", "b"])
    assert found.best == "b" and "given up" in found.tried["a"].fate


@pytest.mark.parametrize("budget", [1, 60, 110, 125, 200, 260, 1000])
def test_the_budget_holds_but_for_the_least_there_can_be(tmp_path, budget):
    names = {f"s{number}": (0.5 + 0.01 * number, 0.6) for number in range(8)}
    lab = laboratory(tmp_path, ilsvrc=(0.5, 0.6), **names)
    found = lab.start(budget, list(names))
    least = (
        2 * TRIAL_SECONDS + 3 * COMPLETE_SECONDS
    )  # ILSVRC and one source, tried and completed, and one kept
    assert found.seconds <= max(budget, least) and found.kept is not None
    if budget >= 1000:
        assert len(found.tried) == 9 and all(each.complete is not None for each in found.tried.values())


def test_where_no_source_is_hopeful_ilsvrc_is_kept(tmp_path):
    found = laboratory(tmp_path, ilsvrc=(0.5, 0.6), a=(0.1, 0.2)).start(500, ["a"])
    assert found.best == "ilsvrc" and found.kept.endswith("kept0.01-ilsvrc")


def test_runs_that_fail_are_told_and_nothing_is_kept_of_them(tmp_path):
    found = laboratory(tmp_path, ilsvrc=(None, 0.6), a=(None, 0.2), b=(0.4, 0.5)).start(500, ["a", "b"])
    assert "diverged: loss is nan" in found.tried["a"].fate and found.best == "b"
    nothing = laboratory(tmp_path / "other", ilsvrc=(None, 0.6), a=(None, 0.2)).start(500, ["a"])
    assert nothing.best is None and nothing.kept is None


def test_budgets_in_words():
    assert [seconds_of_budget(text) for text in ("90s", "30min", " 1.5 h")] == [90, 1800, 5400]
    for text in ("", None, "30", "0min", "half an hour", "-3min"):
        with pytest.raises(ConfigurationError, match="such as budget=30min"):
            seconds_of_budget(text)
