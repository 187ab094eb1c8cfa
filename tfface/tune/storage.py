"""The sweep's folder, here or behind a URL (fsspec), and what Ray Tune keeps of each trial in it.

A sweep's storage holds `sweep.yaml` (what was asked for), `trials/` (Ray's own: a folder for each trial with its last
checkpoint, which is a run's folder), `study.journal` (Optuna), `faces/` (shards), and in the end `trials.csv`,
`best.yaml`, `best/` and `report/`.

Trials are read by `ray.tune.ExperimentAnalysis`, Ray's public reader of a folder. Its `ResultGrid` is made of the same,
but by a `Tuner` alone, and to restore one opens the search's files in the place where the sweep was begun.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import fsspec

from tfface.errors import UserError
from tfface.io.reading import parse_yaml, reading

TRIALS = "trials"
SWEEP_FILE = "sweep.yaml"
LEAST_FREE = 256 * 2**20
"""Bytes that a local disk must have left. Ray writes its state in place: on a full disk it would lose what it had."""
LOCATION = "TFFACE_SWEEP"
"""The variable of the environment that says where the sweep lies now: Ray's own state says where it was begun."""
COUNTS = ("epoch", "error", "val_loss", "val_nme68", "loss", "minutes", "parameters", "milliseconds")


@dataclass
class Trial:
    """What is known of a trial."""

    name: str
    folder: str
    """Its folder in the storage."""
    values: dict[str, Any]
    """What was searched: dotted keys with this trial's values (its last ones, where they changed on the way)."""
    status: str = "waiting"
    """waiting (for the end of its first epoch), running, finished or failed."""
    failure: str = ""
    """The last line of its error."""
    curve: list[dict[str, Any]] = field(default_factory=list)
    """One entry an epoch: epoch, error, val_loss, ..."""
    checkpoint: str = ""
    """The run's folder in the storage, as of its last epoch."""

    @property
    def error(self) -> float:
        """The trial's result: the metric in the epoch whose weights are kept; infinite before the first epoch."""
        return float(self.curve[-1]["error"]) if self.curve else float("inf")

    @property
    def milliseconds(self) -> float | None:
        """The time of a prediction, where it was measured."""
        return self.curve[-1].get("milliseconds") if self.curve else None


class Storage:
    """A folder or URL; paths in it are relative."""

    def __init__(self, location: str) -> None:
        with reading(location, "a storage", "name a folder, or a URL of fsspec whose package is installed"):
            self.filesystem, root = fsspec.core.url_to_fs(location)
        self.local = "file" in _protocols(self.filesystem)
        self.root = os.path.abspath(root) if self.local else root.rstrip("/")
        self.location = self.root if self.local else location.rstrip("/")
        if self.local and os.path.lexists(self.root) and not os.path.isdir(self.root):
            raise UserError(f"`storage={self.root}` is a file: name a folder.")

    def check_room(self) -> None:
        """Nothing, while there is room to go on.

        Raises:
            UserError: the disk is nearly full.
        """
        if self.local and shutil.disk_usage(self.root).free < LEAST_FREE:
            least = LEAST_FREE >> 20
            raise UserError(
                f"The disk of {self.root} has less than {least} MB left: make room, then add `resume=True`."
            )

    def path(self, *parts: str) -> str:
        """A path as the file system knows it."""
        return "/".join([self.root, *parts])

    def exists(self, *parts: str) -> bool:
        """Whether there is such a file or folder."""
        return bool(self.filesystem.exists(self.path(*parts)))

    def read(self, *parts: str) -> str:
        """A file's text; empty where there is none."""
        try:
            with self.filesystem.open(self.path(*parts), "r", encoding="utf-8") as file:
                return str(file.read())
        except FileNotFoundError:
            return ""

    def write(self, text: str, *parts: str) -> None:
        """Writes a text file whole."""
        path = self.path(*parts)
        self.filesystem.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        with self.filesystem.open(path + ".part", "w", encoding="utf-8") as file:
            file.write(text)
        self.filesystem.mv(path + ".part", path)

    def download(self, source: str, target: str) -> None:
        """Copies a folder of the storage, named by its whole path, to a local folder."""
        self.filesystem.get(source.rstrip("/") + "/", target.rstrip("/") + "/", recursive=True)

    def asked(self) -> dict[str, Any]:
        """What `sweep.yaml` says.

        Raises:
            UserError: no sweep lies here.
        """
        text = self.read(SWEEP_FILE)
        if not text:
            raise UserError(f"{self.location} holds no sweep (no {SWEEP_FILE}); name the `storage` of one.")
        with reading(f"{self.location}/{SWEEP_FILE}", "the description of a sweep", "name the `storage` of another"):
            asked = parse_yaml(text)
            if not isinstance(asked["options"], dict):
                raise TypeError("its options are not a mapping")
            return dict(asked)

    def trials(self) -> list[Trial]:
        """All trials that Ray has noted, in the order of their numbers: also while the sweep runs.

        Raises:
            UserError: what Ray has noted cannot be read.
        """
        import pyarrow.fs
        from ray import tune

        place = self.path(TRIALS)
        filesystem = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(self.filesystem))
        if not tune.Tuner.can_restore(place, filesystem):
            return []
        with reading(f"{self.location}/{TRIALS}", "Ray's state of a sweep", "look again later"):
            found = tune.ExperimentAnalysis(place, storage_filesystem=filesystem)
        trials = [_trial(trial, found.trial_dataframes[trial.trial_id].to_dict("records")) for trial in found.trials]
        return sorted(trials, key=lambda trial: trial.name)


def _trial(ray_trial: Any, reported: list[dict[Hashable, Any]]) -> Trial:
    """What Ray knows of a trial, and a row for each time that it reported; what a row lacks is not a number there."""
    last = ray_trial.last_result
    curve = {}
    for row in reported or [last]:  # a process that died while Ray wrote its rows left none that Ray reads
        counts = {key: row[key] for key in COUNTS if key in row and row[key] == row[key]}
        if "error" in counts:  # an epoch that was repeated after a failure counts as it came out last
            curve[int(counts["epoch"])] = {**counts, "epoch": int(counts["epoch"])}
    values = last.get("config", ray_trial.config)
    status = {"TERMINATED": "finished", "ERROR": "failed"}.get(ray_trial.status, "running" if curve else "waiting")
    return Trial(
        name=PurePosixPath(ray_trial.path).name,
        folder=ray_trial.path,
        values={key: value for key, value in values.items() if key != "sweep"},
        status=status,
        failure=_last_line(ray_trial.get_error() or "") if status == "failed" else "",
        curve=[curve[epoch] for epoch in sorted(curve)],
        checkpoint=ray_trial.checkpoint.path if ray_trial.checkpoint else "",
    )


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
