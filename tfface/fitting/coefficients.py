"""What a fit finds: the open face model's coefficients, a light and a camera for each photograph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.face.open_model import load_open_face
from tfface.geometry.align import transform_points, transform_scale
from tfface.geometry.camera import Camera
from tfface.summary import rounded

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class Coefficients:
    """A face in one photograph.

    Attributes:
        identity: `[150]` in standard deviations.
        expression: `[52]` ARKit weights in [0,1].
        albedo: `[40]` in standard deviations.
        light: `[27]` spherical harmonics, red, green and blue, without the ambient 0.8 (`tfface.render.shade`), in the
            camera's frame.
        camera: over the photograph's pixels.
    """

    identity: NDArray[np.float64]
    expression: NDArray[np.float64]
    albedo: NDArray[np.float64]
    light: NDArray[np.float64]
    camera: Camera

    def vertices_mm(self, level: int = 2) -> NDArray[np.float32]:
        """The face crop `[V,3]` in the face frame, millimetres."""
        face = load_open_face()
        return face.face(level).vertices(face.cage(self.identity, self.expression))

    def vertices(self, level: int = 2) -> NDArray[np.float32]:
        """The face crop `[V,3]` as u, v and depth in the photograph's pixels."""
        return self.camera.project(self.vertices_mm(level))

    def seen_through(self, matrix: FloatArray) -> Coefficients:
        """The same face in a picture that is this one moved and scaled by `[2,3]` (not turned)."""
        camera = self.camera
        centre = transform_points(matrix, np.asarray(camera.centre_px)[None])[0]
        moved = replace(camera, focal_px=camera.focal_px * transform_scale(matrix), centre_px=centre)
        return replace(self, camera=moved)

    def summary(self) -> dict[str, Any]:
        """As JSON has it."""
        names = load_open_face().expression_names
        camera = self.camera
        return {
            "identity_sigma": rounded(self.identity, 4),
            "expression_weights": dict(zip(names, rounded(self.expression, 4), strict=True)),
            "albedo_sigma": rounded(self.albedo, 4),
            "light_harmonics": rounded(self.light.reshape(3, 9), 4),
            "camera": {
                "rotation": rounded(camera.rotation, 7),
                "focal_px": round(float(camera.focal_px), 3),
                "distance_mm": round(float(camera.distance_mm), 2),
                "centre_px": rounded(camera.centre_px, 3),
                "origin_mm": rounded(camera.origin_mm, 3),
            },
        }
