"""Batches from shards of maps (`tfface.data.map_records`): the same crops, augmentation and order as for coefficients.

A stored map is in pixels of its stored picture, so the similarity that moves the picture moves the map exactly: u and
v by the matrix, depth by its scale. Where the network's map is smaller than the stored one, the chart is sampled
bilinearly. The texels' weights are the map's fourth channel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfface.config import Config
from tfface.data.batches import Batches, shard_records
from tfface.data.map_records import MAP_SIZE, OFFSET_PX, STEPS_PER_PX, parse_map_example
from tfface.errors import UserError
from tfface.face.morphable import sample_map
from tfface.face.open_model import load_open_face
from tfface.io.records import VIEWS, card_number, check_face_model, read_dataset_card


def make_map_datasets(config: Config, start_step: int = 0) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """`tfface.data.pipeline.make_datasets` for a folder of maps.

    Raises:
        UserError: the network wants two views and the folder has single pictures.
    """
    folder = Path(config.data.records)
    card = read_dataset_card(folder)
    check_face_model(folder, card, load_open_face().checksum)
    stored = int(card_number(folder, card, "views"))
    if config.model.views > stored:
        raise UserError(f"{folder} holds single pictures, and the network wants pairs: choose --model.views 1.")
    per_record = stored if config.model.views == 1 else 1
    num_valid = -(-config.data.validation_size // per_record)
    per_shard = int(card_number(folder, card, "records_per_shard"))
    train, valid = shard_records(config, per_shard, num_valid, lambda raw: parse_map_example(raw, stored), start_step)
    enlarged = float(card_number(folder, card, "settings", "enlarge"))
    batches = MapBatches(config, stored, enlarged, num_valid * per_record)
    return batches.training(train, start_step), batches.validation(valid)


class MapBatches(Batches):
    """Records of maps to batches.

    Args:
        config: the run's configuration.
        stored: views in a record.
        enlarged: the records' pictures show this many times the side of the crop's box.
        num_validation: samples held out.
    """

    def __init__(self, config: Config, stored: int, enlarged: float, num_validation: int) -> None:
        super().__init__(config, load_open_face(), enlarged)
        self.stored = stored
        self.num_validation = num_validation

    def _decode(self, record: dict[str, Any]) -> dict[str, tf.Tensor]:
        """Pictures decoded; maps stay PNG until they are batched: the shuffling buffer holds a thousand."""
        sample = dict(record)
        for view in VIEWS[: self.stored]:
            sample[f"{view}/image"] = tf.io.decode_jpeg(record[f"{view}/image"], channels=3)
        return sample

    def _per_view(self, samples: tf.data.Dataset) -> tf.data.Dataset:
        if self.config.model.views == 2 or self.stored == 1:
            return samples

        def split(sample: dict[str, tf.Tensor]) -> tf.data.Dataset:
            parts = {part: tf.stack([sample[f"{view}/{part}"] for view in VIEWS]) for part in ("image", "map", "mask")}
            return tf.data.Dataset.from_tensor_slices({f"front/{part}": both for part, both in parts.items()})

        return samples.flat_map(split)

    def _maps(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        """The first view's maps `[B,R,R,4]`: u, v, depth in pixels of its stored picture, weight in [0,1]."""
        signature = tf.TensorSpec([MAP_SIZE, MAP_SIZE, 4], tf.float32)
        maps = tf.map_fn(_decode_map, (batch["front/map"], batch["front/mask"]), fn_output_signature=signature)
        size = self.config.model.map_size
        if size == MAP_SIZE:
            return maps
        line = np.linspace(0.0, 1.0, size)
        uv = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        return tf.reshape(sample_map(maps, uv), [-1, size, size, 4])


def _decode_map(data: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    levels = tf.cast(tf.io.decode_png(data[0], channels=3, dtype=tf.uint16), tf.float32)
    weight = tf.cast(tf.io.decode_png(data[1], channels=1), tf.float32) / 255
    return tf.concat([levels / STEPS_PER_PX - OFFSET_PX, weight], axis=-1)
