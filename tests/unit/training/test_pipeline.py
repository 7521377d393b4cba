"""Batches and evaluation prepared ahead by threads: the same to the bit whoever prepares them, and in order."""

import threading
import time

import every_task_examples as examples
import numpy as np
import pytest
import torch

from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training.ahead import in_order, pinned
from transfer_atlas.training.batches import AHEAD, Batches, InterleavedBatches
from transfer_atlas.training.device import make_accelerator
from transfer_atlas.training.evaluate import evaluate, grouped

SIZES = ((64, 64), (48, 80), (80, 48))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "all"
    examples.dataset(folder, train=7, val=5, sizes=SIZES)
    return folder


def batches(folder, name, threads, **options):
    data = PreparedDataset.open(folder, threads=threads, **options)
    return Batches(data, TASK_TYPES[name], np.arange(7), examples.TRAINING, 3)


def same(first, second):
    (images, targets), (others, other_targets) = first, second
    assert torch.equal(images, others) and set(targets) == set(other_targets)
    assert all(torch.equal(targets[name], other_targets[name]) for name in targets)


@pytest.mark.parametrize("name", list(TASK_TYPES))
def test_batches_are_the_same_to_the_bit_whatever_the_number_of_workers(folder, name):
    alone = [batches(folder, name, 1).batch(step) for step in range(6)]
    for threads, options in ((1, {}), (3, {}), (2, {"cache_bytes": 2**24})):
        for one, other in zip(batches(folder, name, threads, **options)(0, 6), alone, strict=True):
            same(one, other)
    for one, other in zip(batches(folder, name, 2)(4, 6), alone[4:], strict=True):
        same(one, other)


def test_datasets_that_take_turns_are_prepared_alike(folder):
    parts = [batches(folder, "segmentation", 2), batches(folder, "segmentation", 1)]
    for step, made in enumerate(InterleavedBatches(parts)(0, 5)):
        same(made, parts[step % 2].batch(step // 2))


def test_what_is_made_ahead_comes_in_order_and_no_further_than_asked():
    begun = []

    def make(job, pool):
        begun.append(job)
        time.sleep(0.02 if job % 2 else 0.0)
        return pool.submit(lambda: job * job).result()

    found = in_order(make, range(20), workers=2, ahead=3)
    assert next(found) == 0
    time.sleep(0.1)
    assert max(begun) <= 3  # one was taken, three are ahead
    assert list(found) == [job * job for job in range(1, 20)]
    assert list(in_order(make, [], workers=1, ahead=3)) == []


def test_an_error_ends_it_and_no_thread_is_left():
    def make(job, pool):
        if job == 2:
            raise KeyError(job)
        return job

    before, found = threading.active_count(), []
    with pytest.raises(KeyError):
        for made in in_order(make, range(1000), workers=2, ahead=3):
            found.append(made)
    assert found == [0, 1] and threading.active_count() == before
    halted = in_order(make, range(1000), workers=2, ahead=3)
    next(halted)
    halted.close()
    assert threading.active_count() == before


def test_batches_run_ahead_of_the_step(folder, monkeypatch):
    made, original = [], Batches.batch
    monkeypatch.setattr(
        Batches,
        "batch",
        lambda self, step, *more, **named: made.append(step) or original(self, step, *more, **named),
    )
    found = batches(folder, "segmentation", 2)(0, 50)
    next(found)
    time.sleep(0.5)
    assert len(made) == AHEAD + 1
    found.close()


def test_evaluation_is_the_same_whatever_the_number_of_workers(folder):
    model = examples.model(PreparedDataset.open(folder), "depth")
    found = [
        evaluate(
            model,
            TASK_TYPES["depth"],
            PreparedDataset.open(folder, threads=threads),
            examples.TRAINING,
            accelerator=make_accelerator("float32"),
        )
        for threads in (1, 4)
    ]
    assert found[0] == found[1]


def test_images_of_one_shape_are_scored_together():
    def image(number, side):
        return number, torch.zeros(3, side, side), (side, side)

    shapes = [32, 64, 32, 96, 32, 64, 64, 96]
    groups = list(grouped([image(n, side) for n, side in enumerate(shapes)], 3))
    assert [[number for number, _, _ in group] for group in groups] == [[0, 2, 4], [1, 5, 6], [3, 7]]
    many = list(grouped([image(n, 32 * n) for n in range(1, 30)], 2))  # none of one shape: eight wait at most
    assert sorted(number for group in many for number, _, _ in group) == list(range(1, 30))
    assert all(len(group) == 1 for group in many)


def test_whole_structures_are_pinned():
    class Told:
        def pin_memory(self):
            return "pinned"

    assert pinned((Told(), {"a": [Told(), 3]})) == ("pinned", {"a": ["pinned", 3]})


def test_depth_is_divided_by_the_zoom_where_it_is_asked_for(folder):
    data = PreparedDataset.open(folder)
    plain, divided = (
        Batches(
            data,
            TASK_TYPES["depth"],
            np.arange(7),
            examples.TRAINING.model_copy(update={"depth_follows_zoom": asked, "scale": (1.5, 1.5)}),
            0,
        ).batch(0)[1]["depth"]
        for asked in (False, True)
    )
    assert (plain > 0).any()
    torch.testing.assert_close(divided, plain / 1.5)
