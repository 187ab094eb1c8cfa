"""Batches into Keras' `fit` on every backend, finished inside the network's step.

A source gives batches in bytes (`tfface.data.pipeline.batches`), or (images, maps in pixels). Either becomes what the
network's loss wants, images and maps in network units, in the graph of the step: a GPU gets bytes and coefficients, a
fifth of the numbers, and makes the rest itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

import keras
import numpy as np

from tfface.config import Config
from tfface.training import devices
from tfface.training.schedule import optimizer_for

Finish = Callable[[Any], tuple[Any, Any]]


class FinishingModel(keras.Model):
    """A network with the layers and weights of another one, whose steps finish their batches first.

    Args:
        network: the other one.
        finish: a batch to what `fit` takes: inputs and truth.
    """

    def __init__(self, network: keras.Model, finish: Finish) -> None:
        super().__init__(network.input, network.output, name=network.name)
        self.finish = finish

    def compile_for(self, config: Config, loss: keras.losses.Loss, metrics: list[Any], channels: int) -> None:
        """Compiles it with the optimiser of what may learn now; truth of its loss has so many channels."""
        # XLA takes minutes to compile TensorFlow's convolutions on a CPU.
        jit_compile = False if keras.backend.backend() == "tensorflow" and not devices.on_gpu() else "auto"
        self.compile(optimizer_for(self, config), loss=loss, metrics=metrics, jit_compile=jit_compile)
        # Keras would build loss and metrics from a batch that is not finished.
        answer = np.zeros((1, *self.output.shape[1:]), np.float32)
        truth = np.zeros((*answer.shape[:-1], channels), np.float32)
        self.compute_loss(None, truth, answer)
        self.compute_metrics(None, truth, answer)
        self.reset_metrics()

    def train_step(self, *given: Any) -> Any:
        """Keras' step of the backend: of (data) or, with JAX, of (state, data)."""
        *state, data = given
        return super().train_step(*state, self.finish(data))

    def test_step(self, *given: Any) -> Any:
        """As `train_step`."""
        *state, data = given
        return super().test_step(*state, self.finish(data))


class Feed:
    """Endless batches for `fit`, which can be ended while another thread waits for one.

    Attributes:
        trouble: what went wrong in making a batch; backends tell it by errors of their own.
    """

    def __init__(self, batches: Iterable[Any]) -> None:
        self.trouble: Exception | None = None
        self._batches, self._lock = iter(batches), threading.Lock()
        self._first: list[Any] = []

    def begin(self) -> None:
        """Makes the first batch here and now, in Python, where a signal ends the process at once: of faces on the fly
        it may take minutes, and a backend that waits for it hears no Ctrl-C."""
        self._first = [self._next()]

    def __call__(self) -> Generator[tuple[Any, ...], None, None]:
        """The batches as Keras wants them."""
        while True:
            try:
                batch = self._first.pop() if self._first else self._next()
            except StopIteration:
                return
            yield as_tuple(batch)

    def _next(self) -> Any:
        with self._lock:
            try:
                return next(self._batches)
            except StopIteration:
                raise
            except Exception as error:
                self.trouble = error
                raise

    def close(self) -> None:
        """Ends the threads and processes that make batches."""
        with self._lock:
            close, self._batches = getattr(self._batches, "close", None), iter(())
            if close is not None:
                close()


class ValidationFeed(keras.utils.PyDataset):
    """Validation batches for `fit`, asked for in their order.

    Args:
        batches: can be iterated again and again, and has a length.
    """

    def __init__(self, batches: Any) -> None:
        super().__init__()
        self._batches = batches
        self._running: Iterator[Any] = iter(())

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if index == 0:
            self._running = iter(self._batches)
        return as_tuple(next(self._running))


def as_tuple(batch: Any) -> tuple[Any, ...]:
    """A batch as Keras takes it."""
    return (batch,) if isinstance(batch, dict) else tuple(batch)
