"""The camera that looks at a face (`docs/conventions.md`), in NumPy: `pinhole` after `X = R (V - origin)`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfface.geometry.pinhole import projected


@dataclass(frozen=True)
class Camera:
    """A pinhole camera in front of the face.

    Attributes:
        rotation: `[3,3]`, face frame to camera-aligned frame (y up, z towards the camera).
        focal_px: focal length in pixels.
        distance_mm: from the camera to `origin_mm`.
        centre_px: `[2]` the pixel where `origin_mm` lands.
        origin_mm: `[3]` the point of the face frame that the rotation turns about.
    """

    rotation: NDArray[np.floating]
    focal_px: float
    distance_mm: float
    centre_px: NDArray[np.floating]
    origin_mm: NDArray[np.floating]

    @property
    def pixels_per_mm(self) -> float:
        """The scale at the distance of `origin_mm`."""
        return self.focal_px / self.distance_mm

    def project(self, vertices: NDArray[np.floating]) -> NDArray[np.float32]:
        """Pixels and depth `[V,3]` (u, v, z in pixels, larger is nearer) of points `[V,3]` in millimetres."""
        x, y, z = np.asarray(self.rotation, np.float64) @ (vertices - self.origin_mm).T
        centre = (self.centre_px[0], self.centre_px[1])
        u, v, _ = projected(x, y, z, self.focal_px, self.distance_mm, centre)
        return np.stack([u, v, self.pixels_per_mm * z], axis=-1).astype(np.float32)
