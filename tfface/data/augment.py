"""Augmentation of batches inside `tf.data`: pictures and geometry move together, exactly.

Geometry is one similarity a sample, from pixels of the stored picture to pixels of the network's 256-pixel crop: the
picture is resampled by its inverse, the position map is transformed by it. Colour and damage touch the picture alone.
Lium 2020: rotation +-45 degrees, each channel x 0.9 to 1.2, dropped boxes; Zhou 2021: scale, shift, some channels, and
noise inside the face (`tfface.data.face_noise`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfface.config import AugmentConfig

CROP_SIZE = 256.0
BLUR_RADIUS = 4


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


def warp_pictures(pictures: tf.Tensor, transforms: tf.Tensor, size: int, fill_mode: str = "REFLECT") -> tf.Tensor:
    """Resample `[B,H,W,C]` through `[B,2,3]` (picture to 256-pixel crop) into `[B,size,size,C]`.

    Borders are mirrored, or black where `fill_mode` is CONSTANT.
    """
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
        fill_mode=fill_mode,
        fill_value=0.0,
    )


def damage_pictures(pictures: tf.Tensor, config: AugmentConfig) -> tf.Tensor:
    """Colour, tones, blur, greyscale, noise and dropped boxes on `[B,S,S,3]` in [0,1]."""
    batch = tf.shape(pictures)[0]
    factor = tf.random.uniform([batch, 1, 1, 3], *config.colour)
    if config.some_channels:
        factor = tf.where(random_subset(batch, 3)[:, None, None], factor, 1.0)
    pictures = pictures * factor
    pictures = _sometimes(pictures, lambda some: _bent(some, config.gamma), config.gamma_probability)
    pictures = _sometimes(pictures, lambda some: _blurred(some, config.blur_sigma_px), config.blur_probability)
    pictures = _sometimes(pictures, _grey, config.greyscale_probability)
    pictures = _sometimes(pictures, lambda some: _noisy(some, config.noise_sigma), config.noise_probability)
    for _ in range(config.dropout_boxes):
        pictures = _dropped_box(pictures, config.dropout_size)
    pictures = _sometimes(pictures, _cut_border, config.border_probability)
    return tf.clip_by_value(pictures, 0.0, 1.0)


def random_subset(batch: tf.Tensor, count: int) -> tf.Tensor:
    """`[B,count]` booleans: one to `count` of them true, every number and every choice equally likely."""
    order = tf.argsort(tf.argsort(tf.random.uniform([batch, count]), axis=1), axis=1)
    return order < tf.random.uniform([batch, 1], 1, count + 1, tf.int32)


def _sometimes(pictures: tf.Tensor, change: Callable[[tf.Tensor], tf.Tensor], probability: float) -> tf.Tensor:
    """Changes some pictures; the others cost nothing."""
    chosen = tf.where(tf.random.uniform([tf.shape(pictures)[0]]) < probability)

    def changed() -> tf.Tensor:
        return tf.tensor_scatter_nd_update(pictures, chosen, change(tf.gather_nd(pictures, chosen)))

    return tf.cond(tf.size(chosen) > 0, changed, lambda: pictures)


def _bent(pictures: tf.Tensor, gamma: tuple[float, float]) -> tf.Tensor:
    exponent = tf.exp(tf.random.uniform([tf.shape(pictures)[0], 1, 1, 1], *np.log(gamma)))
    return tf.pow(tf.maximum(pictures, 1e-4), exponent)


def _grey(pictures: tf.Tensor) -> tf.Tensor:
    return tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(pictures))


def _noisy(pictures: tf.Tensor, sigma: tuple[float, float]) -> tf.Tensor:
    strength = tf.random.uniform([tf.shape(pictures)[0], 1, 1, 1], *sigma)
    return pictures + tf.random.normal(tf.shape(pictures)) * strength


def _blurred(pictures: tf.Tensor, sigma_px: tuple[float, float]) -> tf.Tensor:
    """A Gaussian blur of each sample's own strength, as two depthwise passes with the batch laid into the channels."""
    batch, size = tf.shape(pictures)[0], pictures.shape[1]
    sigma = tf.random.uniform([batch, 1], *sigma_px)
    offset = tf.range(-BLUR_RADIUS, BLUR_RADIUS + 1, dtype=tf.float32)
    kernel = tf.exp(-0.5 * tf.square(offset[None] / sigma))
    kernel = tf.repeat(tf.transpose(kernel / tf.reduce_sum(kernel, axis=1, keepdims=True)), 3, axis=1)
    laid = tf.reshape(tf.transpose(pictures, [1, 2, 0, 3]), [1, size, size, batch * 3])
    for shape in ([-1, 1], [1, -1]):
        filters = tf.reshape(kernel, [*shape, batch * 3, 1])
        laid = tf.nn.depthwise_conv2d(laid, filters, [1, 1, 1, 1], "SAME")
    return tf.transpose(tf.reshape(laid, [size, size, batch, 3]), [2, 0, 1, 3])


def _dropped_box(pictures: tf.Tensor, sides: tuple[float, float]) -> tf.Tensor:
    """A box of one colour over a quarter of the pictures."""
    batch, size = tf.shape(pictures)[0], pictures.shape[1]
    grid = (tf.range(size, dtype=tf.float32) + 0.5) / size
    side = tf.random.uniform([batch, 2], *sides)
    corner = tf.random.uniform([batch, 2]) * (1 - side)
    inside = (grid >= corner[..., None]) & (grid < (corner + side)[..., None])
    box = (inside[:, 0, :, None] & inside[:, 1, None, :])[..., None]
    box &= tf.random.uniform([batch, 1, 1, 1]) < 0.25
    return tf.where(box, tf.random.uniform([batch, 1, 1, 3]), pictures)


def _cut_border(pictures: tf.Tensor) -> tf.Tensor:
    """Black beyond one side, as where a crop leaves its photograph."""
    batch, size = tf.shape(pictures)[0], pictures.shape[1]
    distance = tf.random.uniform([batch, 1, 1, 1], 0, 0.25 * size)
    grid = tf.range(size, dtype=tf.float32)
    sides = tf.one_hot(tf.random.uniform([batch], 0, 4, tf.int32), 4)[:, :, None, None, None]
    rows, columns = grid[None, :, None, None], grid[None, None, :, None]
    last = size - 1.0
    depth = tf.stack([rows + 0 * columns, columns + 0 * rows, last - rows + 0 * columns, last - columns + 0 * rows], 1)
    depth = tf.reduce_sum(depth * sides, axis=1)
    return tf.where(depth < distance, 0.0, pictures)
