"""Keras callbacks of a run: state, checkpoints, best weights, early stopping, logs, time limit.

They share one `RunState`. Order matters to two of them: `KeepBest` must come before Keras' `SwapEMAWeights`, so that it
saves the averaged weights, and `KeepCheckpoint` last, so that a checkpoint stands after everything the epoch wrote.
"""

from __future__ import annotations

import csv
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfface.cli import print_nowhere
from tfface.errors import UserError
from tfface.io.event_log import EventLog
from tfface.io.files import atomic_path
from tfface.io.reading import read_rows, reading
from tfface.training import columns
from tfface.training.checkpoint import RunState, diverged, save_best, save_checkpoint


class TimeIsUp(Exception):
    """Raised inside `fit`, after a checkpoint, when the time limit is over."""


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Whether SIGTERM came meanwhile, as batch systems send it some time before they kill; it does not end the process.
    SIGHUP is the same, of a terminal that was closed: what is printed from then on is lost. `nohup` has it ignored.

    Only the main thread may ask for signals; elsewhere the answer is always no.
    """
    signalled = threading.Event()
    with _at_sigterm(signalled.set):
        yield signalled.is_set


@contextmanager
def ends_at_once(stopped: Exception) -> Iterator[None]:
    """SIGTERM raises `stopped` here: where there is nothing new to save."""

    def stop() -> None:
        raise stopped

    with _at_sigterm(stop):
        yield


@contextmanager
def _at_sigterm(act: Callable[[], object]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: act())}
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:

        def hang_up(*_: object) -> None:
            print_nowhere()
            act()

        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)


class KeepState(keras.callbacks.Callback):
    """Counts steps and seconds and keeps the mean training loss of the epoch and its parts, also across a resume.

    Ends the run as soon as the loss is not a finite number, before anything of that is written.
    """

    def __init__(self, state: RunState, folder: Path, steps_per_epoch: int, parts: Sequence[str] = ()) -> None:
        super().__init__()
        self.state, self.folder, self.steps_per_epoch, self.parts = state, folder, steps_per_epoch, parts
        # JAX's step owns the weights, and to fetch them takes milliseconds: as long as a GPU's step.
        self._look_every = 20 if keras.backend.backend() == "jax" else 1

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._before = self.state.step % self.steps_per_epoch
        self._means_before = {"loss": self.state.loss, **self.state.parts}
        self._clock = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        state = self.state
        state.step += 1
        now = time.monotonic()
        state.seconds, self._clock = state.seconds + now - self._clock, now
        done = (state.step - 1) % self.steps_per_epoch + 1
        means = {name: self._mean(name, float((logs or {})[name]), done) for name in ("loss", *self.parts)}
        state.loss, state.parts = means["loss"], {name: means[name] for name in self.parts}
        if not math.isfinite(state.loss):
            raise diverged(self.folder, state.step, "the training loss is")
        if state.step % self._look_every == 0 and not self._ends_are_finite():
            raise diverged(self.folder, state.step, "the weights are")

    def _ends_are_finite(self) -> bool:
        """Whether the first and the last weights are numbers: gradients that are none reach them, also where an
        activation hides it from the loss. All weights are looked at before each checkpoint."""
        ends = self.model.trainable_variables[:1] + self.model.trainable_variables[-1:]
        return all(np.isfinite(keras.ops.convert_to_numpy(variable)).all() for variable in ends)

    def _mean(self, name: str, mean_of_session: float, done: int) -> float:
        """Over the epoch's steps so far; this session has seen those from `_before` on."""
        before = self._means_before.get(name, 0.0) if self._before else 0.0
        return (before * self._before + mean_of_session * (done - self._before)) / done

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.state.step % self.steps_per_epoch:
            raise UserError(f"The training data ended in step {self.state.step}, inside an epoch: it must be endless.")


