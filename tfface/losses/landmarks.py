"""Landmark losses: predicted against known points, one number a face, `[B]`.

- Squared (Deng et al. 2019, equation 2): `sum w_n |q_n - q_n'|^2 / 68` in pixels of a 224-pixel crop, w = 20 on the
  bridge of the nose (28 to 30, counted from 0) and the inner mouth (60 to 67), else 1, as in its published code.
- L1 (Fan, equation 5): mean over the points of `|du| + |dv|`.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

UNIT_SIZE_PX = 224
STRESSED_POINTS = (28, 29, 30, 60, 61, 62, 63, 64, 65, 66, 67)
STRESS = 20.0


def point_weights() -> NDArray[np.float32]:
    """The weights `[68]` of the squared loss."""
    weights = np.ones(68, np.float32)
    weights[list(STRESSED_POINTS)] = STRESS
    return weights


POINT_WEIGHTS = point_weights()


def squared_landmarks(
    predicted: tf.Tensor,
    truth: tf.Tensor,
    weights: tf.Tensor | NDArray[np.floating] = POINT_WEIGHTS,
    image_size: int = UNIT_SIZE_PX,
) -> tf.Tensor:
    """The squared loss `[B]`.

    Args:
        predicted, truth: `[B,N,2]` in pixels of a crop of `image_size`.
        weights: `[N]` or `[B,N]` (0 leaves a point out).
        image_size: side of the crop in pixels; distances are brought to a crop of 224.
    """
    square = tf.reduce_sum(((predicted - truth) * (UNIT_SIZE_PX / image_size)) ** 2, axis=-1)
    return tf.reduce_mean(tf.cast(weights, square.dtype) * square, axis=-1)


def l1_landmarks(predicted: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Fan's loss `[B]` of points `[B,N,2]`, in their unit."""
    return tf.reduce_mean(tf.reduce_sum(tf.abs(predicted - truth), axis=-1), axis=-1)
