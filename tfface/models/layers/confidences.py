"""C-Net: how far each identity coefficient that a picture gives may be trusted (Deng et al. 2019, section 4).

From R-Net's shallow features (averaged over the picture) and its pooled ones, two small layers give a positive number
for each coefficient. The identity of a set of pictures is the mean weighted by them. R-Net itself stays as it is; so
C-Net is a part of its graph and of its file of weights, and cannot meet other weights than those it was trained on.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from tfface.models.layers.normalisation import BatchNormalization

FEATURES_LAYER, LAYER = "confidence_features", "confidences"
MOST = 3.0
"""Confidences lie within e to the minus and plus this: one picture never counts 400 times another."""
DROPOUT = 0.3


def beside(answer: Any, shallow: list[Any], pooled: Any, units: int, identity: int) -> Any:
    """`answer` as it is, with C-Net's layers beside it in the graph: `confidences` `[B,identity]`.

    Args:
        answer: the network's map.
        shallow: `[B,h,w,C]` features of several depths.
        pooled: `[B,F]`.
        units: of the layer between.
        identity: how many coefficients.
    """
    means = [layers.GlobalAveragePooling2D(dtype="float32")(part) for part in shallow]
    x = layers.Concatenate(dtype="float32", name=FEATURES_LAYER)([*means, pooled])
    x = BatchNormalization(dtype="float32", name="confidence_bn")(x)
    x = layers.Dropout(DROPOUT, dtype="float32", name="confidence_dropout")(x)
    x = layers.Dense(units, "relu", dtype="float32", name="confidence_hidden")(x)
    x = layers.Dropout(DROPOUT, dtype="float32", name="confidence_dropout2")(x)
    x = layers.Dense(identity, kernel_initializer="zeros", dtype="float32", name="confidence_raw")(x)
    return Beside(name="map_beside_confidences")([answer, Positive(name=LAYER)(x)])


def head(network: keras.Model) -> keras.Model:
    """C-Net alone, of a network that has it: its features `[B,F]` to confidences `[B,identity]`; shared layers."""
    return keras.Model(network.get_layer(FEATURES_LAYER).output, network.get_layer(LAYER).output, name="cnet")


def features(network: keras.Model) -> keras.Model:
    """Images `[B,S,S,3]` to what C-Net sees of them, `[B,F]`."""
    return keras.Model(network.input, network.get_layer(FEATURES_LAYER).output)


@keras.saving.register_keras_serializable(package="tfface")
class Positive(keras.layers.Layer):
    """Numbers without bounds to confidences."""

    def call(self, raw: Any) -> Any:
        return ops.exp(MOST * ops.tanh(ops.cast(raw, "float32") / MOST))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable(package="tfface")
class Beside(keras.layers.Layer):
    """The first of two inputs; the second is kept in the graph."""

    def call(self, inputs: Any) -> Any:
        return inputs[0]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]
