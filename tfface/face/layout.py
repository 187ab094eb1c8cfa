"""What the numbers mean that an R-Net gives for a face, in NumPy.

The coefficients are, in this order: identity (standard deviations), expression (ARKit weights, at least 0), albedo
(standard deviations), angles (pitch, yaw, roll in radians), light (27 or 9 spherical-harmonic coefficients, all of red
first, without the ambient 0.8) and camera. A network's raw numbers differ in two parts: expression weights are not yet
made positive, and the rotation may be said otherwise.

Cameras over a 256-pixel crop, with X = R (V - centre) in millimetres (`docs/conventions.md`):
    deep3d: focal 1015 px at 224, 10 dm away; the camera's three numbers move the face, in decimetres.
    fov30: the same with a full field of view of 30 degrees, as far away as the mean face is as large.
    orbit: no numbers; 30 cm away, the focal length such that the mean face has the crop's usual scale.
    framed: u = 128 + 128 a + k X.x, v = 128 + 128 b - k X.y, k = s / (1 - q X.z), with s = usual scale * exp(c / 2) and
        q = exp(1.2 tanh(d)) / metre: the crop's usual scale and a metre's perspective where c and d are 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.geometry.align import CROP_SIZE
from tfface.geometry.camera import Camera
from tfface.geometry.rotation import euler_to_matrix
from tfface.io.reading import reading

CAMERA_SIZES = {"deep3d": 3, "fov30": 3, "orbit": 0, "framed": 4}
ROTATION_SIZES = {"euler": 3, "columns": 6, "orbit": 6}
_DEEP3D = (1015.0 * CROP_SIZE / 224, 1000.0)
_FOV30_PX = 0.5 * CROP_SIZE / math.tan(math.radians(15))
MOVING = {"deep3d": _DEEP3D, "fov30": (_FOV30_PX, _FOV30_PX * _DEEP3D[1] / _DEEP3D[0])}
"""Focal length in pixels of the crop and distance in millimetres of the cameras before which the face moves."""
ORBIT_MM = 300.0
UNITS = ("standard deviations", "ARKit weight", "standard deviations", "rad", "harmonic")
CAMERA_UNITS = {
    "deep3d": "translation x, y, z in dm",
    "fov30": "translation x, y, z in dm",
    "orbit": "none",
    "framed": "a, b: shift in half crops; c: log scale, halved; d: log perspective",
}
MM_PER_SHIFT = 100.0
USUAL_DISTANCE_MM = 1000.0
SCALE_SHARE, PERSPECTIVE_SHARE = 0.5, 1.2


@dataclass(frozen=True)
class Layout:
    """Where each part of the raw vector and of the coefficients lies.

    Attributes:
        identity, expression, albedo, light: numbers of coefficients.
        rotation: "euler", "columns" or "orbit", of the raw vector; coefficients have angles.
        camera: "deep3d", "fov30", "orbit" or "framed".
    """

    identity: int
    expression: int
    albedo: int
    light: int
    rotation: str
    camera: str

    def sizes(self, raw: bool) -> dict[str, int]:
        """Part to its length; coefficients have three angles where the raw vector may have two columns."""
        return {
            "identity": self.identity,
            "expression": self.expression,
            "albedo": self.albedo,
            "angles": ROTATION_SIZES[self.rotation] if raw else 3,
            "light": self.light,
            "camera": CAMERA_SIZES[self.camera],
        }

    def split(self, vector: Any, raw: bool = False) -> dict[str, Any]:
        """The parts of `[...,N]`, an array of any backend.

        Raises:
            UserError: there are not N numbers.
        """
        sizes = self.sizes(raw)
        ends = np.cumsum(list(sizes.values())).tolist()
        if vector.shape[-1] != ends[-1]:
            raise UserError(
                f"{vector.shape[-1]} coefficients do not fit a layout of {ends[-1]}: export the model again."
            )
        return {name: vector[..., end - size : end] for (name, size), end in zip(sizes.items(), ends, strict=True)}

    def described(self) -> dict[str, Any]:
        """What an exported model's `tfface.json` says of its coefficients; `from_card` reads it."""
        sizes = self.sizes(raw=False)
        ends = np.cumsum(list(sizes.values())).tolist()
        units = (*UNITS, CAMERA_UNITS[self.camera])
        parts = {
            name: {"from": end - size, "to": end, "unit": unit}
            for (name, size), end, unit in zip(sizes.items(), ends, units, strict=True)
        }
        return {"layout": asdict(self), "parts": parts, "expression_names": list(load_open_face().expression_names)}

    @classmethod
    def from_card(cls, described: Mapping[str, Any]) -> Layout:
        """The layout in a `tfface.json`.

        Raises:
            UserError: it is none.
        """
        with reading("tfface.json", "a layout of coefficients", "export the model again"):
            layout = cls(**described["layout"])
            layout.sizes(raw=True)
        return layout


@lru_cache(maxsize=1)
def usual_scale() -> float:
    """Pixels a millimetre at which the mean face fills a 256-pixel crop as `docs/conventions.md` frames it."""
    face = load_open_face()
    points = (face.face(2).matrix @ face.cage())[face.landmarks68_2d, :2]
    return float(CROP_SIZE / (np.sqrt(2.0) * np.ptp(points, axis=0).max()))


def camera_of(angles_rad: NDArray[np.floating], numbers: NDArray[np.floating], kind: str) -> Camera:
    """The camera over the 256-pixel crop, for vertices in the face frame in millimetres.

    Args:
        angles_rad: `[3]` pitch, yaw, roll.
        numbers: `[0]`, `[3]` or `[4]` the camera's coefficients.
        kind: of the camera.
    """
    pitch, yaw, roll = (float(angle) for angle in angles_rad)
    rotation, origin = euler_to_matrix(yaw, pitch, roll), load_open_face().centre
    half = CROP_SIZE / 2
    if kind == "orbit":
        return Camera(rotation, usual_scale() * ORBIT_MM, ORBIT_MM, np.array([half, half]), origin)
    if kind in MOVING:
        focal, distance = MOVING[kind]
        origin = origin - rotation.T @ (MM_PER_SHIFT * np.asarray(numbers, np.float64))
        return Camera(rotation, focal, distance, np.array([half, half]), origin)
    distance = USUAL_DISTANCE_MM / math.exp(PERSPECTIVE_SHARE * math.tanh(float(numbers[3])))
    focal = usual_scale() * math.exp(SCALE_SHARE * float(numbers[2])) * distance
    return Camera(rotation, focal, distance, half + half * np.asarray(numbers[:2], np.float64), origin)
