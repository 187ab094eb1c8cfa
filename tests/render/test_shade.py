"""Light by hand, against tensorflow-graphics, and where normals are awkward."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_graphics.math import spherical_harmonics as tfg

from tfface.errors import UserError
from tfface.geometry import raster
from tfface.render.shade import harmonics, shade, unit, vertex_normals

# Deep3D's constants a0 c0, a1 c1, a2 c2 and its order, evaluated by hand.
BY_HAND = {
    (0, 0, 1): [0.886227, 0, 1.772454, 0, 0, 0, 1.401247, 0, 0],
    (1, 0, 0): [0.886227, 0, 0, -1.772454, 0, 0, -0.700624, 0, 1.213516],
    (0, 1, 0): [0.886227, -1.772454, 0, 0, 0, 0, -0.700624, 0, -1.213516],
    (0.6, 0.8, 0): [0.886227, -1.417963, 0, -1.063472, 1.164975, 0, -0.700624, 0, -0.339784],
    (0.6, 0, 0.8): [0.886227, 0, 1.417963, -1.063472, 0, 0, 0.644574, -1.164975, 0.436866],
    (0, 0.6, 0.8): [0.886227, -1.063472, 1.417963, 0, 0, -1.164975, 0.644574, 0, -0.436866],
}


@pytest.mark.parametrize("normal", BY_HAND)
def test_values_by_hand(normal: tuple) -> None:
    np.testing.assert_allclose(harmonics(tf.constant([normal], tf.float32))[0], BY_HAND[normal], atol=5e-6)


def test_basis_is_tensorflow_graphics_times_the_kernel() -> None:
    """Which of its real harmonics each of ours is, and with which sign, follows from the values alone."""
    normals = np.random.default_rng(0).normal(size=(64, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    theta, phi = np.arccos(normals[:, 2:]), np.arctan2(normals[:, 1:2], normals[:, :1]) % (2 * math.pi)
    degree, order = tfg.generate_l_m_permutations(2)
    theirs = tfg.evaluate_spherical_harmonics(
        tf.broadcast_to(degree, [64, 9]), tf.broadcast_to(order, [64, 9]), tf.constant(theta), tf.constant(phi)
    ).numpy()
    kernel = np.array([math.pi] + 3 * [2 * math.pi / math.sqrt(3)] + 5 * [2 * math.pi / math.sqrt(8)])
    ours = harmonics(tf.constant(normals, tf.float32)).numpy()
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs * kernel), atol=1e-5)  # the order: l, then m from -l to l
    signs = np.sign((ours * theirs).sum(0))
    np.testing.assert_allclose(ours, theirs * kernel * signs, atol=1e-5)


def test_zero_coefficients_are_even_light_and_colours_are_separate() -> None:
    normals = unit(tf.random.stateless_normal([2, 5, 3], [1, 2]))
    albedo = tf.random.stateless_uniform([2, 5, 3], [3, 4])
    np.testing.assert_allclose(shade(albedo, normals, tf.zeros([2, 27])), albedo * 0.7089815, rtol=1e-5)
    white = tf.random.stateless_normal([2, 9], [5, 6])
    np.testing.assert_allclose(shade(albedo, normals, white), shade(albedo, normals, tf.tile(white, [1, 3])), rtol=1e-6)
    green = np.zeros((2, 27), np.float32)
    green[:, 9 + 2] = 1.0  # colour-major: the third function of green
    change = shade(albedo, normals, tf.constant(green), ambient=0.0).numpy()
    np.testing.assert_allclose(change[..., 1], albedo[..., 1] * 1.7724539 * normals[..., 2], rtol=1e-5)
    assert not change[..., [0, 2]].any()
    with pytest.raises(UserError, match="not 12"):
        shade(albedo, normals, tf.zeros([2, 12]))


def test_gradient_at_the_pole_and_of_the_zero_vector_is_finite() -> None:
    vectors = tf.constant([[0.0, 0, 1], [0, 0, 0], [0, 0, -1], [1e-6, 0, 0]])
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        loss = tf.reduce_sum(harmonics(unit(vectors))[:, :8])
    assert np.isfinite(tape.gradient(loss, vectors)).all()
    np.testing.assert_allclose(unit(vectors)[3], [1, 0, 0], atol=1e-6)


def test_normals_equal_numba_in_a_batch() -> None:
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=2)
    vertices = np.stack([ball.vertices, ball.vertices * [1, 2, 3]]).astype(np.float32)
    ours = vertex_normals(tf.constant(vertices), ball.faces).numpy()
    for one, expected in zip(ours, vertices, strict=True):
        np.testing.assert_allclose(one, raster.vertex_normals(expected, ball.faces), atol=1e-5)
    assert ((ours[0] * vertices[0]).sum(-1) > 0.99).all()
