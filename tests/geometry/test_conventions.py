"""Other people's poses and ours: round trips, and agreement with their formulas written out."""

from __future__ import annotations

import numpy as np
import pytest

from tfface.geometry import conventions as c
from tfface.geometry.camera import Camera
from tfface.geometry.rotation import euler_to_matrix

POSE_PARA = np.array([0.2, -0.5, 0.3, 210.0, 180.0, -40.0, 1.1e-3])
VERTICES = np.random.default_rng(0).normal(0, 60, (40, 3))


def test_300w_lp_projects_as_its_own_code_does() -> None:
    """3DDFA's three matrices turn by negative angles, in the order x, y, z; v counts from 1 and from below."""
    pitch, yaw, roll, *shift, scale = POSE_PARA
    cp, sp, cy, sy, cr, sr = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw), np.cos(roll), np.sin(roll)
    x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    theirs = scale * (VERTICES * 1000) @ (x @ y @ z).T + shift
    theirs[:, 1] = 450 + 1 - theirs[:, 1]
    pose = c.pose_from_300wlp(POSE_PARA[None], 450)
    np.testing.assert_allclose(c.points_to_matlab(pose.to_image(VERTICES)), theirs, atol=1e-3)
    np.testing.assert_allclose(c.pose_to_300wlp(pose, 450), POSE_PARA, atol=1e-9)
    assert pose.degrees[0] > 0  # their yaw is negative: the nose points to the picture's right


def test_deep3d_projects_as_its_own_code_does() -> None:
    angles, translation = np.array([0.15, -0.4, 0.1]), np.array([0.1, -0.05, 0.3])
    rotation = euler_to_matrix(angles[1], angles[0], angles[2])
    placed = (VERTICES / 100) @ rotation.T + translation
    depth = 10 - placed[:, 2]
    u, v = 1015 * placed[:, 0] / depth + 112, 112 - 1015 * placed[:, 1] / depth
    camera = c.camera_from_deep3d(angles, translation)
    np.testing.assert_allclose(camera.project(VERTICES)[:, :2], np.stack([u, v], 1), atol=1e-3)
    back = c.camera_to_deep3d(camera)
    np.testing.assert_allclose(back[0], angles, atol=1e-9)
    np.testing.assert_allclose(back[1], translation, atol=1e-9)


def test_another_camera_keeps_size_and_place() -> None:
    origin = np.array([3.0, -5.0, 8.0])
    camera = Camera(euler_to_matrix(0.3, 0.1, -0.2), 900.0, 700.0, np.array([100.0, 130.0]), origin)
    theirs = c.camera_from_deep3d(*c.camera_to_deep3d(camera))
    near = origin + np.random.default_rng(1).normal(0, 0.5, (20, 3))
    np.testing.assert_allclose(theirs.project(near)[:, :2], camera.project(near)[:, :2], atol=0.02)


def test_prn_estimates_the_angles_we_say() -> None:
    """PRN reads its angles off the similarity between y-down points."""
    flip = np.diag([1.0, -1.0, 1.0])
    rotation = euler_to_matrix(0.5, -0.2, 0.3)
    prn = flip @ rotation @ flip
    yaw = np.arcsin(prn[2, 0])
    pitch = np.arctan2(prn[2, 1] / np.cos(yaw), prn[2, 2] / np.cos(yaw))
    roll = np.arctan2(prn[1, 0] / np.cos(yaw), prn[0, 0] / np.cos(yaw))
    assert c.rotation_to_prn(rotation) == pytest.approx((yaw, pitch, roll))
    np.testing.assert_allclose(c.rotation_from_prn(yaw, pitch, roll), rotation, atol=1e-12)


def test_points_and_maps_go_there_and_back() -> None:
    points = VERTICES[:5] + 300
    assert c.points_from_matlab(np.array([1.0, 1.0, 7.0])).tolist() == [0.5, 0.5, 7.0]
    assert c.points_from_indices(np.array([0.0, 0.0, 7.0])).tolist() == [0.5, 0.5, 7.0]
    for there, back in ((c.points_from_matlab, c.points_to_matlab), (c.points_from_indices, c.points_to_indices)):
        np.testing.assert_allclose(back(there(points)), points, atol=1e-12)
    maps = np.random.default_rng(2).uniform(0, 1, (4, 4, 3))
    np.testing.assert_allclose(c.map_to_prn(c.map_from_prn(maps)), maps, atol=1e-12)
    assert c.map_from_prn(maps)[0, 0, 2] == pytest.approx(maps[0, 0, 2] * 281.6)
