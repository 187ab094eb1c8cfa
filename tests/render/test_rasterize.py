"""The rasteriser against two that share no code with it: brute force in float64, and numba's z-buffer on a head."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_graphics.rendering.interpolate import interpolate_vertex_attribute

from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.geometry import raster
from tfface.render import camera
from tfface.render.interpolate import interpolate
from tfface.render.rasterize import rasterize, triangle_ids

SIZE = 40, 56


def _oracle(points: NDArray[np.floating], triangles: NDArray[np.integer], cull: bool = False) -> tuple:
    """Every pixel against every triangle in float64: the id, and whether the two nearest depths are apart."""
    centres = np.stack([*np.meshgrid(np.arange(SIZE[1]) + 0.5, np.arange(SIZE[0]) + 0.5), np.ones(SIZE)], -1)
    best, second, result = np.full(SIZE, 8.0), np.full(SIZE, 9.0), np.full(SIZE, -1)
    for index, triangle in enumerate(triangles):
        corners = points[triangle].astype(np.float64)
        if not np.isfinite(corners).all() or (corners[:, 3] <= 0).all():
            continue
        matrix = corners[:, [0, 1, 3]]
        determinant = np.linalg.det(matrix)
        if abs(determinant) < 1e-30 or (cull and determinant > 0):
            continue
        share = centres @ np.linalg.inv(matrix)  # of the corners, divided by w of the point seen
        depth = share @ corners[:, 2]
        inside = (share >= 0).all(-1) & (np.abs(depth) <= 1)
        depth = np.where(inside, depth, 9.0)
        second = np.minimum(second, np.maximum(best, depth))
        result, best = np.where(depth < best, index, result), np.minimum(best, depth)
    return result, second - best > 1e-6


def _soup(kind: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    rng = np.random.default_rng(5)
    count = {"small": 900, "big": 80, "behind": 60, "sliver": 150}[kind]
    spread, size = {"small": (2.5, 0.12), "big": (3.0, 1.5), "behind": (0.0, 2.5), "sliver": (2.0, 0.02)}[kind]
    corners = rng.uniform(-spread, spread, (count, 1, 3)) + rng.normal(0, size, (count, 3, 3))
    if kind == "sliver":
        corners += rng.normal(0, 2, (count, 1, 3)) * rng.uniform(-1, 1, (count, 3, 1))
    corners -= [0, 0, 2 if kind == "behind" else 6]
    eye = tf.constant(corners.reshape(1, -1, 3), tf.float32)
    view = camera.pinhole(eye, 45.0, tf.constant([28.0, 20.0]), 4.0)
    return view.points.numpy(), np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


@pytest.fixture(scope="module")
def head() -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Pixels (u, v, larger is nearer) of the open head at level 1 in two poses, and its triangles."""
    face = load_open_face()
    surface = face.head(1)
    vertices = surface.vertices(face.mean) - np.asarray(face.centre, np.float32)
    rotation = camera.euler_matrix(tf.constant([[0.1, 0.5, 0.0], [-0.2, -1.2, 0.2]]))
    view = camera.orthographic(tf.constant(np.stack([vertices] * 2)), rotation, 0.3, tf.constant([48.0, 40.0]))
    pixels = view.points.numpy()
    return pixels[..., :3] * np.float32([1, 1, -camera.ORTHOGRAPHIC_DEPTH_PX]), surface.triangles


@pytest.mark.parametrize("kind", ["small", "big", "behind", "sliver"])
def test_soup_agrees_with_brute_force(kind: str) -> None:
    points, triangles = _soup(kind)
    found = triangle_ids(tf.constant(points), triangles, SIZE).numpy()[0]
    expected, apart = _oracle(points[0], triangles)
    assert (expected >= 0).sum() > 60
    different = found != expected
    assert (different & apart).sum() <= 1, "the float64 oracle sees float32 pixels a hair's breadth apart"
    assert different.sum() <= 4


def test_graph_equals_xla_and_culling_leaves_out_the_backs() -> None:
    points, triangles = _soup("big")
    xla = triangle_ids(tf.constant(points), triangles, SIZE, cull=True).numpy()
    graph = tf.function(lambda p: triangle_ids(p, triangles, SIZE, cull=True, xla=False))(tf.constant(points)).numpy()
    np.testing.assert_array_equal(xla, graph)
    expected, _ = _oracle(points[0], triangles, cull=True)
    assert (xla[0] != expected).sum() <= 2
    assert (xla[0] != triangle_ids(tf.constant(points), triangles, SIZE).numpy()[0]).any()


