"""Points of the face found in the picture: where they are, how far apart neighbours are, and how sure each of it is.

Every point has a heat map, whose centre of mass is where it lies (soft-argmax), of features of stride 8 and 4. Pairs of
points (`EXPRESSIVE_PAIRS`: lids, lips, brows) are measured as differences of their own: points' errors are mostly
common to a whole eye or mouth, so how far a lid is open can be known better than where it is.

A certainty has to stay alive: a standard deviation is `least + usual * exp(2.5 tanh(x / 2.5))`, whose gradient is
nowhere zero.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from tfface.models.layers import blocks, maps
from tfface.models.layers.float32 import Float32Layer

CHANNELS = 64
REACH = 1.25
"""The heat maps' cells stand for an area this much larger than the crop, so that points just outside can be said."""
POINT_LEAST_PX, POINT_USUAL_PX = 0.4, 4.0
APART_LEAST_PX, APART_USUAL_PX = 0.25, 1.5
SPREAD = 2.5
OFFSET_PX = 8.0
"""What a unit of a pair's own head is worth."""


def deviation(raw: Any, least_px: float, usual_px: float) -> Any:
    """Standard deviations in pixels of numbers without bounds, all within (`least`, `least + 12.2 usual`)."""
    return least_px + usual_px * ops.exp(SPREAD * ops.tanh(raw / SPREAD))


def found(features: Any, skips: list[Any], count: int, pairs: NDArray[np.int32]) -> tuple[Any, Any, Any, Any]:
    """Points `[B,N,2]` in pixels of the 256-pixel crop and their standard deviations `[B,N,1]`, then differences
    `[B,P,2]` and theirs `[B,P,1]`.

    Args:
        features: the encoder's last, of stride 32.
        skips: its deepest of strides 2, 4, 8 and 16.
        count: N.
        pairs: `[P,2]` the pairs' points.
    """
    x = blocks.upsampled(features, CHANNELS, "points16", skips[3])
    x = blocks.upsampled(x, CHANNELS, "points8", skips[2])
    y = blocks.upsampled(x, CHANNELS, "points4", skips[1])

    def head(of: Any, channels: int, name: str, start: str = "zeros") -> Any:
        return layers.Conv2D(channels, 1, dtype="float32", kernel_initializer=start, name=name)(of)

    rough = layers.UpSampling2D(2, interpolation="bilinear", dtype="float32", name="points_heat_up")(
        head(x, count, "points_heat", "glorot_uniform")
    )
    heat = layers.Add(dtype="float32", name="points_heat_sum")([rough, head(y, count, "points_heat4")])
    doubt, apart = head(y, count, "points_certainty"), head(y, 3 * len(pairs), "points_apart")
    return PointsAndDifferences(pairs.tolist(), name="points")([heat, doubt, apart])


def cell_centres(height: int, width: int) -> NDArray[np.float32]:
    """`[height * width, 2]` u and v of the cells, in pixels of the crop."""
    half = maps.CROP_SIZE / 2
    u = half + half * REACH * (2 * (np.arange(width) + 0.5) / width - 1)
    v = half + half * REACH * (2 * (np.arange(height) + 0.5) / height - 1)
    return np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2).astype(np.float32)


@keras.saving.register_keras_serializable(package="tfface")
class PointsAndDifferences(Float32Layer):
    """Heat maps and doubts `[B,h,w,N]` and pairs' maps `[B,h,w,3P]` to points `[B,N,2]`, their deviations `[B,N,1]`,
    differences first point less second `[B,P,2]`, and theirs `[B,P,1]`, all in pixels of the crop.

    A pair's three maps (how much farther apart in u and v than the points say, and how sure) are read where the heat
    maps see its two points.

    Args:
        pairs: `P` pairs of points.
    """

    def __init__(self, pairs: list[list[int]], **options: Any) -> None:
        super().__init__(**options)
        self.pairs = [list(pair) for pair in pairs]

    def call(self, inputs: Any) -> Any:
        heat, doubt, apart = (_by_channel(x) for x in inputs)
        share = ops.softmax(heat, axis=2)
        height, width = inputs[0].shape[1:3]
        points = ops.matmul(share, ops.convert_to_tensor(cell_centres(height, width)))
        sigma = deviation(ops.sum(share * doubt, axis=2, keepdims=True), POINT_LEAST_PX, POINT_USUAL_PX)
        first, second = np.array(self.pairs, np.int32).T
        seen = 0.5 * (ops.take(share, first, axis=1) + ops.take(share, second, axis=1))
        maps_of_pair = ops.reshape(apart, (-1, len(first), 3, height * width))
        read = ops.sum(seen[:, :, None] * maps_of_pair, axis=3)
        between = ops.take(points, first, axis=1) - ops.take(points, second, axis=1) + OFFSET_PX * read[..., :2]
        return points, sigma, between, deviation(read[..., 2:], APART_LEAST_PX, APART_USUAL_PX)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, _, _, count = input_shape[0]
        pairs = len(self.pairs)
        return (batch, count, 2), (batch, count, 1), (batch, pairs, 2), (batch, pairs, 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pairs": self.pairs}


def _by_channel(x: Any) -> Any:
    """`[B,h,w,C]` to `[B,C,h*w]`: sums over cells run along memory, and ONNX Runtime's features lie so anyway."""
    return ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, x.shape[3], x.shape[1] * x.shape[2]))
