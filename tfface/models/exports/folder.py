"""Networks as people exchange them: SavedModel, Keras, ONNX or TFLite, in a folder that says what it holds.

Beside the model lie `tfface.json`, by which `predict --model FOLDER` knows it (docs/conventions.md), `config.json` (the
network's configuration) and `README.md` with the card's head, as Hugging Face's hub has them.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfface import models
from tfface.config import ModelConfig
from tfface.errors import UserError
from tfface.io.files import TRUST_FILE, begun_prefix, must_be_free, sweep_leftovers, writing
from tfface.io.reading import reading, reason
from tfface.io.unpacking import check_keras
from tfface.models.exports.about import INFO, describe, must_be_as_written, write_about
from tfface.models.layers.solve import plain_operations
from tfface.models.weights.presets import EXPORTED, MODEL_FILES

PRECISIONS = {
    "saved_model": ("float32",),
    "keras": ("float32",),
    "onnx": ("float32", "float16", "int8"),
    "tflite": ("float32", "float16", "int8"),
}
"""What numbers each format can be written with; float16 stores weights in 16 bits and calculates in 32."""
MOST_BATCH = 4096
Pictures = Iterator[NDArray[np.float32]]


@dataclass(frozen=True)
class Form:
    """In what form a network is written.

    Attributes:
        format: one of `MODEL_FILES`.
        precision: of its weights, one of `PRECISIONS[format]`.
        batch: how many pictures it takes at once; None for any number (TFLite always takes a fixed one: then 1).
        pictures: gives batches of crops `[B,S,S,3*views]`, by whose features int8 is scaled.
    """

    format: str = "saved_model"
    precision: str = "float32"
    batch: int | None = None
    pictures: Callable[[], Pictures] | None = None

    def __post_init__(self) -> None:
        if self.format not in MODEL_FILES:
            raise UserError(f"There is no format {self.format!r}: choose from {', '.join(MODEL_FILES)}.")
        if self.precision not in PRECISIONS[self.format]:
            can = ", ".join(PRECISIONS[self.format])
            raise UserError(f"{self.format} cannot be written as {self.precision}: choose from {can}.")
        if self.batch is not None and not 1 <= self.batch <= MOST_BATCH:
            raise UserError(f"A batch of {self.batch}: give 1 to {MOST_BATCH}, or leave it out for any number.")

    @property
    def fixed_batch(self) -> int | None:
        """`batch`, with TFLite's 1."""
        return 1 if self.format == "tflite" and self.batch is None else self.batch


def write_export(
    model: keras.Model,
    config: ModelConfig,
    folder: Path,
    info: dict[str, Any],
    form: Form | None = None,
    beside_weights: Path | None = None,
) -> Path:
    """Writes the network for prediction; a whole folder or none.

    Args:
        model: the network (`models.build`), in float32.
        config: its configuration.
        folder: where to; an earlier export there is replaced.
        info: goes into `tfface.json` beside what the configuration says: `commit`, `card`.
        form: a SavedModel by default.
        beside_weights: the folder of the network's weights, whose calibration of points comes along if there is one.

    Raises:
        UserError: the folder holds something else, or a README.md that somebody has changed, or a package of the extra
            `export` is missing.
    """
    form = form or Form()
    must_be_free(folder, INFO, "the model", EXPORTED)
    must_be_as_written(folder)
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep_leftovers(folder.parent)
        beside = Path(tempfile.mkdtemp(prefix=begun_prefix(folder.name), dir=folder.parent))
    try:
        with writing(folder):
            _WRITERS[form.format](model, config, beside, form)
            (beside / "config.json").write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")
            about = {"format": form.format, "precision": form.precision, "batch": form.fixed_batch}
            write_about(beside, {**describe(model, config), **about, **info})
            if beside_weights is not None and (beside_weights / TRUST_FILE).is_file():
                shutil.copyfile(beside_weights / TRUST_FILE, beside / TRUST_FILE)
            beside.chmod(0o755)
            _move_into_place(beside, folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return folder


def _write_saved_model(model: keras.Model, config: ModelConfig, folder: Path, form: Form) -> None:
    if keras.backend.backend() != "tensorflow":
        raise UserError(f"A SavedModel needs TensorFlow: leave KERAS_BACKEND={keras.backend.backend()} out for this.")
    import tensorflow as tf

    predictor, module = models.predictor(model, config), tf.Module()
    images = tf.TensorSpec((form.batch, *models.input_shape(config)), tf.float32, name="images")
    # the variables alone: Keras' layers would each be looked through for what they hold, for half of the time
    module.variables_of_network = [variable.value for variable in predictor.variables]
    module.serve = tf.function(lambda images: predictor(images, training=False), [images], autograph=False)
    traced = module.serve.get_concrete_function()
    tf.saved_model.save(module, str(folder), {"serve": traced, "serving_default": traced})


def _write_keras(model: keras.Model, config: ModelConfig, folder: Path, form: Form) -> None:
    models.predictor(model, config).save(folder / MODEL_FILES["keras"])


def load_keras(folder: Path) -> Callable[[Any], Any]:
    """What a network in Keras' own format says of pictures; no code that such a file might carry is run."""
    from tfface.models.networks import dual_prn, mnv2_prn, prn_res, rnet  # noqa: F401  # Keras finds layers by their names

    with reading(folder, "a network of Keras", "export the model again"):
        check_keras(folder / MODEL_FILES["keras"])
        network = keras.models.load_model(folder / MODEL_FILES["keras"], compile=False, safe_mode=True)
    return lambda images: network(images, training=False)


def _write_onnx(model: keras.Model, config: ModelConfig, folder: Path, form: Form) -> None:
    from tfface.models.exports import onnx_graph

    proto = onnx_graph.with_weights(model, config, form.precision == "float16", form.batch)
    path = folder / MODEL_FILES["onnx"]
    path.write_bytes(proto.SerializeToString(deterministic=True))
    if form.precision == "int8":
        assert form.pictures is not None
        onnx_graph.make_int8(path, form.pictures())


def _write_tflite(model: keras.Model, config: ModelConfig, folder: Path, form: Form) -> None:
    """With weights as constants: the converter folds batch normalisation into convolutions then."""
    import tensorflow as tf

    predictor = models.predictor(model, config)
    parts = [
        [np.asarray(v) for v in part] for part in (predictor.trainable_variables, predictor.non_trainable_variables)
    ]

    def answer(images: Any) -> Any:
        return predictor.stateless_call(*([tf.constant(v) for v in part] for part in parts), images, training=False)[0]

    shape = (form.fixed_batch, *models.input_shape(config))
    with plain_operations():
        traced = tf.function(answer, input_signature=[tf.TensorSpec(shape, tf.float32, name="images")])
        module = tf.Module()
        module.serve = traced
        converter = tf.lite.TFLiteConverter.from_concrete_functions([traced.get_concrete_function()], module)
        if form.precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if form.precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        try:
            data = converter.convert()
        except Exception as error:
            raise UserError(
                f"This network cannot be written as TFLite ({reason(error)}): take `format=onnx`."
            ) from error
        (folder / MODEL_FILES["tflite"]).write_bytes(data)


_WRITERS = {"saved_model": _write_saved_model, "keras": _write_keras, "onnx": _write_onnx, "tflite": _write_tflite}


def _move_into_place(beside: Path, folder: Path) -> None:
    """Renames; a folder that is there already steps aside first."""
    if not folder.exists():
        os.replace(beside, folder)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    os.replace(folder, aside)
    os.replace(beside, folder)
    shutil.rmtree(aside, ignore_errors=True)
