"""Detail on top of a frozen R-Net: a U-Net with one encoder and two heads, split after the second up-sampling (Fan).

`config.space` picture, as Fan has it: photograph and base render `[B,224,224,6]` in, two maps `[B,224,224,3]` out,
offsets of albedo (in [0,1]) and of shape (decimetres in the camera's axes), read bilinearly where a vertex lands.

`config.space` uv: both unrolled into the face's chart, `[B,S,S,12]` (`tfface.viz.unwrapped`), and out come the
albedo's offset and one number a texel, the displacement along the base's normal in millimetres.

Both begin as the base: the last convolutions start at zero.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from tfface.config import ModelConfig
from tfface.models import blocks

CHANNELS = (32, 64, 128, 192, 256)
"""Of features at strides 2 to 32, times `config.width`."""
INPUTS = {"uv": 12, "picture": 6}
GEOMETRY = {"uv": ("displacement", 1), "picture": ("shape", 3)}
"""What the second head is called, and its channels; the first gives the albedo's three."""


def build(config: ModelConfig) -> keras.Model:
    """The network from `[B,S,S,C]` to `[B,S,S,4]` (uv) or `[B,S,S,6]`: the albedo's offset, then the shape's."""
    channels = [blocks.scaled(count, config.width) for count in CHANNELS]
    images = keras.Input((config.image_size, config.image_size, INPUTS[config.space]), name="images")
    x, skips = images, []
    for level, count in enumerate(channels):
        x = blocks.conv_bn(x, count, 3 if level else 4, 2, name=f"down{level}")
        x = blocks.conv_bn(x, count, 3, name=f"level{level}")
        skips.append(x)
    for level in (3, 2):
        x = _up(x, skips[level], channels[level], f"up{level}")
    geometry, size = GEOMETRY[config.space]
    heads = [_head(x, skips, channels, 3, "albedo"), _head(x, skips, channels, size, geometry)]
    return keras.Model(images, layers.Concatenate(name="offsets", dtype="float32")(heads), name=config.name)


def _up(x: Any, skip: Any, channels: int, name: str) -> Any:
    """Twice as large, joined with the encoder's features of that size."""
    x = layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_larger")(x)
    return blocks.conv_bn(layers.Concatenate(name=f"{name}_joined")([x, skip]), channels, 3, name=name)


def _head(x: Any, skips: list[Any], channels: list[int], size: int, name: str) -> Any:
    for level in (1, 0):
        x = _up(x, skips[level], channels[level], f"{name}{level}")
    last = layers.Conv2DTranspose(size, 4, 2, "same", kernel_initializer="zeros", dtype="float32", name=f"{name}_out")
    return last(x)


def predictor(model: keras.Model, config: ModelConfig) -> keras.Model:
    """`{"albedo": [B,S,S,3], "displacement": [B,S,S]}`, of the picture's space `"shape": [B,S,S,3]` in its place;
    averaged over the mirrored face if asked."""
    name, _ = GEOMETRY[config.space]
    offsets = model.output
    if config.mirror_average:
        inputs, outputs = _mirror_signs(config.space)
        other = model(ops.flip(model.input, axis=2) * inputs)
        offsets = (offsets + ops.flip(other, axis=2) * outputs) / 2
    offset_of_shape = offsets[..., 3:] if config.space == "picture" else ops.squeeze(offsets[..., 3:], axis=-1)
    named = {"albedo": offsets[..., :3], name: offset_of_shape}
    named_outputs = {
        key: layers.Activation("linear", dtype="float32", name=f"{key}_told")(x) for key, x in named.items()
    }
    return keras.Model(model.input, named_outputs, name=f"{config.name}_predictor")


TILT_U = 9
"""The channel of the chart's inputs that changes its sign in the mirror."""


def _mirror_signs(space: str) -> tuple[Any, Any]:
    """By what each channel of inputs and of offsets is multiplied in the mirror."""
    inputs, outputs = np.ones(INPUTS[space], np.float32), np.ones(3 + GEOMETRY[space][1], np.float32)
    if space == "uv":
        inputs[TILT_U] = -1
    else:
        outputs[3] = -1  # the shape's x
    return inputs, outputs
