"""Cages laid on scans, and what the scans do carried to the cages, on small meshes."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from tests.face.small_cage import pit_of, small_cage
from tfface.face.build.carry import Carrier, seat_mouth
from tfface.face.build.eyes import BEHIND_MM, EyeFollower, seat_eyes, white_of_eye
from tfface.face.build.registration import find_partners, graph_laplacian, place, register
from tfface.face.open_model import Surface, load_open_face
from tfface.geometry.icp import NearestOnMesh, move
from tfface.geometry.subdivide import catmull_clark, triangulate

SIZE = 17


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """A flat square of 160 mm `[size^2,2]` and its quads, wound to face +z."""
    x, y = np.meshgrid(np.linspace(-80, 80, size), np.linspace(-80, 80, size))
    k = np.arange(size * size).reshape(size, size)
    quads = np.stack([k[:-1, :-1], k[:-1, 1:], k[1:, 1:], k[1:, :-1]], -1).reshape(-1, 4)
    return np.stack([x.ravel(), y.ravel()], -1), quads.astype(np.int32)


def _dome(plane: np.ndarray, nose: float) -> np.ndarray:
    x, y = plane.T
    height = 60 - (x**2 + y**2) / 150 + nose * np.exp(-(x**2 + (y + 10) ** 2) / 500)
    return np.stack([x, y, height], -1)


def _mirror_of(points: np.ndarray) -> np.ndarray:
    """The vertex nearest to each one's mirror image."""
    from scipy.spatial import cKDTree

    return cKDTree(points).query(points * [-1, 1, 1])[1]


@pytest.fixture(scope="module")
def dome() -> dict[str, np.ndarray]:
    """A cage without a nose registered to a scan that has one, of other triangles, turned and moved."""
    plane, quads = _grid(SIZE)
    matrix, fine, _ = catmull_clark(len(plane), quads)
    cage, mirror = _dome(plane, 0.0), np.arange(SIZE * SIZE).reshape(SIZE, SIZE)[:, ::-1].ravel()
    fine_mirror = _mirror_of(matrix @ cage)
    quad_part, vertex_part = (np.zeros(count, np.uint8) for count in (len(fine), matrix.shape[0]))
    surface = Surface(
        matrix, fine, triangulate(fine), quad_part, vertex_part, fine_mirror, np.zeros((0, 2), np.float32)
    )
    scan_plane, scan_quads = _grid(60)
    scan = _dome(scan_plane * 1.05, 18.0)
    triangles = triangulate(scan_quads).astype(np.int64)
    corners = ((-70.0, -70.0), (70.0, -70.0), (-70.0, 70.0), (70.0, 70.0), (0.0, 60.0))
    ours, theirs = (
        np.array([np.linalg.norm(points[:, :2] - corner, axis=1).argmin() for corner in corners])
        for points in (matrix @ cage, scan)
    )
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    motion = place(scan @ turn.T + 5.0, theirs, surface, cage, ours)
    placed = move(motion, scan @ turn.T + 5.0)
    nearest = NearestOnMesh(placed, triangles)
    found = register(surface, quads, cage, mirror, nearest, ours, placed[theirs])
    partners = find_partners(surface, found, nearest, triangles, motion.rotation)
    return {"cage": found, "mirror": mirror, "partners": partners, "placed": placed, "surface": surface, "turn": turn}


def test_a_cage_takes_the_shape_of_the_scan(dome: dict) -> None:
    partners = dome["partners"]
    assert partners.sure.mean() > 0.95
    assert np.sqrt((partners.distance_mm[partners.sure] ** 2).mean()) < 0.15
    nose = dome["surface"].matrix @ dome["cage"]
    assert dome["placed"][:, 2].max() - nose[:, 2].max() < 1.5  # of 18 mm, which the cage did not have


def test_registration_is_symmetric(dome: dict) -> None:
    cage = dome["cage"]
    np.testing.assert_allclose(cage[dome["mirror"]] * [-1, 1, 1], cage, atol=1e-9)


