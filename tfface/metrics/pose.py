"""Errors of head pose, in degrees (angles as in `tfface.geometry.rotation`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.geometry.rotation import geodesic_angle, matrix_to_euler

FloatArray = NDArray[np.floating]


def angle_errors_deg(predicted: FloatArray, truth: FloatArray) -> NDArray[np.float64]:
    """`[N,3]` absolute differences of yaw, pitch and roll of rotations `[N,3,3]`, each the short way round.

    Near a yaw of 90 degrees pitch and roll turn about nearly the same axis, and their errors mean little:
    read `geodesic_errors_deg` beside them.
    """
    difference = np.rad2deg(_angles(predicted) - _angles(truth))
    return np.abs((difference + 180.0) % 360.0 - 180.0)


def geodesic_errors_deg(predicted: FloatArray, truth: FloatArray) -> NDArray[np.float64]:
    """`[N]` the angle of the one rotation that takes each true rotation `[N,3,3]` to the predicted one."""
    return np.rad2deg([geodesic_angle(a, b) for a, b in zip(predicted, truth, strict=True)])


def _angles(rotations: FloatArray) -> NDArray[np.float64]:
    return np.array([matrix_to_euler(rotation) for rotation in rotations])