def test_head_agrees_with_numba(head: tuple) -> None:
    pixels, triangles = head
    view = camera.from_pixels(tf.constant(pixels))
    framebuffer = rasterize(view.points, triangles, (80, 96), cull=True)
    for b in range(2):
        expected, weights, _ = raster.rasterize(pixels[b], triangles, 80, 96)
        mask = framebuffer.foreground_mask[b, ..., 0].numpy() > 0
        found = np.where(mask, framebuffer.triangle_id[b, ..., 0].numpy(), -1)
        same = found == expected
        assert mask.sum() > 1500
        assert (~same).sum() <= 4, "only pixel centres on an edge may fall either way"
        np.testing.assert_allclose(framebuffer.barycentrics.value[b].numpy()[same], weights[same], atol=2e-3)


def test_interpolation_is_tensorflow_graphics_and_perspective_correct() -> None:
    points, triangles = _soup("big")
    both = np.concatenate([points, points[:, ::-1]])
    framebuffer = rasterize(tf.constant(both), triangles, SIZE)
    attributes = np.random.default_rng(0).random((2, points.shape[1], 5)).astype(np.float32)
    ours = interpolate(tf.constant(attributes), framebuffer).numpy()
    theirs = interpolate_vertex_attribute(tf.constant(attributes), framebuffer).value.numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    seen = framebuffer.foreground_mask.numpy()[0, ..., 0] > 0
    place = interpolate(tf.constant(both), framebuffer).numpy()[0][seen]  # homogeneous pixels are affine in space
    row, column = np.nonzero(seen)
    np.testing.assert_allclose(place[:, :2] / place[:, 3:], np.stack([column, row], 1) + 0.5, atol=1e-2)


def test_neighbours_cover_every_pixel_once() -> None:
    """Vertices on pixel centres and pixel borders: no hole where triangles meet."""
    grid = np.concatenate([[-2.0], np.arange(0, 60, 0.5), [62.0]])
    u, v = np.meshgrid(grid, grid)
    pixels = np.stack([u, v, 0 * u], -1).reshape(1, -1, 3)
    first = (np.arange(len(grid) - 1)[:, None] * len(grid) + np.arange(len(grid) - 1)).reshape(-1)
    square = np.stack([first, first + 1, first + 1 + len(grid), first + len(grid)], 1)
    triangles = np.concatenate([square[:, [0, 1, 2]], square[:, [0, 2, 3]]]).astype(np.int32)
    points = camera.from_pixels(tf.constant(pixels, tf.float32)).points
    assert (triangle_ids(points, triangles, SIZE).numpy() >= 0).all()


BROKEN = [np.nan, np.inf, -np.inf, 1e38, [1e38, 100, 0, 1], [np.inf, 100, 0, 1], [1e12, 9, 0, 1]]


@pytest.mark.parametrize("bad", BROKEN)
def test_broken_corners_leave_the_other_pixels_alone(bad: float | list[float]) -> None:
    points, triangles = _soup("small")
    clean = triangle_ids(tf.constant(points), triangles, SIZE).numpy()
    broken = points.copy()
    broken[0, 1] = bad  # a corner of triangle 0, which background pixels point to
    with tf.GradientTape() as tape:
        variable = tf.constant(broken)
        tape.watch(variable)
        framebuffer = rasterize(variable, triangles, SIZE)
        picture = interpolate(variable[..., :3] / 100.0, framebuffer)
        loss = tf.reduce_sum(picture)
    found = np.where(framebuffer.foreground_mask[..., 0] > 0, framebuffer.triangle_id[..., 0], -1)
    others = (clean != 0) & (found != 0)
    np.testing.assert_array_equal(found[others], clean[others])
    assert others.mean() > 0.9 and np.isfinite(picture.numpy()).all()
    assert np.isfinite(tape.gradient(loss, variable).numpy()[0, 3:]).all()


def test_nothing_to_see() -> None:
    points, triangles = _soup("small")
    for factor in ([1, 1, 1, -1], [0, 0, 1, 1]):  # behind the camera; without area
        assert (triangle_ids(tf.constant(points * np.float32(factor)), triangles, SIZE).numpy() == -1).all()
    away = points + np.float32([1e4, 0, 0, 0]) * points[..., 3:]
    assert (triangle_ids(tf.constant(away), triangles, SIZE).numpy() == -1).all()


def test_ties_go_to_the_lower_index() -> None:
    points, triangles = _soup("small")
    once = triangle_ids(tf.constant(points), triangles, SIZE).numpy()
    twice = triangle_ids(tf.constant(points), np.concatenate([triangles, triangles]), SIZE).numpy()
    np.testing.assert_array_equal(once, twice)


def test_wrong_shapes_are_reported() -> None:
    points, triangles = _soup("small")
    with pytest.raises(UserError, match="points"):
        rasterize(tf.constant(points[..., :3]), triangles, SIZE)
    with pytest.raises(UserError, match="triangles"):
        rasterize(tf.constant(points), triangles[:0], SIZE)
    with pytest.raises(UserError, match="5000"):
        rasterize(tf.constant(points), triangles, 5000)
