"""Augmentation of batches inside `tf.data`: pictures and geometry move together, exactly.

Geometry is one similarity a sample, from pixels of the stored picture to pixels of the network's 256-pixel crop: the
picture is resampled by its inverse, the position map is transformed by it. Colour and damage touch the picture alone.
Seed 002: rotation +-45 degrees, each channel x 0.9 to 1.2, dropped boxes; seed 003: scale, shift, noise.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfface.config import AugmentConfig

CROP_SIZE = 256.0
MAX_BOXES = 4


def crop_transforms(batch: tf.Tensor, picture_size: tf.Tensor, margin: float) -> tf.Tensor:
    """`[B,2,3]` from a stored square picture to the crop, without augmentation.

    The generator's pictures show `margin` times the crop's box, so that rotated crops do not run out of pixels.
    """
    size = tf.cast(picture_size, tf.float32)
    scale = CROP_SIZE * margin / size
    shift = (CROP_SIZE - scale * size) / 2
    zero = tf.zeros([])
    matrix = tf.reshape(tf.stack([scale, zero, shift, zero, scale, shift]), [1, 2, 3])
    return tf.tile(matrix, [batch, 1, 1])


def random_similarities(batch: tf.Tensor, config: AugmentConfig) -> tf.Tensor:
    """`[B,2,3]` random rotations, scales and shifts about the middle of the crop."""
    angle = tf.random.uniform([batch], -1, 1) * np.deg2rad(config.rotation_deg)
    low, high = np.log(config.scale)
    scale = tf.exp(tf.random.uniform([batch], low, high))
    shift = tf.random.uniform([batch, 2], -1, 1) * config.shift * CROP_SIZE
    cosine, sine = scale * tf.cos(angle), scale * tf.sin(angle)
    linear = tf.reshape(tf.stack([cosine, -sine, sine, cosine], axis=1), [-1, 2, 2])
    centre = tf.constant([CROP_SIZE / 2, CROP_SIZE / 2])
    offset = centre - tf.linalg.matvec(linear, centre) + shift
    return tf.concat([linear, offset[:, :, None]], axis=2)


def compose(second: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    """The transform `[B,2,3]` that does `first`, then `second`."""
    linear = second[:, :, :2] @ first[:, :, :2]
    shift = tf.linalg.matvec(second[:, :, :2], first[:, :, 2]) + second[:, :, 2]
    return tf.concat([linear, shift[:, :, None]], axis=2)


def warp_pictures(pictures: tf.Tensor, transforms: tf.Tensor, size: int) -> tf.Tensor:
    """Resample `[B,H,W,3]` through `[B,2,3]` (picture to 256-pixel crop) into `[B,size,size,3]`, borders mirrored."""
    linear, shift = transforms[:, :, :2], transforms[:, :, 2]
    inverse = tf.linalg.inv(linear)
    back = -tf.linalg.matvec(inverse, shift)
    step = CROP_SIZE / size
    # The op numbers pixels by their corners: pixel j's centre is j + 0.5 in ours.
    half = tf.constant([0.5, 0.5])
    offset = tf.linalg.matvec(inverse * step, half) + back - half
    matrix = tf.concat([inverse * step, offset[:, :, None]], axis=2)
    rows = tf.concat([tf.reshape(matrix, [-1, 6]), tf.zeros([tf.shape(matrix)[0], 2])], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pictures,
        transforms=rows,
        output_shape=tf.constant([size, size]),
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )


def damage_pictures(pictures: tf.Tensor, config: AugmentConfig) -> tf.Tensor:
    """Colour, contrast, blur, noise, greyscale and dropped boxes on `[B,S,S,3]` in [0,1]."""
    batch = tf.shape(pictures)[0]
    low, high = config.colour
    pictures = pictures * tf.random.uniform([batch, 1, 1, 3], low, high)
    if config.gamma > 0:
        power = tf.exp(tf.random.uniform([batch, 1, 1, 1], -config.gamma, config.gamma))
        pictures = tf.pow(tf.maximum(pictures, 1e-4), power)
    if config.blur_probability > 0:
        pictures = _sometimes(pictures, _blur(pictures), config.blur_probability)
    if config.grey_probability > 0:
        grey = tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(pictures))
        pictures = _sometimes(pictures, grey, config.grey_probability)
    if config.noise > 0:
        strength = tf.random.uniform([batch, 1, 1, 1], 0, config.noise)
        pictures += strength * tf.random.normal(tf.shape(pictures))
    if config.box_probability > 0:
        pictures = _drop_boxes(pictures, config)
    return tf.clip_by_value(pictures, 0.0, 1.0)


def _sometimes(first: tf.Tensor, second: tf.Tensor, probability: float) -> tf.Tensor:
    chosen = tf.random.uniform([tf.shape(first)[0], 1, 1, 1]) < probability
    return tf.where(chosen, second, first)


def _blur(pictures: tf.Tensor) -> tf.Tensor:
    """A picture that was small once: halved or quartered, and brought back."""
    size = pictures.shape[1]
    small = tf.image.resize(pictures, [size // 2, size // 2], method="area")
    tiny = tf.image.resize(small, [size // 4, size // 4], method="area")
    half, quarter = (tf.image.resize(x, [size, size], method="bilinear") for x in (small, tiny))
    mix = tf.random.uniform([tf.shape(pictures)[0], 1, 1, 1])
    return half * mix + quarter * (1 - mix)


def _drop_boxes(pictures: tf.Tensor, config: AugmentConfig) -> tf.Tensor:
    """Up to four boxes of one colour each, somewhere in each picture."""
    batch, size = tf.shape(pictures)[0], pictures.shape[1]
    grid = (tf.range(size, dtype=tf.float32) + 0.5) / size
    for _ in range(MAX_BOXES):
        side = tf.random.uniform([batch, 2], 0.02, config.box_size)
        corner = tf.random.uniform([batch, 2]) * (1 - side)
        inside = (grid >= corner[..., None]) & (grid < (corner + side)[..., None])
        box = (inside[:, 0, :, None] & inside[:, 1, None, :])[..., None]
        box &= tf.random.uniform([batch, 1, 1, 1]) < config.box_probability / MAX_BOXES
        pictures = tf.where(box, tf.random.uniform([batch, 1, 1, 3]), pictures)
    return pictures
