"""Plain operations give the step that Cholesky's factors give, for any size, and inside the networks that ship."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops
from skimage import data

from tfface import models
from tfface.geometry.align import crop_transform
from tfface.io.warp import warp_image
from tfface.models.layers.solve import Usual, gauss_newton_step, inverse_root, plain_operations
from tfface.models.weights import presets


@pytest.mark.parametrize("size", [1, 27, 48, 50, 192])
def test_plain_operations_step_as_cholesky_does(size: int) -> None:
    rng = np.random.default_rng(size)
    jacobian = np.float32(rng.normal(size=(1, size, 2, size)) * np.geomspace(10, 0.1, size))
    residual, tau = rng.normal(size=(3, size, 2)).astype(np.float32), np.geomspace(0.2, 2, size).astype(np.float32)
    sigma = np.exp(rng.normal(0, 0.5, (3, size, 1))).astype(np.float32)
    usual = Usual(lambda: (jacobian, np.ones((size, 1), np.float32)), steps=40)
    given = [ops.convert_to_tensor(x) for x in (jacobian, residual, sigma, tau)]
    step = np.asarray(gauss_newton_step(*given))
    with plain_operations():
        plain = np.asarray(gauss_newton_step(*given, usual))
    np.testing.assert_allclose(plain, step, atol=2e-4)
    even = 2 * np.einsum("bndk,bndl->bkl", jacobian / sigma[..., None], jacobian / sigma[..., None])
    slope = np.einsum("bkl,bl->bk", even, step) + 2 * step / tau**2
    pull = 2 * np.einsum("bndk,bnd->bk", jacobian / sigma[..., None] ** 2, residual)
    np.testing.assert_allclose(slope, pull, atol=1e-3 * np.abs(pull).max())


def test_what_is_usual_becomes_even() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 100)) * np.geomspace(30, 0.1, 100)
    matrix = np.float32(rows.T @ rows + np.eye(100))
    assert np.linalg.cond(matrix) > 5e4
    root = np.asarray(inverse_root(ops.convert_to_tensor(matrix)))
    assert np.linalg.cond(root.T @ matrix @ root) < 1.1


@pytest.mark.parametrize("name", ["mnv2_points", "fast", "rnet_points"])
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
