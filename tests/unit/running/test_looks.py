"""Looks at a cluster's jobs: soon after something happened, seldom where nothing does."""

from itertools import pairwise

import pytest

from transfer_atlas.running.looks import LONGEST, Looks


def test_a_short_job_is_noticed_soon_and_a_long_one_costs_few_looks():
    looks, jobs = Looks(first=2), {"1"}
    now, times = 0.0, []
    while now < 6 * 3600:
        now += looks.pause(jobs, now)
        times.append(now)
    assert times[:3] == [2, 4, 6]
    for before, after in pairwise(times):
        assert after - before == pytest.approx(max(2, min(LONGEST, 0.1 * before)))
    assert len(times) < 170  # in six hours


def test_the_pause_begins_anew_when_a_job_comes_or_goes():
    looks = Looks(first=5)
    assert looks.pause({"1", "2"}, 1000.0) == 5
    assert looks.pause({"1", "2"}, 1200.0) == 20
    assert looks.pause({"2"}, 1200.0) == 5
    assert looks.pause({"2", "3"}, 1300.0) == 5
    assert looks.pause({"2", "3"}, 10_000.0) == LONGEST
    assert looks.pause(set(), 10_001.0) == 5


def test_no_pause_is_longer_than_the_longest_unless_the_site_says_so_of_the_first():
    assert Looks(first=300).pause({"1"}, 0.0) == 300
