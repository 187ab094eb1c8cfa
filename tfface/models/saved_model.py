"""Networks as SavedModels with their `tfface.json`: the form in which people use them (docs/conventions.md)."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras

from tfface import models
from tfface.config import ModelConfig
from tfface.io.files import TRUST_FILE, must_be_free, writing

INFO = "tfface.json"


def write_saved_model(
    model: keras.Model, config: ModelConfig, folder: Path, info: dict[str, Any], beside_weights: Path | None = None
) -> Path:
    """Writes `serve(images [B,S,S,3*views]) -> {"position_map": [B,256,256,3]}`; a whole folder or none.

    Args:
        model: the network (`models.build`), in float32.
        config: its configuration.
        folder: where to; an earlier export there is replaced.
        info: goes into `tfface.json` beside what the configuration says: `commit`, `card`.
        beside_weights: the folder of the network's weights, whose calibration of points comes along if there is one.

    Raises:
        UserError: the folder holds something else.
    """
    must_be_free(folder, INFO)
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name[:40]}-", dir=folder.parent))
    try:
        with writing(folder):
            _write(model, config, beside, info)
            if beside_weights is not None and (beside_weights / TRUST_FILE).is_file():
                shutil.copyfile(beside_weights / TRUST_FILE, beside / TRUST_FILE)
            beside.chmod(0o755)
            _move_into_place(beside, folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return folder


def _write(model: keras.Model, config: ModelConfig, folder: Path, info: dict[str, Any]) -> None:
    import tensorflow as tf

    whole = models.predictor(model, config)
    archive = keras.export.ExportArchive()
    archive.track(whole)
    shape = (None, config.image_size, config.image_size, 3 * config.views)
    archive.add_endpoint(
        "serve", lambda images: whole(images, training=False), [tf.TensorSpec(shape, tf.float32, name="images")]
    )
    archive.write_out(str(folder), verbose=False)
    described = {**describe(model, config), **info}
    (folder / INFO).write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def describe(model: keras.Model, config: ModelConfig) -> dict[str, Any]:
    """What `tfface.json` says about any network; of an R-Net also what its coefficients mean."""
    from tfface.face.open_model import load_open_face

    face, coefficients = load_open_face(), {}
    if config.name == "rnet":
        from tfface.models.coefficients import layout_of

        coefficients = {"coefficients": layout_of(config).described()}
        if config.points:
            from tfface.models.points import described

            coefficients["points"] = described(model, config)
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


def _move_into_place(beside: Path, folder: Path) -> None:
    """Renames; a folder that is there already steps aside first."""
    if not folder.exists():
        os.replace(beside, folder)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    os.replace(folder, aside)
    os.replace(beside, folder)
    shutil.rmtree(aside, ignore_errors=True)
