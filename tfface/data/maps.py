"""Position maps straight from coefficients and a camera, in TensorFlow.

A map is linear in the coefficients, so one matrix product gives it in millimetres; the camera then projects each texel
(`docs/conventions.md`). Augmentation is a 2x3 similarity of the picture that moves the projected texels exactly.
"""

from __future__ import annotations

import tensorflow as tf

from tfface.face.open_model import OpenFace
from tfface.face.position_map import PositionMap
from tfface.geometry.pinhole import projected


class MapProjector:
    """Coefficients and cameras to position maps `[B,R,R,3]`.

    Args:
        face: the face model.
        resolution: R, the map's side.
    """

    def __init__(self, face: OpenFace, resolution: int) -> None:
        self.resolution = resolution
        maps = face.linear_at(PositionMap(face, resolution).cage_matrix)
        self._linear = tf.constant(maps.reshape(len(maps), -1))

    def __call__(self, identity: tf.Tensor, expression: tf.Tensor, camera: tf.Tensor) -> tf.Tensor:
        """Maps `[B,R,R,3]`: u, v and depth in pixels of the record's image; depth is not shifted yet.

        Args:
            identity: `[B,150]`. expression: `[B,52]`. camera: `[B,13]` as in `tfface.io.records`.
        """
        ones = tf.ones_like(identity[:, :1])
        points = tf.concat([ones, identity, expression], axis=1) @ self._linear
        points = tf.reshape(points, [-1, self.resolution**2, 3])
        rotation = tf.reshape(camera[:, :9], [-1, 3, 3])
        x, y, z = tf.unstack(tf.matmul(points, rotation, transpose_b=True), axis=-1)
        focal, distance, *centre = tf.split(camera[:, 9:], 4, axis=1)
        u, v, _ = projected(x, y, z, focal, distance, tuple(centre))
        maps = tf.stack([u, v, focal / distance * z], axis=-1)
        return tf.reshape(maps, [-1, self.resolution, self.resolution, 3])


def transform_maps(maps: tf.Tensor, transforms: tf.Tensor) -> tf.Tensor:
    """Position maps `[B,R,R,3+]` under similarities of their pictures `[B,2,3]`; depth scales along, least depth 0.

    What follows the third channel (the texels' weights) stays.
    """
    linear, shift = transforms[:, :, :2], transforms[:, :, 2]
    moved = tf.einsum("bij,brcj->brci", linear, maps[..., :2]) + shift[:, None, None]
    scale = tf.sqrt(tf.abs(tf.linalg.det(linear)))[:, None, None, None]
    depth = maps[..., 2:3] * scale
    depth -= tf.reduce_min(depth, axis=[1, 2, 3], keepdims=True)
    return tf.concat([moved, depth, maps[..., 3:]], axis=-1)


def mirror_maps(maps: tf.Tensor, width_px: float) -> tf.Tensor:
    """The maps of the mirrored pictures: the chart is symmetric, so columns swap and u turns round."""
    flipped = tf.reverse(maps, axis=[2])
    return tf.concat([width_px - flipped[..., :1], flipped[..., 1:]], axis=-1)
