"""`tfface info`: what is installed, what the face model is made of, which networks and presets there are.

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
from typing import TYPE_CHECKING, Any

from tfface import cli
from tfface.version import __version__

if TYPE_CHECKING:
    from rich.console import Console

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
    """Versions, devices, the face model and its licences, networks, presets."""

    json: bool = False
    """Print one JSON object instead of tables."""


def main(argv: list[str] | None = None) -> int:
    """Prints the information; 0."""
    import tyro

    options = tyro.cli(Options, args=argv, prog="tfface info", config=(tyro.conf.FlagCreatePairsOff,))
    information = gather()
    if options.json:
        print(json.dumps(information, indent=2, ensure_ascii=False))
    else:
        show(information)
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

    return {name: {"parameters": int(models.count_parameters(name))} for name in models.available()}


def presets() -> dict[str, Any]:
    """Each shipped preset with its card, read from `tfface/presets/NAME/card.yaml`."""
    from tfface.config import read_yaml

    return {path.parent.name: read_yaml(path) for path in sorted(PRESETS.glob("*/card.yaml"))}


def show(information: dict[str, Any]) -> None:
    """Prints `gather()`'s answer as tables."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 110)
    versions_found = {name: version or "not installed" for name, version in information["versions"].items()}
    _table(console, "versions", versions_found)
    _table(console, "devices", {item["name"]: item["description"] for item in information["devices"]})
    model = {key.replace("_", " "): value for key, value in information["face_model"].items()}
    provenance = model.pop("provenance")
    model |= {"licence": provenance["licence"], "made by": provenance["command"]}
    _table(console, "face model", model)
    _table(console, "made of", {s["what"]: f"{s['from']}\n{s['licence']}" for s in provenance["sources"]})
    _table(console, "face detector", information["detector"])
    counts = {name: f"{item['parameters']:,} parameters" for name, item in information["models"].items()}
    _table(console, "networks", counts)
    for name, card in information["presets"].items():
        _table(console, f"preset {name}", card)


def _table(console: Console, title: str, rows: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None)
    table.add_column(style="cyan", max_width=46)
    table.add_column(overflow="fold")
    for key, value in rows.items():
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
        table.add_row(escape(key), escape(text))
    console.print(table, "")


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
