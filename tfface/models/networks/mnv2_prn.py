"""MobileNetV2 position-map network: Lium's (table 4.1), and a light relative for small machines.

Images `[B,S,S,3*views]` in [0,1] to a position map in network units. The full network is MobileNetV2's encoder (bias
and batch normalisation in every convolution), a 1x1 convolution to 512 and PRNet's 17 transposed 4x4 convolutions with
bias; 11,791,273 parameters with two views at width 1.0. The light one keeps the encoder and predicts a smaller map with
bilinear upsampling and separable convolutions: a position map is smooth, and the stride-1 4x4 convolutions at 128 and
256 are nearly all of the full decoder's arithmetic. The basis decoder ends in principal components of posed maps; with
`config.points` the network also finds points of the face, and the components move to them
(`tfface.models.layers.points`).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from tfface.config import ModelConfig
from tfface.models.layers import blocks, points
from tfface.models.layers.map_basis import MapBasis
from tfface.models.networks.prn import FULL_DECODER, decoder_channels

LIGHT_CHANNELS = (256, 160, 96, 32, 32, 16, 16)
"""Channels of the light decoder after each doubling."""


def build(config: ModelConfig) -> keras.Model:
    """The network from images to its map `[B,map_size,map_size,3]` in network units, float32; with points to
    `[B,map_size,map_size,8 or 12]` (`points.JoinedMaps`)."""
    images = keras.Input((config.image_size, config.image_size, 3 * config.views), name="images")
    features, skips = blocks.mobilenet_v2(images, config.width, config.features)
    if config.decoder == "full":
        decoded = full_decoder(features, config)
    elif config.decoder == "light":
        decoded = light_decoder(features, skips, config)
    else:
        decoded = basis_decoder(features, skips, config)
    if decoded.shape[1] != config.map_size:
        decoded = blocks.ResizeMap(config.map_size, name="resize")(decoded)
    units = layers.Activation("linear", dtype="float32", name="map")(decoded)
    return keras.Model(images, units, name=config.name)


def full_decoder(x: Any, config: ModelConfig) -> Any:
    """PRNet's 17 transposed convolutions: 32 times the size of the features."""
    for number, (channels, stride) in enumerate(FULL_DECODER, start=1):
        name = f"up{number}"
        if channels == 3:
            x = blocks.transposed_coordinates(x, name, config.output if number == len(FULL_DECODER) else "relu")
        else:
            x = blocks.transposed(x, decoder_channels(channels, config), stride, name)
    return x


def light_decoder(x: Any, skips: list[Any], config: ModelConfig) -> Any:
    """Doublings up to `config.map_size`, then one 3x3 convolution to the map."""
    available = list(skips) if config.skips else []
    for number, channels in enumerate(LIGHT_CHANNELS, start=1):
        if x.shape[1] >= config.map_size:
            break
        skip = available.pop() if available else None
        x = blocks.upsampled(x, blocks.scaled(channels, config.decoder_width), f"up{number}", skip)
    x = layers.Conv2D(3, 3, padding="same", name="units")(x)
    # Activations of the map are float32 whatever the policy is: 16 bits know a coordinate to an eighth of a pixel only.
    return layers.Activation(config.output, dtype="float32", name=f"units_{config.output}")(x)


def basis_decoder(x: Any, skips: list[Any], config: ModelConfig) -> Any:
    """A depthwise convolution over the whole feature map (it keeps where things are), then components of posed maps."""
    start = keras.initializers.VarianceScaling(0.01)
    dense = layers.Dense(config.components, dtype="float32", kernel_initializer=start, name="coefficients")
    components = dense(blocks.flattened(x))
    basis = MapBasis(config.map_size, config.components, config.output, name="basis")
    if not config.points:
        return basis(components)
    found = points.found_in(x, skips, config)
    moved = points.ComponentsToPoints(config.map_size, config.points, name="moved")([components, *found])
    return points.JoinedMaps(config.output, name=points.JOINED_LAYER)([basis(components), *found, basis(moved)])
