"""`python -m tfface.export`: a training run, or a preset, to the SavedModel that `tfface.predict` uses."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from tfface.cli import run
from tfface.errors import UserError
from tfface.io.files import TRUST_FILE, must_be_free

if TYPE_CHECKING:
    import keras

    from tfface.config import ModelConfig


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
    from tfface import weights

    source = weights.find(options.source)
    model, config, card = source.network()
    if options.average:
        from tfface.models.average import average_weights

        average_weights(model, [weights.find(other).network()[0] for other in options.average])
        card = {**card, "averaged_with": list(options.average)}
    if options.out is not None:
        from tfface.models.saved_model import write_saved_model

        info = {"commit": card.get("commit", ""), "card": card}
        print(f"SavedModel in {write_saved_model(model, config, options.out, info, source.path.parent)}")
    if options.preset is not None:
        trust = source.path.parent / TRUST_FILE
        kept = trust.read_bytes() if trust.is_file() and not options.average else None
        target = _write_preset(options.preset, model, config, card)
        if kept is not None:
            (target / TRUST_FILE).write_bytes(kept)
        print(f"Preset in {target}; fill in the limits in its card.yaml.")
    return 0


def _write_preset(name: str, model: keras.Model, config: ModelConfig, card: dict[str, Any]) -> Path:
    from tfface.models import presets

    target = Path(name) if "/" in name or "\\" in name else presets.PRESETS / name
    return presets.save(model, config, target, card)


if __name__ == "__main__":
    sys.exit(run(main))
