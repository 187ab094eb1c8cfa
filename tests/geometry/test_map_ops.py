"""Similarities and normals inside a network's graph against those of NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.align import fit_similarity
from tfface.geometry.map_ops import apply_similarities, fit_similarities, normals, unapply_similarities
from tfface.geometry.rotation import euler_to_matrix

COUNT, POINTS = 6, 50


@pytest.fixture(scope="module")
def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Face-shaped clouds under any rotation, half turns included, with noise and weights."""
    rng = np.random.default_rng(0)
    source = rng.normal(0, [1, 1.2, 0.5], (COUNT, POINTS, 3))
    angles = [(0, 0, np.pi), (np.pi, 0, 0), (0, 0, 0), *rng.uniform(-3, 3, (COUNT - 3, 3))]
    target = np.stack([1.7 * x @ euler_to_matrix(*a).T + [5, -3, 2] for x, a in zip(source, angles, strict=True)])
    target += rng.normal(0, 0.05, target.shape)
    return source.astype(np.float32), target.astype(np.float32), rng.uniform(0, 1, (COUNT, POINTS, 1)).astype("float32")


def test_similarities_are_umeyamas(problem: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    source, target, weights = problem
    scale, rotation, shift = (keras.ops.convert_to_numpy(part) for part in fit_similarities(*problem))
    for i in range(COUNT):
        expected = fit_similarity(source[i], target[i], weights[i, :, 0])
        np.testing.assert_allclose(rotation[i], expected.rotation, atol=1e-4)
        np.testing.assert_allclose(scale[i, 0, 0], expected.scale, rtol=1e-4)
        np.testing.assert_allclose(shift[i, 0], expected.translation, atol=1e-3)
    fit = fit_similarities(*problem)
    back = unapply_similarities(fit, apply_similarities(fit, source))
    np.testing.assert_allclose(back, source, atol=1e-4)


def test_a_mirrored_cloud_gets_a_rotation_not_a_reflection() -> None:
    source = np.random.default_rng(1).normal(0, [1, 1.2, 0.5], (1, POINTS, 3)).astype(np.float32)
    rotation = keras.ops.convert_to_numpy(
        fit_similarities(source, source * np.float32([-1, 1, 1]), np.ones((1, POINTS, 1), np.float32))[1]
    )
    assert np.linalg.det(rotation[0]) == pytest.approx(1, abs=1e-4)


def test_the_gradient_is_true(problem: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Against central differences, for the sum of squares of what the fit leaves."""
    import tensorflow as tf

    source, target, weights = (part[2:3] for part in problem)
    direction = np.random.default_rng(2).normal(size=target.shape).astype(np.float32)

    def left(moved: object) -> object:
        placed = apply_similarities(fit_similarities(source, moved, weights), source)
        return keras.ops.sum(keras.ops.square(placed - target))

    variable = tf.Variable(target)
    with tf.GradientTape() as tape:
        value = left(variable)
    slope = float(np.sum(keras.ops.convert_to_numpy(tape.gradient(value, variable)) * direction))
    step = 1e-2
    measured = (float(left(target + step * direction)) - float(left(target - step * direction))) / (2 * step)
    assert slope == pytest.approx(measured, rel=2e-2)


def test_normals_face_the_camera_on_a_frontal_face_and_away_behind() -> None:
    face = load_open_face()
    topology = PositionMap(face, 64)
    points = (face.face(2).vertices(face.cage()) - face.centre) * [1, -1, 1]
    found = keras.ops.convert_to_numpy(normals(topology.from_vertices(points)[None]))[0]
    nose = topology.surface.uv[face.landmarks68[30]] * 63
    near_nose = found[int(nose[1]) - 12 : int(nose[1]) + 8 : 4, int(nose[0]) - 12 : int(nose[0]) + 12 : 4, 2]
    assert (near_nose > 0.2).mean() > 0.9
    turned = topology.from_vertices(points * np.float64([-1, 1, -1]))  # half a turn about the vertical
    behind = keras.ops.convert_to_numpy(normals(turned[None]))[0]
    np.testing.assert_allclose(behind[..., 2], -found[..., 2], atol=1e-3)
