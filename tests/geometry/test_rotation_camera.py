"""Rotations and the camera keep to docs/conventions.md."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tfface.geometry.camera import Camera
from tfface.geometry.rotation import euler_to_matrix, geodesic_angle, matrix_to_euler

ANGLE = st.floats(-3.1, 3.1)
YAW = st.floats(-1.55, 1.55)


@given(YAW, ANGLE, ANGLE)
def test_euler_angles_round_trip(yaw: float, pitch: float, roll: float) -> None:
    rotation = euler_to_matrix(yaw, pitch, roll)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(euler_to_matrix(*matrix_to_euler(rotation)), rotation, atol=1e-9)


@given(st.sampled_from([-1.0, 1.0]), ANGLE, ANGLE)
def test_gimbal_lock_still_gives_the_rotation(sign: float, pitch: float, roll: float) -> None:
    rotation = euler_to_matrix(sign * np.pi / 2, pitch, roll)
    np.testing.assert_allclose(euler_to_matrix(*matrix_to_euler(rotation)), rotation, atol=1e-6)


def test_signs() -> None:
    nose = np.array([0.0, 0.0, 1.0])
    assert (euler_to_matrix(0.3, 0, 0) @ nose)[0] > 0  # to the picture's right
    assert (euler_to_matrix(0, 0.3, 0) @ nose)[1] < 0  # down
    assert (euler_to_matrix(0, 0, 0.3) @ np.array([1.0, 0, 0]))[1] > 0  # counter-clockwise


def test_geodesic_angle_of_a_known_turn() -> None:
    turn = euler_to_matrix(0.2, -0.4, 1.0)
    assert abs(geodesic_angle(turn, turn @ euler_to_matrix(0, 0.7, 0)) - 0.7) < 1e-9


def test_camera_projects_by_hand() -> None:
    camera = Camera(np.eye(3), 500.0, 1000.0, np.array([10.0, 20.0]), np.zeros(3))
    points = camera.project(np.array([[100.0, 50.0, 0.0], [100.0, 50.0, 500.0]]))
    np.testing.assert_allclose(points, [[60, -5, 0], [110, -30, 250]], atol=1e-4)


def test_a_far_camera_is_orthographic() -> None:
    vertices = np.random.default_rng(0).normal(size=(50, 3)) * 80
    far = Camera(np.eye(3), 1e9, 1e9, np.zeros(2), np.zeros(3)).project(vertices)
    np.testing.assert_allclose(far, vertices * [1, -1, 1], atol=1e-3)
