"""From a folder of shards, or none, to batches: `make_datasets(config)` gives what `tfface.training` feeds the network.

A training batch is (images `[B,S,S,3*views]` in [0,1], position maps `[B,R,R,3]` in pixels of a 256-pixel crop). Maps
of `tfface.data.map_records` have a fourth channel, the weight of each texel's truth.
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from tfface.config import Config
from tfface.data.batches import Batches, faces
from tfface.data.map_batches import make_map_datasets
from tfface.face.open_model import load_open_face
from tfface.io.records import MAPS_KIND, find_shards, read_dataset_card


def make_datasets(config: Config, start_step: int = 0) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Training data without end, and validation data once through.

    Args:
        config: the run's configuration; `data.records` names a folder of shards, else faces are made on the fly.
        start_step: how many training batches were consumed before; the stream goes on after them.
    """
    face = load_open_face()
    if config.data.records:
        find_shards(Path(config.data.records))  # says so where there are none
        if read_dataset_card(Path(config.data.records)).get("kind") == MAPS_KIND:
            return make_map_datasets(config, start_step)
    train, valid, enlarged = faces(config, face, start_step)
    batches = Batches(config, face, enlarged)
    return batches.training(train, start_step), batches.validation(valid)
