"""The networks with a block or two for each size of their features: every kind of layer, in a fraction of the time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import pytest

from tfface.config import ModelConfig
from tfface.models.layers import blocks
from tfface.models.networks import dual_prn, mnv2_prn, prn, prn_res


@contextmanager
def few_layers() -> Iterator[None]:
    """What is built inside has few layers."""
    stages = [(*each[:2], 2 if each[2] > 2 and each[3] == 1 else 1, each[3]) for each in blocks.INVERTED_RESIDUALS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "INVERTED_RESIDUALS", stages)
        patch.setattr(prn, "ENCODER", (*((8, 2),) * 5, (8, 1)))
        patch.setattr(prn, "FULL_DECODER", (*((8, 2),) * 5, (3, 1)))
        patch.setattr(mnv2_prn, "FULL_DECODER", prn.FULL_DECODER)
        patch.setattr(dual_prn, "SHARED_STEPS", 3)
        patch.setattr(dual_prn, "HEAD_STEPS", 2)
        patch.setattr(prn_res, "NUM_BLOCKS", 1)
        yield


def two_layers(config: ModelConfig) -> keras.Model:
    """In place of `tfface.models.build`, for what is about files."""
    images = keras.Input((config.image_size, config.image_size, 3 * config.views), name="images")
    x = keras.layers.BatchNormalization(name="normal")(images)
    return keras.Model(images, keras.layers.Conv2D(3, 3, padding="same", name="map")(x), name=config.name)