def test_partners_say_where_on_the_scan_a_vertex_lies(dome: dict) -> None:
    partners, points = dome["partners"], dome["surface"].matrix @ dome["cage"]
    at = (dome["placed"][partners.corners] * partners.weights[..., None]).sum(1)
    np.testing.assert_allclose(np.linalg.norm(at - points, axis=1), partners.distance_mm, atol=1e-6)
    field = np.tile([1.0, 2.0, 3.0], (1, len(dome["placed"]), 1)) @ dome["turn"].T  # in the scan's own, turned frame
    np.testing.assert_allclose(partners.offsets(field)[0], np.tile([1.0, 2, 3], (len(points), 1)), atol=0.05)


def test_the_laplacian_of_a_smooth_field_is_small() -> None:
    plane, quads = _grid(9)
    inner = (np.abs(plane) < 79).all(1)
    laplacian = graph_laplacian(quads, len(plane) + 1)
    padded = np.append(plane[:, 0], 5.0)
    np.testing.assert_allclose((laplacian @ padded)[:-1][inner], 0.0, atol=1e-9)
    assert (laplacian @ padded)[-1] == 0.0


def test_a_linear_field_is_carried_exactly_and_lips_and_eyes_follow() -> None:
    """The scan is our head at level 1 with its vertices shuffled; offsets are a linear function of the place."""
    face, cage = load_open_face(), small_cage()
    shape = face.mean.astype(np.float64)
    shape = seat_mouth(cage, shape)
    surface, rng = face.head(1), np.random.default_rng(0)
    points = surface.matrix @ shape
    shuffled = rng.permutation(len(points))
    scan, triangles = points[np.argsort(shuffled)], shuffled[surface.triangles].astype(np.int64)
    skin = triangles[(surface.vertex_part[surface.triangles] <= 1).all(1)]
    partners = find_partners(surface, shape, NearestOnMesh(scan, skin), skin, np.eye(3))
    linear = rng.normal(0, 0.05, (3, 3))
    offsets = (scan @ linear)[None]
    eyes = np.concatenate([cage.eye(0), cage.eye(1)])
    carried = Carrier(cage, surface, partners)(offsets, (shape[eyes] @ linear)[None])[0]
    part = face.head(0).vertex_part
    error = np.linalg.norm(carried - shape @ linear, axis=1)
    assert np.median(error[part == 0]) < 0.02 and np.percentile(error[part == 0], 95) < 0.6
    pit = carried[pit_of(cage, face)]
    np.testing.assert_allclose(pit, np.tile(carried[cage.lip_loop].mean(0), (len(pit), 1)), atol=1e-9)
    np.testing.assert_array_equal(carried[eyes], shape[eyes] @ linear)


def test_eyes_are_seated_behind_the_lids_and_follow_them() -> None:
    face, cage = load_open_face(), small_cage()
    names = face.expression_names
    shut = sum(face.exp_basis[names.index(f"eyeBlink{side}")] for side in ("Left", "Right"))
    spheres = [white_of_eye(face.mean[cage.eye(side)]) for side in (0, 1)]
    shape = seat_eyes(cage, face.mean, spheres)
    for side, eye in enumerate(spheres):
        on = np.linalg.norm(shape[cage.eye(side)] - eye.centre, axis=1)
        np.testing.assert_allclose(on, eye.radius, atol=1e-9)
        assert (np.linalg.norm(shape[cage.lid_loops[side]] - eye.centre, axis=1) < eye.radius - BEHIND_MM + 1e-9).all()
    follower = EyeFollower(cage, shape, spheres, shut)
    moved = follower(np.tile([1.0, -2.0, 0.5], (1, len(shape), 1)))
    np.testing.assert_allclose(moved[0], np.tile([1.0, -2.0, 0.5], (282, 1)), atol=1e-5)
    outwards = np.zeros((1, len(shape), 3))
    outwards[0, :, 2] = 2.0
    followed = follower.followed(outwards)
    np.testing.assert_allclose(followed[0, cage.eye(1), 2], 2.0, atol=1e-5)


def test_lone_vertices_do_not_trouble_the_laplacian() -> None:
    assert sp.issparse(graph_laplacian(np.array([[0, 1, 2, -1]]), 5))
    assert np.abs(graph_laplacian(np.array([[0, 1, 2, -1]]), 5).sum(1)).max() == 0
