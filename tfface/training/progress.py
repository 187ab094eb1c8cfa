"""The line that says how a run goes: a live one on a terminal, a printed one every half minute elsewhere."""

from __future__ import annotations

import errno
import time
from collections import deque
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from tfface.training.checkpoint import RunState

PRINT_SECONDS = 30.0
WINDOW = 50


class ProgressLine(keras.callbacks.Callback):
    """Epoch, step, images a second, loss, time left in the epoch; and the outcome of each epoch."""

    def __init__(self, state: RunState, steps_per_epoch: int, epochs: int, batch: int, console: Console) -> None:
        super().__init__()
        self.state, self.steps_per_epoch, self.epochs, self.batch = state, steps_per_epoch, epochs, batch
        self.console = console
        self._times: deque[float] = deque(maxlen=WINDOW)
        self._printed = 0.0
        self._progress: Progress | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.console.print("The first steps are slow (up to a minute): the network is being compiled.")
        if self.console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn())
            self._progress = Progress(*columns, console=self.console, transient=True)
            self._task = self._progress.add_task("", total=self.steps_per_epoch)
            self._progress.start()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._times.append(time.monotonic())
        if self._progress is not None:
            self._progress.update(self._task, completed=self._step_in_epoch(), description=self.line())
        elif self._times[-1] - self._printed > PRINT_SECONDS:
            self._printed = self._times[-1]
            self._print(self.line())

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs, state = logs or {}, self.state
        best = " (best so far)" if state.waited == 0 else f" (best was epoch {state.best_epoch})"
        nme68 = f"  nme68 {logs['val_nme68']:.2f} %" if "val_nme68" in logs else ""
        self._times.clear()  # validation is not training time
        self._print(
            f"epoch {epoch + 1}/{self.epochs}  loss {state.loss:.4g}  validation {logs['val_loss']:.4g}{nme68}{best}"
        )

    def _print(self, line: str) -> None:
        """A terminal may be gone a moment before SIGHUP says so; the run is worth more than the line."""
        try:
            self.console.print(line, highlight=False)
        except OSError as error:
            if error.errno != errno.EIO:
                raise

    def close(self) -> None:
        """Takes the live line away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.close()

    def line(self) -> str:
        """The line's text."""
        epoch = (self.state.step - 1) // self.steps_per_epoch + 1
        head = f"epoch {epoch}/{self.epochs}  step {self._step_in_epoch()}/{self.steps_per_epoch}"
        if len(self._times) < 2:
            return f"{head}  loss {self.state.loss:.4g}"
        seconds = (self._times[-1] - self._times[0]) / (len(self._times) - 1)
        left = int((self.steps_per_epoch - self._step_in_epoch()) * seconds)
        rate = self.batch / max(seconds, 1e-9)
        return f"{head}  {rate:.1f} images/s  loss {self.state.loss:.4g}  {left // 60}:{left % 60:02d} left"

    def _step_in_epoch(self) -> int:
        return (self.state.step - 1) % self.steps_per_epoch + 1
