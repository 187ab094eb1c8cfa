"""Components of posed maps: what they can say, and that they are the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.camera import Camera
from tfface.geometry.rotation import euler_to_matrix
from tfface.models.layers import map_basis, maps
from tfface.models.layers.map_basis import MapBasis, components_of_samples, posed_map_basis

RESOLUTION, COUNT = 32, 96


def _posed_map(seed: int) -> np.ndarray:
    """A face as a network meets it: turned by up to 90 degrees, its box in the middle of the crop."""
    face, rng = load_open_face(), np.random.default_rng(seed)
    vertices = face.face(2).vertices(face.cage(rng.normal(0, 1, 150)))
    rotation = euler_to_matrix(rng.uniform(-1.5, 1.5), rng.normal(0, 0.2), rng.normal(0, 0.3))
    camera = Camera(rotation, 900.0, 900.0, np.array([128.0, 128.0]), face.centre)
    points = camera.project(vertices)
    points[:, 2] -= points[:, 2].min()
    return PositionMap(face, RESOLUTION).from_vertices(points)


def test_components_say_unseen_faces() -> None:
    mean, components = posed_map_basis(RESOLUTION, COUNT)
    orthonormal = np.linalg.qr(components.T)[0]
    for seed in range(5):
        deviation = _posed_map(seed).ravel() - mean
        rest = deviation - orthonormal @ (orthonormal.T @ deviation)
        assert np.linalg.norm(rest.reshape(-1, 3), axis=1).mean() < 2.5  # pixels of the 256-pixel crop


def test_components_are_the_same_each_time() -> None:
    first, second = (components_of_samples(16, 8, samples=100) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_components_are_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes later, a process or a network, reads what was kept."""
    found = posed_map_basis(RESOLUTION, COUNT)
    posed_map_basis.cache_clear()
    monkeypatch.setattr(map_basis, "components_of_samples", None)
    for one, other in zip(found, posed_map_basis(RESOLUTION, COUNT), strict=True):
        np.testing.assert_array_equal(one, other)


def test_layer_speaks_network_units() -> None:
    layer = MapBasis(RESOLUTION, COUNT, "linear")
    coefficients = np.zeros((2, COUNT), np.float32)
    coefficients[1, 3] = 2.0
    pixels = maps.to_pixels(np.asarray(layer(coefficients)), "linear")
    mean, components = posed_map_basis(RESOLUTION, COUNT)
    np.testing.assert_allclose(pixels[0].ravel(), mean, atol=1e-2)
    np.testing.assert_allclose(pixels[1].ravel(), mean + 2 * components[3], atol=1e-2)
    assert not layer.trainable_variables
