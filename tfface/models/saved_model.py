"""A network's SavedModel, and what `tfface.json` says about any network (docs/conventions.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from tfface import models
from tfface.config import ModelConfig
from tfface.errors import UserError

INFO = "tfface.json"


def write_graph_files(whole: keras.Model, config: ModelConfig, folder: Path, batch: int | None = None) -> None:
    """Writes `serve(images [B,S,S,3*views]) -> {"position_map": [B,256,256,3]}` into a folder.

    Args:
        whole: the network as it predicts (`models.predictor`).
        config: its configuration.
        folder: where to.
        batch: B, or None for any number.

    Raises:
        UserError: Keras has another backend.
    """
    if keras.backend.backend() != "tensorflow":
        raise UserError(f"A SavedModel needs TensorFlow: leave KERAS_BACKEND={keras.backend.backend()} out for this.")
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(whole)
    shape = (batch, *models.input_shape(config))
    archive.add_endpoint(
        "serve", lambda images: whole(images, training=False), [tf.TensorSpec(shape, tf.float32, name="images")]
    )
    archive.write_out(str(folder), verbose=False)


def describe(model: keras.Model, config: ModelConfig) -> dict[str, Any]:
    """What `tfface.json` says about any network; of an R-Net also what its coefficients mean."""
    from tfface.face.open_model import load_open_face

    coefficients: dict[str, Any] = {}
    face = load_open_face()
    if config.name == "rnet":
        from tfface.models.coefficients import layout_of

        coefficients = {"coefficients": layout_of(config).described()}
        if config.confidences:
            coefficients["confidences_of"] = config.confidences_of
        if config.points:
            from tfface.models.points import described

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
