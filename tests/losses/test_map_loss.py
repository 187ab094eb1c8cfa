"""The weighted map loss against values computed by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfface.errors import UserError
from tfface.losses.position_map import normalised_mask, weighted_map_loss

MASK = np.array([[16.0, 0.0], [4.0, 4.0]], np.float32)


def test_mask_has_mean_one_where_it_is_not_zero() -> None:
    np.testing.assert_allclose(normalised_mask(MASK), [[2.0, 0.0], [0.5, 0.5]])
    with pytest.raises(UserError):
        normalised_mask(np.zeros((2, 2)))


@pytest.mark.parametrize(("kind", "expected"), [("mse", 2.0 * 9 / 3 / 3), ("l1", 2.0 * 3 / 3 / 3)])
def test_one_wrong_number(kind: str, expected: float) -> None:
    truth = np.zeros((2, 2, 2, 3), np.float32)
    wrong = truth.copy()
    wrong[0, 0, 0, 1] = 3.0  # a landmark's texel: weight 2, one of 3 coordinates, one of 3 texels
    wrong[1, 0, 1, :] = 9.0  # a texel of weight 0
    values = keras.ops.convert_to_numpy(weighted_map_loss(truth, wrong, normalised_mask(MASK), kind))
    np.testing.assert_allclose(values, [expected, 0.0], rtol=1e-6)


@pytest.mark.parametrize("kind", ["mse", "l1"])
def test_zero_at_the_truth_and_a_constant_error_is_itself(kind: str) -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(size=(3, 8, 8, 3)).astype(np.float32)
    mask = normalised_mask(rng.integers(0, 5, (8, 8)))
    none, half = (
        keras.ops.convert_to_numpy(weighted_map_loss(truth, truth + error, mask, kind))
        for error in np.float32([0, 0.5])
    )
    np.testing.assert_array_equal(none, np.zeros(3))
    np.testing.assert_allclose(half, np.full(3, 0.25 if kind == "mse" else 0.5), rtol=1e-5)


def test_samples_of_a_batch_do_not_touch_and_half_precision_is_widened() -> None:
    rng = np.random.default_rng(1)
    truth, predicted = rng.uniform(size=(2, 4, 8, 8, 3)).astype(np.float32)
    mask = normalised_mask(rng.integers(0, 5, (8, 8)))
    single = [float(weighted_map_loss(truth[i : i + 1], predicted[i : i + 1], mask)[0]) for i in range(4)]
    together = keras.ops.convert_to_numpy(weighted_map_loss(truth, predicted, mask))
    np.testing.assert_allclose(together, single, rtol=1e-6)
    half = weighted_map_loss(truth, keras.ops.cast(predicted, "float16"), mask)
    assert keras.backend.standardize_dtype(half.dtype) == "float32"
