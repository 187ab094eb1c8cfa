"""PRN (Feng et al. 2018): a residual encoder and 17 transposed convolutions, as Lium 2020 and Zhou 2021 start from it.

Images `[B,S,S,3*views]` to a map `[B,R,R,3]` in network units. A 4x4 convolution to 16 channels, ten bottleneck blocks
(five of stride 2) to `[S/32,S/32,512]`, and PRNet's decoder. No layer has a bias, each is normalised over the batch,
the last too, before its sigmoid or tanh; 13,365,508 parameters with one view, 13,366,276 with two.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from tfface.config import ModelConfig
from tfface.models.layers import blocks

STEM_CHANNELS = 16
ENCODER = ((32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1))
"""Channels and stride of each residual block (Zhou 2021, table 3.1)."""
FULL_DECODER = (
    *((512, 1), (256, 2), (256, 1), (256, 1), (128, 2), (128, 1), (128, 1), (64, 2), (64, 1), (64, 1)),
    *((32, 2), (32, 1), (16, 2), (16, 1), (3, 1), (3, 1), (3, 1)),
)
"""Channels and stride of each transposed convolution (table 4.1); the last three give the map."""


def build(config: ModelConfig) -> keras.Model:
    """The network from images to its map `[B,map_size,map_size,3]` in network units, float32."""
    images = keras.Input((config.image_size, config.image_size, 3 * config.views), name="images")
    units = resized(decoder(encoder(images, config), config), config, "resize")
    return keras.Model(images, layers.Activation("linear", dtype="float32", name="map")(units), name=config.name)


def encoder(images: Any, config: ModelConfig) -> Any:
    """Features `[B,S/32,S/32,512]` (times `config.width`)."""
    x = blocks.plain_conv_bn(images, blocks.scaled(STEM_CHANNELS, config.width), 4, 1, "stem")
    for number, (channels, stride) in enumerate(ENCODER, start=1):
        x = blocks.bottleneck(x, blocks.scaled(channels, config.width), stride, f"block{number}")
    return x


def decoder(x: Any, config: ModelConfig) -> Any:
    """The 17 transposed convolutions: the map at the images' size."""
    for number, (channels, stride) in enumerate(FULL_DECODER[:-1], start=1):
        x = blocks.transposed_bn(x, decoder_channels(channels, config), stride, f"up{number}")
    return blocks.transposed_bn(x, 3, 1, f"up{len(FULL_DECODER)}", config.output)


def decoder_channels(channels: int, config: ModelConfig) -> int:
    """`channels` times `config.decoder_width`; the three coordinates stay three."""
    return channels if channels == 3 else blocks.scaled(channels, config.decoder_width)


def resized(units: Any, config: ModelConfig, name: str) -> Any:
    """The map at `config.map_size`."""
    return units if units.shape[1] == config.map_size else blocks.ResizeMap(config.map_size, name=name)(units)
