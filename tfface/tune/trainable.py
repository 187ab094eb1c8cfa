"""What a Ray worker runs: one trial, which is an ordinary run of `tfface.training`.

The run's folder lies in the trial's working folder on the worker. After each epoch it goes to the sweep's storage as
the trial's checkpoint, whole, and a trial that starts again (after an error, a lost node, a resumed sweep, or as the
copy of a better one in population-based training) begins with what it finds there. So every checkpoint in the storage
is a run's folder that `tfface train --resume` takes.
"""

from __future__ import annotations

import csv
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SWEEP = "sweep"
"""The key of a trial's configuration that holds what is the same in all trials."""


def run_trial(trial: Mapping[str, Any]) -> None:
    """Trains one configuration, reporting each epoch to Ray.

    Args:
        trial: dotted keys with this trial's values, and under `sweep`: `base` (dotted keys of the whole configuration),
            `metric` (a column of metrics.csv), `faces` (what `ensure_faces` takes, or None), `milliseconds`.
    """
    from ray import tune

    from tfface.config import Config, override
    from tfface.quiet import quiet_tensorflow

    quiet_tensorflow(ours=True)
    sweep = trial[SWEEP]
    folder = Path.cwd() / "run"
    shutil.rmtree(folder, ignore_errors=True)
    values = {key: value for key, value in trial.items() if key != SWEEP}
    config = override(Config(), {**sweep["base"], **values, "run.out": str(folder)})
    if checkpoint := tune.get_checkpoint():
        checkpoint.to_directory(str(folder))
    if sweep["faces"]:
        config = override(config, {"data.records": str(ensure_faces(sweep["faces"]))})
    reporter = _reporter(folder, sweep["metric"], config, sweep["milliseconds"])
    _train(config, folder, reporter)
    if not reporter.reported:  # the checkpoint was of a finished run
        reporter.report()


def _train(config: Any, folder: Path, reporter: Any) -> None:
    import keras
    from rich.console import Console

    from tfface.training import regimes

    keras.backend.clear_session()  # the process may have run a trial before
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "train.log").open("a", encoding="utf-8") as log:
        regimes.train(config, console=Console(file=log, width=120), extra_callbacks=[reporter])


def ensure_faces(faces: Mapping[str, Any]) -> Path:
    """The folder of the sweep's synthetic faces, made if it is not there: by one process, the others wait.

    Args:
        faces: `folder` (empty: this node's cache), and `pairs`, `seed`, `textures` of the data set.
    """
    from filelock import FileLock

    from tfface.data.synthetic.shard_set import ShardSet
    from tfface.io.files import cache_folder

    name = "sweep-faces-{pairs}-{seed}-{textures}".format(**faces)
    folder = Path(faces["folder"] or cache_folder() / name)
    if faces["folder"] and faces.get("inside") and os.environ.get("TFFACE_SWEEP"):
        folder = Path(os.environ["TFFACE_SWEEP"]) / faces["inside"]  # the sweep may have been moved since it began
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(str(folder / ".lock")):
        shards = ShardSet.of(folder, faces["pairs"], 16, faces["seed"], bank_size=faces["textures"])
        shards.claim()
        for index in shards.missing():
            shards.make(index)
    return folder


def best_row(folder: Path, metric: str) -> dict[str, float]:
    """What is reported of a run: its last epoch, and `error`, the metric in the epoch whose weights are kept.

    Raises:
        UserError: the run does not write such a column.
    """
    from tfface.errors import UserError

    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
    kept = min(rows, key=lambda row: row["val_loss"])
    last = rows[-1]
    if metric not in kept:
        raise UserError(f"`metric={metric}`: metrics.csv has no such column; choose one of {', '.join(kept)}.")
    return {**last, "epoch": int(last["epoch"]), "error": kept[metric], "best_epoch": int(kept["epoch"])}


def _reporter(folder: Path, metric: str, config: Any, timed: bool) -> Any:
    """A Keras callback that reports each epoch; with the milliseconds of a prediction where `timed`."""
    import keras
    import ray
    from ray import tune

    from tfface.training import run_folder
    from tfface.training.checkpoint import read_state

    class Reporter(keras.callbacks.Callback):
        reported = False
        extra: dict[str, float] = {}

        def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
            self.extra = {"parameters": self.model.count_params()}
            if timed:
                self.extra["milliseconds"] = prediction_ms(self.model, config)

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            state = read_state(folder)
            assert state is not None
            run_folder.note_outcome(folder, state, self.model.count_params())
            self.report()

        def report(self) -> None:
            self.reported = True
            checkpoint = tune.Checkpoint.from_directory(str(folder))
            where = {"host_pid": os.getpid(), "node": ray.get_runtime_context().get_node_id()}
            tune.report({**best_row(folder, metric), **self.extra, **where}, checkpoint=checkpoint)

    return Reporter()


def prediction_ms(model: Any, config: Any) -> float:
    """The least time of one picture (or pair) through the network, in milliseconds, on what this trial has."""
    import numpy as np
    import tensorflow as tf

    predict = tf.function(lambda images: model(images, training=False))
    side = config.model.image_size
    images = tf.constant(np.zeros((1, side, side, 3 * config.model.views), np.float32))
    predict(images)
    seconds = []
    for _ in range(15):
        start = time.perf_counter()
        np.asarray(predict(images))
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds)
