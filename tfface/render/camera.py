"""Cameras in TensorFlow: vertices to homogeneous pixels, differentiable.

Every camera turns vertices into the camera's own frame (x to the picture's right, y up, the camera at the origin
looking along -z; lights live in it too) and then projects. With `w = -z` the pinhole gives `u w = f x + cu w` and
`v w = -f y + cv w`: the image frame of `docs/conventions.md`, v down, pixel centres at +0.5. Its depth is
`z_ndc = (far + near - 2 far near / w) / (far - near)`, -1 at the near plane and 1 at the far one.
Lengths are in whatever unit the vertices have: millimetres in this package, decimetres for Deep3D.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import tensorflow as tf

from tfface.geometry.pinhole import euler_rows

Number: TypeAlias = "float | tf.Tensor"

DEEP3D_FOCAL_PX = 1015.0  # at 224 pixels: a full field of view of 12.594 degrees
DEEP3D_DISTANCE = 10.0  # decimetres
DEEP3D_SIZE_PX = 224
NEAR, FAR = 0.1, 10.0  # near and far plane as parts of the distance to the subject
ORTHOGRAPHIC_DEPTH_PX = 4096.0  # what lies farther than this before or behind the origin is not drawn


class View(NamedTuple):
    """What a camera makes of vertices.

    Attributes:
        eye: `[B,V,3]` vertices in the camera's frame, the vertices' unit; the depth is `-eye[..., 2]`.
        points: `[B,V,4]` homogeneous pixels for `rasterize`.
        pixel_size: `[B]` or scalar, a pixel's side at the subject's distance, in the vertices' unit.
    """

    eye: tf.Tensor
    points: tf.Tensor
    pixel_size: tf.Tensor


def euler_matrix(angles: tf.Tensor) -> tf.Tensor:
    """Rotations `[B,3,3]` `Rz(roll) Ry(yaw) Rx(pitch)` of angles `[B,3]` = (pitch, yaw, roll) in radians.

    That is both `tfface.geometry.rotation`'s convention and the order of Deep3D's three angle coefficients.
    """
    rows = euler_rows(*(tuple(tf.unstack(f(angles), axis=-1)) for f in (tf.cos, tf.sin)))
    return tf.stack([tf.stack(row, axis=-1) for row in rows], axis=-2)


def _column(value: Number) -> tf.Tensor:
    """A scalar or `[B]` as `[1,1]` or `[B,1]`, to stand beside `[B,V]`."""
    return tf.reshape(tf.cast(value, tf.float32), [-1, 1])


def _turned(vertices: tf.Tensor, rotation: tf.Tensor) -> tf.Tensor:
    return tf.matmul(vertices, rotation, transpose_b=True)


def _backwards(vertices: tf.Tensor, distance: Number) -> tf.Tensor:
    """Vertices as seen by a camera that stands `distance` before the origin."""
    x, y, z = tf.unstack(vertices, axis=-1)
    return tf.stack([x, y, z - _column(distance)], axis=-1)


def pinhole(eye: tf.Tensor, focal_px: Number, centre_px: tf.Tensor, distance: Number) -> View:
    """Project vertices `[B,V,3]` of the camera's frame.

    Args:
        eye: vertices, the camera at the origin looking along -z.
        focal_px: focal length in pixels, scalar or `[B]`.
        centre_px: `[2]` or `[B,2]` the pixel (u, v) of the optical axis.
        distance: scalar or `[B]`, to the subject: sets the near (0.1) and far (10 times that) plane.
    """
    x, y, z = tf.unstack(eye, axis=-1)
    focal, distance = _column(focal_px), tf.stop_gradient(_column(distance))
    centre = tf.reshape(tf.cast(centre_px, tf.float32), [-1, 2])
    near, far, w = NEAR * distance, FAR * distance, -z
    depth = ((far + near) * w - 2.0 * far * near) / (far - near)
    points = tf.stack([focal * x + centre[:, :1] * w, centre[:, 1:] * w - focal * y, depth, w], axis=-1)
    return View(eye, points, tf.stop_gradient((distance / focal)[:, 0]))


def face_camera(
    vertices: tf.Tensor,
    rotation: tf.Tensor,
    focal_px: Number,
    distance: Number,
    centre_px: tf.Tensor,
    origin: tf.Tensor | float = 0.0,
) -> View:
    """The package's camera (`docs/conventions.md`, `tfface.geometry.camera.Camera`) with a finite distance.

    Args:
        vertices: `[B,V,3]` in the face frame.
        rotation: `[B,3,3]`.
        focal_px, distance: scalar or `[B]`.
        centre_px: `[2]` or `[B,2]`, where `origin` lands.
        origin: `[3]` the point that the rotation turns about.
    """
    return pinhole(_backwards(_turned(vertices - origin, rotation), distance), focal_px, centre_px, distance)


def deep3d(vertices: tf.Tensor, angles: tf.Tensor, translation: tf.Tensor, image_size: int = DEEP3D_SIZE_PX) -> View:
    """Deep3D's camera: at (0, 0, 10) dm looking along -z, focal length 1015 px at 224 px.

    Args:
        vertices: `[B,V,3]` in decimetres, turned about (0, 0, 0).
        angles: `[B,3]` (pitch, yaw, roll) in radians.
        translation: `[B,3]` in decimetres, after the rotation.
        image_size: side of the picture; the focal length grows with it, the field of view stays 12.594 degrees.

    Upstream gives `u = 1015 x / (10 - z) + 112` and v counted upwards, `v_up = 1015 y / (10 - z) + 112`. Here u is the
    same number, v is `224 - v_up`. (Upstream's landmark rows `223 - v_up` are our v - 1.)
    """
    moved = _turned(vertices, euler_matrix(angles)) + translation[:, None]
    focal, centre = DEEP3D_FOCAL_PX * image_size / DEEP3D_SIZE_PX, tf.fill([2], image_size / 2.0)
    return pinhole(_backwards(moved, DEEP3D_DISTANCE), focal, centre, DEEP3D_DISTANCE)


def focal_of_fov(fov_deg: float, image_size: int) -> float:
    """Focal length in pixels of a full field of view in degrees over `image_size` pixels."""
    return 0.5 * image_size / math.tan(math.radians(fov_deg) / 2)


def perspective(
    vertices: tf.Tensor, rotation: tf.Tensor, translation: tf.Tensor, image_size: int, fov_deg: float = 30.0
) -> View:
    """A camera at the origin looking along -z with a full field of view of `fov_deg`.

    Args:
        vertices: `[B,V,3]`.
        rotation: `[B,3,3]`, then translation `[B,3]`: a subject in front has a negative translation along z.
        image_size: side of the picture in pixels.
    """
    eye = _turned(vertices, rotation) + translation[:, None]
    centre = tf.fill([2], image_size / 2.0)
    return pinhole(eye, focal_of_fov(fov_deg, image_size), centre, -translation[:, 2])


def look_from(
    vertices: tf.Tensor,
    elevation_deg: Number,
    azimuth_deg: Number,
    distance: Number,
    image_size: int,
    fov_deg: float = 30.0,
) -> View:
    """A camera on a sphere about the origin, looking at it, +y upwards.

    It stands at `distance (cos e sin a, sin e, cos e cos a)`: azimuth 0 looks a face in the eyes, azimuth 90 stands
    at +x, elevation 90 above. Soft Rasterizer's `get_points_from_angles` counts its azimuth from the back: `180 - a`.

    Args:
        vertices: `[B,V,3]`.
        elevation_deg, azimuth_deg: `[B]` in degrees.
        distance: scalar or `[B]`, the vertices' unit.
        image_size: side of the picture in pixels.
        fov_deg: full field of view.
    """
    e, a = (tf.reshape(tf.cast(x, tf.float32), [-1]) * (math.pi / 180) for x in (elevation_deg, azimuth_deg))
    rotation = euler_matrix(tf.stack([e, tf.zeros_like(e), tf.zeros_like(e)], axis=-1))
    rotation = rotation @ euler_matrix(tf.stack([tf.zeros_like(a), -a, tf.zeros_like(a)], axis=-1))
    centre = tf.fill([2], image_size / 2.0)
    return face_camera(vertices, rotation, focal_of_fov(fov_deg, image_size), distance, centre)


def orthographic(
    vertices: tf.Tensor,
    rotation: tf.Tensor,
    pixels_per_unit: Number,
    centre_px: tf.Tensor,
    origin: tf.Tensor | float = 0.0,
) -> View:
    """Scaled orthographic projection: `docs/conventions.md` with `distance_mm = inf`.

    Args:
        vertices: `[B,V,3]`.
        rotation: `[B,3,3]`.
        pixels_per_unit: scalar or `[B]`.
        centre_px: `[2]` or `[B,2]`, where `origin` lands.
        origin: `[3]` the point that the rotation turns about.

    The depth counts from a plane 4096 pixels before the origin.
    """
    scale = _column(pixels_per_unit)
    x, y, z = tf.unstack(_turned(vertices - origin, rotation), axis=-1)
    centre = tf.reshape(tf.cast(centre_px, tf.float32), [-1, 2])
    depth = -scale * z / ORTHOGRAPHIC_DEPTH_PX
    points = tf.stack([centre[:, :1] + scale * x, centre[:, 1:] - scale * y, depth, tf.ones_like(z)], axis=-1)
    eye = tf.stack([x, y, z - ORTHOGRAPHIC_DEPTH_PX / scale], axis=-1)
    return View(eye, points, tf.stop_gradient(1.0 / scale[:, 0]))


def from_pixels(points_px: tf.Tensor) -> View:
    """The view of vertices `[B,V,3]` that already are pixels (u, v and z, larger is nearer): a position map's."""
    u, v, z = tf.unstack(points_px, axis=-1)
    points = tf.stack([u, v, -z / ORTHOGRAPHIC_DEPTH_PX, tf.ones_like(z)], axis=-1)
    return View(tf.stack([u, -v, z - ORTHOGRAPHIC_DEPTH_PX], axis=-1), points, tf.constant(1.0))
