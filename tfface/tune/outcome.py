"""What is left of a sweep: the best run, its configuration, the table, the report."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from tfface import config as configuration
from tfface.config import Config
from tfface.tune import progress, report
from tfface.tune.storage import Storage, Trial

BEST = "best"


def write(
    storage: Storage, trials: Sequence[Trial], default: dict[str, Any] | None, base: Config, console: Console
) -> None:
    """Writes trials.csv, best/, best.yaml and report/, and prints the table.

    Args:
        storage: the sweep's.
        trials: all of them; at least one ended an epoch.
        default: what was searched, as the default configuration has it.
        base: what all trials share.
    """
    best = min((trial for trial in trials if trial.checkpoint), key=lambda trial: trial.error)
    reference = find(trials, default)
    storage.write(as_csv(trials, best, reference), "trials.csv")
    yaml_file = _keep_best(storage, best)
    report.write(storage)
    console.print(progress.table(trials, best, reference))
    console.print(verdict(best, reference), highlight=False)
    console.print(f"Report: {storage.path('report', 'index.html')}", highlight=False)
    console.print(f"Go on with the best: tfface train --config {yaml_file} --resume", highlight=False)


def find(trials: Sequence[Trial], default: dict[str, Any] | None) -> Trial | None:
    """The trial of the default configuration."""
    return next((trial for trial in trials if default is not None and trial.values == default), None)


def verdict(best: Trial, reference: Trial | None) -> str:
    """The best against the default, in a sentence."""
    if reference is None or not reference.curve:
        return f"Best error {best.error:.4g} ({best.name})."
    if best is reference:
        return f"No trial was better than the default configuration (error {best.error:.4g})."
    gain = 100 * (1 - best.error / reference.error)
    return f"Best error {best.error:.4g} ({best.name}), {gain:.0f} % less than the default's {reference.error:.4g}."


def _keep_best(storage: Storage, best: Trial) -> str:
    """Copies the best run to best/ (on this machine, if the storage is a URL) and writes its best.yaml."""
    name = storage.root.rstrip("/").rsplit("/", 1)[-1]
    folder = Path(storage.path(BEST)) if storage.local else Path("runs") / f"{name}-{BEST}"
    with tempfile.TemporaryDirectory(prefix="tfface-best-") as temporary:
        storage.download(best.checkpoint, temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(p for p in Path(temporary).rglob("*") if p.is_file()):
            target = folder / path.relative_to(temporary)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    usual = Config().optim
    config = configuration.override(
        configuration.load(folder / "config.yaml"),
        {"run.out": str(folder.resolve()), "optim.epochs": usual.epochs, "optim.patience": usual.patience},
    )
    configuration.save(config, folder.with_name(f"{folder.name}.yaml"))
    if not storage.local:
        storage.write(folder.with_name(f"{folder.name}.yaml").read_text(encoding="utf-8"), "best.yaml")
    return str(folder.with_name(f"{folder.name}.yaml"))


def as_csv(trials: Sequence[Trial], best: Trial | None, reference: Trial | None) -> str:
    """A row a trial: what it was, what came out, where its run lies."""
    keys = list(dict.fromkeys(key for trial in trials for key in trial.values))
    columns = ["trial", "role", "status", "epochs", "error", "milliseconds", *keys, "checkpoint", "failure"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    for trial in sorted(trials, key=lambda t: t.error):
        row: dict[str, Any] = {
            "trial": trial.name,
            "role": "best" if trial is best else "default" if trial is reference else "",
        }
        row |= {"status": trial.status, "epochs": trial.curve[-1]["epoch"] if trial.curve else 0, "error": trial.error}
        row |= {"milliseconds": trial.milliseconds, **trial.values}
        writer.writerow({**row, "checkpoint": trial.checkpoint, "failure": trial.failure})
    return text.getvalue()
