"""What the files beside an exported network say about it: `tfface.json` (docs/conventions.md) and `README.md`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import yaml

from tfface import models
from tfface.config import ModelConfig
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.io.files import write_text
from tfface.io.reading import read_json_object, read_text, reading

INFO = "tfface.json"


def describe(model: keras.Model, config: ModelConfig) -> dict[str, Any]:
    """What `tfface.json` says about any network; of an R-Net also what its coefficients mean."""
    coefficients: dict[str, Any] = {}
    face = load_open_face()
    if config.name == "rnet":
        from tfface.models.layers.coefficients import layout_of

        coefficients = {"coefficients": layout_of(config).described()}
        if config.confidences:
            coefficients["confidences_of"] = config.confidences_of
        if config.points:
            from tfface.models.layers.points import described

            coefficients["points"] = described(model, config)
    if config.name == "detail":
        coefficients = {"space": config.space, "inputs": models.input_shape(config)[-1]}
    return {
        "model": config.name,
        "views": config.views,
        "image_size": config.image_size,
        "face_model": {"name": face.name, "checksum": face.checksum},
        "parameters": int(model.count_params()),
        **coefficients,
        "commit": "",
        "card": {},
    }


def write_about(folder: Path, about_model: dict[str, Any]) -> None:
    """Writes `tfface.json` and the `README.md` that says the same to people."""
    for name, text in (
        (INFO, json.dumps(about_model, indent=2, ensure_ascii=False)),
        ("README.md", _readme(about_model)),
    ):
        write_text(folder / name, text + "\n")


def must_be_as_written(folder: Path) -> None:
    """Sees to it that an export which will be replaced says what was written: hubs ask people to fill in `README.md`.

    Raises:
        UserError: somebody has changed it.
    """
    path = folder / "README.md"
    if not path.is_file():
        return
    text = read_text(path, "the head of a card")
    with reading(folder / INFO, "the card of an exported model"):
        if text == _readme(read_json_object(folder / INFO)) + "\n":
            return
    raise UserError(f"{path} was changed by hand and would be lost: move it elsewhere, or name another folder.")


def _readme(about_model: dict[str, Any]) -> str:
    head = {
        "library_name": "tfface",
        "license": "mit",
        "pipeline_tag": "image-to-3d",
        "tags": ["face", about_model["model"]],
    }
    numbers = {
        key: about_model[key]
        for key in ("format", "precision", "batch", "parameters", "agreement")
        if about_model.get(key)
    }
    card = yaml.safe_dump(about_model["card"] or {"limits": "no card was written"}, sort_keys=False, allow_unicode=True)
    return (
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n# {about_model['model']}\n\n"
        "Photographs of a face to a 3D face: `tfface predict PHOTO --model FOLDER` with this folder.\n\n"
        f"```yaml\n{yaml.safe_dump(numbers, sort_keys=False, allow_unicode=True)}```\n\n## Card\n\n```yaml\n{card}```"
    )
