"""A base's face over the crop that it saw, on a coarser mesh, with its render: what Fan's detail network is shown."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tfface.face.decoded import DecodedFace
from tfface.face.layout import CROP_SIZE
from tfface.face.open_model import load_open_face
from tfface.geometry.raster import interpolate, rasterize

MM_PER_UNIT = 100.0
"""That network's offsets of shape are decimetres."""


def base_of(decoded: DecodedFace, size: int) -> dict[str, NDArray[np.float32]]:
    """A base's face.

    Returns:
        `vertices` `[V,3]` mm in the camera's axes, `points` `[V,2]` in the 256-pixel crop, `albedo` `[V,3]`, `light`
        `[27]`, `camera` `[4]` (focal length, distance, centre), and `render` `[S,S,3]` over black.
    """
    surface, camera = load_open_face().face(1), decoded.camera
    count = len(surface.uv)  # a level's vertices come first in the next one
    points = camera.project(decoded.vertices_mm[:count])
    triangles = face_triangles(1)
    hit, weights, _ = rasterize((points * (size / CROP_SIZE)).astype(np.float32), triangles, size, size)
    return {
        "vertices": decoded.turned[:count],
        "points": points[:, :2],
        "albedo": decoded.albedo[:count],
        "light": decoded.parts["light"].astype(np.float32),
        "camera": np.array([camera.focal_px, camera.distance_mm, *camera.centre_px], np.float32),
        "render": interpolate(hit, weights, triangles, decoded.shaded[:count]),
    }


@lru_cache(maxsize=2)
def face_triangles(level: int) -> NDArray[np.int32]:
    """Those of the face itself, without ears and neck."""
    face = load_open_face()
    triangles = face.face(level).triangles
    return np.ascontiguousarray(triangles[(face.regions[triangles] > 0).all(1)])
