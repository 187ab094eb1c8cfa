"""An exact z-buffer in plain TensorFlow: which triangle every pixel sees.

Points are homogeneous pixels `[B,V,4] = (u w, v w, z w, w)`: u right, v down, pixel centres at +0.5
(`docs/conventions.md`), z in [-1, 1] from near to far, w > 0 in front of the camera; `tfface.render.camera` makes them.
With the pixel's centre moved to the origin, edge function k of a triangle is the cross product of its two other
corners; the centre is inside where all three have the sign of `determinant = sum_k edge_k w_k`, and there
`z = sum_k edge_k z_k / determinant` (Olano and Greer 1997). A corner behind the camera needs no clipping so.

Every triangle's pixel box is cut into units of `LANES` pixels. All units of all triangles form one long list, which a
loop works off in chunks, so that shapes are static and no triangle is too large. A fragment's key holds depth bits and
then the triangle's index, exactly, in one float64: the least key of a pixel wins, and ties go to the lower index.
Visibility has no gradient; the barycentrics of `interpolate.py` do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.render.framebuffer import Framebuffer
from tfface.render.interpolate import framebuffer_of

CHUNK = 1 << 15  # units worked off at a time
LANES = 4  # pixels in a unit
MAX_UNITS = 2.0**30  # an image's units beyond that are left out: the count must stay in int32
NEAR_W = 1e-6  # the camera's plane
LARGEST = 1e15  # products of two larger coordinates overflow in float32
_EMPTY = 1e300

Triangles: TypeAlias = "NDArray[np.integer] | tf.Tensor"


class _Boxes(NamedTuple):
    """Triangles made ready for one image: 16 numbers a row, and where each triangle's units start."""

    rows: tf.Tensor  # [T,16] three corners (x, y, z, w), box left, top, width, number of pixels
    start: tf.Tensor  # [T] int32
    total: tf.Tensor  # [] int32


