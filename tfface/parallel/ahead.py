"""Work done ahead of its need, by threads or processes, in its order, and never farther ahead than said."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_order(submit: Callable[[Job], Callable[[], Result]], jobs: Iterable[Job], ahead: int) -> Iterator[Result]:
    """The results of jobs.

    Args:
        submit: begins a job and gives what waits for its result.
        jobs: may be endless.
        ahead: how many are begun before the first result is asked for.
    """
    jobs = iter(jobs)
    begun = deque(map(submit, islice(jobs, ahead)))
    while begun:
        result = begun.popleft()()
        begun.extend(map(submit, islice(jobs, 1)))
        yield result


def in_threads(work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
    """`work` of each job, done by a thread for each core; for work that leaves Python's lock free."""
    import cv2

    cv2.setNumThreads(1)  # the cores have their threads already
    count = cores()
    pool = ThreadPoolExecutor(count, "tfface-loader")
    try:
        yield from in_order(lambda job: pool.submit(work, job).result, jobs, count + 2)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def many_at_once(jobs: Iterable[Job], count: int) -> Iterator[list[Job]]:
    """`count` jobs at a time; the last ones may be fewer."""
    jobs = iter(jobs)
    return iter(lambda: list(islice(jobs, count)), [])


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on Windows and macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
