"""PRN and a residual refiner (Zhou 2021, section 3.4): a brief map, then what is still wrong with it.

The refiner sees the picture and the brief map side by side: a 3x3 convolution to 64 channels, eight blocks of two with
their input added, a 3x3 convolution to 256 and a 1x1 to 3; its output is added to the brief map and passes tanh.
742,851 parameters of its own, with bias and without batch normalisation. The same refiner may look again at what it
said (`config.refinements`), which costs no parameters. Output: all maps, brief first, `[B,R,R,3*(1+refinements)]`.

Zhou adds the change to the brief map after that one's tanh and squashes the sum again, so even a refiner that
changes nothing moves the map, further each time round. Here the change is added under the brief map's own tanh,
`tanh(artanh(brief) + change)`: no change, same map.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from tfface.config import ModelConfig
from tfface.models.layers import blocks
from tfface.models.layers.maps import UnitsLayer
from tfface.models.networks import prn

REFINER = "refiner"
"""Name of the refiner, a model of its own inside the network."""
CHANNELS, LAST_CHANNELS, NUM_BLOCKS = 64, 256, 8
SMALLEST_SHARE = 1e-5
"""Of an activation's range, at both its ends, where its inverse is cut off."""


def build(config: ModelConfig) -> keras.Model:
    """The network from images to its maps, float32; the last three channels are the answer."""
    images = keras.Input((config.image_size, config.image_size, 3 * config.views), name="images")
    stages = [prn.decoder(prn.encoder(images, config), config)]
    refine = refiner(config)
    for _ in range(config.refinements):
        stages.append(refine([images, stages[-1]]))
    stages = [prn.resized(stage, config, f"resize{number}") for number, stage in enumerate(stages)]
    joined = layers.Concatenate(dtype="float32", name="map")(stages)
    return keras.Model(images, joined, name=config.name)


def refiner(config: ModelConfig) -> keras.Model:
    """Images `[B,S,S,3*views]` and a map `[B,S,S,3]` in network units to a better map."""
    size, channels = config.image_size, blocks.scaled(CHANNELS, config.decoder_width)
    images = keras.Input((size, size, 3 * config.views), name="refiner_images")
    brief = keras.Input((size, size, 3), name="brief")
    x = layers.Conv2D(channels, 3, padding="same", name="refine_in")(layers.Concatenate()([images, brief]))
    for number in range(1, NUM_BLOCKS + 1):
        x = _residual(x, channels, f"refine{number}")
    x = layers.Conv2D(blocks.scaled(LAST_CHANNELS, config.decoder_width), 3, padding="same", name="refine_wide")(x)
    # It begins by changing nothing.
    change = layers.Conv2D(3, 1, dtype="float32", kernel_initializer="zeros", name="refine_out")(x)
    units = layers.Add(dtype="float32", name="refine_sum")(
        [Unsquashed(config.output, name="refine_brief")(brief), change]
    )
    units = layers.Activation(config.output, dtype="float32", name=f"refine_{config.output}")(units)
    return keras.Model([images, brief], units, name=REFINER)


def _residual(x: Any, channels: int, name: str) -> Any:
    y = layers.Conv2D(channels, 3, padding="same", activation="relu", name=f"{name}_a")(x)
    y = layers.Conv2D(channels, 3, padding="same", name=f"{name}_b")(y)
    return layers.Add(name=f"{name}_add")([x, y])


@keras.saving.register_keras_serializable(package="tfface")
class Unsquashed(UnitsLayer):
    """What a `sigmoid`, `tanh` or `linear` activation was given, from what it gave; float32."""

    def call(self, squashed: Any) -> Any:
        if self.units == "linear":
            return squashed
        share = squashed if self.units == "sigmoid" else (squashed + 1) / 2
        share = ops.clip(share, SMALLEST_SHARE, 1 - SMALLEST_SHARE)
        logit = ops.log(share) - ops.log1p(-share)
        return logit if self.units == "sigmoid" else logit / 2

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape
