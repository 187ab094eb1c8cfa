"""What training is judged by: the normalised mean error of the 68 landmarks, inside the network's graph."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray


class LandmarkError(keras.metrics.Metric):
    """`nme68`: mean 2D distance of the 68 landmarks over sqrt(width * height) of the true landmarks' box, in percent.

    A ratio of lengths, so any linear unit of the maps does.

    Args:
        landmark_matrix: dense `[68, R*R]`: landmarks = matrix @ flattened map.
    """

    def __init__(self, landmark_matrix: NDArray[np.floating], name: str = "nme68") -> None:
        super().__init__(name=name, dtype="float32")
        # Only the texels that some landmark reads: a few hundred of R*R.
        self.texels = np.flatnonzero(np.any(landmark_matrix != 0, axis=0)).astype(np.int32)
        self.matrix = np.ascontiguousarray(landmark_matrix[:, self.texels], np.float32)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        errors = landmark_errors(self._landmarks(y_true), self._landmarks(y_pred))
        self.total.assign_add(ops.sum(errors))
        self.count.assign_add(ops.cast(ops.shape(errors)[0], "float32"))

    def result(self) -> Any:
        return self.total / ops.maximum(self.count, 1.0)

    def _landmarks(self, maps: Any) -> Any:
        maps = ops.cast(maps[..., :2], "float32")
        flat = ops.reshape(maps, (-1, maps.shape[1] * maps.shape[2], 2))
        return ops.einsum("lt,btc->blc", self.matrix, ops.take(flat, self.texels, axis=1))


def landmark_errors(truth: Any, predicted: Any) -> Any:
    """Percent `[B]` of 2D landmarks `[B,L,2]`, normalised by the true landmarks' box."""
    distance = ops.mean(ops.sqrt(ops.sum(ops.square(predicted - truth), axis=-1)), axis=-1)
    side = ops.max(truth, axis=1) - ops.min(truth, axis=1)
    return 100.0 * distance / ops.sqrt(ops.maximum(side[:, 0] * side[:, 1], 1e-12))
