"""Reading pictures at real-valued places, differentiable in the picture and in the places, in plain TensorFlow.

With pixel centres at +0.5 (`docs/conventions.md`), a place (u, v) lies between the four pixels round
(u - 0.5, v - 0.5): `I(u, v) = sum over them of (1 - |du|) (1 - |dv|) I_ij` (Jaderberg et al. 2015, equation 5).
A crop is read at `A (j + 0.5, i + 0.5)`, with A the affine map from the crop to the picture.

The affine maps come from landmarks in least squares, in closed form: a similarity (four unknowns; the two-dimensional
case of Umeyama 1991, without reflections) or a full affine map (six; the normal equations).
"""

from __future__ import annotations

import tensorflow as tf

from tfface.errors import UserError

BORDERS = ("repeat", "zero")
_TINY = 1e-12


def sample(images: tf.Tensor, points: tf.Tensor, border: str = "repeat") -> tf.Tensor:
    """Pictures at places: `[B,N,C]`, bilinear.

    Args:
        images: `[B,H,W,C]`.
        points: `[B,N,2]` u, v in pixels.
        border: "repeat" continues the picture's edge, "zero" has black beyond it.

    Raises:
        UserError: another border.
    """
    if border not in BORDERS:
        raise UserError(f"There is no border {border!r}: choose from {', '.join(BORDERS)}.")
    if border == "zero":
        images, points = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]]), points + 1.0
    shape = tf.shape(images)
    largest = tf.cast(tf.stack([shape[2], shape[1]]) - 1, points.dtype)
    place = tf.clip_by_value(points - 0.5, 0.0, largest)
    corner = tf.stop_gradient(tf.floor(tf.minimum(place, tf.maximum(largest - 1.0, 0.0))))
    weight = place - corner
    known = tf.where(tf.math.is_finite(corner), corner, 0.0)  # else the weight says that there is no place
    return _between(images, tf.cast(known, tf.int32), weight)


def _between(images: tf.Tensor, corner: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """The four pixels from `corner` `[B,N,2]` (column, row) on, by `weight` `[B,N,2]`."""
    shape = tf.shape(images)
    flat = tf.reshape(images, [shape[0], shape[1] * shape[2], images.shape[-1]])
    column, row = corner[..., 0], corner[..., 1]
    right, below = tf.minimum(column + 1, shape[2] - 1), tf.minimum(row + 1, shape[1] - 1)

    def pixel(j: tf.Tensor, i: tf.Tensor) -> tf.Tensor:
        return tf.gather(flat, i * shape[2] + j, batch_dims=1)

    across, down = weight[..., :1], weight[..., 1:]
    top = pixel(column, row) * (1.0 - across) + pixel(right, row) * across
    bottom = pixel(column, below) * (1.0 - across) + pixel(right, below) * across
    return top * (1.0 - down) + bottom * down


def inside(points: tf.Tensor, height: int | tf.Tensor, width: int | tf.Tensor) -> tf.Tensor:
    """1 where places `[B,N,2]` lie in a picture of this size, else 0: `[B,N]` float32."""
    size = tf.cast(tf.stack([width, height]), points.dtype)
    return tf.cast(tf.reduce_all((points >= 0.0) & (points <= size), axis=-1), tf.float32)


def warp(images: tf.Tensor, matrices: tf.Tensor, height: int, width: int, border: str = "repeat") -> tf.Tensor:
    """Crops `[B,height,width,C]` of pictures.

    Args:
        images: `[B,H,W,C]`.
        matrices: `[B,2,3]`, from positions in the crop to positions in the picture.
        height, width: of the crop in pixels.
        border: see `sample`.
    """
    across, down = tf.meshgrid(tf.range(width), tf.range(height))
    grid = tf.reshape(tf.cast(tf.stack([across, down], axis=-1), tf.float32), [-1, 2]) + 0.5
    pixels = sample(images, transform(matrices, grid[None]), border)
    return tf.reshape(pixels, [-1, height, width, images.shape[-1]])


def transform(matrices: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Points `[B,N,2]` (or `[1,N,2]`) mapped by `[B,2,3]`."""
    return tf.matmul(points, matrices[:, :, :2], transpose_b=True) + matrices[:, None, :, 2]


def fit_similarity(source: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The matrices `[B,2,3]` of the similarities of least squared error from points to points, never a reflection.

    Args:
        source, target: `[B,N,2]`; `[1,N,2]` stands for all of a batch.
    """
    mean_source, mean_target = (tf.reduce_mean(points, axis=1, keepdims=True) for points in (source, target))
    x, y = tf.unstack(source - mean_source, axis=-1)
    u, v = tf.unstack(target - mean_target, axis=-1)
    square = tf.reduce_sum(x * x + y * y, axis=1) + _TINY
    a = tf.reduce_sum(x * u + y * v, axis=1) / square
    b = tf.reduce_sum(x * v - y * u, axis=1) / square
    linear = tf.stack([tf.stack([a, -b], axis=-1), tf.stack([b, a], axis=-1)], axis=1)
    return _with_shift(linear, mean_source, mean_target)


def fit_affine(source: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The matrices `[B,2,3]` of the affine maps of least squared error.

    Args:
        source, target: `[B,N,2]`; the source points must not lie on one line.
    """
    mean_source, mean_target = (tf.reduce_mean(points, axis=1, keepdims=True) for points in (source, target))
    centred = source - mean_source
    square = tf.matmul(centred, centred, transpose_a=True)
    ridge = _TINY + 1e-7 * tf.linalg.trace(square)[:, None, None] * tf.eye(2)  # keeps points on a line solvable
    cross = tf.matmul(centred, target - mean_target, transpose_a=True)
    linear = tf.transpose(tf.linalg.solve(square + ridge, cross), [0, 2, 1])
    return _with_shift(linear, mean_source, mean_target)


def _with_shift(linear: tf.Tensor, mean_source: tf.Tensor, mean_target: tf.Tensor) -> tf.Tensor:
    shift = mean_target[:, 0] - tf.einsum(
        "bij,bj->bi", linear, tf.broadcast_to(mean_source, tf.shape(mean_target))[:, 0]
    )
    return tf.concat([linear, shift[:, :, None]], axis=2)
