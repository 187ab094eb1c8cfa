"""Detail on top of a frozen R-Net: a U-Net with one encoder and two heads, split after the second up-sampling (Fan).

`config.space` picture, as Fan has it: photograph and base render `[B,224,224,6]` in, two maps `[B,224,224,3]` out,
offsets of albedo (in [0,1]) and of shape (decimetres in the camera's axes), read bilinearly where a vertex lands.

`config.space` uv: both unrolled into the face's chart, `[B,S,S,12]` (`tfface.viz.unwrapped`), and out come the
albedo's offset and one number a texel, the displacement along the base's normal in millimetres.

Both begin as the base: the last convolutions start at zero.

A U-Net that mends the base's shape sees few of the skin's lines: they are a twentieth of what it is asked for. With
`config.lines` it works at half of the chart's size, and a small fully convolutional network at the whole adds lines to
the displacement. That one is shown contrasts, how much darker a texel is than its surroundings, which photographs and
synthetic faces have in common, and which way the light falls.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from tfface.config import ModelConfig
from tfface.models.layers import blocks

CHANNELS = (32, 64, 128, 192, 256)
"""Of features at strides 2 to 32, times `config.width`."""
LINES = (12, 24, 48, 64)
"""Of the lines' features at strides 1 to 8."""
NEAR, FAR, AROUND = 8, 32, 64
"""Sides in texels of the surroundings that contrasts are measured against, and of those that they are usual in."""
WIDEST_LINE = 9
"""Lines are less means over so many texels of means over so many."""
INPUTS = {"uv": 12, "picture": 6}
GEOMETRY = {"uv": ("displacement", 1), "picture": ("shape", 3)}
"""What the second head is called, and its channels; the first gives the albedo's three."""


def build(config: ModelConfig) -> keras.Model:
    """The network from `[B,S,S,C]` to `[B,S,S,4]` (uv) or `[B,S,S,6]`: the albedo's offset, then the shape's."""
    channels = [blocks.scaled(count, config.width) for count in CHANNELS]
    images = keras.Input((config.image_size, config.image_size, INPUTS[config.space]), name="images")
    x, skips = layers.AveragePooling2D(2, name="halved")(images) if config.lines else images, []
    for level, count in enumerate(channels):
        x = blocks.conv_bn(x, count, 3 if level else 4, 2, name=f"down{level}")
        x = blocks.conv_bn(x, count, 3, name=f"level{level}")
        skips.append(x)
    for level in (3, 2):
        x = _up(x, skips[level], channels[level], f"up{level}")
    geometry, size = GEOMETRY[config.space]
    heads = [_head(x, skips, channels, 3, "albedo"), _head(x, skips, channels, size, geometry)]
    offsets = layers.Concatenate(name="offsets", dtype="float32")(heads)
    if config.lines:
        offsets = _larger(offsets, 2)
        displacement = offsets[..., 3:] + _lines(_contrasts(images))
        offsets = ops.concatenate([offsets[..., :3], displacement], axis=-1)
    return keras.Model(images, offsets, name=config.name)


def without_lines(config: ModelConfig) -> ModelConfig:
    """The U-Net inside a network with lines."""
    return dataclasses.replace(
        config, lines=False, image_size=config.image_size // 2, map_size=config.map_size // 2, mirror_average=False
    )


def _larger(x: Any, factor: int) -> Any:
    return layers.UpSampling2D(factor, interpolation="bilinear", dtype="float32")(x)


def _around(x: Any, texels: int) -> Any:
    """Means over about so many texels a side."""
    return _larger(layers.AveragePooling2D(texels, dtype="float32")(x), texels)


def _contrasts(images: Any) -> Any:
    """What lines are found in, `[B,S,S,6]`: how much brighter than its surroundings a texel is, plainly, as a share of
    what is usual there, and against wider ones; which way the light falls; what is seen."""
    grey = ops.log(ops.mean(images[..., :3], axis=-1, keepdims=True) + 0.03)
    near, far = grey - _around(grey, NEAR), grey - _around(grey, FAR)
    usual = ops.sqrt(_around(ops.square(near), AROUND)) + 0.02
    tilt, seen = images[..., TILT_U : TILT_U + 2], images[..., TILT_U + 2 :]
    # times what brings each near 1 on skin with lines
    return ops.concatenate([8.0 * near, 0.5 * near / usual, 3.0 * far, 4.0 * tilt, seen], axis=-1)


def _lines(x: Any) -> Any:
    """`[B,S,S,1]` mm, at first zero; less its surroundings' mean, since what is wider than a line is the U-Net's."""
    skips = []
    for level, count in enumerate(LINES):
        if level:
            x = blocks.conv_bn(x, count, 3, 2, name=f"lines_down{level}")
        x = blocks.conv_bn(x, count, 3, name=f"lines_level{level}")
        skips.append(x)
    for level in (2, 1, 0):
        x = blocks.conv_bn(x, LINES[level], 1, name=f"lines_squeeze{level}")
        x = _up(x, skips[level], LINES[level], f"lines_up{level}")
    line = layers.Conv2D(1, 3, padding="same", kernel_initializer="zeros", dtype="float32", name="lines_out")(x)
    around = line
    for _ in range(2):
        around = layers.AveragePooling2D(WIDEST_LINE, 1, "same", dtype="float32")(around)
    return line - around


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
        key: layers.Activation("linear", dtype="float32", name=f"{key}_served")(x) for key, x in named.items()
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
