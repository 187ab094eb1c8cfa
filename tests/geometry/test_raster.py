"""The z-buffer against a slow oracle that shares no code with it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tfface.geometry import raster, raster_loops
from tfface.geometry.raster import averaged, depth_of, interpolate, rasterize, vertex_normals, vertex_tangents


def _oracle(points: NDArray[np.float64], triangles: NDArray[np.int32], height: int, width: int) -> NDArray[np.int32]:
    """Every pixel against every triangle, by signed areas in float64."""
    best = np.full((height, width), -np.inf)
    result = np.full((height, width), -1, np.int32)
    centres = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)

    def area(p: NDArray[np.float64], q: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
        return (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (r[..., 0] - p[..., 0]) * (q[..., 1] - p[..., 1])

    for index, corners in enumerate(triangles):
        a, b, c = points[corners]
        whole = area(a, b, c)
        if not whole < 0:
            continue
        shares = [area(b, c, centres) / whole, area(c, a, centres) / whole, area(a, b, centres) / whole]
        depth = sum(share * corner[2] for share, corner in zip(shares, (a, b, c), strict=True))
        seen = (np.minimum.reduce(shares) >= 0) & (depth > best)
        best[seen], result[seen] = depth[seen], index
    return result


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numpy_and_the_compiled_loops_say_the_same(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform([-9, -9, 0], [99, 70, 30], (900, 3)).astype(kind)
    points[rng.integers(0, 900, 5)] = np.nan
    triangles = rng.integers(0, 900, (700, 3)).astype(np.int32)
    small = np.repeat(points[:300], 3, axis=0) + rng.normal(0, 1.5, (900, 3)).astype(kind)
    for places, corners in ((points, triangles), (small, np.arange(900, dtype=np.int32).reshape(300, 3))):
        results = []
        for loops in (None, raster_loops):
            monkeypatch.setattr(raster, "_loops", lambda work, loops=loops: loops)
            drawn = rasterize(places, corners, 61, 93)
            smooth = interpolate(drawn[0], drawn[1], corners, places)
            results.append((*drawn, smooth, vertex_normals(small, corners)))
        for first, second in zip(*results, strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("painted", [False, True])
@pytest.mark.parametrize("loops", [None, raster_loops])
def test_an_averaged_picture_is_the_finer_one_averaged(
    loops: object, painted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two balls, the smaller before the larger; also where the attributes of one are not interpolated but asked."""
    import trimesh

    monkeypatch.setattr(raster, "_loops", lambda work: loops)
    ball = trimesh.creation.icosphere(subdivisions=4)
    points, corners = np.asarray(ball.vertices, np.float32), np.asarray(ball.faces, np.int32)
    both = np.concatenate([points * [28, -28, 28] + [33, 30, 0], points * [7, -7, 7] + [40, 24, 40]]).astype(np.float32)
    triangles = np.concatenate([corners, corners + len(points)])
    values = np.concatenate([0.5 + both[:, :1] / 200, np.ones_like(both[:, :1])], axis=1)
    values[len(points) :, 0] *= 0.25

    def paint(seen: np.ndarray, weights: np.ndarray) -> np.ndarray:
        assert seen.min() >= len(corners)
        return np.asarray(np.einsum("nk,nkc->nc", weights, values[triangles[seen]]))

    asked = values.copy()
    asked[len(points) :] = 7.0 if painted else values[len(points) :]
    found = averaged(both, triangles, asked, 61, 70, 3, *([paint, len(corners)] if painted else []))
    seen, weights, _ = rasterize(both * np.float32(3), triangles, 183, 210)
    expected = interpolate(seen, weights, triangles, values).reshape(61, 3, 70, 3, 2).mean((1, 3))
    np.testing.assert_allclose(found[..., 1], expected[..., 1], atol=1e-6)
    np.testing.assert_allclose(found[..., 0], expected[..., 0], atol=2e-3)
    rim = (expected[..., 1] > 0.1) & (expected[..., 1] < 0.9)
    assert rim.sum() > 50 and (expected[rim] > 0.05).all()


