"""Masks of a face whose mesh is known: no colour enters, so every skin counts alike.

- The mesh mask is the part of the picture that shows skin of the fitted face: eyeballs, the inside of the mouth, ears
  and neck are drawn, hide what lies behind them, and do not count. Coverage in [0,1], averaged over 2 x 2 subpixels.
- The hull mask is the convex hull of 81 landmarks, 13 of them along the forehead (Du 2020).

Both know the face alone: hair or a hand in front of it is inside.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.open_model import PART_NAMES, REGION_NAMES, OpenFace
from tfface.geometry.raster import interpolate, rasterize

FloatArray = NDArray[np.floating]
SUBPIXELS = 2


def skin_vertices(face: OpenFace) -> NDArray[np.bool_]:
    """Which vertices `[53833]` of the face crop are skin of the face's front."""
    skin = face.face(2).vertex_part == PART_NAMES.index("skin")
    return np.asarray(skin & (face.regions != REGION_NAMES.index("none")))


def mesh_mask(
    points: FloatArray,
    triangles: NDArray[np.int32],
    height: int,
    width: int,
    counted: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """How much of each pixel the mesh covers, `[H,W]` in [0,1].

    Args:
        points: `[V,3]` u, v and depth (larger is nearer) in pixels.
        triangles: `[F,3]`.
        height, width: of the picture.
        counted: `[V]` which vertices count (`skin_vertices`); None counts all.
    """
    large = np.asarray(points, np.float32) * SUBPIXELS
    triangle_id, weights, _ = rasterize(large, triangles, height * SUBPIXELS, width * SUBPIXELS)
    values = np.ones((len(large), 1), np.float32) if counted is None else counted[:, None].astype(np.float32)
    covered = (interpolate(triangle_id, weights, triangles, values)[..., 0] > 0.5).astype(np.float32)
    return np.asarray(covered.reshape(height, SUBPIXELS, width, SUBPIXELS).mean((1, 3)), np.float32)


def hull_mask(points: FloatArray, height: int, width: int) -> NDArray[np.float32]:
    """1 within the convex hull of points `[N, 2 or 3]` (u, v in pixels), else 0: `[H,W]`.

    Raises:
        UserError: fewer than three points, or they are not finite.
    """
    import cv2

    flat = np.ascontiguousarray(np.asarray(points, np.float32)[:, :2])
    if len(flat) < 3 or not np.isfinite(flat).all():
        raise UserError(f"A hull needs at least three finite points, not {len(flat)}: give the 81 landmarks.")
    shift = 4
    corners = np.round((cv2.convexHull(flat)[:, 0] - 0.5) * 2**shift).astype(np.int32)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, corners, 1, cv2.LINE_8, shift)
    return mask.astype(np.float32)
