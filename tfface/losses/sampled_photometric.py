"""A photometric loss without a rasteriser: the photograph is read where the visible vertices land.

    L = sum w_i (sqrt(eps + |I(p_i) - c_i|^2) - sqrt(eps)) / max(sum w_i, 1),
    c_i = albedo_i * sum_k Y_k(n_i) gamma_k   (`tfface.render.shade`)

p_i is vertex i in pixels, w_i how well the camera sees it (0 outside the picture). One gather of the photograph and one
product a vertex: the gradient reaches the geometry through I(p_i) and n_i, the colours through c_i. What it leaves out
is the silhouette, where landmarks serve.
"""

from __future__ import annotations

import tensorflow as tf

from tfface.losses.photometric import robust_length
from tfface.losses.sampling import inside, sample
from tfface.render.shade import shade


def sampled_colours(image: tf.Tensor, points: tf.Tensor, colours: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """The loss `[B]` of colours at points.

    Args:
        image: `[B,H,W,3]` RGB in [0,1].
        points: `[B,V,2]` u, v in pixels.
        colours: `[B,V,3]` predicted there.
        weights: `[B,V]` at least 0, such as visibility times the skin mask read at the points; a constant for the
            gradient.
    """
    points = points[..., :2]
    seen = tf.stop_gradient(weights * inside(points, tf.shape(image)[1], tf.shape(image)[2]))
    distance = robust_length(sample(image, points) - colours)
    return tf.reduce_sum(seen * distance, axis=1) / tf.maximum(tf.reduce_sum(seen, axis=1), 1.0)


def sampled_photometric(
    image: tf.Tensor, points: tf.Tensor, albedo: tf.Tensor, normals: tf.Tensor, light: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """The loss `[B]` of a lit surface.

    Args:
        image: `[B,H,W,3]` RGB in [0,1].
        points: `[B,V,2]` u, v in pixels.
        albedo: `[B,V,3]` in [0,1].
        normals: `[B,V,3]` of length 1, in the camera's frame (`tfface.render.shade`).
        light: `[B,9]` or `[B,27]` spherical-harmonic coefficients.
        weights: `[B,V]`, see `sampled_colours`.
    """
    return sampled_colours(image, points, shade(albedo, normals, light), weights)


def mask_at(mask: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """A mask `[B,H,W]` read at points `[B,V,2]`: weights `[B,V]`, a constant for the gradient."""
    return tf.stop_gradient(sample(mask[..., None], points[..., :2], border="zero")[..., 0])
