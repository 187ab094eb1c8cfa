"""The first stage: 68 points to shape, expression and camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.fitting.people import landmarks, nme, person
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.fitting.contour import jaw_rows
from tfface.fitting.landmarks import camera_of, fit_landmarks, pose_of, project, project_derivative
from tfface.fitting.maps import fit_vertices
from tfface.geometry.align import fit_similarity
from tfface.geometry.rotation import geodesic_angle


@pytest.mark.parametrize("yaw_deg", [-25.0, 0.0, 60.0])
def test_known_landmarks_are_met(yaw_deg: float) -> None:
    truth = person(1, yaw_deg, 0.7)
    found = fit_landmarks([landmarks(truth)])[0]
    assert nme(landmarks(found), landmarks(truth)) < 0.6
    assert np.degrees(geodesic_angle(found.camera.rotation, truth.camera.rotation)) < 4
    assert found.expression.min() >= 0 and found.expression.max() <= 1
    apart = np.linalg.norm(found.vertices()[:, :2] - truth.vertices()[:, :2], axis=1).mean()
    assert apart < 3.0  # pixels; the face is 200 wide, and 68 points leave most of it to the prior


def test_two_photographs_share_their_identity_and_say_more_than_one() -> None:
    truths = [person(2, -35.0, 0.0, 1), person(2, 35.0, 0.6, 2)]
    both = fit_landmarks([landmarks(truth) for truth in truths])
    alone = fit_landmarks([landmarks(truths[0])])[0]
    np.testing.assert_array_equal(both[0].identity, both[1].identity)
    assert all(nme(landmarks(b), landmarks(t)) < 0.8 for b, t in zip(both, truths, strict=True))

    def error(identity: np.ndarray) -> float:
        shape, true_shape = (
            load_open_face().face(0).vertices(load_open_face().cage(x)) for x in (identity, truths[0].identity)
        )
        fit = fit_similarity(shape, true_shape)  # photographs do not tell the size
        return float(np.abs(fit.scale * shape @ fit.rotation.T + fit.translation - true_shape).mean())

    assert error(both[0].identity) < error(alone.identity) < error(np.zeros(1))


def test_points_on_the_outline_are_met_by_sliding() -> None:
    truth = person(3, 50.0, 0.0)
    points = landmarks(truth)
    rows = truth.vertices()[jaw_rows()][..., :2]
    points[9:17] = np.take_along_axis(rows, np.argmax(rows[..., 0], axis=1)[:, None, None], axis=1)[9:, 0]
    assert np.linalg.norm(points - landmarks(truth), axis=1)[9:17].max() > 5  # the far side's outline lies elsewhere
    errors = []
    for contour in (False, True):
        found = fit_landmarks([points], contour)[0]
        errors.append(np.linalg.norm(found.vertices()[:, :2] - truth.vertices()[:, :2], axis=1).mean())
    assert errors[1] < 0.8 * errors[0]


def test_the_derivative_is_the_projection_s() -> None:
    random = np.random.default_rng(0)
    pose = pose_of(person(4, 20.0, 0.0).camera)
    shape, direction = random.normal(0, 40, (5, 3)), random.normal(0, 1, (1, 5, 3))
    step = 1e-4
    difference = (project(pose, shape + step * direction[0]) - project(pose, shape - step * direction[0])) / (2 * step)
    np.testing.assert_allclose(project_derivative(pose, shape, direction)[0], difference, rtol=1e-6, atol=1e-8)
    camera = camera_of(pose)
    origin = camera.origin_mm
    np.testing.assert_allclose(camera.project(shape + origin)[:, :2], project(pose, shape), atol=1e-3)


def test_a_predicted_mesh_has_its_coefficients() -> None:
    truth = person(5, 15.0, 0.5)
    truth = replace(truth, camera=replace(truth.camera, focal_px=1.25 * 900.0, distance_mm=900.0))
    found = fit_vertices(truth.vertices())
    assert np.linalg.norm(found.vertices()[:, :2] - truth.vertices()[:, :2], axis=1).mean() < 2.0
    assert found.expression.min() >= 0


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((67, 2)), "68 points"),
        (np.full((68, 2), np.nan), "not a face"),
        (np.ones((68, 3)), "not a face"),
        (np.zeros(68), "68 points"),
    ],
)
def test_points_that_are_no_face(points: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit_landmarks([points])
