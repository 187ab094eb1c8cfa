"""What of a head a photograph shows.

A vertex counts as seen where the surface faces the camera, nothing stands before it, and no silhouette is near: there
pixels are mixed with what lies behind.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.face.head_uv import head_uv
from tfface.face.open_model import MAX_LEVEL, load_open_face
from tfface.geometry.raster import depth_of, vertex_normals

FloatArray = NDArray[np.floating]
BUFFER_PIXELS = 512
SOME_TRIANGLES = 29
"""One of so many tells how fine a texture is."""
JUMP = 0.016
"""Of the head's size: a step in depth so large is a silhouette."""
MARGIN = (0.006, 0.022)
"""Of the head's size: so far from a silhouette texels begin to count, and fully do."""
FACING = (0.2, 0.5)
"""How much a surface faces the camera (its normal's z) where its texels begin to count, and fully do."""


def head_normals(points: FloatArray) -> NDArray[np.float32]:
    """Normals in the picture's frame (y up) of a head's `points` `[61129,3]` (u, v, depth in pixels): `[61129,3]`."""
    triangles = load_open_face().head(MAX_LEVEL).triangles
    return vertex_normals(np.asarray(points, np.float32) * np.array([1, -1, 1], np.float32), triangles)


def seen_vertices(
    points: FloatArray, hiding: NDArray[np.int32] | None = None, normals: FloatArray | None = None
) -> NDArray[np.float32]:
    """How well the camera sees each vertex `[61129]`, in [0,1]: 0 behind something, turned away, or at a silhouette.

    Args:
        points: `[61129,3]` u, v, depth in pixels.
        hiding: `[F,3]` what stands before them; None: the whole head. A coarser one is enough.
        normals: `[61129,3]` `head_normals`, where they are known.
    """
    hiding = load_open_face().head(MAX_LEVEL).triangles if hiding is None else hiding
    normals = head_normals(points) if normals is None else normals
    columns = np.ascontiguousarray(np.asarray(points).T)
    low = np.array([columns[0].min(), columns[1].min()])
    zoom = (BUFFER_PIXELS - 4) / max(*(float(np.ptp(column)) for column in columns[:2]), 1e-6)
    u, v = np.asarray((columns[:2] - low[:, None]) * zoom + 2.0, np.float32)
    z = np.asarray(columns[2] * zoom, np.float32)
    depth = depth_of(np.stack([u, v, z], axis=-1), hiding, BUFFER_PIXELS, BUFFER_PIXELS)
    filled = np.maximum(depth, z.min(initial=0) - BUFFER_PIXELS)
    kernel = np.ones((3, 3), np.uint8)
    step = cv2.dilate(filled, kernel) - cv2.erode(filled, kernel)
    away = cv2.distanceTransform((step < JUMP * BUFFER_PIXELS).astype(np.uint8), cv2.DIST_L2, 5) / BUFFER_PIXELS
    column, row = (np.clip(part.astype(np.int32), 0, BUFFER_PIXELS - 1) for part in (u, v))
    front = z >= filled[row, column] - JUMP * BUFFER_PIXELS
    return np.asarray(front * ramp(normals[:, 2], *FACING) * ramp(away[row, column], *MARGIN), np.float32)


def texels_a_pixel(points: FloatArray, seen: FloatArray, size: int) -> float:
    """How many texels of a texture of `size` lie along a pixel of the photograph, where it shows most of the face.

    Args:
        points: `[61129,3]` `posed_head`; seen: `[61129]` `seen_vertices` of it.
    """
    triangles = load_open_face().head(MAX_LEVEL).triangles[::SOME_TRIANGLES]
    shown = triangles[seen[triangles].min(1) > 0.5]
    if not len(shown):
        return float(size)
    texels, pixels = (_areas(part, shown) for part in (head_uv(load_open_face()) * (size - 1), points))
    return float(np.median(np.sqrt(texels / np.maximum(pixels, 1e-6))))


def _areas(points: FloatArray, triangles: NDArray[np.int32]) -> FloatArray:
    """Of triangles `[F,3]` in the plane of the first two coordinates `[F]`."""
    a, b, c = (points[triangles[:, k], :2] for k in range(3))
    return np.asarray(np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2)


def seen_in_picture(
    image: NDArray[np.uint8], points: FloatArray, seen: FloatArray | None, normals: FloatArray
) -> NDArray[np.float32]:
    """`seen_vertices`, 0 beside the photograph."""
    seen = seen_vertices(points, None, normals) if seen is None else seen
    u, v = points[:, 0], points[:, 1]
    inside = (u >= 0) & (v >= 0) & (u <= image.shape[1]) & (v <= image.shape[0])
    return np.asarray(seen * inside, np.float32)


def ramp(values: FloatArray, low: float, high: float) -> NDArray[np.float32]:
    """From 0 at `low` to 1 at `high`, smoothly."""
    share = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)
