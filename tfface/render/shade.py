"""Light on a surface: normals, and spherical harmonics of order 2 in Deep3D's order.

Shading is as `tfface.geometry.harmonics` defines it. tensorflow-graphics' own evaluation of the functions agrees
in value, but its gradient is NaN at the poles and fails under XLA.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.geometry.harmonics import AMBIENT, harmonic_functions

_TINY = 1e-30  # squared length below which a vector has no direction; normals of small triangles stay above


def unit(vectors: tf.Tensor) -> tf.Tensor:
    """Vectors `[...,3]` of length 1; those of no length become 0, with a gradient of 0."""
    square = tf.reduce_sum(vectors**2, axis=-1, keepdims=True)
    valid = square > _TINY
    return tf.where(valid, vectors * tf.math.rsqrt(tf.where(valid, square, 1.0)), 0.0)


def vertex_normals(vertices: tf.Tensor, triangles: NDArray[np.integer] | tf.Tensor) -> tf.Tensor:
    """Unit normals `[B,V,3]` of vertices `[B,V,3]`, area-weighted over the triangles `[T,3]` round each.

    They point to where triangles wind counter-clockwise. A vertex without any area has the normal 0.
    """
    triangles = tf.cast(tf.convert_to_tensor(triangles), tf.int32)
    columns = tf.reshape(tf.transpose(vertices, [1, 0, 2]), [vertices.shape[1], -1])  # [V, B*3]: one gather for a batch
    corner = [tf.reshape(tf.gather(columns, triangles[:, k]), [triangles.shape[0], -1, 3]) for k in range(3)]
    faces = tf.linalg.cross(corner[1] - corner[0], corner[2] - corner[0])
    faces = tf.reshape(faces, [triangles.shape[0], -1])
    total = tf.math.unsorted_segment_sum(
        tf.concat([faces] * 3, axis=0), tf.reshape(tf.transpose(triangles), [-1]), vertices.shape[1]
    )
    return unit(tf.transpose(tf.reshape(total, [vertices.shape[1], -1, 3]), [1, 0, 2]))


def harmonics(normals: tf.Tensor) -> tf.Tensor:
    """The nine basis functions `[...,9]` at unit normals `[...,3]`."""
    return tf.stack(harmonic_functions(*tf.unstack(normals, axis=-1)), axis=-1)


def light_matrix(coefficients: tf.Tensor, ambient: float = AMBIENT) -> tf.Tensor:
    """Light `[B,9,3]` that `harmonics` is multiplied with.

    Args:
        coefficients: `[B,27]`, nine for red, nine for green, nine for blue; or `[B,9]` for white light.
        ambient: added to each colour's first coefficient.

    Raises:
        UserError: another number of coefficients.
    """
    count = coefficients.shape[-1]
    if count not in (9, 27):
        raise UserError(f"Light has 9 or 27 spherical-harmonic coefficients, not {count}: give [B,9] or [B,27].")
    colours = tf.reshape(coefficients, [-1, count // 9, 9])
    colours = tf.broadcast_to(colours, [tf.shape(colours)[0], 3, 9]) + tf.constant([ambient] + 8 * [0.0])
    return tf.transpose(colours, [0, 2, 1])


def shade(albedo: tf.Tensor, normals: tf.Tensor, coefficients: tf.Tensor, ambient: float = AMBIENT) -> tf.Tensor:
    """Colour of lit surfaces, not clipped.

    Args:
        albedo: `[B,V,3]` or `[B,H,W,3]` RGB, in the unit that the colour shall have.
        normals: unit normals of the same shape, in the frame of the light (for `FaceRenderer` the camera's).
        coefficients: `[B,9]` or `[B,27]` (see `light_matrix`).
        ambient: the constant light that zero coefficients stand for.
    """
    light = light_matrix(coefficients, ambient)
    return albedo * tf.einsum("b...k,bkc->b...c", harmonics(normals), light)
