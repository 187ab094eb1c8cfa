"""The pinhole camera of `docs/conventions.md`, and Euler angles, for arrays of any library that overloads arithmetic.

With a turned point X (x right, y up, z towards the camera, about the point that the camera looks at):
`k = focal / (distance - z)`, `u = cu + k x`, `v = cv - k y`; the depth in pixels is `focal / distance * z`.
"""

from __future__ import annotations

from typing import Any


def projected(x: Any, y: Any, z: Any, focal_px: Any, distance: Any, centre: tuple[Any, Any]) -> tuple[Any, Any, Any]:
    """u, v and the scale k in pixels a unit, each of the shape of x.

    Args:
        x, y, z: of turned points, in the unit of `distance`.
        focal_px, distance: numbers, or arrays that broadcast against x.
        centre: cu and cv in pixels, likewise.
    """
    k = focal_px / (distance - z)
    return centre[0] + k * x, centre[1] - k * y, k


def euler_rows(cosines: tuple[Any, Any, Any], sines: tuple[Any, Any, Any]) -> list[list[Any]]:
    """The rows of `Rz(roll) Ry(yaw) Rx(pitch)` from cosines and sines of (pitch, yaw, roll)."""
    (cp, cy, cr), (sp, sy, sr) = cosines, sines
    return [
        [cr * cy, cr * sy * sp - sr * cp, cr * sy * cp + sr * sp],
        [sr * cy, sr * sy * sp + cr * cp, sr * sy * cp - cr * sp],
        [-sy, cy * sp, cy * cp],
    ]
