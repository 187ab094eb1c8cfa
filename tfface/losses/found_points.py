"""What networks that find points in the picture learn of them: their places, their differences, and how sure to be.

With p the points and their deviations s, g the differences of pairs of landmarks (`EXPRESSIVE_PAIRS`) and theirs:

    points * mean w_i |p_i - true|  +  gaps * (mean |g - true| as measured + mean |g - true| in the answer)
        + certainty * mean (|error| / b + log b),  b = s / sqrt(2)

The last is minus the logarithm of Laplace's likelihood, whose tails are those of points that went to hair and hands.
The errors in it are constants, so that it teaches deviations alone. Keras operations, float32, `[B]` per sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from tfface.config import LossConfig
from tfface.face.found_points import landmark_texels
from tfface.face.position_map import PositionMap
from tfface.geometry.ibug68 import BROWS, EXPRESSIVE_PAIRS
from tfface.losses.map_regularisers import read_landmarks

CHANNELS = 12
"""Of the output of a network with points (`tfface.models.layers.points.JoinedMaps`)."""
EYES_AND_LIPS = slice(36, 68)


class FoundPoints:
    """The loss `[B]` of a network's points.

    Args:
        config: the weights.
        topology: of the maps' resolution.
    """

    def __init__(self, config: LossConfig, topology: PositionMap) -> None:
        self.config = config
        self.samples = topology.landmark_samples()
        self.texels = landmark_texels(topology.resolution)
        self.weights = self._weights(topology.resolution)

    def _weights(self, resolution: int) -> NDArray[np.float32]:
        """How much a point counts, `[R,R]`."""
        weights = np.ones(resolution**2, np.float32)
        weights[self.texels[BROWS]] = max(self.config.expressive / 3, 1.0)
        weights[self.texels[EYES_AND_LIPS]] = max(self.config.expressive, 1.0)
        return weights.reshape(resolution, resolution)

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        """True maps `[B,R,R,3 or 4]` and a network's output `[B,R,R,12]`, in network units."""
        found = y_pred[..., 3:5]
        one = ops.cast(ops.any(found != 0, axis=-1), "float32")
        known = one * y_true[..., 3] if y_true.shape[-1] == 4 else one
        off = ops.mean(ops.abs(found - y_true[..., :2]), axis=-1)
        total = self.config.points * _mean(off, known * self.weights)
        sure = _surprise(off, y_pred[..., 5], known)
        apart, deviation, measured = self._pairs(y_true, y_pred)
        sure = sure + _surprise(apart, deviation, measured)
        gaps = _mean(apart, measured) + self._gaps_of_answer(y_true, y_pred)
        return total + self.config.gaps * gaps + self.config.certainty * sure

    def _pairs(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
        """How wrong each measured difference is, its deviation, and which are measured and known: `[B,P]`."""
        first, second = np.array(EXPRESSIVE_PAIRS, np.int32).T
        flat = ops.reshape(y_true, (-1, y_true.shape[1] * y_true.shape[2], y_true.shape[3]))
        a, b = (ops.take(flat, self.texels[landmarks], axis=1) for landmarks in (first, second))
        measured_pairs = ops.reshape(y_pred[..., 6:9], (-1, flat.shape[1], 3))[:, : len(first)]
        apart = ops.mean(ops.abs(measured_pairs[..., :2] - (a - b)[..., :2]), axis=-1)
        measured = ops.cast(measured_pairs[..., 2] > 0, "float32")
        if y_true.shape[-1] == 4:
            measured = measured * a[..., 3] * b[..., 3]
        return apart, measured_pairs[..., 2], measured

    def _gaps_of_answer(self, y_true: Any, y_pred: Any) -> Any:
        first, second = np.array(EXPRESSIVE_PAIRS, np.int32).T
        true, answer = (read_landmarks(m, *self.samples) for m in (y_true[..., :3], y_pred[..., -3:]))
        difference = answer - true
        gap = ops.take(difference, first, axis=1) - ops.take(difference, second, axis=1)
        return ops.mean(ops.abs(gap), axis=(1, 2))


def _mean(values: Any, weights: Any) -> Any:
    axes = tuple(range(1, len(values.shape)))
    return ops.sum(values * weights, axis=axes) / ops.maximum(ops.sum(weights, axis=axes), 1e-6)


def _surprise(error: Any, deviation: Any, known: Any) -> Any:
    """Minus the logarithm of Laplace's likelihood of errors, less a constant; one unit for both."""
    scale = ops.maximum(deviation, 1e-6) / np.sqrt(2.0)
    return _mean(ops.stop_gradient(error) / scale + ops.log(scale), known)