def size_of(image_size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width in pixels of `image_size`, one number for a square picture or the two.

    Raises:
        UserError: a side is below 1 or above 4096 (beyond, float32 no longer counts the pixels of a box exactly).
    """
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    if not (1 <= height <= 4096 and 1 <= width <= 4096):
        raise UserError(f"A picture of {height} x {width} pixels cannot be rendered: give sides from 1 to 4096.")
    return int(height), int(width)


def _screen(points: tf.Tensor) -> tf.Tensor:
    """Points with pixel centres on whole numbers; w becomes 1 in front of the camera and is kept behind it.

    Coordinates that cannot be reckoned with become NaN.
    """
    u, v, z, w = tf.unstack(tf.where(tf.abs(points) < LARGEST, points, math.nan), axis=-1)
    front = w > NEAR_W
    divisor, weight = tf.where(front, w, 1.0), tf.where(front, 1.0, w)
    return tf.stack([u / divisor - 0.5 * weight, v / divisor - 0.5 * weight, z / divisor, weight], axis=-1)


def _box_side(corners: tf.Tensor, behind: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """First pixel and number of pixels of the box along one axis; the whole picture where w changes its sign."""
    first = tf.maximum(tf.math.ceil(tf.reduce_min(corners, axis=1)), 0.0)
    last = tf.minimum(tf.floor(tf.reduce_max(corners, axis=1)), size - 1.0)
    first, last = tf.where(behind, 0.0, first), tf.where(behind, size - 1.0, last)
    return first, tf.maximum(last - first + 1.0, 0.0)


def _boxes(points: tf.Tensor, triangles: tf.Tensor, height: int, width: int, cull: bool) -> _Boxes:
    corners = tf.gather(_screen(points), triangles)  # [T,3,4]
    x, y, weight = corners[..., 0], corners[..., 1], corners[..., 3]
    in_front = weight > 0.5
    seen = tf.reduce_any(in_front, axis=1) & tf.reduce_all(tf.math.is_finite(corners), axis=[1, 2])
    crosses = ~tf.reduce_all(in_front, axis=1)
    if cull:
        area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
        seen &= (area <= 0.0) | crosses
    left, columns = _box_side(x, crosses, width)
    top, lines = _box_side(y, crosses, height)
    pixels = tf.where(seen, columns * lines, 0.0)
    units = tf.math.ceil(pixels / LANES)
    units = tf.where(tf.cumsum(tf.cast(units, tf.float64)) < MAX_UNITS, units, 0.0)
    units = tf.cast(units, tf.int32)
    end = tf.cumsum(units)
    box = tf.stack([left, top, tf.maximum(columns, 1.0), pixels], axis=1)
    return _Boxes(tf.concat([tf.reshape(corners, [-1, 12]), box], axis=1), end - units, end[-1])


def _triangle_of_unit(start: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    """The triangle `[CHUNK]` of each of the units `first .. first + CHUNK`: how many triangles started by then."""
    offset = start - first
    slot = tf.where(offset >= CHUNK, -1, tf.maximum(offset, 0))
    return tf.cumsum(tf.math.unsorted_segment_sum(tf.ones_like(start), slot, CHUNK)) - 1


def _edges(row: list[tf.Tensor], px: tf.Tensor, py: tf.Tensor) -> list[tf.Tensor]:
    """Edge functions in float64, exact: a product of two float32 numbers fits."""
    x = [tf.cast(row[4 * k] - px * row[4 * k + 3], tf.float64) for k in range(3)]
    y = [tf.cast(row[4 * k + 1] - py * row[4 * k + 3], tf.float64) for k in range(3)]
    return [x[i] * y[j] - x[j] * y[i] for i, j in ((1, 2), (2, 0), (0, 1))]


def _weighted(edges: list[tf.Tensor], row: list[tf.Tensor], column: int) -> tf.Tensor:
    return tf.add_n([edges[k] * tf.cast(row[4 * k + column], tf.float64) for k in range(3)])


def _fragments(
    boxes: _Boxes, first: tf.Tensor, width: int, scale: float, stride: float, cull: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Keys `[CHUNK * LANES]` float64 and pixels (-1: none) of one chunk of units."""
    triangle = _triangle_of_unit(boxes.start, first)
    row = tf.split(tf.gather(boxes.rows, triangle), 16, axis=-1)
    unit = tf.range(CHUNK) + first
    within = tf.cast(unit - tf.gather(boxes.start, triangle), tf.float32)[:, None] * LANES
    within += tf.range(LANES, dtype=tf.float32)[None]
    line = tf.floor((within + 0.5) / row[14])
    px, py = row[12] + within - line * row[14], row[13] + line
    edges = _edges(row, px, py)
    determinant = _weighted(edges, row, 3)
    sign = tf.sign(determinant)
    drawn = sign < 0 if cull else sign != 0
    z = _weighted(edges, row, 2) / tf.where(drawn, determinant, 1.0)
    inside = tf.minimum(tf.minimum(edges[0] * sign, edges[1] * sign), edges[2] * sign) >= 0
    drawn &= inside & (tf.abs(z) <= 1.0) & (within < row[15]) & (unit < boxes.total)[:, None]
    key = tf.floor((z + 1.0) * scale) * stride + tf.cast(triangle, tf.float64)[:, None]
    pixel = tf.where(drawn, tf.cast(py * width + px, tf.int32), -1)
    return tf.reshape(key, [-1]), tf.reshape(pixel, [-1])


def _one_image(points: tf.Tensor, triangles: tf.Tensor, height: int, width: int, cull: bool) -> tf.Tensor:
    bits = max(1, math.ceil(math.log2(triangles.shape[0] + 1)))
    scale, stride = 2.0 ** (51 - bits), 2.0**bits
    boxes = _boxes(points, triangles, height, width, cull)

    def body(first: tf.Tensor, least: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        keys, pixels = _fragments(boxes, first, width, scale, stride, cull)
        return first + CHUNK, tf.minimum(least, tf.math.unsorted_segment_min(keys, pixels, height * width))

    start = (tf.constant(0), tf.fill([height * width], tf.constant(_EMPTY, tf.float64)))
    _, least = tf.while_loop(lambda first, _: first < boxes.total, body, start, parallel_iterations=1)
    triangle = tf.where(least < _EMPTY, least - tf.floor(least / stride) * stride, -1.0)
    return tf.reshape(tf.cast(triangle, tf.int32), [height, width])


def _all_images(points: tf.Tensor, triangles: tf.Tensor, height: int, width: int, cull: bool) -> tf.Tensor:
    return tf.map_fn(
        lambda one: _one_image(one, triangles, height, width, cull),
        points,
        fn_output_signature=tf.TensorSpec([height, width], tf.int32),
        parallel_iterations=1,
    )


@lru_cache(maxsize=64)
def _compiled(height: int, width: int, cull: bool) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    return tf.function(lambda points, triangles: _all_images(points, triangles, height, width, cull), jit_compile=True)


def triangle_ids(
    points: tf.Tensor, triangles: Triangles, image_size: int | Sequence[int], *, cull: bool = False, xla: bool = True
) -> tf.Tensor:
    """The triangle `[B,H,W]` int32 that each pixel sees, -1 where there is none.

    Args:
        points: `[B,V,4]` homogeneous pixels (u w, v w, z w, w); V must be static.
        triangles: `[T,3]` vertex indices of all images; T must be static.
        image_size: picture in pixels, a side or (height, width).
        cull: leave out triangles that wind clockwise as the camera sees them.
        xla: compile this part with XLA wherever it is called from; without, it runs as the caller's graph does.

    Triangles of NaN, infinite or immense (1e15) corners, without area, behind the camera or outside [near, far] cover
    nothing. Cost grows with the total area of the triangles' boxes.

    Raises:
        UserError: shapes other than these.
    """
    triangles = tf.cast(tf.convert_to_tensor(triangles), tf.int32)
    if points.shape.rank != 3 or points.shape[-1] != 4 or points.shape[1] is None:
        raise UserError(f"The rasteriser needs points [B,V,4] with a fixed V, not {points.shape}: see render.camera.")
    if triangles.shape.rank != 2 or triangles.shape[1] != 3 or not triangles.shape[0]:
        raise UserError(f"The rasteriser needs triangles [T,3] with a fixed T of at least 1, not {triangles.shape}.")
    height, width = size_of(image_size)
    points = tf.stop_gradient(tf.cast(points, tf.float32))
    if xla:
        return _compiled(height, width, cull)(points, triangles)
    return _all_images(points, triangles, height, width, cull)


def rasterize(
    points: tf.Tensor, triangles: Triangles, image_size: int | Sequence[int], *, cull: bool = False, xla: bool = True
) -> Framebuffer:
    """tensorflow-graphics' `Framebuffer` of a batch of meshes that share their triangles.

    Row 0 is the picture's top. As in tensorflow-graphics, background has triangle 0 and mask 0. The barycentrics (those
    of the triangle in space, so interpolation is perspective-correct) carry gradients to `points`; the rest has none.

    Args and raises: as `triangle_ids`.
    """
    ids = triangle_ids(points, triangles, image_size, cull=cull, xla=xla)
    return framebuffer_of(ids, points, triangles)
