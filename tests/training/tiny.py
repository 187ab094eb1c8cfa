"""A network of four layers, which compiles at once, and faces that it can learn in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfface import models
from tfface.config import Config, ModelConfig, override
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.training import position_map

SIZE, MAP_SIZE = 32, 16


def tiny_config(out: Path, **changes: Any) -> Config:
    """Three epochs of four steps; dotted keys with `__` for the dot."""
    base = {
        "model": {"name": "mnv2_light", "width": 0.1, "image_size": SIZE, "map_size": MAP_SIZE, "features": 16},
        "data": {"batch": 4, "steps_per_epoch": 4, "validation_size": 8},
        "optim": {"epochs": 3, "learning_rate": 3e-3},
        "run": {"out": str(out), "tensorboard": False, "pictures": 0, "device": "cpu"},
    }
    return override(override(Config(), base), {key.replace("__", "."): value for key, value in changes.items()})


def build(config: ModelConfig) -> keras.Model:
    """In place of `tfface.models.build`: batch normalisation and dropout included, since they have states to resume."""
    images = keras.Input((config.image_size, config.image_size, 3 * config.views), name="images")
    x = keras.layers.Conv2D(8, 4, 4, activation="relu", name="first")(images)
    x = keras.layers.BatchNormalization(name="normal")(x)
    x = keras.layers.Dropout(0.1, name="dropout", seed=3)(keras.layers.Flatten(name="flat")(x))
    x = keras.layers.Dense(config.map_size**2 * 3, activation=config.output, name="second")(x)
    return keras.Model(images, keras.layers.Reshape((config.map_size, config.map_size, 3))(x), name=config.name)


def posed_faces(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images that show where the face is, and true maps: random people moved and scaled in the crop."""
    rng = np.random.default_rng(seed)
    face = load_open_face()
    topology = PositionMap(face, MAP_SIZE)
    maps = np.empty((count, MAP_SIZE, MAP_SIZE, 3), np.float32)
    for index in range(count):
        points = (topology.cage_matrix @ face.cage(rng.normal(0, 1, 20))) - face.centre
        points = points * [1, -1, 1] * rng.uniform(0.6, 1.0) + [*rng.uniform(100, 156, 2), 0]
        points[:, 2] -= points[:, 2].min()
        maps[index] = points.reshape(MAP_SIZE, MAP_SIZE, 3)
    middle, spread = maps.mean((1, 2)), maps.std((1, 2))
    grid = (np.arange(SIZE) + 0.5) * 256 / SIZE
    across = np.exp(-(((grid - middle[:, :1]) / spread[:, :1]) ** 2))
    down = np.exp(-(((grid - middle[:, 1:2]) / spread[:, 1:2]) ** 2))
    return np.repeat((down[:, :, None] * across[:, None, :])[..., None], 3, -1).astype(np.float32), maps


def make_datasets(config: Config, start_step: int = 0) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """The contract of `tfface.data.pipeline.datasets.make_datasets`: batch number n is the same whoever asks for it."""
    images, maps = posed_faces(16, seed=1)

    def batch(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        chosen = tf.random.stateless_uniform([config.data.batch], [7, number], 0, len(images), tf.int64)
        return tf.gather(images, chosen), tf.gather(maps, chosen)

    valid = tf.data.Dataset.from_tensor_slices(posed_faces(config.data.validation_size, seed=2))
    return tf.data.Dataset.counter(start_step).map(batch), valid.batch(config.data.batch)


def train_until_killed(folder: Path) -> None:
    """In a process of its own: a run that writes a checkpoint after every step."""
    models.build = build
    position_map.train(tiny_config(folder, run__checkpoint_minutes=1e-9, optim__epochs=100_000), make_datasets)
