"""The TensorFlow model against the NumPy one."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfface.errors import UserError
from tfface.face.morphable import MorphableModel, sample_map
from tfface.face.open_model import load_albedo_basis, load_open_face


@pytest.fixture(scope="module")
def coefficients() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 150)).astype(np.float32), rng.uniform(0, 0.4, (3, 52)).astype(np.float32)


def test_shape_is_the_numpy_shape(coefficients: tuple[np.ndarray, np.ndarray]) -> None:
    face, (identity, expression) = load_open_face(), coefficients
    model = MorphableModel(face)
    vertices = model.shape(identity, expression)
    assert vertices.shape == (3, 53833, 3) and vertices.dtype == tf.float32
    expected = face.face(2).vertices(face.cage(identity[1], expression[1]))
    np.testing.assert_allclose(vertices[1], expected, atol=2e-3)
    np.testing.assert_array_equal(model.landmarks(vertices, 81)[1], vertices.numpy()[1, face.landmarks81])


def test_shape_is_differentiable(coefficients: tuple[np.ndarray, np.ndarray]) -> None:
    """A linear function: the gradient of a weighted sum of vertices is the same weighting of the basis."""
    face, model = load_open_face(), MorphableModel(load_open_face(), level=1)
    identity, expression = (tf.constant(c[:1]) for c in coefficients)
    weights = tf.random.stateless_normal([1, model.num_vertices, 3], [0, 1])
    with tf.GradientTape() as tape:
        tape.watch(identity)
        total = tf.reduce_sum(weights * model.shape(identity, expression))
    moved = face.face(1).matrix @ face.id_basis[7]
    np.testing.assert_allclose(tape.gradient(total, identity)[0, 7], (weights[0] * moved).numpy().sum(), rtol=1e-3)


def test_albedo_is_a_colour_per_vertex() -> None:
    model = MorphableModel(load_open_face())
    rng = np.random.default_rng(0)
    albedo = model.albedo(rng.normal(size=(2, len(load_albedo_basis().basis))).astype(np.float32)).numpy()
    assert albedo.shape == (2, 53833, 3) and albedo.min() >= 0 and albedo.max() <= 1
    assert np.abs(albedo[0] - albedo[1]).mean() > 0.01


def test_sample_map_takes_corners_to_corners() -> None:
    maps = tf.reshape(tf.range(16, dtype=tf.float32), [1, 4, 4, 1])
    values = sample_map(maps, np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.5], [1.0, 1.0]]))
    np.testing.assert_allclose(values[0, :, 0], [0, 3, 7.5, 15])


def test_unknown_landmark_set() -> None:
    with pytest.raises(UserError, match="68 or 81"):
        MorphableModel(load_open_face(), level=0).landmarks(tf.zeros([1, 10, 3]), 5)


def test_triangles_say_what_they_are() -> None:
    face = load_open_face()
    model = MorphableModel(face, level=1)
    assert len(model.triangle_part) == len(model.triangles)
    middle = face.face(1).vertices(face.mean)[model.triangles].mean(1)
    of = {name: middle[model.triangle_part == index] for index, name in enumerate(model.part_names)}
    materials = dict(zip(model.part_names, model.part_materials, strict=True))
    assert (materials["left eye"], materials["mouth"], materials["neck"]) == ("eye", "flesh", "skin")
    assert of["left eye"][:, 0].min() > 0 > of["right eye"][:, 0].max()
    assert of["mouth"][:, 1].max() < of["left eye"][:, 1].min() and len(of["skin"]) > 10 * len(of["mouth"])
