"""Millimetres behind a photograph's vertices."""

from __future__ import annotations

import numpy as np
import pytest

from tfface.face.metric import DISTANCE_MM, metric_face, without_perspective
from tfface.face.open_model import OpenFace, load_open_face
from tfface.geometry.align import fit_pose
from tfface.geometry.camera import Camera
from tfface.geometry.rotation import euler_to_matrix
from tfface.metrics.reconstruction import known_correspondence


@pytest.fixture(scope="module")
def face() -> OpenFace:
    return load_open_face()


def _camera(face: OpenFace, distance_mm: float, yaw_deg: float = 20.0) -> Camera:
    rotation = euler_to_matrix(*np.radians([yaw_deg, 5.0, 10.0]))
    return Camera(rotation, 1.3 * distance_mm, distance_mm, np.array([210.0, 160.0]), face.centre)


def test_perspective_is_taken_out_exactly_where_the_pose_is_known(face: OpenFace) -> None:
    mean = face.face(2).vertices(face.cage())
    camera = _camera(face, DISTANCE_MM)
    far = _camera(face, 1e9)
    pose = fit_pose(far.project(mean), mean)  # the exact one: a camera that far away is a similarity
    straight = without_perspective(camera.project(mean), pose, DISTANCE_MM)
    np.testing.assert_allclose(known_correspondence(straight, mean), 0.0, atol=0.02)


@pytest.mark.parametrize("distance_mm", [500.0, 1000.0, 2500.0])
def test_people_are_nearer_than_by_a_similarity_alone(face: OpenFace, distance_mm: float) -> None:
    surface, errors = face.face(2), []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        true = surface.vertices(face.cage(rng.normal(0, 1, face.num_identity)))
        seen = _camera(face, distance_mm, yaw_deg=20.0 * seed - 30.0).project(true)
        noisy = seen + np.repeat(rng.normal(0, 2.0, (500, 3)), 108, axis=0)[: len(seen)]
        inner = face.regions > 0
        plain = known_correspondence((noisy * [1, -1, 1])[inner], true[inner]).mean()
        errors.append((known_correspondence(metric_face(noisy)[0][inner], true[inner]).mean(), plain))
    ours, plain = np.mean(errors, axis=0)
    assert ours < 0.8 * plain


def test_place_and_scale_in_the_photograph_do_not_matter(face: OpenFace) -> None:
    seen = _camera(face, 800.0).project(face.face(2).vertices(face.cage()))
    moved = seen * 3.0 + [100.0, -20.0, 50.0]
    np.testing.assert_allclose(metric_face(moved)[0], metric_face(seen)[0], atol=1e-2)


def test_the_camera_takes_the_shape_back(face: OpenFace) -> None:
    mean = face.face(2).vertices(face.cage())
    seen = _camera(face, DISTANCE_MM).project(mean)
    shape, camera = metric_face(seen)
    np.testing.assert_allclose(camera.distance_mm, DISTANCE_MM, rtol=0.1)
    found, inner = camera.project(shape), face.regions > 0
    assert np.linalg.norm((found - seen)[inner, :2], axis=1).mean() < 0.5 * camera.pixels_per_mm
