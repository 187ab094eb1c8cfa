"""A run's folder: who made it, with what, and how far it came."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from tfface import config as configuration
from tfface.config import Config
from tfface.errors import UserError
from tfface.io.files import refuse_foreign, write_text, writing
from tfface.training.checkpoint import CHECKPOINT, RunState

RUNS = Path("runs")


def new_name(config: Config) -> str:
    """A folder under runs/ that does not exist yet: network and time."""
    stem = RUNS / f"{config.model.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    name, number = stem, 2
    while name.exists():
        name, number = stem.with_name(f"{stem.name}-{number}"), number + 1
    return str(name)


def claim(config: Config) -> Path:
    """Makes the folder of a new run, or checks that it holds an earlier session of the same one; writes its files.

    Raises:
        UserError: the folder holds a run of another network, or cannot be written.
    """
    folder = Path(config.run.out)
    if (folder / CHECKPOINT).is_file():
        _check_same(configuration.load(folder / "config.yaml"), config, folder)
    elif not (folder / "run.yaml").is_file():
        refuse_foreign([folder / "config.yaml"], "choose another `run.out`")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if (folder / "run.yaml").is_file():
        configuration.read_yaml(folder / "run.yaml")  # it will be needed when the run ends
    configuration.save(config, folder / "config.yaml")
    if not (folder / "run.yaml").is_file():
        _write(folder, _provenance())
    return folder


def _check_same(before: Config, now: Config, folder: Path) -> None:
    """Network, steps and kind of optimiser must be the same to go on; the rest may change."""
    for key in (
        "model",
        "weak.train",
        "data.steps_per_epoch",
        "data.batch",
        "optim.ema",
        "optim.learns",
        "optim.frozen",
        "optim.weight_decay",
        "run.precision",
    ):
        section, _, name = key.partition(".")
        values = [getattr(getattr(c, section), name) if name else getattr(c, section) for c in (before, now)]
        if values[0] != values[1]:
            raise UserError(
                f"{folder} holds a run with another {key} ({values[0]}); go on with `run.resume={folder}`, "
                "or take another `run.out`."
            )


def note_outcome(folder: Path, state: RunState, parameters: int) -> None:
    """Adds to `run.yaml` how far the run came."""
    note = configuration.read_yaml(folder / "run.yaml")
    note |= {
        "parameters": parameters,
        "steps": state.step,
        "hours": round(state.seconds / 3600, 3),
        "best_epoch": state.best_epoch,
        "val_loss": float(state.best),
        "val_nme68": float(state.best_nme68),
        "finished": state.finished,
    }
    _write(folder, note)


def _provenance() -> dict[str, Any]:
    return {
        "command": " ".join(["python", "-m", "tfface.train", *sys.argv[1:]]),
        "commit": commit(),
        "started": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "versions": {name: metadata.version(name) for name in ("keras", "numpy")}
        | {"python": platform.python_version()},
    }


def commit() -> str:
    """The commit of the source tree that runs, with a + when it was changed; empty outside a repository."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=20)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "HEAD")
        return head + ("+" if head and git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _write(folder: Path, note: dict[str, Any]) -> None:
    write_text(folder / "run.yaml", yaml.safe_dump(note, sort_keys=False))
