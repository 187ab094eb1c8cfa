"""Synthetic faces made by many processes, in the order of their seeds.

The workers import no TensorFlow: they start fast and stay small. What they make depends on the seed and the settings
alone, so the number of workers changes nothing but the speed.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial

from tfface.data.ahead import in_order
from tfface.data.synthetic.bank import AlbedoBank
from tfface.data.synthetic.sample import SyntheticSettings
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.io.records import FaceRecord, camera_vector, encode_jpeg

_generator = None


def _start(settings: SyntheticSettings) -> None:
    """In a worker: one thread each, one generator for all its faces; it ends when its parent was killed."""
    global _generator
    end_with_parent()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import cv2

    from tfface.data.synthetic.scene import FaceGenerator

    cv2.setNumThreads(1)
    if _generator is None or _generator.settings != settings:  # a Ray worker makes shard after shard
        _generator = FaceGenerator(settings)


def end_with_parent() -> None:
    """In a worker: it ends when the process that began it was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


def make_record(seed: int) -> FaceRecord:
    """The record of one seed (in a process where `_start` has run)."""
    assert _generator is not None
    pair = _generator.pair(seed)
    return FaceRecord(
        seed=seed,
        identity=pair.identity,
        expression=pair.expression,
        images=(encode_jpeg(pair.front.image), encode_jpeg(pair.side.image)),
        cameras=(camera_vector(pair.front.camera), camera_vector(pair.side.camera)),
        labels=pair.labels,
    )


@contextmanager
def record_stream(settings: SyntheticSettings, seeds: Iterable[int], workers: int) -> Iterator[Iterator[FaceRecord]]:
    """Records of `seeds`, in order, made by `workers` processes (0: in this one)."""
    if workers == 0:
        _start(settings)
        yield (make_record(seed) for seed in seeds)
        return
    # painted once, before the workers
    AlbedoBank.open(load_open_face(), settings.bank_size, settings.texture_size, painted_wrinkles=not settings.wrinkles)
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start, (settings,))
    try:
        yield in_order(lambda seed: partial(_made, pool.submit(make_record, seed)), seeds, 4 * workers)
    finally:
        pool.shutdown(cancel_futures=True)


def _made(record: Future[FaceRecord]) -> FaceRecord:
    with telling_of_killed_workers():
        return record.result()


@contextmanager
def telling_of_killed_workers() -> Iterator[None]:
    """Says so where a process of a pool was killed.

    Raises:
        UserError: one was.
    """
    try:
        yield
    except BrokenProcessPool as error:
        raise UserError(
            "A process was killed, most likely for want of memory: begin again with fewer workers; what is done stays."
        ) from error
