"""What training is judged by, in the network's graph: normalised mean errors of the 68 landmarks and of the face."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from tfface.face.position_map import PositionMap


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
        errors = landmark_errors(self._landmarks(y_true), self._landmarks(y_pred[..., -3:]))
        self.total.assign_add(ops.sum(errors))
        self.count.assign_add(ops.cast(ops.shape(errors)[0], "float32"))

    def result(self) -> Any:
        return self.total / ops.maximum(self.count, 1.0)

    def _landmarks(self, maps: Any) -> Any:
        maps = ops.cast(maps[..., :2], "float32")
        flat = ops.reshape(maps, (-1, maps.shape[1] * maps.shape[2], 2))
        return ops.einsum("lt,btc->blc", self.matrix, ops.take(flat, self.texels, axis=1))


class FaceError(LandmarkError):
    """`nme_face`: mean 3D distance of the face's texels, normalised as `LandmarkError` does, in percent.

    No weight of the loss enters, so runs with different weights can be compared by it.

    Args:
        landmark_matrix: dense `[68, R*R]`: landmarks = matrix @ flattened map.
        face: `[R,R]`, not zero where a texel belongs to the face without its neck.
    """

    def __init__(
        self, landmark_matrix: NDArray[np.floating], face: NDArray[np.floating], name: str = "nme_face"
    ) -> None:
        super().__init__(landmark_matrix, name)
        self.face = (face != 0).astype(np.float32)

    @classmethod
    def of(cls, topology: PositionMap) -> FaceError:
        """For maps of this topology."""
        return cls(topology.landmark_matrix(), topology.weight_mask((1.0, 1.0, 1.0, 0.0)))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true = ops.cast(y_true, "float32")
        distance = ops.sqrt(ops.sum(ops.square(ops.cast(y_pred[..., -3:], "float32") - y_true[..., :3]), axis=-1))
        known = y_true[..., 3] if y_true.shape[-1] == 4 else ops.ones_like(distance)
        weight = known * self.face
        mean = ops.sum(distance * weight, axis=(1, 2)) / ops.maximum(ops.sum(weight, axis=(1, 2)), 1.0)
        errors = 100.0 * mean / box_sides(self._landmarks(y_true))
        self.total.assign_add(ops.sum(errors))
        self.count.assign_add(ops.cast(ops.shape(errors)[0], "float32"))


def landmark_errors(truth: Any, predicted: Any) -> Any:
    """Percent `[B]` of 2D landmarks `[B,L,2]`, normalised by the true landmarks' box."""
    distance = ops.mean(ops.sqrt(ops.sum(ops.square(predicted - truth), axis=-1)), axis=-1)
    return 100.0 * distance / box_sides(truth)


def box_sides(landmarks: Any) -> Any:
    """sqrt(width * height) `[B]` of the boxes of 2D landmarks `[B,L,2]`."""
    side = ops.max(landmarks, axis=1) - ops.min(landmarks, axis=1)
    return ops.sqrt(ops.maximum(side[:, 0] * side[:, 1], 1e-12))
