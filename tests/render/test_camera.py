"""Cameras by hand, against the NumPy camera, and against one another."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfface.geometry.camera import Camera
from tfface.geometry.rotation import euler_to_matrix
from tfface.render import camera

VERTICES = np.random.default_rng(0).uniform(-1, 1, (1, 20, 3)).astype(np.float32)


def _pixels(view: camera.View) -> NDArray[np.float32]:
    points = view.points.numpy()
    return points[..., :3] / points[..., 3:]


def test_euler_matrix_is_the_conventions() -> None:
    angles = np.random.default_rng(1).uniform(-2, 2, (5, 3))
    found = camera.euler_matrix(tf.constant(angles, tf.float32)).numpy()
    expected = [euler_to_matrix(yaw, pitch, roll) for pitch, yaw, roll in angles]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_deep3d_by_hand() -> None:
    """1015 / 10 = 101.5 px a decimetre at the origin; one decimetre nearer 1015 / 9; v goes down."""
    vertices = tf.constant([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]]])
    zero = tf.zeros([1, 3])
    view = camera.deep3d(vertices, zero, zero)
    expected = [[112, 112], [213.5, 112], [112, 10.5], [112, 112 - 1015 / 9]]
    np.testing.assert_allclose(_pixels(view)[0, :, :2], expected, atol=1e-4)
    np.testing.assert_allclose(-view.eye[0, :, 2], [10, 10, 10, 9])
    np.testing.assert_allclose(view.pixel_size, [10 / 1015], rtol=1e-6)
    half = camera.deep3d(vertices, zero, zero, image_size=112)
    np.testing.assert_allclose(_pixels(half)[..., :2] * 2, _pixels(view)[..., :2], rtol=1e-6)
    quarter_turn = camera.deep3d(vertices[:, 1:2], tf.constant([[0.0, np.pi / 2, 0]]), tf.constant([[0.0, 0.5, 0]]))
    np.testing.assert_allclose(_pixels(quarter_turn)[0, 0, :2], [112, 112 - 0.5 * 1015 / 11], atol=1e-4)
    assert abs(camera.focal_of_fov(12.5936, 224) - 1015) < 0.2


def test_face_camera_and_orthographic_are_the_conventions() -> None:
    rotation = euler_to_matrix(0.4, -0.2, 0.1)
    given = {"rotation": rotation, "centre_px": np.array([100.0, 90.0]), "origin_mm": np.array([3.0, 4.0, 5.0])}
    vertices = VERTICES[0] * 100
    matrix, origin, centre = (tf.constant(x, tf.float32) for x in (rotation[None], given["origin_mm"], [100.0, 90.0]))
    expected = Camera(focal_px=700.0, distance_mm=600.0, **given).project(vertices)
    view = camera.face_camera(tf.constant(vertices[None]), matrix, 700.0, 600.0, centre, origin)
    np.testing.assert_allclose(_pixels(view)[0, :, :2], expected[:, :2], atol=1e-3)
    np.testing.assert_allclose((600 + view.eye[0, :, 2]) * 700 / 600, expected[:, 2], atol=1e-3)
    far = Camera(focal_px=1e7, distance_mm=1e7 / 0.8, **given).project(vertices)
    flat = camera.orthographic(tf.constant(vertices[None]), matrix, 0.8, centre, origin)
    np.testing.assert_allclose(_pixels(flat)[0, :, :2], far[:, :2], atol=2e-3)
    again = camera.from_pixels(tf.constant(far[None]))
    np.testing.assert_allclose(again.points[..., :2], flat.points[..., :2], atol=2e-3)
    np.testing.assert_allclose(again.points[..., 2], flat.points[..., 2], atol=1e-6)


def test_depth_orders_near_before_far_inside_the_planes() -> None:
    eye = tf.constant([[[0.0, 0, -0.5], [0, 0, -5], [0, 0, -9], [0, 0, -50]]])
    depth = _pixels(camera.pinhole(eye, 100.0, tf.constant([0.0, 0.0]), 5.0))[0, :, 2]
    np.testing.assert_allclose(depth[[0, 3]], [-1, 1], atol=1e-6)
    assert (np.diff(depth) > 0).all()


def test_perspective_fills_its_field_of_view() -> None:
    edge = 10 * np.tan(np.radians(15))
    vertices = tf.constant([[[edge, 0, 0], [0, edge, 0], [-edge, -edge, 0]]], tf.float32)
    view = camera.perspective(vertices, tf.eye(3)[None], tf.constant([[0.0, 0, -10]]), 200, fov_deg=30.0)
    np.testing.assert_allclose(_pixels(view)[0, :, :2], [[200, 100], [100, 0], [0, 200]], atol=1e-3)


def test_look_from_stands_where_it_says() -> None:
    """A point between the origin and the camera lands in the middle; the poles and sides are where a person expects."""
    for elevation, azimuth in ((0, 0), (30, 50), (-20, 200), (10, 180)):
        e, a = np.radians([elevation, azimuth])
        ray = np.array([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)])
        vertices = tf.constant([[ray, 0 * ray, [0, 0.1, 0]]], tf.float32)
        view = camera.look_from(vertices, [elevation], [azimuth], 3.0, 200)
        pixels = _pixels(view)[0]
        np.testing.assert_allclose(pixels[:2, :2], 100, atol=1e-3)
        np.testing.assert_allclose(-view.eye[0, :2, 2], [2, 3], atol=1e-5)
        assert pixels[2, 1] < 100, "up stays up"
    right = camera.look_from(tf.constant([[[0.0, 0, 1]]]), [0.0], [90.0], 3.0, 200)
    assert _pixels(right)[0, 0, 0] < 100, "from +x, the nose points to the picture's left"
