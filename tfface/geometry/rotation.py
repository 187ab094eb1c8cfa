"""Rotation matrices and Euler angles.

`R = Rz(roll) Ry(yaw) Rx(pitch)` in the face frame (+x to the picture's right, +y up, +z towards the camera), acting on
column vectors. yaw > 0 turns the nose to the picture's right, pitch > 0 turns it down, roll > 0 turns the head
counter-clockwise in the picture. Angles are in radians.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.geometry.pinhole import euler_rows


def euler_to_matrix(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """The rotation matrix `[3,3]` of three angles in radians."""
    angles = np.array([pitch, yaw, roll], np.float64)
    return np.array(euler_rows(tuple(np.cos(angles)), tuple(np.sin(angles))))


def matrix_to_euler(rotation: NDArray[np.floating]) -> tuple[float, float, float]:
    """Yaw, pitch and roll in radians of a rotation matrix `[3,3]`, yaw in [-pi/2, pi/2].

    At yaw = +-pi/2 pitch and roll turn about one axis: pitch is then given as 0.
    """
    sine = float(np.clip(-rotation[2, 0], -1.0, 1.0))
    if abs(sine) > 1.0 - 1e-9:
        roll = np.arctan2(-rotation[0, 1], rotation[1, 1])
        return float(np.copysign(np.pi / 2, sine)), 0.0, float(roll)
    pitch = np.arctan2(rotation[2, 1], rotation[2, 2])
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    return float(np.arcsin(sine)), float(pitch), float(roll)


def geodesic_angle(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """The angle in radians of the rotation that takes one matrix `[3,3]` to the other."""
    return float(np.arccos(np.clip((np.trace(first.T @ second) - 1) / 2, -1.0, 1.0)))