def test_the_depth_alone_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform([-9, -9, 0], [60, 50, 30], (90, 3)).astype(np.float32)
    triangles = rng.integers(0, 90, (120, 3)).astype(np.int32)
    for loops in (None, raster_loops):
        monkeypatch.setattr(raster, "_loops", lambda work, loops=loops: loops)
        np.testing.assert_array_equal(depth_of(points, triangles, 31, 40), rasterize(points, triangles, 31, 40)[2])


def test_random_soup_agrees_with_the_oracle() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform([-10, -10, 0], [50, 40, 30], (120, 3))
    triangles = rng.integers(0, 120, (300, 3)).astype(np.int32)
    found, weights, _ = rasterize(points, triangles, 31, 43)
    expected = _oracle(points, triangles, 31, 43)
    assert (found >= 0).mean() > 0.9
    assert (found != expected).sum() <= 1  # an exact tie of two depths may fall either way
    np.testing.assert_allclose(weights[found >= 0].sum(-1), 1, atol=1e-5)


def test_interpolation_is_exact_for_a_linear_function() -> None:
    points = np.array([[0, 0, 1], [0, 20, 2], [20, 0, 3]], float)  # counter-clockwise as the camera sees it
    triangles = np.array([[0, 1, 2]], np.int32)
    found, weights, depth = rasterize(points, triangles, 20, 20)
    picture = interpolate(found, weights, triangles, points)
    row, column = np.nonzero(found >= 0)
    np.testing.assert_allclose(picture[row, column, :2], np.stack([column, row], 1) + 0.5, atol=1e-4)
    np.testing.assert_allclose(picture[row, column, 2], depth[row, column], atol=1e-4)


def test_back_faces_and_degenerate_triangles_are_left_out() -> None:
    points = np.array([[0, 0, 0], [20, 0, 0], [0, 20, 0], [10, 0, 0]], float)
    triangles = np.array([[0, 1, 2], [0, 3, 1]], np.int32)
    assert (rasterize(points, triangles, 20, 20)[0] == -1).all()


def test_normals_of_a_sphere_point_outwards() -> None:
    import trimesh

    sphere = trimesh.creation.icosphere(subdivisions=4)
    vertices = np.asarray(sphere.vertices, np.float32)
    normals = vertex_normals(vertices, np.asarray(sphere.faces, np.int32))
    assert (normals * vertices).sum(-1).min() > 0.999


@pytest.mark.parametrize("mirrored", [False, True])
def test_tangents_follow_u_and_say_where_up_is(mirrored: bool) -> None:
    """On a part of a cylinder that is unrolled into the chart."""
    row, column = np.mgrid[0:9, 0:9]
    angle, height = (column - 4) * 0.2, row * 3.0
    vertices = np.stack([10 * np.sin(angle), height, 10 * np.cos(angle)], axis=-1).reshape(-1, 3)
    uv = np.stack([column / 8, 1 - row / 8], axis=-1).reshape(-1, 2)
    first = (row[:-1, :-1] * 9 + column[:-1, :-1]).ravel()
    triangles = np.concatenate([first[:, None] + [0, 1, 10], first[:, None] + [0, 10, 9]])
    normals = vertices * [0.1, 0, 0.1]
    if mirrored:
        uv[:, 0] = 1 - uv[:, 0]
    tangents = vertex_tangents(vertices, triangles, uv, normals)
    along = np.stack([np.cos(angle), 0 * angle, -np.sin(angle)], axis=-1).reshape(-1, 3)
    np.testing.assert_allclose(tangents[:, :3], -along if mirrored else along, atol=0.11)
    np.testing.assert_allclose(np.sum(tangents[:, :3] * normals, axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(tangents[:, :3], axis=1), 1, atol=1e-6)
    bitangent = np.cross(normals, tangents[:, :3]) * tangents[:, 3:]
    np.testing.assert_allclose(bitangent, np.tile([0, 1, 0], (81, 1)), atol=0.11)
