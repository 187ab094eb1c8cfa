"""Meshes cut along curves."""

from __future__ import annotations

import numpy as np

from tfface.geometry.cut import cut, edges_of, only_largest_removed
from tfface.geometry.subdivide import triangulate


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[0:size, 0:size]
    points = np.stack([x.ravel(), y.ravel(), np.zeros(size**2)], -1).astype(float)
    row, column = np.mgrid[0 : size - 1, 0 : size - 1]
    a = (row * size + column).ravel()
    return points, np.stack([a, a + 1, a + size + 1, a + size], -1).astype(np.int32)


def _area(points: np.ndarray, quads: np.ndarray) -> np.ndarray:
    a, b, c = (points[triangulate(quads)[:, k]] for k in range(3))
    return np.cross(b - a, c - a)[:, 2] / 2


def test_what_is_left_ends_on_the_curve_and_faces_the_same_way() -> None:
    points, quads = _grid(12)
    values = 5.3 - np.linalg.norm(points - [5.5, 5.5, 0], axis=1)
    done = cut(quads, values)
    left = done.matrix @ points
    radius = np.linalg.norm(left - [5.5, 5.5, 0], axis=1)
    assert radius.max() < 5.4 and np.abs(radius[done.border] - 5.3).max() < 0.12
    areas = _area(left, done.quads)
    assert (areas > 0).all()
    np.testing.assert_allclose(areas.sum(), np.pi * 5.3**2, rtol=0.02)
    kept = done.quads[(done.quads[:, 3] >= 0) & ~np.isin(done.quads, done.border).any(1)]
    assert len(kept) > 50 and len(done.parent) == len(done.quads)
    directed = [tuple(edge) for edge in edges_of(done.quads).tolist()]
    assert len(set(directed)) == len(directed)
    open_ends = {a for a, b in directed if (b, a) not in set(directed)}
    assert open_ends == set(done.border.tolist())


def test_a_whole_mesh_and_triangles_stay() -> None:
    points, quads = _grid(3)
    quads[0, 3] = -1
    done = cut(quads, np.ones(len(points)))
    np.testing.assert_array_equal(np.sort(done.quads[:, 3]), np.sort(quads[:, 3]))
    np.testing.assert_allclose(done.matrix @ points, points)
    assert not len(done.border)
    assert len(edges_of(quads)) == 15


def test_islands_are_kept() -> None:
    points, quads = _grid(10)
    values = np.where(points[:, 0] < 3, -1.0, 1.0)
    values[(points[:, 0] == 7) & (points[:, 1] > 5)] = -1.0
    kept = only_largest_removed(values, quads)
    assert (kept[points[:, 0] < 3] < 0).all() and (kept[points[:, 0] >= 3] > 0).all()
