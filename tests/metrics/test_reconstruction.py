"""Reconstruction metrics on surfaces whose distance is known."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tfface.errors import UserError
from tfface.geometry.align import Similarity, fit_similarity
from tfface.geometry.icp import NearestOnMesh, icp, inverse, move
from tfface.geometry.rotation import euler_to_matrix
from tfface.metrics import reconstruction as rec
from tfface.metrics.pose import angle_errors_deg, geodesic_errors_deg
from tfface.metrics.smoothness import dihedral_cosines, share_within

MOTION = Similarity(1.7, euler_to_matrix(0.6, -0.3, 0.4), np.array([20.0, -70.0, 33.0]))


@pytest.fixture(scope="module")
def head() -> rec.Surface:
    """An egg with a bump, about the size of a head: no symmetry for ICP to slide along."""
    ball = trimesh.creation.icosphere(subdivisions=4)
    bump = 0.35 * np.exp(-8 * ((ball.vertices - [0, 0, 1]) ** 2).sum(1))
    vertices = ball.vertices * (1 + bump[:, None]) * [70, 100, 85]
    aims = np.random.default_rng(3).uniform([-0.6, -0.6, 0.5], [0.6, 0.6, 1], (68, 3))
    aims[30] = [0, 0, 1]
    aims[[36, 39, 42, 45]] = [[-0.5, 0.3, 0.8], [-0.2, 0.3, 0.9], [0.2, 0.3, 0.9], [0.5, 0.3, 0.8]]
    aims[[33, 48, 54]] = [[0, -0.15, 1], [-0.3, -0.4, 0.9], [0.3, -0.4, 0.9]]
    aims /= np.linalg.norm(aims, axis=1, keepdims=True)
    index = np.linalg.norm(ball.vertices[None] - aims[:, None], axis=-1).argmin(1)
    return rec.Surface(vertices, np.asarray(ball.faces), vertices[index])


def test_a_known_similarity_is_recovered_and_undone(head: rec.Surface) -> None:
    there = move(MOTION, head.vertices)
    assert rec.known_correspondence(there, head.vertices).max() < 1e-9
    assert rec.known_correspondence(there, head.vertices, with_scale=False).mean() > 5
    assert np.allclose(move(inverse(fit_similarity(head.vertices, there)), there), head.vertices)
    with pytest.raises(UserError, match="68 finite"):
        rec.Surface(head.vertices, head.triangles, head.landmarks * np.nan)


def test_every_measure_of_a_moved_copy_is_zero(head: rec.Surface) -> None:
    rigid = Similarity(1.0, MOTION.rotation, MOTION.translation)
    table = rec.compare(head.moved(rigid), head).table
    assert {"known", "landmarks_rigid", "icp_plane", "now"} <= table.keys()
    assert max(row["rms"] for row in table.values()) < 1e-4
    scaled = rec.compare(head.moved(MOTION), head).table
    assert max(row["rms"] for name, row in scaled.items() if "rigid" not in name) < 1e-4
    assert scaled["landmarks_rigid"]["mean"] > 5


def test_icp_finds_the_way_from_a_rough_start(head: rec.Surface) -> None:
    start = Similarity(1.03, euler_to_matrix(0.06, 0.05, -0.05), np.array([3.0, -2.0, 2.0]))
    fixed = head.vertices[rec.crop_mask(head.vertices, head.landmarks[30])]
    found = icp(NearestOnMesh(head.vertices, head.triangles), fixed, start)
    assert np.abs(move(found, head.vertices) - head.vertices).max() < 0.01
    assert np.abs(move(start, head.vertices) - head.vertices).max() > 8.0


def test_a_sphere_pushed_out_by_d_has_error_d() -> None:
    ball = trimesh.creation.icosphere(subdivisions=5, radius=80.0)
    surface = rec.Surface(ball.vertices, np.asarray(ball.faces), ball.vertices[:68])
    outer = ball.vertices * (82.0 / 80.0)
    for kind in ("point", "plane", "surface"):
        assert rec.distances(outer, surface, kind).mean() == pytest.approx(2.0, abs=0.02)
    assert rec.summary(np.array([3.0, 4.0]), 50.0) == pytest.approx(
        {"mean": 3.5, "median": 3.5, "std": 0.5, "rms": np.sqrt(12.5), "nme": 7.0}
    )


def test_nearest_points_agree_with_all_triangles(head: rec.Surface) -> None:
    points = head.vertices[::97] * 1.05 + np.random.default_rng(0).normal(0, 3, head.vertices[::97].shape)
    nearest, _ = NearestOnMesh(head.vertices, head.triangles)(points)
    corners = head.vertices[head.triangles]
    for point, found in zip(points, nearest, strict=True):
        every = trimesh.triangles.closest_point(corners, np.broadcast_to(point, (len(corners), 3)))
        assert np.linalg.norm(found - point) == pytest.approx(np.linalg.norm(every - point, axis=1).min())


def test_a_shift_of_one_region_stays_in_its_region(head: rec.Surface) -> None:
    upper = (head.vertices[:, 1] > 0).astype(int)
    wrong = head.vertices + np.where(head.vertices[:, 1:2] > 45, 1, 0) * [0, 0, 6 * np.sin(1)]
    errors = rec.region_errors(rec.Surface(wrong, head.triangles, head.landmarks), head, upper, {0: "low", 1: "up"})
    assert errors["up"] > 5 * errors["low"] and errors["low"] < 0.3


def test_crop_names_wrong_units(head: rec.Surface) -> None:
    assert rec.crop_mask(head.vertices, head.landmarks[30], 95.0).sum() < len(head.vertices)
    with pytest.raises(UserError, match="millimetres"):
        rec.crop_mask(head.vertices * 1000, head.landmarks[30])


def test_two_quads_meet_at_a_right_angle() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0], [0, 0, 1], [1, 0, 1.0]])
    triangles = np.array([[0, 1, 2], [0, 2, 3], [1, 0, 5]])
    cosines = np.sort(dihedral_cosines(vertices, triangles))
    assert cosines == pytest.approx([0.0, 1.0], abs=1e-12)
    assert share_within(cosines) == 0.5


def test_pose_errors_go_the_short_way() -> None:
    truth = np.stack([np.eye(3), euler_to_matrix(0, 0, np.deg2rad(179))])
    predicted = np.stack([euler_to_matrix(np.deg2rad(10), 0, 0), euler_to_matrix(0, 0, np.deg2rad(-179))])
    assert angle_errors_deg(predicted, truth) == pytest.approx(np.array([[10, 0, 0], [0, 0, 2]]), abs=1e-6)
    assert geodesic_errors_deg(predicted, truth) == pytest.approx([10, 2], abs=1e-5)
