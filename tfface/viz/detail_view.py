"""Pictures of detail: a face's surface as clay with the normals of a map, and its colours, as photographed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.face.open_model import load_open_face
from tfface.geometry.align import crop_transform, transform_points
from tfface.geometry.raster import interpolate, rasterize
from tfface.io.warp import warp_image
from tfface.viz.overlay import CLAY, face_window
from tfface.viz.unwrapped import unit

FloatArray = NDArray[np.floating]
LAMPS = (((-0.65, 0.45, 0.6), 0.75), ((0.8, 0.1, 0.6), 0.2))
AMBIENT = 0.12


class DetailView:
    """One face's window in its photograph.

    Args:
        image: `[H,W,3]` uint8 RGB.
        vertices: `[53833,3]` in its pixels.
        size: side of the pictures.
    """

    def __init__(self, image: NDArray[np.uint8], vertices: FloatArray, size: int = 384) -> None:
        matrix = crop_transform(face_window(vertices, 1.1), size)
        self.photograph = np.asarray(warp_image(image, matrix, size, size), np.uint8)
        surface = load_open_face().face(2)
        points = np.asarray(transform_points(matrix, vertices), np.float32)
        hit, weights, _ = rasterize(points, surface.triangles, size, size)
        uv = interpolate(hit, weights, surface.triangles, np.asarray(surface.uv, np.float32))
        self._at, self._hit = uv, hit >= 0

    def clay(self, normals: FloatArray) -> NDArray[np.uint8]:
        """The surface with normals `[R,R,3]` (x right, y up, z to the camera), lit from the left."""
        there = unit(self._sampled(normals))
        light = AMBIENT + sum(power * np.maximum(there @ unit(np.array(direction)), 0) for direction, power in LAMPS)
        return self._over_white(np.asarray(CLAY) * light[..., None])

    def colours(self, colours: FloatArray) -> NDArray[np.uint8]:
        """Colours `[R,R,3]` in [0,1] on the face."""
        return self._over_white(self._sampled(colours))

    def _sampled(self, values: FloatArray) -> NDArray[np.float32]:
        places = self._at * (len(values) - 1)
        u, v = places[..., 0], places[..., 1]
        return np.asarray(cv2.remap(values.astype(np.float32), u, v, cv2.INTER_LINEAR), np.float32)

    def _over_white(self, colours: FloatArray) -> NDArray[np.uint8]:
        shown = np.where(self._hit[..., None], colours, 1.0)
        return np.asarray(np.round(np.clip(shown, 0, 1) * 255), np.uint8)
