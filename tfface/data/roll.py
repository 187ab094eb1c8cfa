"""Zhou's roll correction for training, in TensorFlow: each face turned upright by its true landmarks.

The same line through the eyes and the pair of bridge and chin as `tfface.geometry.align.roll_from_landmarks`: with the
2x2 scatter matrix S of the 14 points its angle is `atan2(2 S_uv, S_uu - S_vv) / 2`, and the eyes' order with the way
from bridge to chin says which way it points.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfface.data.augment import CROP_SIZE
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.ibug68 import CHIN, EYES, LEFT_EYE, NOSE_BRIDGE, RIGHT_EYE


def rolls_of_maps(maps: tf.Tensor) -> tf.Tensor:
    """The heads' rolls `[B]` in radians, counter-clockwise, from position maps `[B,R,R,3+]`."""
    texels, weights = PositionMap(load_open_face(), int(maps.shape[1])).landmark_samples()
    flat = tf.reshape(maps[..., :2], [-1, maps.shape[1] * maps.shape[2], 2])
    corners = tf.reshape(tf.gather(flat, texels.ravel(), axis=1), [-1, *texels.shape, 2])
    return rolls_of_landmarks(tf.reduce_sum(corners * weights[..., None], axis=2))


def rolls_of_landmarks(points: tf.Tensor) -> tf.Tensor:
    """The heads' rolls `[B]` in radians from 68 points `[B,68,2]`."""
    eyes = points[:, EYES] - tf.reduce_mean(points[:, EYES], axis=1, keepdims=True)
    half = (points[:, CHIN] - points[:, NOSE_BRIDGE]) / 2
    across = tf.stack([half[:, 1], -half[:, 0]], axis=-1)
    samples = tf.concat([eyes, across[:, None], -across[:, None]], axis=1)
    scatter = tf.einsum("bki,bkj->bij", samples, samples)
    angle = tf.atan2(2 * scatter[:, 0, 1], scatter[:, 0, 0] - scatter[:, 1, 1]) / 2
    direction = tf.stack([tf.cos(angle), tf.sin(angle)], axis=-1)
    eyes_apart = tf.reduce_mean(points[:, RIGHT_EYE], axis=1) - tf.reduce_mean(points[:, LEFT_EYE], axis=1)
    turned = tf.reduce_sum(direction * (eyes_apart + across), axis=-1, keepdims=True)
    direction = tf.where(turned < 0, -direction, direction)
    return tf.atan2(-direction[:, 1], direction[:, 0])


def upright_similarities(rolls: tf.Tensor) -> tf.Tensor:
    """`[B,2,3]` that turn crops about their middle so that heads with these rolls stand upright."""
    cosine, sine = tf.cos(rolls), tf.sin(rolls)
    linear = tf.reshape(tf.stack([cosine, -sine, sine, cosine], axis=1), [-1, 2, 2])
    centre = tf.constant(np.full(2, CROP_SIZE / 2, np.float32))
    return tf.concat([linear, (centre - tf.linalg.matvec(linear, centre))[:, :, None]], axis=2)
