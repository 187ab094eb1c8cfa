"""Gradients of pictures against finite differences: inside a surface, and at its silhouettes.

Inside, the picture is a continuous function and is differenced itself. At a silhouette a picture of hard pixels is not;
there the reference is numba's z-buffer at twelve times the resolution, averaged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
import tensorflow as tf
import trimesh
from numpy.typing import NDArray

from tfface.geometry import raster
from tfface.render import camera
from tfface.render.face_renderer import FaceRenderer

SIZE = 64
FINE = 12


def _weights(channels: int) -> NDArray[np.float32]:
    """Smooth weights `[SIZE,SIZE,channels]` that make a picture a number."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    waves = [np.sin(5 * x + 1) * np.cos(4 * y), np.cos(7 * x - 3 * y), np.sin(6 * y + 2 * x), np.cos(3 * x + 5 * y)]
    return np.stack(waves[:channels], axis=-1).astype(np.float32)


def _relief() -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """A hilly sheet that reaches beyond the picture's borders: nothing but inside."""
    grid = np.linspace(-2, 2, 21)
    x, y = np.meshgrid(grid, grid)
    vertices = np.stack([x, y, 0.25 * np.sin(2.5 * x) * np.cos(2 * y)], -1).reshape(-1, 3)
    index = np.arange(441).reshape(21, 21)
    a, b, c, d = (part.reshape(-1) for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    return vertices.astype(np.float32), np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(
        np.int32
    )


def _inside_inputs() -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    vertices, _ = _relief()
    return {
        "vertices": vertices[None],
        "albedo": 0.5 + 0.4 * np.sin(2 * vertices[None] + rng.uniform(0, 6, 3)).astype(np.float32),
        "light": rng.normal(0, 0.3, (1, 27)).astype(np.float32),
        "angles": np.array([[0.1, -0.2, 0.3]], np.float32),
        "translation": np.array([[0.05, -0.03, 0.1]], np.float32),
    }


@pytest.fixture(scope="module", params=["vertex", "pixel"])
def inside(request: pytest.FixtureRequest) -> Callable[..., tuple]:
    """Loss and its gradients for the relief, by all that a rendering depends on; once under XLA, once in a graph."""
    renderer = FaceRenderer(_relief()[1], SIZE, shading=request.param)
    weights = _weights(3)

    @tf.function(jit_compile=request.param == "vertex")
    def run(inputs: dict[str, tf.Tensor]) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            picture = renderer(
                inputs["vertices"],
                inputs["albedo"],
                inputs["light"],
                lambda v: camera.deep3d(v, inputs["angles"], inputs["translation"], SIZE),
            )
            loss = tf.reduce_sum(picture.rgba[..., :3] * weights) + 0.1 * tf.reduce_sum(
                picture.depth * weights[..., :1]
            )
        return loss, tape.gradient(loss, inputs)

    return run


STEPS = {"vertices": 2e-3, "albedo": 5e-2, "light": 5e-2, "angles": 2e-3, "translation": 2e-3}


@pytest.mark.parametrize("name", STEPS)
def test_inside(inside: Callable[..., tuple], name: str) -> None:
    inputs = {key: tf.constant(value) for key, value in _inside_inputs().items()}
    gradient = inside(inputs)[1][name].numpy()
    assert np.isfinite(gradient).all()
    rng = np.random.default_rng(7)
    for _ in range(3):
        # Along the gradient mixed with noise, so that the change is far above float32's rounding of the sum.
        direction = gradient / np.abs(gradient).max() + 0.3 * rng.normal(size=gradient.shape)
        step = STEPS[name] * direction.astype(np.float32)
        change = [float(inside({**inputs, name: inputs[name] + sign * step})[0]) for sign in (1, -1)]
        expected = float((gradient.astype(np.float64) * step).sum())
        assert (change[0] - change[1]) / 2 == pytest.approx(expected, rel=0.02)


@lru_cache
def _ball(wall: bool) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """A flat-coloured egg, alone or before a wall of another colour that fills the picture."""
    ball = trimesh.creation.icosphere(subdivisions=3)
    corners = np.array([[-4, -4, -2], [4, -4, -2], [4, 4, -2], [-4, 4, -2]])
    count = len(ball.vertices)
    vertices = np.concatenate([ball.vertices * [1.4, 1.1, 1.2], corners]).astype(np.float32)
    triangles = np.concatenate([ball.faces, [[count, count + 1, count + 2], [count, count + 2, count + 3]]])
    albedo = np.repeat([[0.2, 0.9, 0.5], [0.7, 0.1, 0.3]], [count, 4], axis=0)
    return vertices, (triangles if wall else ball.faces).astype(np.int32), albedo.astype(np.float32)


# The egg's translation, growth and turn, and the camera's roll: shapes change, colours stay.
PARAMETERS = ("x", "y", "growth", "turn", "roll")
START = np.array([0.13, -0.08, 0.05, 0.3, 0.2], np.float32)


@tf.autograph.experimental.do_not_convert
def _moved(p: tf.Tensor) -> camera.View:
    vertices, _, _ = _ball(wall=True)
    zero = tf.zeros_like(p[0])
    turn = camera.euler_matrix(tf.stack([zero, zero, p[3]])[None])[0]
    ball = tf.matmul(tf.constant(vertices[:-4]), turn, transpose_b=True) * tf.exp(p[2]) + tf.stack([p[0], p[1], zero])
    mesh = tf.concat([ball, tf.constant(vertices[-4:])], axis=0)[None]
    roll = camera.euler_matrix(tf.stack([zero, zero, p[4]])[None])
    return camera.face_camera(mesh, roll, 1.9 * SIZE, 10.0, tf.constant([SIZE / 2, SIZE / 2]))


def _fine_picture(p: NDArray[np.float32], wall: bool) -> NDArray[np.float64]:
    """The same scene `[SIZE,SIZE,4]` from numba at `FINE` times the resolution, averaged."""
    _, triangles, albedo = _ball(wall)
    points = _moved(tf.constant(p)).points.numpy()[0].astype(np.float64)
    pixels = np.stack([points[:, 0], points[:, 1], -points[:, 2]], axis=1) / points[:, 3:]
    pixels[:, :2] *= FINE
    ids, weights, _ = raster.rasterize(pixels, triangles, SIZE * FINE, SIZE * FINE)
    colours = np.concatenate([albedo, np.ones((len(albedo), 1), np.float32)], axis=1)
    picture = raster.interpolate(ids, weights, triangles, colours).astype(np.float64)
    return picture.reshape(SIZE, FINE, SIZE, FINE, 4).mean((1, 3))


def _silhouette(smooth: bool, wall: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The picture and the gradient of its weighted sum by the parameters."""
    _, triangles, albedo = _ball(wall)
    renderer = FaceRenderer(triangles, SIZE, smooth=smooth, ambient=1 / 0.886226925)

    @tf.function
    def run(p: tf.Tensor) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch(p)
            picture = renderer(_moved(p).eye, albedo[None], tf.zeros([1, 9]), lambda _: _moved(p)).rgba
            loss = tf.reduce_sum(picture * _weights(4))
        return picture[0], tape.gradient(loss, p)

    picture, gradient = run(tf.constant(START))
    return picture.numpy(), gradient.numpy()


@pytest.mark.parametrize("wall", [False, True])
def test_silhouettes(wall: bool) -> None:
    picture, gradient = _silhouette(True, wall)
    fine = _fine_picture(START, wall)
    hard, without = _silhouette(False, wall)
    assert np.abs(picture - fine).mean() < 0.1 * np.abs(hard - fine).mean()
    expected = np.zeros(len(START))
    for k in range(len(START)):
        step = np.zeros_like(START)
        step[k] = 0.03
        change = [(_fine_picture(START + sign * step, wall) * _weights(4)).sum() for sign in (1, -1)]
        expected[k] = (change[0] - change[1]) / 0.06
    error = np.linalg.norm(gradient - expected) / np.linalg.norm(expected)
    cosine = gradient @ expected / np.linalg.norm(gradient) / np.linalg.norm(expected)
    pairs = dict(zip(PARAMETERS, np.stack([gradient, expected], 1).round(1).tolist(), strict=True))
    assert error < 0.02 and cosine > 0.9998, (error, cosine, pairs)
    assert np.linalg.norm(without) < 1e-3 * np.linalg.norm(expected), "flat colours have no gradient inside"


def test_area_of_a_disc_by_hand() -> None:
    """The sum of alpha over a ball seen from afar is pi r^2, its derivative by r is 2 pi r."""
    ball = trimesh.creation.icosphere(subdivisions=3)
    renderer = FaceRenderer(ball.faces, SIZE)
    white = tf.ones([1, len(ball.vertices), 3])
    with tf.GradientTape() as tape:
        radius = tf.constant(15.3)
        tape.watch(radius)
        vertices = tf.constant(ball.vertices[None], tf.float32) * radius
        picture = renderer(
            vertices, white, tf.zeros([1, 9]), lambda v: camera.orthographic(v, tf.eye(3)[None], 1.0, [32.2, 31.9])
        )
        area = tf.reduce_sum(picture.rgba[..., 3])
    assert float(area) == pytest.approx(math.pi * 15.3**2, rel=0.01)
    assert float(tape.gradient(area, radius)) == pytest.approx(2 * math.pi * 15.3, rel=0.03)
