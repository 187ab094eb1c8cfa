"""`tfface info`: what is installed, which networks and presets there are. `tfface info NAME` is a preset's card, or
what the face model or the detector is made of.

With `--json` one JSON object: `versions` (name to version, null where absent), `devices` (a list), `face_model` (name,
checksum, sizes, provenance), `detector` (card of the default detector's weights), `models` (name to `parameters`),
`presets` (name to card).
"""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import tyro

from tfface import cli
from tfface.errors import UserError
from tfface.version import __version__

ERROR = "aflw2000_dev_nme68_2d_mean_of_bins_percent"
"""Of a card's metrics, what an overview has."""
PRESETS = Path(__file__).parent / "presets"

# What is shown, and the distributions that may hold it (the first one that is installed counts).
DISTRIBUTIONS = {
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "keras": ("keras",),
    "tensorflow-graphics": ("tensorflow-graphics",),
    "numpy": ("numpy",),
    "dlib": ("dlib-bin", "dlib"),
    "opencv": ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
}


@dataclass(frozen=True)
class Options:
    """Versions, devices, the face model and its licence, networks, presets."""

    name: tyro.conf.Positional[str] = ""
    """A preset, for its card; or face_model, detector (with sources and licences), models, versions."""
    json: bool = False
    """Print one JSON object instead of a table."""


def main(argv: list[str] | None = None) -> int:
    """Prints the information; 0.

    Raises:
        UserError: there is none of this name.
    """
    options = tyro.cli(Options, args=argv, prog="tfface info", config=(tyro.conf.FlagCreatePairsOff,))
    if options.json:
        print(json.dumps(part(options.name) if options.name else gather(), indent=2, ensure_ascii=False))
    else:
        show(options.name, part(options.name) if options.name else overview())
    return 0


def gather() -> dict[str, Any]:
    """All of it, as plain data that JSON can hold.

    Raises:
        UserError: when the face model is missing or damaged.
    """
    return {
        "versions": versions(),
        "devices": devices(),
        "face_model": face_model(),
        "detector": detector(),
        "models": networks(),
        "presets": presets(),
    }


def versions() -> dict[str, str | None]:
    """Name to version; None for what is not installed. Imports none of them."""
    installed = {name: _version(candidates) for name, candidates in DISTRIBUTIONS.items()}
    return {"tfface": __version__, "python": platform.python_version(), **installed}


def _version(candidates: tuple[str, ...]) -> str | None:
    for candidate in candidates:
        try:
            return metadata.version(candidate)
        except metadata.PackageNotFoundError:
            continue
    return None


def devices() -> list[dict[str, str]]:
    """What TensorFlow computes on, each with `name`, `kind` (CPU, GPU) and `description`."""
    import tensorflow as tf

    found = []
    for device in tf.config.list_physical_devices():
        details = tf.config.experimental.get_device_details(device)
        name = device.name.removeprefix("/physical_device:")
        description = details.get("device_name") or platform.machine()
        found.append({"name": name, "kind": device.device_type, "description": description})
    return found


def face_model() -> dict[str, Any]:
    """The open face model that ships with the package: name, checksum, sizes, sources and licences."""
    from tfface.face.open_model import MAX_LEVEL, load_open_face

    face = load_open_face()
    surface = face.face(MAX_LEVEL)
    return {
        "name": face.name,
        "sha256": face.checksum,
        "vertices": surface.matrix.shape[0],
        "triangles": len(surface.triangles),
        "identity_components": face.num_identity,
        "expressions": len(face.expression_names),
        "landmarks": len(face.landmarks81),
        "provenance": face.provenance,
    }


def detector() -> dict[str, Any]:
    """The card of the face detector's weights that ship with the package: source, licence, checksums."""
    import yaml

    path = Path(__file__).parent / "detect" / "weights" / "card.yaml"
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def networks() -> dict[str, dict[str, int]]:
    """Each network that can be trained, with the number of its `parameters` in its default configuration."""
    from tfface import models

    return {name: {"parameters": int(models.count_parameters(name))} for name in models.MODELS}


def presets() -> dict[str, Any]:
    """Each shipped preset with its card, read from `tfface/presets/NAME/card.yaml`."""
    from tfface.config import read_yaml

    return {path.parent.name: read_yaml(path) for path in sorted(PRESETS.glob("*/card.yaml"))}


def overview() -> dict[str, str]:
    """What fits a screen: a line or two of each part."""
    from tfface import models

    model, detector_card, cards = face_model(), detector(), presets()
    counts = (
        f"{model['vertices']:,} vertices, {model['identity_components']} identities, {model['expressions']} expressions"
    )
    rows = {
        "versions": ", ".join(f"{name} {version or 'not installed'}" for name, version in versions().items()),
        "devices": ", ".join(f"{item['name']} ({item['description']})" for item in devices()),
        "face model": f"{model['name']}: {counts}; {model['provenance']['licence']}",
        "face detector": f"{detector_card['what']}; {detector_card['licence']}",
        "networks": ", ".join(models.MODELS),
    }
    rows |= {f"preset {name}": _preset_in_a_line(card) for name, card in cards.items()}
    rows["more"] = f"tfface info NAME, with {', '.join(cards)}, face_model, detector or models; --json for all of it"
    return rows


def _preset_in_a_line(card: dict[str, Any]) -> str:
    found = card.get("metrics", {}).get(ERROR)
    error = f", {found} % on AFLW2000-3D's 200 photographs" if found else ""
    return f"{card.get('parameters', 0):,} parameters{error}"


def part(name: str) -> dict[str, Any]:
    """One part of `gather()`, or a preset's card.

    Raises:
        UserError: there is none of this name.
    """
    parts = {"versions": versions, "face_model": face_model, "detector": detector, "models": networks}
    if name in parts:
        return dict(parts[name]())
    cards = presets()
    if name not in cards:
        names = ", ".join((*cards, *parts))
        raise UserError(
            f"There is no preset {name!r} to tell of: choose from {names}; or leave it out for an overview."
        )
    return dict(cards[name])


def show(title: str, rows: dict[str, Any]) -> None:
    """Prints a table of two columns."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None)
    table.add_column(style="cyan", max_width=46)
    table.add_column(overflow="fold")
    for key, value in rows.items():
        text = value if isinstance(value, str) else yaml_of(value)
        table.add_row(escape(key.replace("_", " ")), escape(text))
    Console(width=None if sys.stdout.isatty() else 110).print(table)


def yaml_of(value: Any) -> str:
    """A card's entry as people read it."""
    import yaml

    if not isinstance(value, dict | list):
        return str(value)
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)).rstrip()


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
