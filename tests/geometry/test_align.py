"""Crops, similarities, POS and poses against values known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfface.errors import UserError
from tfface.geometry import align
from tfface.geometry.rotation import euler_to_matrix

angles = st.floats(-1.4, 1.4)


def test_crop_transform_maps_corners_and_centre() -> None:
    matrix = align.crop_transform((10, 20, 110, 120), 256)
    points = align.transform_points(matrix, np.array([[10, 20], [110, 120], [60, 70]]))
    np.testing.assert_allclose(points, [[0, 0], [256, 256], [128, 128]], atol=1e-9)


def test_crop_of_a_quarter_turn_stands_the_head_up() -> None:
    # a head that rolled counter-clockwise by 90 degrees: its top is on the picture's left
    matrix = align.crop_transform((0, 0, 100, 100), 100, np.pi / 2)
    np.testing.assert_allclose(align.transform_points(matrix, np.array([0.0, 50.0])), [50, 0], atol=1e-9)


@given(st.floats(-500, 500), st.floats(-500, 500), st.floats(1, 900), angles)
def test_inverse_undoes_the_crop_depth_included(left: float, top: float, side: float, roll: float) -> None:
    matrix = align.crop_transform((left, top, left + side, top + side), 256, roll)
    points = np.array([[1.0, 2.0, 3.0], [-40.0, 300.0, 70.0]])
    back = align.transform_points(align.invert_transform(matrix), align.transform_points(matrix, points))
    np.testing.assert_allclose(back, points, atol=1e-6)


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (5, 5, 1, 9), (0, 0, np.nan, 4), (1, 2, 3)])
def test_bad_boxes_are_reported(box: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match="left top right bottom"):
        align.crop_transform(box, 64)


def test_landmark_and_detector_boxes() -> None:
    points = np.zeros((68, 2))
    points[:, 0], points[:, 1] = np.linspace(10, 50, 68), np.linspace(100, 120, 68)
    box = align.box_from_landmarks(points)
    np.testing.assert_allclose(box[2:] - box[:2], 40 * np.sqrt(2))
    np.testing.assert_allclose((box[:2] + box[2:]) / 2, [30, 110])
    factor, shift = align.DETECTOR_BOXES["dlib"]
    upright = align.box_from_detection((0, 0, 100, 100), "dlib")
    np.testing.assert_allclose(upright, align.square_box(np.array([50, 50 + 100 * shift]), 100 * factor))
    turned = align.box_from_detection((0, 0, 100, 100), "dlib", np.pi / 2)  # the chin is on the right
    np.testing.assert_allclose((turned[:2] + turned[2:]) / 2, [50 + 100 * shift, 50])
    with pytest.raises(UserError, match="dlib, mtcnn"):
        align.box_from_detection((0, 0, 1, 1), "haar")


def test_refined_box_equals_the_landmark_box_of_the_image() -> None:
    points = np.random.default_rng(0).uniform(100, 200, (68, 2))
    matrix = align.crop_transform((80, 90, 240, 250), 256)
    refined = align.refined_box(align.transform_points(matrix, points), matrix)
    np.testing.assert_allclose(refined, align.box_from_landmarks(points))


@settings(max_examples=30)
@given(angles, angles, angles, st.floats(0.05, 20), st.integers(0, 99))
def test_similarity_is_recovered(yaw: float, pitch: float, roll: float, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    source, shift = rng.normal(size=(9, 3)), rng.normal(size=3)
    rotation = euler_to_matrix(yaw, pitch, roll)
    fit = align.fit_similarity(source, scale * source @ rotation.T + shift, rng.uniform(0.1, 1, 9))
    np.testing.assert_allclose(fit.rotation, rotation, atol=1e-8)
    np.testing.assert_allclose([fit.scale, *fit.translation], [scale, *shift], atol=1e-8 * max(scale, 1))


def test_similarity_never_reflects_and_can_keep_the_scale() -> None:
    source = np.random.default_rng(1).normal(size=(20, 3))
    assert np.linalg.det(align.fit_similarity(source, source * [-1, 1, 1]).rotation) == pytest.approx(1)
    rigid = align.fit_similarity(source, 3 * source + 1, with_scale=False)
    assert rigid.scale == 1.0
    np.testing.assert_allclose(rigid.rotation, np.eye(3), atol=1e-9)


@settings(max_examples=30)
@given(st.floats(-89, 89), st.floats(-80, 80), st.floats(-170, 170))
def test_pose_in_degrees_with_v_down(yaw: float, pitch: float, roll: float) -> None:
    mean = np.random.default_rng(2).normal(size=(50, 3)) * [60, 90, 40]
    rotation = euler_to_matrix(*np.radians([yaw, pitch, roll]))
    turned = mean @ rotation.T
    picture = np.stack([300 + 2.5 * turned[:, 0], 200 - 2.5 * turned[:, 1], 2.5 * turned[:, 2] + 9], axis=1)
    pose = align.fit_pose(picture, mean)
    np.testing.assert_allclose(pose.degrees, [yaw, pitch, roll], atol=1e-4)
    np.testing.assert_allclose(pose.to_face_frame(picture), mean, atol=1e-3)
    np.testing.assert_allclose(pose.to_image(mean), picture, atol=1e-2)


@pytest.mark.parametrize("roll_deg", [0, 20, -75, 135, 180])
def test_roll_from_landmarks(roll_deg: float) -> None:
    points = np.zeros((68, 2))
    points[36:42], points[42:48] = [-30, 0], [30, 0]
    points[36:48, 1] += [1, -2, -2, 1, 2, 2] * 2
    points[27], points[8] = [0, 5], [0, 100]
    matrix = align.crop_transform((-50, -50, 50, 50), 100, -np.radians(roll_deg))  # turns the picture by the roll
    found = np.degrees(align.roll_from_landmarks(align.transform_points(matrix, points)))
    assert (found - roll_deg + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)
