"""Work shared among processes: in the order of its parts, ended with its process, with an error when one dies."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from tfface.errors import UserError
from tfface.parallel.ahead import in_order

Job = TypeVar("Job")
Result = TypeVar("Result")
AHEAD = 4
"""Jobs of each process that are begun before the first result is asked for."""

_work: Callable[[Any], Any] | None = None


@contextmanager
def shared(
    make: Callable[[], Callable[[Job], Result]], workers: int
) -> Iterator[Callable[[Iterable[Job]], Iterator[Result]]]:
    """What gives the results of jobs, in their order; jobs may be endless.

    Args:
        make: gives what does a job, once in each process; picklable, as jobs and results are.
        workers: processes, with a thread each; 0: the jobs are done in this one.

    Raises:
        UserError: a process was killed.
    """
    if workers == 0:
        yield lambda jobs: map(make(), jobs)
        return
    try:
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start, (make,))
    except OSError as error:  # Linux keeps what processes wait with in /dev/shm
        raise UserError(
            f"Processes that share the work cannot be begun ({error.strerror or error}): see that /dev/shm is there "
            "and may be written, or work in this process alone (`workers=0`)."
        ) from error
    try:
        yield lambda jobs: in_order(lambda job: pool.submit(_do, job).result, jobs, AHEAD * workers)
    except BrokenProcessPool as error:
        raise UserError(
            "A process was killed, most likely for want of memory: begin again with fewer workers; what is done stays."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start(make: Callable[[], Callable[[Any], Any]]) -> None:
    """In a worker."""
    global _work
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(variable, "1")
    import cv2

    cv2.setNumThreads(1)
    _work = make()


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _do(job: Any) -> Any:
    assert _work is not None
    return _work(job)
