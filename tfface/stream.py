"""Many photographs at once: some are read and searched while others are in the network and others are saved.

Faces of several photographs share a batch of the network. Results are reported in the photographs' order, and what one
of them does is its own: neither an unreadable file nor a full disk keeps the others from being done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from tfface.detect.base import Detection
from tfface.errors import UserError
from tfface.inference import Reconstructor
from tfface.io.onnx_file import available_cores
from tfface.io.results import finished, photograph
from tfface.result import FaceResult

Item = TypeVar("Item")
Saved = TypeVar("Saved")
AT_ONCE = 6
"""Photographs whose faces share a batch."""
MOST_PIXELS = 40_000_000
"""Of photographs that are in memory at once, unless a single one has more."""


@dataclass(frozen=True)
class Batch:
    """Photographs to do, what their results are called, and pictures that cannot be read."""

    photos: list[Path]
    stems: list[str]
    unreadable: list[Path]

    @property
    def pairs(self) -> list[tuple[Path, str]]:
        """Each photograph with what its results are called."""
        return list(zip(self.photos, self.stems, strict=True))

    def left(self, out: Path, made_with: Mapping[str, Any]) -> tuple[list[tuple[Path, str]], dict[Path, list[str]]]:
        """The photographs that are not done yet in the same way, and the results' names of those that are."""
        if not out.is_dir():
            return self.pairs, {}
        todo, names = [], {}
        for photo, stem in self.pairs:
            try:
                done = finished(out, stem, photograph(photo), made_with)
            except UserError:
                done = None  # it will be reported when it is its turn
            if done is None:
                todo.append((photo, stem))
            else:
                names[photo] = done
        return todo, names


@dataclass
class Searched:
    """A photograph `[H,W,3]` uint8 RGB, its faces, and how many seconds it took to find them."""

    image: NDArray[np.uint8]
    faces: Sequence[Detection]
    seconds: float


@dataclass
class _Work(Generic[Item]):
    item: Item
    pixels: int
    found: Future[Searched]
    saved: Future[Any] = field(default_factory=Future)


def stream(
    reconstruct: Callable[[Sequence[Searched]], list[list[FaceResult]]],
    items: Iterable[Item],
    find: Callable[[Item], Searched],
    save: Callable[[Item, list[FaceResult]], Saved],
    pixels: Callable[[Item], int],
) -> Iterator[tuple[Item, Saved | Exception]]:
    """Each item with what `save` gave, or with what went wrong, in order.

    Args:
        reconstruct: all faces of some photographs, in the caller's thread (see `together`).
        items: photographs, by whatever names them.
        find: reads one and finds its faces; in any thread.
        save: saves its faces; in any thread.
        pixels: how many one has.
    """
    waiting: deque[_Work[Item]] = deque()
    ready: deque[_Work[Item]] = deque()
    queue = iter(items)
    upcoming = next(queue, None)
    pool = ThreadPoolExecutor(available_cores(), "tfface")
    try:
        while upcoming is not None or waiting or ready:
            held = sum(work.pixels for work in (*waiting, *ready))
            while upcoming is not None and len(waiting) < 2 * AT_ONCE:
                size = pixels(upcoming)
                if (waiting or ready) and held + size > MOST_PIXELS:
                    break
                held += size
                waiting.append(_Work(upcoming, size, pool.submit(find, upcoming)))
                upcoming = next(queue, None)
            group = [waiting.popleft() for _ in range(min(AT_ONCE, len(waiting)))]
            _reconstruct(reconstruct, group, save, pool)
            ready.extend(group)
            while ready and (ready[0].saved.done() or len(ready) > 2 * AT_ONCE or not group):
                done = ready.popleft()
                error = done.saved.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield done.item, done.saved.result() if error is None else error
    finally:
        pool.shutdown(cancel_futures=True)


def _reconstruct(reconstruct: Any, group: Sequence[_Work[Item]], save: Any, pool: ThreadPoolExecutor) -> None:
    """Starts saving each photograph of a group; one with which the network fails does not keep the others from it."""
    for work in group:
        if work.found.exception() is not None:
            work.saved.set_exception(work.found.exception())
    unfailed = [work for work in group if not work.saved.done()]
    try:
        answers: list[Any] = reconstruct([work.found.result() for work in unfailed]) if unfailed else []
    except Exception:
        answers = []
        for work in unfailed:
            try:
                answers += reconstruct([work.found.result()])
            except Exception as error:
                answers.append(error)
    for work, answer in zip(unfailed, answers, strict=True):
        if isinstance(answer, Exception):
            work.saved.set_exception(answer)
        else:
            work.saved = pool.submit(save, work.item, answer)


def together(reconstructor: Reconstructor, photographs: Sequence[Searched]) -> list[list[FaceResult]]:
    """The faces of each of some photographs, in shared batches of the network."""
    pairs = [(found.image, face) for found in photographs for face in found.faces]
    spent = [found.seconds for found in photographs for _ in found.faces]
    results = iter(reconstructor.reconstruct(pairs, spent))
    return [[next(results) for _ in found.faces] for found in photographs]
