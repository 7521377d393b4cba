"""Work prepared ahead of its use by threads, in order: what training and evaluation read while they compute.

Decoding and resizing release Python's lock, so that threads are enough, and share the decoded images that are kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Job = TypeVar("Job")
Made = TypeVar("Made")


def in_order(
    make: Callable[[Job, Executor], Made],
    jobs: Iterable[Job],
    *,
    workers: int,
    ahead: int,
    makers: int | None = None,
) -> Iterator[Made]:
    """make(job, pool) of every job, in order; up to `ahead` jobs are begun before they are asked for.

    pool: `workers` threads that all jobs share, for the parts of a job that can be done beside one another. makers:
    threads that go through the jobs, as many as are ahead where they only wait for the pool. What a job makes must not
    depend on the order in which the threads work.
    """
    waiting: deque[Any] = deque()
    remaining = iter(jobs)
    with _threads(workers, "prepare") as pool, _threads(makers or ahead, "ahead") as leading:

        def begin() -> None:
            for job in remaining:
                waiting.append(leading.submit(make, job, pool))
                return

        for _ in range(ahead):
            begin()
        while waiting:
            made = waiting.popleft().result()
            begin()
            yield made


@contextmanager
def _threads(count: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """A pool whose jobs that have not begun are given up when it is left: a failed or ended training waits for none."""
    pool = ThreadPoolExecutor(max(1, count), thread_name_prefix=name)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def pinned(values: Any) -> Any:
    """Tensors, in lists, tuples and mappings, in memory from which a GPU copies while the host goes on."""
    if isinstance(values, dict):
        return {name: pinned(value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return type(values)(pinned(value) for value in values)
    return values.pin_memory() if hasattr(values, "pin_memory") else values
