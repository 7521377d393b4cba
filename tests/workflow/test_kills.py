"""kill -9 of anything at any time: nothing published is lost, the study ends, its tables are the undisturbed ones'."""

import pytest
from kills import TABLES, under_kills


@pytest.mark.parametrize("seed", [0, 1])
def test_a_study_under_kills(finished, begun, seed):
    report = under_kills(begun, kills=3, seed=seed, pause=(1.0, 6.0))
    assert report.lost == []
    assert begun.files(*TABLES) == finished.files(*TABLES)
    begun.no_process_left(seconds=30)
