"""Zhou's noise inside the face (its section 3.2.3): one to three kinds of Gaussian, random pixels, and a patch.

The face is the ellipse about its map: the texels' mean, and twice their standard deviations for half-axes.
"""

from __future__ import annotations

import tensorflow as tf

from tfface.data.augment import CROP_SIZE, random_subset

GAUSSIAN_SIGMA = (0.02, 0.1)
RANDOM_SHARE = (0.01, 0.1)
PATCH_SIDE = (0.15, 0.4)
"""Of the face's half-axes."""


def face_ellipse(maps: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mask `[B,size,size,1]`, centres and half-axes `[B,2]` in shares of the crop's side."""
    centre, variance = tf.nn.moments(maps[..., :2] / CROP_SIZE, axes=[1, 2])
    axes = 2 * tf.sqrt(variance) + 1e-6
    grid = (tf.range(size, dtype=tf.float32) + 0.5) / size
    across = tf.square((grid[None] - centre[:, :1]) / axes[:, :1])
    down = tf.square((grid[None] - centre[:, 1:]) / axes[:, 1:])
    return ((down[:, :, None] + across[:, None, :]) < 1.0)[..., None], centre, axes


def add_face_noise(pictures: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """Pictures `[B,S,S,3]` in [0,1] with noise inside the faces whose maps `[B,R,R,3]` are given."""
    batch = tf.shape(pictures)[0]
    inside, centre, axes = face_ellipse(maps, pictures.shape[1])
    gaussian, random, patch = (kind[:, None, None, None] for kind in tf.unstack(random_subset(batch, 3), axis=1))
    pictures = tf.where(inside & gaussian, _gaussian(pictures, batch), pictures)
    pictures = tf.where(inside & random, _random_pixels(pictures, batch), pictures)
    covered = _patch(pictures.shape[1], batch, centre, axes)
    return tf.where(inside & patch & covered, tf.random.uniform([batch, 1, 1, 3]), pictures)


def _gaussian(pictures: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    sigma = tf.random.uniform([batch, 1, 1, 1], *GAUSSIAN_SIGMA)
    return tf.clip_by_value(pictures + sigma * tf.random.normal(tf.shape(pictures)), 0.0, 1.0)


def _random_pixels(pictures: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """Some pixels of any colour."""
    share = tf.random.uniform([batch, 1, 1, 1], *RANDOM_SHARE)
    hit = tf.random.uniform(tf.shape(pictures[..., :1])) < share
    return tf.where(hit, tf.random.uniform(tf.shape(pictures)), pictures)


def _patch(size: int, batch: tf.Tensor, centre: tf.Tensor, axes: tf.Tensor) -> tf.Tensor:
    """A box somewhere in the face, `[B,size,size,1]`."""
    middle = centre + axes * tf.random.uniform([batch, 2], -0.7, 0.7)
    half = axes * tf.random.uniform([batch, 2], *PATCH_SIDE)
    grid = (tf.range(size, dtype=tf.float32) + 0.5) / size
    near = tf.abs(grid[None, None] - middle[..., None]) < half[..., None]
    return (near[:, 1, :, None] & near[:, 0, None, :])[..., None]
