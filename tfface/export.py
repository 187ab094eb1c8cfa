"""`python -m tfface.export`: a training run, or a preset, to the SavedModel that `tfface.predict` uses."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from tfface import config as configuration
from tfface.cli import run
from tfface.config import DataConfig, ModelConfig
from tfface.errors import UserError
from tfface.io.files import must_be_free

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Options:
    """Write a SavedModel (--out), a preset (--preset), or both."""

    source: tyro.conf.Positional[str]
    """A run's folder, or a preset's name."""
    out: Path | None = None
    """Folder for the SavedModel and its tfface.json."""
    preset: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Write the preset NAME, with a card filled in from the run. A path (with a /) puts it there."""
    average: tuple[str, ...] = ()
    """More runs or presets of the same network: what is written has the mean of all their weights. Networks trained
    from one another do better on photographs so."""


def main(argv: list[str] | None = None) -> int:
    """Exports as `argv` says; 0.

    Raises:
        UserError: there is nothing to export, or nowhere to put it.
    """
    options = tyro.cli(Options, args=argv, prog="tfface export")
    if options.out is None and options.preset is None:
        raise UserError("Say where to: --out DIR for a SavedModel, --preset NAME for a preset.")
    if options.out is not None:
        must_be_free(options.out, "tfface.json")
    model, config, card = open_source(options.source)
    if options.average:
        from tfface.models.average import average_weights

        average_weights(model, [open_source(other)[0] for other in options.average])
        card = {**card, "averaged_with": list(options.average)}
    if options.out is not None:
        from tfface.models.saved_model import write_saved_model

        info = {"commit": card.get("commit", ""), "card": card}
        print(f"SavedModel in {write_saved_model(model, config, options.out, info)}")
    if options.preset is not None:
        print(f"Preset in {_write_preset(options.preset, model, config, card)}; fill in the limits in its card.yaml.")
    return 0


def open_source(source: str) -> tuple[keras.Model, ModelConfig, dict[str, Any]]:
    """Network with its best weights, its configuration and its card.

    Raises:
        UserError: `source` is neither a run with an epoch behind it nor a preset.
    """
    from tfface import models
    from tfface.models import presets

    folder = Path(source)
    if not folder.is_dir() and source in presets.available():
        model, config = presets.load(source)
        return model, config, presets.card(source)
    if not (folder / "config.yaml").is_file():
        names = ", ".join(presets.available()) or "none yet"
        raise UserError(f"{source} is neither a run's folder (with a config.yaml) nor a preset ({names}).")
    weights = presets.find_weights(source)
    config = configuration.load(folder / "config.yaml").model
    model = models.build(config)
    presets.load_weights(model, weights)
    return model, config, card_of_run(folder)


def card_of_run(folder: Path) -> dict[str, Any]:
    """A model card filled in from a run's `config.yaml` and `run.yaml`."""
    config = configuration.load(folder / "config.yaml")
    path = folder / "run.yaml"
    note = configuration.read_yaml(path) if path.is_file() else {}
    steps = note.get("steps", 0)
    if type(steps) is not int or steps < 0:
        raise UserError(f"{path} says {steps!r} for steps, no number of steps: mend it, or remove the file.")
    return {
        "data": _described(config.data),
        "command": note.get("command", ""),
        "commit": note.get("commit", ""),
        "hours": note.get("hours", 0.0),
        "samples_seen": steps * config.data.batch,
        "parameters": note.get("parameters", 0),
        "machine": note.get("machine", ""),
        "metrics": {
            "validation_loss": note.get("val_loss"),
            "validation_nme68_percent": note.get("val_nme68"),
            "best_epoch": note.get("best_epoch"),
        },
        "limits": "not written yet",
    }


def _described(data: DataConfig) -> str:
    """What a run learnt from, as far as its configuration tells."""
    if data.source == "photos":
        return f"photographs prepared in {Path(data.records).name}, under weak supervision"
    where = f"shards in {Path(data.records).name}" if data.records else "made on the fly"
    return f"synthetic faces of the open face model, {where}; no photographs of people"


def _write_preset(name: str, model: keras.Model, config: ModelConfig, card: dict[str, Any]) -> Path:
    from tfface.models import presets

    target = Path(name) if "/" in name or "\\" in name else presets.PRESETS / name
    return presets.save(model, config, target, card)


if __name__ == "__main__":
    sys.exit(run(main))
