"""Faces made on the fly: the generator's processes feeding `tf.data`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfface.config import Config
from tfface.data.synthetic.sample import SyntheticSettings
from tfface.data.workers import record_stream
from tfface.face.open_model import load_open_face
from tfface.io.records import CAMERA_SIZE, VIEWS, FaceRecord

VALIDATION_SEED = 1 << 40


def live_records(
    config: Config, settings: SyntheticSettings, start_step: int, num_validation: int
) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Training records without end (seeds from `data.seed` on) and a fixed set of validation records.

    A resumed run goes on with the seeds that were not consumed.
    """
    pairs_per_batch = -(-config.data.batch // (2 if config.model.views == 1 else 1))
    first = (config.data.seed << 32) + start_step * pairs_per_batch
    train = _dataset(settings, itertools.count(first), config.data.workers)
    held_out = range(VALIDATION_SEED, VALIDATION_SEED + num_validation)
    return train, _dataset(settings, held_out, config.data.workers).cache()


def _dataset(settings: SyntheticSettings, seeds: Any, workers: int) -> tf.data.Dataset:
    face = load_open_face()

    def generate() -> Iterator[dict[str, Any]]:
        with record_stream(settings, seeds, workers) as records:
            for record in records:
                yield _features(record)

    signature: dict[str, tf.TensorSpec] = {
        "identity": tf.TensorSpec([face.num_identity], tf.float32),
        "expression": tf.TensorSpec([len(face.expression_names)], tf.float32),
    }
    for view in VIEWS:
        signature[f"{view}/image"] = tf.TensorSpec([], tf.string)
        signature[f"{view}/camera"] = tf.TensorSpec([CAMERA_SIZE], tf.float32)
    return tf.data.Dataset.from_generator(generate, output_signature=signature)


def _features(record: FaceRecord) -> dict[str, Any]:
    features: dict[str, Any] = {"identity": record.identity, "expression": record.expression}
    for view, image, camera in zip(VIEWS, record.images, record.cameras, strict=True):
        features[f"{view}/image"] = image
        features[f"{view}/camera"] = camera
    return features
