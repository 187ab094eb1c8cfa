"""Plain operations give Cholesky's answer, for any size, and inside the networks that ship."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from skimage import data

from tfface import models
from tfface.geometry.align import crop_transform
from tfface.io.image import warp_image
from tfface.models.layers.solve import plain_operations, solve_positive
from tfface.models.weights import presets


@pytest.mark.parametrize("size", [1, 27, 48, 50, 192])
def test_plain_operations_solve_as_cholesky_does(size: int) -> None:
    rng = np.random.default_rng(size)
    rows = rng.normal(size=(3, 2 * size, size)) * np.geomspace(10, 0.1, size)
    matrix = np.float32(rows.swapaxes(1, 2) @ rows / (2 * size) + np.eye(size))
    right = rng.normal(size=(3, size, 1)).astype(np.float32)
    usual = np.asarray(solve_positive(matrix, right))
    with plain_operations():
        plain = np.asarray(solve_positive(keras.ops.convert_to_tensor(matrix), keras.ops.convert_to_tensor(right)))
    np.testing.assert_allclose(plain, usual, atol=1e-4)
    np.testing.assert_allclose(matrix @ plain, right, atol=1e-3)


@pytest.mark.parametrize("name", ["mnv2_points", "rnet_points"])
def test_a_network_says_the_same_with_plain_operations(name: str) -> None:
    model, config = presets.load(name)
    size = config.image_size
    crops = [warp_image(data.astronaut(), crop_transform(box, size), size, size) for box in _boxes()]
    inputs = np.float32(crops) / 255
    predictor = models.predictor(model, config)
    usual = predictor(inputs)
    with plain_operations():
        plain = predictor(inputs)
    for key, least in (("position_map", 0.01), ("landmark_deviations", 1e-4)):
        assert np.abs(np.asarray(plain[key]) - np.asarray(usual[key])).max() < least


def _boxes() -> list[tuple[float, float, float, float]]:
    """Around the face, beside it, on its cap of hair, and on cloth."""
    return [(150, 50, 290, 190), (190, 60, 330, 200), (170, 0, 270, 100), (20, 300, 220, 500)]
