"""What a sweep says while it runs: a line for each epoch of each trial, and the table of all trials."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from ray import tune
from rich.console import Console
from rich.table import Table

from tfface.tune.report import shown
from tfface.tune.storage import LOCATION, Storage, Trial


class ProgressLines(tune.Callback):
    """Prints each reported epoch, each failure, and how many trials are done; ends a sweep that fills its disk.

    Args:
        location: of the storage.
        total: trials in all.
        max_epochs: of each, at the most.
    """

    def __init__(self, location: str, total: int, max_epochs: int) -> None:
        self.location, self.total, self.max_epochs = location, total, max_epochs

    def setup(
        self, stop: Any = None, num_samples: int | None = None, total_num_samples: int | None = None, **info: Any
    ) -> None:
        self.console = Console()  # not before: Ray keeps a pickle of its callbacks, and a console cannot be pickled
        self.start, self.best = time.monotonic(), float("inf")
        self.storage = Storage(os.environ.get(LOCATION, self.location))  # the folder may have been moved

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._print(trial, "starts (the first epoch takes a while: the network is being compiled)")

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
        if "error" not in result:
            return
        self.best = min(self.best, result["error"])
        done = sum(t.is_finished() for t in trials)
        self._print(
            trial,
            f"epoch {result['epoch']}/{self.max_epochs}  error {result['error']:.4g}  (best {self.best:.4g})  "
            f"{done} of {self.total} trials done",
        )

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.storage.check_room()  # here, because what is raised elsewhere comes out wrapped by Ray

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._print(trial, "is done")

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._print(trial, "failed and is tried again")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._print(trial, "failed")

    def _print(self, trial: Any, what: str) -> None:
        passed = int(time.monotonic() - self.start)
        self.console.print(f"{passed // 60:3d}:{passed % 60:02d}  {trial.trial_id}  {what}", highlight=False)


def table(trials: Sequence[Trial], best: Trial | None, default: Trial | None) -> Table:
    """The trials, best first, as a table for the terminal."""
    keys = list(dict.fromkeys(key for trial in trials for key in trial.values))
    timed = any(trial.milliseconds is not None for trial in trials)
    found = Table(title="trials, best first")
    for column in ("trial", "error", *(["ms"] if timed else []), "epochs", "status", *keys):
        found.add_column(column, overflow="fold")
    for trial in sorted(trials, key=lambda t: t.error):
        mark = " (best)" if trial is best else " (default)" if trial is default else ""
        time_ms = [f"{trial.milliseconds:.1f}" if trial.milliseconds is not None else ""] if timed else []
        epochs = str(trial.curve[-1]["epoch"]) if trial.curve else "0"
        values = [shown(trial.values.get(key, "")) for key in keys]
        style = "bold" if trial is best else "red" if trial.status == "failed" else ""
        found.add_row(short(trial) + mark, f"{trial.error:.4g}", *time_ms, epochs, trial.status, *values, style=style)
    return found


def short(trial: Trial) -> str:
    """A trial's name in tables: its number in the sweep."""
    return trial.name.rsplit("_", 1)[-1] if trial.name.rsplit("_", 1)[-1].isdigit() else trial.name
