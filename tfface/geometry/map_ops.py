"""Geometry of position maps inside a network's graph, in `keras.ops`: similarities, normals, neighbours.

The weighted similarity that takes points x to y is found as Horn (1987, JOSA A 4, 629) does: the rotation's quaternion
is the top eigenvector of a symmetric 4x4 matrix built from the covariance, never a reflection. The eigenvector comes
from squaring the shifted matrix again and again: products of 4x4 matrices only, which every backend, ONNX and LiteRT
have, and whose gradient has no poles where singular values meet. Rows are points: `y = s x R^T + t`.
"""

from __future__ import annotations

from typing import Any

from keras import ops

SQUARINGS = 8
TINY = 1e-12


def fit_similarities(source: Any, target: Any, weights: Any) -> tuple[Any, Any, Any]:
    """The similarities `(s [B,1,1], R [B,3,3], t [B,1,3])` of least weighted squared error from `source` to `target`.

    Args:
        source, target: `[B,N,3]`.
        weights: `[B,N,1]`, not negative.
    """
    share = weights / ops.maximum(ops.sum(weights, axis=1, keepdims=True), TINY)
    mean_source = ops.sum(share * source, axis=1, keepdims=True)
    mean_target = ops.sum(share * target, axis=1, keepdims=True)
    centred = source - mean_source
    covariance = ops.einsum("bni,bnj->bij", share * centred, target - mean_target)
    rotation = rotation_of(covariance)
    variance = ops.sum(share * ops.square(centred), axis=(1, 2), keepdims=True)
    scale = ops.sum(covariance * ops.transpose(rotation, (0, 2, 1)), axis=(1, 2), keepdims=True)
    scale = scale / ops.maximum(variance, TINY)
    return scale, rotation, mean_target - scale * _turned(mean_source, rotation)


def apply_similarities(fit: tuple[Any, Any, Any], points: Any) -> Any:
    """Points `[B,N,3]` under similarities."""
    scale, rotation, shift = fit
    return scale * _turned(points, rotation) + shift


def unapply_similarities(fit: tuple[Any, Any, Any], points: Any) -> Any:
    """Points `[B,N,3]` under the inverse of similarities."""
    scale, rotation, shift = fit
    return ops.matmul(points - shift, rotation) / ops.maximum(scale, TINY)


def rotation_of(covariance: Any) -> Any:
    """The rotations `[B,3,3]` that turn sources to targets, from `[B,3,3]` sums of source_i target_j."""
    c = [[covariance[:, i, j] for j in range(3)] for i in range(3)]
    skew = [c[1][2] - c[2][1], c[2][0] - c[0][2], c[0][1] - c[1][0]]
    trace = c[0][0] + c[1][1] + c[2][2]
    rows = [[trace, *skew]]
    for i in range(3):
        rows.append([skew[i], *(2 * c[i][i] - trace if i == j else c[i][j] + c[j][i] for j in range(3))])
    matrix = ops.stack([ops.stack(row, axis=-1) for row in rows], axis=1)
    return _matrix_of(_top_eigenvector(matrix))


def _top_eigenvector(matrix: Any) -> Any:
    """The unit eigenvector `[B,4]` of the largest eigenvalue of symmetric matrices `[B,4,4]`."""
    power = matrix / _norm(matrix) + ops.eye(4)  # no eigenvalue is negative now
    for _ in range(SQUARINGS):
        power = ops.matmul(power, power)
        power = power / _norm(power)
    # Now q q^T: its column of largest norm is the surest.
    chosen = ops.one_hot(ops.argmax(ops.sum(ops.square(power), axis=1), axis=-1), 4)
    vector = ops.einsum("bij,bj->bi", power, ops.cast(chosen, power.dtype))
    return vector / ops.sqrt(ops.maximum(ops.sum(ops.square(vector), axis=-1, keepdims=True), TINY))


def _norm(matrix: Any) -> Any:
    return ops.sqrt(ops.maximum(ops.sum(ops.square(matrix), axis=(1, 2), keepdims=True), TINY))


def _matrix_of(quaternion: Any) -> Any:
    w, x, y, z = (quaternion[:, i] for i in range(4))
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return ops.stack([ops.stack(row, axis=-1) for row in rows], axis=1)


def _turned(points: Any, rotation: Any) -> Any:
    return ops.matmul(points, ops.transpose(rotation, (0, 2, 1)))


def normals(maps: Any) -> Any:
    """Unit normals `[B,R-1,R-1,3]` of position maps `[B,R,R,3]` (u right, v down, depth to the camera).

    The third component is positive where the surface faces the camera: the map's columns run to the picture's right and
    its rows down on a face that looks at us. Zero where a cell has no area.
    """
    size = maps.shape[1]  # edges as numbers about 1, whose products are far from `TINY`
    across = size * (maps[:, :-1, 1:] - maps[:, :-1, :-1])
    down = size * (maps[:, 1:, :-1] - maps[:, :-1, :-1])
    (ax, ay, az), (dx, dy, dz) = (ops.unstack(edge, axis=-1) for edge in (across, down))
    cross = ops.stack([ay * dz - az * dy, az * dx - ax * dz, ax * dy - ay * dx], axis=-1)
    return cross / ops.sqrt(ops.maximum(ops.sum(ops.square(cross), axis=-1, keepdims=True), TINY))
