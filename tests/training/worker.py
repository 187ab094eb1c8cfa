"""A worker of `test_multi_worker`, its place among the others in TF_CONFIG."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tests.training import tiny
from tfface import models
from tfface.cli import run
from tfface.config import Config, ModelConfig
from tfface.training import position_map

HALF = 4


def build(config: ModelConfig) -> keras.Model:
    """No batch normalisation: with it, each worker normalises by its own half of the samples."""
    images = keras.Input((config.image_size, config.image_size, 3 * config.views), name="images")
    x = keras.layers.Conv2D(8, 4, 4, activation="relu")(images)
    x = keras.layers.Dense(config.map_size**2 * 3, activation=config.output)(keras.layers.Flatten()(x))
    return keras.Model(images, keras.layers.Reshape((config.map_size, config.map_size, 3))(x), name=config.name)


def make_datasets(config: Config, start_step: int = 0) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Batches of eight faces; a worker with a batch of four takes the half of its number, which is `data.seed`."""
    images, maps = tiny.posed_faces(16, seed=1)

    def batch(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        chosen = tf.random.stateless_uniform([2 * HALF], [7, number], 0, len(images), tf.int64)
        if config.data.batch == HALF:
            chosen = chosen[HALF * config.data.seed :][:HALF]
        return tf.gather(images, chosen), tf.gather(maps, chosen)

    valid = tf.data.Dataset.from_tensor_slices(tiny.posed_faces(config.data.validation_size, seed=2))
    return tf.data.Dataset.counter(start_step).map(batch), valid.batch(config.data.batch)


class Pause(keras.callbacks.Callback):
    """Leaves time to be killed in."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        time.sleep(self.seconds)


def train(folder: str, epochs: int, pause: float = 0.0, **changes: Any) -> None:
    """A run of the toy network."""
    models.build = build
    settings = {"optim__epochs": epochs, "optim__patience": epochs, "data__steps_per_epoch": 2, **changes}
    config = tiny.tiny_config(Path(folder), **settings)
    position_map.train(config, make_datasets, extra_callbacks=[Pause(pause)])


def main(folder: str, epochs: int, pause: float) -> int:
    """Among the other workers; the exit code of a command."""

    def command(_: object) -> int:
        train(folder, epochs, pause, run__strategy="multi_worker")
        return 0

    return run(command)
