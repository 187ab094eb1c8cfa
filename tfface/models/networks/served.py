"""The networks that end in a position map as people use them."""

from __future__ import annotations

import keras
from keras import layers

from tfface.config import ModelConfig
from tfface.geometry.align import MAP_SIZE
from tfface.models.layers import blocks, maps, points


def predictor(model: keras.Model, config: ModelConfig) -> keras.Model:
    """`model` with its map resized to 256 and in pixels of a 256-pixel crop: `{"position_map": [B,256,256,3]}`, and
    where it knows them `"landmark_deviations"` `[B,68]` (`points.landmark_deviations`)."""
    units = model.get_layer(points.JOINED_LAYER).input[-1] if config.points else maps.last_map(model.output)
    pixels = maps.ToPixels(config.output, name="pixels")(units)
    images, answers = model.input, {"position_map": pixels, **points.landmark_deviations(model, config)}
    if config.mirror_average:
        images, answers = maps.averaged_with_mirror(images, answers, {"position_map": maps.mirrored})
    if units.shape[1] != MAP_SIZE:
        answers["position_map"] = blocks.ResizeMap(MAP_SIZE, name="resize_to_256")(answers["position_map"])
    named = {name: layers.Activation("linear", dtype="float32", name=name)(x) for name, x in answers.items()}
    return keras.Model(images, named, name=f"{config.name}_predictor")
