"""Pictures and maps move together."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from tfface.config import AugmentConfig
from tfface.data.pipeline import augment
from tfface.data.pipeline.maps import MapProjector, mirror_maps, transform_maps
from tfface.data.shards.faces import camera_vector
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.camera import Camera
from tfface.geometry.rotation import euler_to_matrix


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


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("size", [256, 128])
def test_warped_dots_land_where_their_points_go(size: int, turned: bool) -> None:
    points = np.array([[120.0, 130.5], [150.0, 110.0], [128.0, 160.0]])
    picture = np.round(255 * _dots(points, 320, 4.0)).astype(np.uint8)
    config = AugmentConfig(rotation_deg=45, scale=(0.8, 1.2), shift=0.05)
    random = augment.random_similarities(8, config, np.random.default_rng(3))
    for matrix in augment.compose(random, augment.crop_transform(320, 1.25)):
        if turned:
            matrix = augment.mirrored(matrix)
        expected = (points @ matrix[:, :2].T + matrix[:, 2]) * size / 256
        found = _centres(augment.warp_picture(picture, matrix, size).astype(np.float64))
        np.testing.assert_allclose(found, expected, atol=0.15)


def test_projecting_then_moving_equals_moving_the_pixels() -> None:
    face, rng = load_open_face(), np.random.default_rng(0)
    identity, expression = rng.normal(size=(2, 150)).astype(np.float32), np.zeros((2, 52), np.float32)
    camera = Camera(euler_to_matrix(0.6, -0.2, 0.3), 900.0, 700.0, np.array([140.0, 118.0]), face.centre)
    cameras = np.stack([camera_vector(camera)] * 2)
    project = MapProjector(face, 32)
    transforms = augment.random_similarities(2, AugmentConfig(), rng).astype(np.float32)
    moved = transform_maps(project(identity, expression, cameras), transforms)
    matrix = transforms[1]
    vertices = camera.project(face.face(2).vertices(face.cage(identity[1])))
    vertices[:, :2] = vertices[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    vertices[:, 2] *= np.sqrt(np.linalg.det(matrix[:, :2]))
    expected = PositionMap(face, 32).from_vertices(vertices)
    expected[..., 2] -= expected[..., 2].min()
    np.testing.assert_allclose(moved[1], expected, atol=0.02)
    tensors = [keras.ops.convert_to_tensor(array) for array in (identity, expression, cameras, transforms)]
    in_graph = mirror_maps(transform_maps(project.into_graph()(*tensors[:3]), tensors[3]), 256.0)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(in_graph), mirror_maps(moved, 256.0), atol=1e-3)


def test_mirrored_maps_are_maps_of_mirrored_faces() -> None:
    face = load_open_face()
    identity = np.random.default_rng(1).normal(size=150).astype(np.float32)
    surface, topology = face.face(2), PositionMap(face, 64)
    vertices = surface.vertices(face.cage(identity))
    turned = vertices[surface.mirror] * np.array([-1, 1, 1], np.float32)
    mirrored = mirror_maps(topology.from_vertices(vertices)[None], 0.0)[0]
    difference = np.linalg.norm(mirrored - topology.from_vertices(turned), axis=-1)
    assert np.percentile(difference, 99) < 0.3


def test_damage_differs_between_samples_and_follows_its_generator() -> None:
    config = AugmentConfig(blur_probability=1.0, noise_probability=1.0, greyscale_probability=0.5)
    damaged = [np.full((16, 64, 64, 3), 128, np.uint8) for _ in range(2)]
    for pictures in damaged:
        augment.damage_pictures(pictures, config, np.random.default_rng(0))
    np.testing.assert_array_equal(*damaged)
    assert len({round(float(x), 5) for x in damaged[0].mean((1, 2, 3))}) == 16
    assert np.ptp(damaged[0].reshape(-1, 3), axis=1).min() == 0  # some are grey


def test_blur_keeps_the_mean_and_noise_has_its_deviation() -> None:
    rng = np.random.default_rng(1)
    quiet = AugmentConfig(colour=(1, 1), dropout_boxes=0, blur_probability=0, noise_probability=0)
    quiet = dataclasses.replace(quiet, greyscale_probability=0, border_probability=0, gamma_probability=0)
    picture = rng.integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    same, blurred = picture.copy(), picture.copy()
    augment.damage_pictures(same, quiet, rng)
    np.testing.assert_array_equal(same, picture)
    augment.damage_pictures(blurred, dataclasses.replace(quiet, blur_probability=1, blur_sigma_px=(1.0, 1.5)), rng)
    assert abs(blurred.mean() - picture.mean()) < 2 and blurred.std() < 0.4 * picture.std()
    noisy = np.full((4, 64, 64, 3), 128, np.uint8)
    augment.damage_pictures(noisy, dataclasses.replace(quiet, noise_probability=1, noise_sigma=(0.04, 0.04)), rng)
    np.testing.assert_allclose(noisy.std((1, 2, 3)), 0.04 * 255, rtol=0.05)
    bordered = np.full((64, 40, 40, 3), 128, np.uint8)
    augment.damage_pictures(bordered, dataclasses.replace(quiet, border_probability=1), rng)
    dark = (bordered == 0).all(-1)
    assert dark.mean((1, 2)).max() <= 0.25
    assert {name for name, side in (("top", dark[:, 0]), ("left", dark[:, :, 0])) if side.all(1).any()} == {
        "top",
        "left",
    }


def test_pictures_bend_by_the_same_tones() -> None:
    """A factor on each channel and an exponent, level by level."""
    config = AugmentConfig(colour=(0.5, 0.5), gamma=(2.0, 2.0), gamma_probability=1.0)
    level = np.arange(256) / 255
    table = augment.tone_tables(1, config, np.random.default_rng(0))[0]
    np.testing.assert_allclose(table[:, 1] / 255, np.maximum(0.5 * level, 1e-4) ** 2, atol=0.51 / 255)
