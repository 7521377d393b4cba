"""How long a run has taken, over attempts that were interrupted."""

import time

import pytest

from transfer_atlas.running.spent import FILE, counted


def test_interrupted_attempts_count(tmp_path):
    with pytest.raises(RuntimeError), counted(tmp_path):
        time.sleep(0.2)
        raise RuntimeError
    time.sleep(0.2)  # between attempts nothing is spent
    with counted(tmp_path) as seconds:
        time.sleep(0.1)
        first = seconds()
    assert 0.3 <= first < 0.49


def test_a_run_that_ends_soon_writes_nothing(tmp_path):
    with counted(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_kill_loses_what_came_after_the_last_note(tmp_path):
    with counted(tmp_path, every=0.02):
        time.sleep(0.3)
        noted = (tmp_path / FILE).read_bytes()  # what a killed process leaves
    (tmp_path / FILE).write_bytes(noted)
    with counted(tmp_path) as seconds:
        assert 0.2 < seconds() < 0.45


def test_learning_rates_that_are_done_count_though_a_kill_came_before_any_note(tmp_path):
    for number, text in enumerate(('{"seconds": 20.0, "value": 0.5}', '{"seconds": 30.0}', "{")):
        (tmp_path / f"rate-{number}.json").write_text(text)
    with counted(tmp_path) as seconds:
        assert 50 <= seconds() < 51
    (tmp_path / FILE).write_text('{"seconds": 60.0}')  # these and what came after them
    with counted(tmp_path) as seconds:
        assert 60 <= seconds() < 61


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "{",
        "[]",
        '{"seconds": null}',
        '{"seconds": "long"}',
        '{"seconds": -5}',
        '{"seconds": NaN}',
        '{"seconds": 1e999}',
        '{"seconds": 1' + 400 * "0" + "}",
    ],
)
def test_a_damaged_note_is_none(tmp_path, damaged):
    (tmp_path / FILE).write_text(damaged)
    with counted(tmp_path) as seconds:
        assert seconds() < 1


def test_a_folder_that_is_gone_ends_nothing(tmp_path):
    with counted(tmp_path / "gone") as seconds:
        assert seconds() >= 0
