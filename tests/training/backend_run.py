"""A run of `test_backends`: `python backend_run.py SHARDS FOLDER EPOCHS`, without TensorFlow if it is not the backend.

Trains a network of four layers, whose first weights are the same on every backend, on shards, as `tfface.train` does,
and writes what the best weights answer to one picture.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
    sys.modules["tensorflow"] = None  # importing it is an error from now on

import keras
import numpy as np

from tfface import models, train
from tfface.config import ModelConfig
from tfface.models.weights import presets

SIZE, MAP_SIZE = 32, 16


def build(config: ModelConfig) -> keras.Model:
    """In place of `tfface.models.build`: compiles at once."""
    images = keras.Input((config.image_size, config.image_size, 3 * config.views), name="images")
    x = keras.layers.Conv2D(8, 4, 4, activation="relu", name="first")(images)
    x = keras.layers.BatchNormalization(name="normal")(x)
    x = keras.layers.Dense(config.map_size**2 * 3, activation=config.output, name="last")(keras.layers.Flatten()(x))
    model = keras.Model(images, keras.layers.Reshape((config.map_size, config.map_size, 3))(x), name=config.name)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) > 1:
            weight.assign(rng.normal(0, 0.02, weight.shape))
    return model


def train_and_answer(shards: str, folder: str, epochs: str) -> None:
    """The run, and its answer beside it."""
    options = (
        f"--model mnv2_light --model.image-size {SIZE} --model.map-size {MAP_SIZE} --data.records {shards} "
        "--data.batch 4 --data.steps-per-epoch 4 --data.validation-size 4 --optim.learning-rate 0.01 --device cpu "
        f"--run.pictures 1 --run.checkpoint-minutes 1e-9 --out {folder} --optim.epochs {epochs} --optim.ema 0.9"
    )
    assert train.main(options.split()) == 0
    model = build(train.parse(options.split()).model)
    presets.load_weights(model, Path(folder) / "best.weights.h5")
    picture = np.random.default_rng(1).random((1, SIZE, SIZE, 3), np.float32)
    np.save(Path(folder) / "answer.npy", keras.ops.convert_to_numpy(model(picture, training=False)))


if __name__ == "__main__":
    models.build = build
    train_and_answer(*sys.argv[1:])
