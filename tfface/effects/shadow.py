"""Which parts of a head keep a light from others (nose, brows, chin), by a depth picture from the light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.geometry.raster import rasterize

FloatArray = NDArray[np.floating]
PIXELS = 320
BIAS, SOFT = 0.012, 4
"""Of the head's size: how much nearer the light something must be to hide; pixels round it that are asked, too."""


def to_light(azimuth_deg: float, elevation_deg: float) -> NDArray[np.float64]:
    """The unit vector to a light (x right, y up, z to the camera): azimuth 90 is the picture's right."""
    azimuth, elevation = np.radians([azimuth_deg, elevation_deg])
    level = np.cos(elevation)
    return np.array([np.sin(azimuth) * level, np.sin(elevation), np.cos(azimuth) * level])


def lit_share(points: FloatArray, triangles: NDArray[np.int32], direction: FloatArray) -> NDArray[np.float32]:
    """How much of a light reaches each vertex past the rest of the head, `[V]` in [0,1]; soft at shadows' edges.

    Args:
        points: `[V,3]` x right, y up, z to the camera, in one unit; triangles: `[F,3]`.
        direction: `[3]` unit vector to the light.
    """
    aside = np.cross([0.0, 0.0, 1.0] if abs(direction[1]) > 0.9 else [0.0, 1.0, 0.0], direction)
    aside /= np.linalg.norm(aside)
    turned = np.asarray(points @ np.stack([aside, np.cross(direction, aside), direction], axis=-1))
    low = turned.min(0)
    zoom = (PIXELS - 2 * SOFT - 2) / np.ptp(turned[:, :2], axis=0).max()
    seen = (turned - low) * zoom + SOFT + 1
    seen[:, 1] = PIXELS - seen[:, 1]
    depth = rasterize(np.asarray(seen, np.float32), triangles, PIXELS, PIXELS)[2]
    column, row = np.floor(seen[:, :2]).astype(int).T
    asked = [(i, j) for i in range(-SOFT, SOFT + 1, 2) for j in range(-SOFT, SOFT + 1, 2)]
    reached = np.zeros(len(points), np.float32)
    for i, j in asked:
        nearest = depth[np.clip(row + i, 0, PIXELS - 1), np.clip(column + j, 0, PIXELS - 1)]
        slope = BIAS * PIXELS + 1.5 * max(abs(i), abs(j))  # a tilted surface is nearer beside a point than there
        reached += seen[:, 2] >= nearest - slope
    return reached / np.float32(len(asked))
