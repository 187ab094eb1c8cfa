"""Catmull-Clark against known properties."""

from __future__ import annotations

import numpy as np

from tfface.geometry.subdivide import catmull_clark, triangulate

CUBE = np.array([[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]])
CORNERS = np.array([[x, y, z] for z in (-1, 1) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))], float)


def test_cube_by_hand() -> None:
    matrix, quads, parent = catmull_clark(8, CUBE)
    points = matrix @ CORNERS
    assert points.shape == (8 + 12 + 6, 3) and quads.shape == (24, 4)
    np.testing.assert_allclose(np.abs(points[:8]), 5 / 9, atol=1e-12)  # corners move to 5/9
    np.testing.assert_allclose(np.sort(np.abs(points[8:20]), axis=1), np.tile([0, 0.75, 0.75], (12, 1)), atol=1e-12)
    np.testing.assert_allclose(np.sort(np.abs(points[20:]), axis=1), np.tile([0, 0, 1], (6, 1)), atol=1e-12)
    assert (np.bincount(parent) == 4).all()


def test_rows_sum_to_one_and_the_surface_stays_closed() -> None:
    matrix, quads, _ = catmull_clark(8, CUBE)
    again, finer, _ = catmull_clark(matrix.shape[0], quads)
    np.testing.assert_allclose((again @ matrix).sum(1), 1, atol=1e-12)
    triangles = triangulate(finer)
    directed = {tuple(edge) for t in triangles for edge in ((t[0], t[1]), (t[1], t[2]), (t[2], t[0]))}
    assert len(directed) == 3 * len(triangles)
    assert all((b, a) in directed for a, b in directed)


def test_triangles_are_padded_with_minus_one() -> None:
    matrix, quads, parent = catmull_clark(3, np.array([[0, 1, 2, -1]]))
    points = matrix @ np.array([[0.0, 0, 0], [3, 0, 0], [0, 3, 0]])
    assert quads.shape == (3, 4) and parent.tolist() == [0, 0, 0]
    np.testing.assert_allclose(points[-1], [1, 1, 0])
    assert triangulate(np.array([[0, 1, 2, -1], [0, 1, 2, 3]])).tolist() == [[0, 1, 2], [0, 1, 2], [0, 2, 3]]