class KeepBest(keras.callbacks.Callback):
    """After each validation: the best weights are saved; too many epochs without better ones end the run."""

    def __init__(self, state: RunState, folder: Path, steps_per_epoch: int, patience: int, epochs: int) -> None:
        super().__init__()
        self.state, self.folder, self.steps_per_epoch = state, folder, steps_per_epoch
        self.patience, self.epochs = patience, epochs

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        state, logs = self.state, logs or {}
        epoch = state.step // self.steps_per_epoch
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise diverged(self.folder, state.step, "the validation loss is")
        if loss < state.best:
            save_best(self.folder, self.model)
            state.best, state.best_nme68 = loss, float(logs.get("nme68", math.nan))
            state.best_epoch, state.waited = epoch, 0
        else:
            state.waited += 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.state.finished = self.state.waited >= self.patience or epoch + 1 >= self.epochs
        if self.state.finished:
            self.model.stop_training = True


class KeepCheckpoint(keras.callbacks.Callback):
    """A checkpoint after each epoch and every `minutes` inside one; ends the run when `max_minutes` are over, or when
    `asked` says that the process was asked to end."""

    def __init__(
        self,
        state: RunState,
        folder: Path,
        steps_per_epoch: int,
        minutes: float,
        deadline: float,
        asked: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__()
        self.state, self.folder, self.steps_per_epoch = state, folder, steps_per_epoch
        self.seconds, self.deadline, self.asked = 60 * minutes, deadline, asked
        self._saved = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.state.step % self.steps_per_epoch == 0:
            return  # the epoch's end is not over before its validation
        now = time.monotonic()
        if self.asked() or now > self.deadline or now - self._saved > self.seconds:
            self._save()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._save()

    def _save(self) -> None:
        save_checkpoint(self.folder, self.model, self.state)
        self._saved = time.monotonic()
        if (self.asked() or self._saved > self.deadline) and not self.state.finished:
            raise TimeIsUp


class WriteMetrics(keras.callbacks.Callback):
    """A row of `metrics.csv` after each epoch; rows after the epoch that a run goes on from are dropped."""

    def __init__(self, state: RunState, folder: Path, steps_per_epoch: int, batch: int, columns: Sequence[str]) -> None:
        super().__init__()
        self.state, self.path = state, folder / "metrics.csv"
        self.steps_per_epoch, self.batch, self.columns = steps_per_epoch, batch, columns
        rows = self._rows()
        with reading(self.path, "a run's table", "remove or mend it"):
            kept = [row for row in rows if int(row["step"]) <= state.step]
        self._write(kept)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._since, self._seconds = self.state.step, self.state.seconds

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._write([*self._rows(), self.row(epoch, logs or {})])

    def row(self, epoch: int, logs: dict[str, Any]) -> dict[str, Any]:
        """What the epoch came to, by column."""
        state = self.state
        elapsed = max(state.seconds - self._seconds, 1e-9)
        values = {
            "epoch": epoch + 1,
            "step": state.step,
            "loss": state.loss,
            "val_loss": logs["val_loss"],
            **{name: state.parts[name] if name in state.parts else logs[name] for name in self.columns},
            "learning_rate": learning_rate(self.model),
            "images_per_second": (state.step - self._since) * self.batch / elapsed,
            "minutes": state.seconds / 60,
        }
        return {key: value if isinstance(value, int) else f"{float(value):.7g}" for key, value in values.items()}

    def _rows(self) -> list[dict[str, Any]]:
        if not self.path.is_file():
            return []
        return read_rows(self.path, "a run's table", ("step",))

    def _write(self, rows: list[dict[str, Any]]) -> None:
        with atomic_path(self.path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, (*columns.FIRST, *self.columns, *columns.LAST), extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)


class TensorBoardLog(keras.callbacks.Callback):
    """Scalars after each epoch, the training loss and learning rate every 50 steps, and pictures."""

    def __init__(self, state: RunState, folder: Path, draw: Callable[[keras.Model], Any] | None) -> None:
        super().__init__()
        self.state, self.draw = state, draw
        self.log = EventLog(folder / "tensorboard")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.state.step % 50 == 0:
            parts = {f"train/{name}": value for name, value in self.state.parts.items()}
            self._numbers({"train/loss": self.state.loss, "train/learning_rate": learning_rate(self.model), **parts})

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._numbers({f"validation/{key}": value for key, value in (logs or {}).items()})
        if self.draw is not None:
            self.log.picture("validation/meshes", self.draw(self.model), self.state.step)
        self.log.flush()

    def _numbers(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            self.log.number(name, float(value), self.state.step)


def learning_rate(model: keras.Model) -> float:
    """The rate that the optimiser will use in its next step."""
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
