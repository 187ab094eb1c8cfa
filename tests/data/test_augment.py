"""Pictures and maps move together."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfface.config import AugmentConfig
from tfface.data import augment
from tfface.data.maps import MapProjector, mirror_maps, transform_maps
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.camera import Camera
from tfface.geometry.rotation import euler_to_matrix
from tfface.io.records import camera_vector


def _dots(points: np.ndarray, size: int, sigma: float) -> np.ndarray:
    """One channel a point: a Gaussian dot at each of three points (u, v in pixels)."""
    grid = np.arange(size) + 0.5
    rows = np.exp(-0.5 * ((grid[None] - points[:, 1:2]) / sigma) ** 2)
    columns = np.exp(-0.5 * ((grid[None] - points[:, :1]) / sigma) ** 2)
    return np.einsum("kr,kc->rck", rows, columns).astype(np.float32)


def _centres(picture: np.ndarray) -> np.ndarray:
    grid = np.arange(picture.shape[0]) + 0.5
    mass = picture.sum((0, 1))
    return np.stack([np.einsum("rck,c->k", picture, grid), np.einsum("rck,r->k", picture, grid)], 1) / mass[:, None]


@pytest.mark.parametrize("size", [256, 128])
def test_warped_dots_land_where_their_points_go(size: int) -> None:
    tf.random.set_seed(3)
    points = np.array([[120.0, 130.5], [150.0, 110.0], [128.0, 160.0]])
    pictures = tf.constant(np.stack([_dots(points, 320, 4.0)] * 8))
    config = AugmentConfig(rotation_deg=45, scale=(0.8, 1.2), shift=0.05)
    base = augment.crop_transforms(tf.constant(8), tf.constant(320), 1.25)
    transforms = augment.compose(augment.random_similarities(tf.constant(8), config), base)
    warped = augment.warp_pictures(pictures, transforms, size).numpy()
    for picture, matrix in zip(warped, transforms.numpy(), strict=True):
        expected = (points @ matrix[:, :2].T + matrix[:, 2]) * size / 256
        np.testing.assert_allclose(_centres(picture), expected, atol=0.15)


def test_projecting_then_moving_equals_moving_the_pixels() -> None:
    tf.random.set_seed(0)
    face, rng = load_open_face(), np.random.default_rng(0)
    identity, expression = rng.normal(size=(2, 150)).astype(np.float32), np.zeros((2, 52), np.float32)
    camera = Camera(euler_to_matrix(0.6, -0.2, 0.3), 900.0, 700.0, np.array([140.0, 118.0]), face.centre)
    cameras = np.stack([camera_vector(camera)] * 2)
    maps = MapProjector(face, 32)(identity, expression, cameras)
    transforms = augment.random_similarities(tf.constant(2), AugmentConfig())
    moved = transform_maps(maps, transforms).numpy()[1]
    vertices = camera.project(face.face(2).vertices(face.cage(identity[1])))
    matrix = transforms.numpy()[1]
    vertices[:, :2] = vertices[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    vertices[:, 2] *= np.sqrt(np.linalg.det(matrix[:, :2]))
    expected = PositionMap(face, 32).from_vertices(vertices)
    expected[..., 2] -= expected[..., 2].min()
    np.testing.assert_allclose(moved, expected, atol=0.02)


def test_mirrored_maps_are_maps_of_mirrored_faces() -> None:
    face = load_open_face()
    identity = np.random.default_rng(1).normal(size=150).astype(np.float32)
    surface, topology = face.face(2), PositionMap(face, 64)
    vertices = surface.vertices(face.cage(identity))
    turned = vertices[surface.mirror] * np.array([-1, 1, 1], np.float32)
    mirrored = mirror_maps(topology.from_vertices(vertices)[None], 0.0).numpy()[0]
    difference = np.linalg.norm(mirrored - topology.from_vertices(turned), axis=-1)
    assert np.percentile(difference, 99) < 0.3


def test_damage_stays_in_range_and_differs_between_samples() -> None:
    tf.random.set_seed(0)
    pictures = tf.fill([16, 64, 64, 3], 0.5)
    config = AugmentConfig(blur_probability=1.0, noise_probability=1.0, greyscale_probability=0.5)
    damaged = augment.damage_pictures(pictures, config).numpy()
    assert damaged.min() >= 0 and damaged.max() <= 1
    assert len({round(float(x), 5) for x in damaged.mean((1, 2, 3))}) == 16


def test_blur_keeps_the_mean_and_lowers_the_contrast() -> None:
    noise = tf.random.stateless_uniform([2, 64, 64, 3], [0, 1])
    blurred = augment._blurred(noise, (1.0, 1.5)).numpy()[:, 8:-8, 8:-8]
    assert abs(blurred.mean() - 0.5) < 0.01 and blurred.std() < 0.4 * noise.numpy().std()
