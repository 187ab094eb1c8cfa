"""Poses and points of 300W-LP, Deep3D and PRN in our conventions, and back.

All three speak of the same face frame as ours (+x to the picture's right, +y up, +z to the camera).

| | 300W-LP, 3DDFA | Deep3D | PRN |
| --- | --- | --- | --- |
| angles | pitch, yaw, roll in radians | about x, y, z in radians | yaw, pitch, roll in radians |
| matrix | `Rx(-pitch) Ry(-yaw) Rz(-roll)` | `Rz Ry Rx` | `F Rz(-roll) Ry(-yaw) Rx(-pitch) F` in y-down pixels |
| camera | `p = s R V + t`, V in micrometres | `R V + t`, V in decimetres, camera at z = 10 dm | `p = s R V + t` |
| picture | counted from 1, `v = H + 1 - p_y` | 224 px, focal length 1015 px, middle 112 | indices from 0, v down |

with `F = diag(1,-1,1)`. Our rotation is `Rz(roll) Ry(yaw) Rx(pitch)` (`tfface.geometry.rotation`), our pixels have
their centres at +0.5. So Deep3D's three angles are our pitch, yaw and roll; PRN's are their negatives; 300W-LP's
matrix is the transpose of ours with its angles: its turns come in another order, a single turn has PRN's sign.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.geometry.align import Pose
from tfface.geometry.camera import Camera
from tfface.geometry.rotation import euler_to_matrix, matrix_to_euler

FloatArray = NDArray[np.floating]
MICROMETRES_PER_MM = 1000.0
MM_PER_DECIMETRE = 100.0
DEEP3D_FOCAL_PX, DEEP3D_CENTRE_PX, DEEP3D_DISTANCE_DM = 1015.0, 112.0, 10.0
PRN_FULL_SCALE_PX = 281.6
_MATLAB_OFFSET_PX = 0.5
_INDEX_OFFSET_PX = 0.5


def points_from_matlab(points: FloatArray) -> NDArray[np.float64]:
    """Pixels `[...,2 or 3]` counted from 1 (`pt2d`, `pt3d_68`) as ours; depth stays."""
    return _shifted(points, -_MATLAB_OFFSET_PX)


def points_to_matlab(points: FloatArray) -> NDArray[np.float64]:
    """The inverse of `points_from_matlab`."""
    return _shifted(points, _MATLAB_OFFSET_PX)


def points_from_indices(points: FloatArray) -> NDArray[np.float64]:
    """Pixels `[...,2 or 3]` as array indices from 0 (PRN, dlib, OpenCV) as ours; depth stays."""
    return _shifted(points, _INDEX_OFFSET_PX)


def points_to_indices(points: FloatArray) -> NDArray[np.float64]:
    """The inverse of `points_from_indices`."""
    return _shifted(points, -_INDEX_OFFSET_PX)


def _shifted(points: FloatArray, by: float) -> NDArray[np.float64]:
    moved = np.array(points, np.float64)
    moved[..., :2] += by
    return moved


def pose_from_300wlp(pose_para: FloatArray, image_height: int) -> Pose:
    """The pose of `Pose_Para` (pitch, yaw, roll, tx, ty, tz, s), for a face in millimetres.

    Args:
        pose_para: seven numbers of any shape.
        image_height: of the picture, in pixels.

    Raises:
        UserError: they are fewer than seven, not finite, or their scale is not above 0.
    """
    numbers = np.ravel(np.asarray(pose_para, np.float64))[:7]
    if len(numbers) < 7 or not np.isfinite(numbers).all() or not numbers[6] > 0:
        raise UserError(f"Pose_Para is not seven finite numbers, the last above 0, but {numbers.tolist()}")
    pitch, yaw, roll, tx, ty, tz, scale = numbers
    rotation = euler_to_matrix(yaw, pitch, roll).T
    up = image_height + 1 - _MATLAB_OFFSET_PX
    return Pose(rotation, float(scale) * MICROMETRES_PER_MM, np.array([tx - _MATLAB_OFFSET_PX, ty - up, tz]))


def pose_to_300wlp(pose: Pose, image_height: int) -> NDArray[np.float64]:
    """`Pose_Para` `[7]` of a pose: the inverse of `pose_from_300wlp` for |yaw| up to 90 degrees."""
    yaw, pitch, roll = matrix_to_euler(pose.rotation.T)
    x, y, z = pose.translation_px
    up = image_height + 1 - _MATLAB_OFFSET_PX
    shift = (x + _MATLAB_OFFSET_PX, y + up, z)
    return np.array([pitch, yaw, roll, *shift, pose.scale_px_per_mm / MICROMETRES_PER_MM])


def camera_from_deep3d(angles_rad: FloatArray, translation_dm: FloatArray) -> Camera:
    """Deep3D's camera over its 224-pixel crop, for a face in millimetres; exact.

    Args:
        angles_rad: `[3]` about x, y and z.
        translation_dm: `[3]`.
    """
    pitch, yaw, roll = np.asarray(angles_rad, np.float64)
    rotation = euler_to_matrix(yaw, pitch, roll)
    origin = -rotation.T @ np.asarray(translation_dm, np.float64) * MM_PER_DECIMETRE
    centre = np.full(2, DEEP3D_CENTRE_PX)
    return Camera(rotation, DEEP3D_FOCAL_PX, DEEP3D_DISTANCE_DM * MM_PER_DECIMETRE, centre, origin)


def camera_to_deep3d(camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Deep3D's angles `[3]` (radians) and translation `[3]` (decimetres) of a camera over a 224-pixel crop.

    Deep3D's focal length and principal point are fixed. For a camera that has them this is exact; for another, size
    and place of the camera's origin in the picture are kept, and the perspective becomes Deep3D's.
    """
    yaw, pitch, roll = matrix_to_euler(camera.rotation)
    focal, centre = DEEP3D_FOCAL_PX, DEEP3D_CENTRE_PX
    depth = focal * camera.distance_mm / camera.focal_px
    u, v = camera.centre_px
    place = np.array([(u - centre) * depth / focal, (centre - v) * depth / focal, 0.0])
    place[2] = DEEP3D_DISTANCE_DM * MM_PER_DECIMETRE - depth
    translation = (place - camera.rotation @ camera.origin_mm) / MM_PER_DECIMETRE
    return np.array([pitch, yaw, roll]), translation


def rotation_from_prn(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Our rotation `[3,3]` of the angles in radians that PRN writes."""
    return euler_to_matrix(-yaw, -pitch, -roll)


def rotation_to_prn(rotation: FloatArray) -> tuple[float, float, float]:
    """PRN's yaw, pitch and roll in radians of our rotation `[3,3]`."""
    yaw, pitch, roll = matrix_to_euler(rotation)
    return -yaw, -pitch, -roll


def map_from_prn(position_map: FloatArray) -> NDArray[np.float64]:
    """PRN's network output `[...,R,R,3]` in [0,1] as pixels of its 256-pixel crop in our frame.

    The numbers are u, v and depth over 281.6. The chart remains PRN's: its texels are not those of ours.
    """
    return points_from_indices(np.asarray(position_map, np.float64) * PRN_FULL_SCALE_PX)


def map_to_prn(position_map: FloatArray) -> NDArray[np.float64]:
    """The inverse of `map_from_prn`."""
    return points_to_indices(position_map) / PRN_FULL_SCALE_PX
