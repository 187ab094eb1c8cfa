"""Which points of a face the camera sees, by z-buffer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.geometry.raster import rasterize

FloatArray = NDArray[np.floating]
BUFFER_PIXELS = 256
TOLERANCE = 0.02  # of the mesh's larger side: what a point may lie behind the buffer's surface and still be seen


def visible_points(points: FloatArray, vertices: FloatArray, triangles: NDArray[np.integer]) -> NDArray[np.bool_]:
    """`[N]` which of `points` `[N,3]` no part of the mesh hides.

    Args:
        points, vertices: `[N,3]` and `[V,3]` u, v, depth in pixels (larger is nearer).
        triangles: `[F,3]`, counter-clockwise from outside; those that turn away hide nothing.
    """
    low, high = vertices[:, :2].min(0), vertices[:, :2].max(0)
    zoom = (BUFFER_PIXELS - 4) / max(float((high - low).max()), 1e-9)

    def placed(values: FloatArray) -> NDArray[np.float32]:
        return np.asarray((np.asarray(values, np.float64) - [*low, 0.0]) * zoom + [2.0, 2.0, 0.0], np.float32)

    depth = rasterize(placed(vertices), triangles, BUFFER_PIXELS, BUFFER_PIXELS)[2]
    own = placed(points)
    column, row = np.clip(own[:, :2].astype(int), 0, BUFFER_PIXELS - 1).T
    return np.asarray(own[:, 2] >= depth[row, column] - TOLERANCE * BUFFER_PIXELS)


def errors_by_visibility(
    predicted: FloatArray, truth: FloatArray, visible: NDArray[np.bool_], normaliser: float
) -> dict[str, float]:
    """2D NME in per cent of the `visible` and of the `hidden` points `[K,2 or 3]`, as far as there are any."""
    distance = 100.0 * np.linalg.norm(np.asarray(predicted)[:, :2] - np.asarray(truth)[:, :2], axis=-1) / normaliser
    groups = {"visible": distance[visible], "hidden": distance[~visible]}
    return {name: float(values.mean()) for name, values in groups.items() if values.size}
