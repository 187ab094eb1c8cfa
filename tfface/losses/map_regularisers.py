"""What a predicted map should be besides near the truth; each a function of network units, `[B]` per sample.

With V the 68 landmarks, e the edges between neighbouring texels and n the normals:
- symmetry (Zhou 2021, equation 3.2): mean over 29 pairs (i, j) of | |V_i - V_30| - |V_j - V_30| |, whatever the pose;
- smoothness (Zhou 2021, equation 3.3): mean over texels of | P - mean of its four neighbours |;
- edges (SADRNet): mean over edges of | |e| - |e true| |;
- normals (SADRNet): mean over texels of 1 - n . n true.

The first two are not zero at the truth: faces are neither symmetric nor flat. In `keras.ops`, float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from tfface.geometry.ibug68 import MIRROR_PAIRS, NOSE_TIP
from tfface.geometry.map_ops import normals

TINY = 1e-12


def landmark_symmetry(landmarks: Any) -> Any:
    """How differently far from the tip of the nose mirrored landmarks are; landmarks `[B,68,3]`."""
    left, right = np.array(MIRROR_PAIRS, np.int32).T
    distance = _length(landmarks - landmarks[:, NOSE_TIP : NOSE_TIP + 1])
    return ops.mean(ops.abs(ops.take(distance, left, axis=1) - ops.take(distance, right, axis=1)), axis=1)


def smoothness(maps: Any, support: Any) -> Any:
    """How far texels of `[B,R,R,3]` lie from the mean of their neighbours; `support` `[R,R]` says which count."""
    around = maps[:, :-2, 1:-1] + maps[:, 2:, 1:-1] + maps[:, 1:-1, :-2] + maps[:, 1:-1, 2:]
    return mean_over(_length(maps[:, 1:-1, 1:-1] - around / 4), support[1:-1, 1:-1])


def edge_lengths(truth: Any, predicted: Any, support: Any) -> Any:
    """How differently long the edges between neighbouring texels are."""
    total = 0.0
    for axis, here in ((1, support[:-1]), (2, support[:, :-1])):
        true, found = (_length(_difference(maps, axis)) for maps in (truth, predicted))
        total = total + mean_over(ops.abs(found - true), here) / 2
    return total


def normal_difference(truth: Any, predicted: Any, support: Any) -> Any:
    """One minus the cosine between true and predicted normals."""
    true = normals(truth)
    known = ops.sum(ops.square(true), axis=-1)  # 0 where texels outside the chart repeat their neighbour
    return mean_over(known - ops.sum(true * normals(predicted), axis=-1), support[:-1, :-1])


def read_landmarks(maps: Any, texels: NDArray[np.integer], weights: NDArray[np.floating]) -> Any:
    """Landmarks `[B,L,3]`, each a blend of four texels: `texels` and `weights` are `[L,4]`."""
    flat = ops.reshape(maps, (-1, maps.shape[1] * maps.shape[2], 3))
    corners = ops.reshape(ops.take(flat, texels.ravel(), axis=1), (-1, *texels.shape, 3))
    return ops.sum(corners * ops.convert_to_tensor(weights[..., None], "float32"), axis=2)


def _difference(maps: Any, axis: int) -> Any:
    return maps[:, 1:] - maps[:, :-1] if axis == 1 else maps[:, :, 1:] - maps[:, :, :-1]


def _length(vectors: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(vectors), axis=-1) + TINY)


def mean_over(values: Any, support: Any) -> Any:
    """The mean of `[B,R,R]` over the texels that count in `[R,R]`, for each sample."""
    support = ops.convert_to_tensor(support, "float32")
    return ops.sum(values * support, axis=(1, 2)) / ops.maximum(ops.sum(support), 1.0)
