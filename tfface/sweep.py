"""`tfface sweep`: find out which hyperparameters work.

With no option: eight trials of a small mnv2_prn (learning rate, batch, schedule, optimiser) on 256 synthetic faces,
made first; ten minutes on two cores. The default configuration is one of the trials, so the best can be compared with
it. Trials run as `tfface train` does. In the storage folder lie, in the end, best.yaml, best/ (the best run,
which `tfface train --config best.yaml --resume` continues), trials.csv and report/index.html.

A sweep that was interrupted, however, goes on with --resume and loses at most an epoch of each trial.
"""

from __future__ import annotations

import math
import os
import sys
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import tyro
from tyro.conf import FlagCreatePairsOff as Flag

from tfface.cli import alone_in, run, training_convolutions
from tfface.errors import UserError


@dataclass(frozen=True)
class Options:
    """What to search, how, and where."""

    model: str = ""
    """The network: what tfface.train --model takes; empty: mnv2_prn, or the one that the space is about."""
    space: str = "optim"
    """optim, architecture, mask_weights, augmentation and others (see docs/sweeps.md), or a Python or YAML file."""
    num_samples: int = 8
    """Trials, the default configuration among them; for a grid, the most that it may have."""
    max_epochs: int = 6
    """Epochs of a trial that nothing stops."""
    search: Literal["random", "grid", "optuna"] = "random"
    """optuna: its tree-structured Parzen estimator, with the study kept in the storage."""
    scheduler: Literal["asha", "pbt", "none"] = "asha"
    """asha: stops trials that fall behind. pbt: trials that fall behind go on from the weights of better ones."""
    metric: str = "val_nme_face"
    """What trials are judged by, least best: a column of metrics.csv, in the epoch whose weights a run keeps. The
    error of the whole face, which no loss is, by default; it needs true maps."""
    milliseconds: Flag[bool] = False
    """Also look for the least time of a prediction (two objectives: --search optuna --scheduler none)."""
    size: Literal["small", "full"] = "small"
    """small: a quarter of the width, 64 pixels, short epochs, 256 faces. full: the network's own configuration."""
    config: str = ""
    """A config.yaml that all trials start from instead."""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A configuration value for all trials, as KEY=VALUE, such as data.records=DIR; may be given again and again."""
    cpus_per_trial: float = 1.0
    """Cores of a trial, and TensorFlow's threads in it."""
    gpus_per_trial: float = 0.0
    """GPUs of a trial; a fraction lets trials share one."""
    address: str = ""
    """A Ray cluster's address, or auto; empty: this machine."""
    storage: str = ""
    """Folder or URL (s3://..., gs://...) that all nodes reach; empty: runs/sweep-SPACE."""
    resume: Flag[bool] = False
    """Go on with the sweep in the storage, with the options that it was started with; failed trials are tried again."""
    retries: int = 1
    """How often a trial that failed is started again, from its last epoch."""
    seed: int = 0
    """Seed of the search; the same seed samples the same trials."""
    dashboard: Flag[bool] = False
    """Ray's dashboard, on 127.0.0.1."""

    def kept(self) -> dict[str, Any]:
        """What `sweep.yaml` says of the options."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


NOT_KEPT = ("address", "storage", "resume", "dashboard", "retries", "cpus_per_trial", "gpus_per_trial")
"""Options that a resumed sweep takes from the command line, not from where it was begun."""


MOST = 100_000
"""Trials, and epochs of one."""


def main(argv: list[str] | None = None) -> int:
    """Runs the sweep; 1 if a trial failed for good."""
    options = tyro.cli(Options, args=argv, prog="tfface sweep", description=__doc__)
    missing = [name for name in ("ray", "optuna") if find_spec(name) is None]
    if missing:
        raise UserError(f"Sweeps need {' and '.join(missing)}: run `pip install 'tfface[tune]'`.")
    _check(options)
    training_convolutions()
    from tfface.tune.sweep import Sweep

    sweep = Sweep(*settled(options))
    if sweep.storage.local:
        alone_in(Path(sweep.storage.root))
    return sweep.run()


def _check(options: Options) -> None:
    """What the numbers alone can tell."""
    for name in ("num_samples", "max_epochs"):
        if not 1 <= getattr(options, name) <= MOST:
            raise UserError(f"`{name}={getattr(options, name)}` is out of range: give 1 to {MOST}.")
    for name in ("cpus_per_trial", "gpus_per_trial", "retries"):
        if not (math.isfinite(getattr(options, name)) and getattr(options, name) >= 0):
            raise UserError(f"`{name}={getattr(options, name)}` is out of range: give 0 or more.")
    if not 0 <= options.seed < 2**32:
        raise UserError(f"--seed {options.seed} is out of range: give 0 to {2**32 - 1}.")
    if not options.metric:
        raise UserError("--metric is empty: name a column of metrics.csv, such as val_loss.")
    if options.milliseconds and (options.search, options.scheduler) != ("optuna", "none"):
        raise UserError("--milliseconds asks for two objectives: add --search optuna --scheduler none.")
    cores = os.cpu_count() or 1
    if not options.address and options.cpus_per_trial > cores:
        raise UserError(f"--cpus-per-trial {options.cpus_per_trial:g}: this machine has {cores} cores.")


def settled(options: Options) -> tuple[Options, Any]:
    """The options with a resumed sweep's own ones filled in, and its storage.

    Raises:
        UserError: the storage holds another sweep, or none to go on with.
    """
    from tfface.io.reading import reading
    from tfface.tune.storage import SWEEP_FILE, Storage

    storage = Storage(options.storage or f"runs/sweep-{Path(options.space).stem}")
    if options.resume:
        asked = storage.asked()
        usual = {f.name: f.default for f in fields(Options) if f.name not in NOT_KEPT}
        with reading(f"{storage.location}/{SWEEP_FILE}", "the description of a sweep", "name another --storage"):
            kept = {key: value for key, value in asked["options"].items() if key in usual}
            for key, value in kept.items():
                if not isinstance(value, list if key == "set" else type(usual[key])):
                    raise TypeError(f"{key} is {value!r}")
        now = {name: getattr(options, name) for name in NOT_KEPT}
        resumed = Options(**{**kept, "set": tuple(map(str, kept.get("set", ()))), **now})
        _check(resumed)
        return resumed, storage
    if storage.exists(SWEEP_FILE):
        raise UserError(f"{storage.location} holds a sweep: go on with --resume, or name another --storage.")
    return options, storage


if __name__ == "__main__":
    sys.exit(run(main))
