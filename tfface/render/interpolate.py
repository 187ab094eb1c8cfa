"""Barycentrics and vertex attributes over a picture, with gradients.

The barycentrics of a pixel are its triangle's homogeneous edge functions, `b_k = edge_k / sum_j edge_j` (the notation
of `rasterize.py`); they are affine over the triangle in space, so attributes come out perspective-correct.
tensorflow-graphics computes the same through a vectorised map over pixels, which is what costs most there; here it is
one gather of corners and closed formulas, and an attribute is one gather and one sum.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfface.render.framebuffer import Framebuffer, RasterizedAttribute


def _gather(attributes: tf.Tensor, vertex_ids: tf.Tensor) -> tf.Tensor:
    """Rows `[B,H,W,3,C]` of `attributes` `[B,V,C]`: one gather over the flattened batch."""
    batch = tf.range(tf.shape(vertex_ids)[0]) * tf.shape(attributes)[1]
    rows = tf.reshape(attributes, [-1, attributes.shape[-1]])
    return tf.gather(rows, vertex_ids + batch[:, None, None, None])


def barycentrics(points: tf.Tensor, vertex_ids: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Barycentrics `[B,H,W,3]` of pixel centres in their triangles, 0 in the background.

    Args:
        points: `[B,V,4]` homogeneous pixels (u w, v w, z w, w).
        vertex_ids: `[B,H,W,3]` int32 corners of each pixel's triangle.
        mask: `[B,H,W,1]` float32, 1 where a triangle is seen.
    """
    height, width = vertex_ids.shape[1:3]
    corners = tf.where(mask[..., None] > 0, _gather(points, vertex_ids), 0.0)  # no NaN out of unseen triangles
    weight = corners[..., 3]
    x = corners[..., 0] - (tf.range(width, dtype=weight.dtype) + 0.5)[:, None] * weight
    y = corners[..., 1] - (tf.range(height, dtype=weight.dtype) + 0.5)[:, None, None] * weight
    x0, x1, x2 = tf.unstack(x, axis=-1)
    y0, y1, y2 = tf.unstack(y, axis=-1)
    edges = tf.stack([x1 * y2 - x2 * y1, x2 * y0 - x0 * y2, x0 * y1 - x1 * y0], axis=-1)
    total = tf.reduce_sum(edges, axis=-1, keepdims=True)
    return edges / tf.where(total == 0, 1.0, total)


def framebuffer_of(ids: tf.Tensor, points: tf.Tensor, triangles: NDArray[np.integer] | tf.Tensor) -> Framebuffer:
    """The `Framebuffer` of triangle ids `[B,H,W]` (-1: none), whichever rasteriser found them.

    Args:
        points: `[B,V,4]` homogeneous pixels, which the barycentrics are differentiable in.
        triangles: `[T,3]` vertex indices.
    """
    mask = tf.cast(ids >= 0, tf.float32)[..., None]
    triangle = tf.maximum(ids, 0)
    vertex_ids = tf.gather(tf.cast(tf.convert_to_tensor(triangles), tf.int32), triangle)
    weights = barycentrics(tf.cast(points, tf.float32), vertex_ids, mask)
    return Framebuffer(RasterizedAttribute(weights), triangle[..., None], vertex_ids, mask)


def interpolate(attributes: tf.Tensor, framebuffer: Framebuffer) -> tf.Tensor:
    """Attributes `[B,V,C]` over the picture `[B,H,W,C]`, 0 in the background; differentiable in both arguments."""
    corners = _gather(attributes, framebuffer.vertex_ids)
    # A sum, which XLA fuses with the gather; an einsum becomes a batch of tiny matrix products, four times slower.
    picture = tf.reduce_sum(framebuffer.barycentrics.value[..., None] * corners, axis=-2)
    return tf.where(framebuffer.foreground_mask > 0, picture, 0.0)
