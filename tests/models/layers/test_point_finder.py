"""Heat maps to points, pairs and their deviations, and that certainty stays alive."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from tfface.models.layers import point_finder


def heat_of_two() -> np.ndarray:
    heat = np.zeros((1, 8, 8, 2), np.float32)
    heat[0, 2, 5, 0] = heat[0, 7, 0, 1] = 50.0
    return heat


def test_the_centre_of_mass_is_where_the_heat_is() -> None:
    doubt = np.zeros((1, 8, 8, 2), np.float32)
    doubt[0, 2, 5, 0] = 1.0
    cells = point_finder.cell_centres(8, 8).reshape(8, 8, 2)
    assert cells[7, 0, 1] > 256 > 0 > cells[0, 0, 0]  # outside the crop can be said
    pairs = np.zeros((1, 8, 8, 3), np.float32)
    found, sigma, *_ = point_finder.PointsAndDifferences([[0, 1]])([heat_of_two(), doubt, pairs])
    np.testing.assert_allclose(found[0], [cells[2, 5], cells[7, 0]], atol=1e-3)
    assert sigma[0, 0, 0] > 2 * sigma[0, 1, 0]


def test_a_pair_is_as_far_apart_as_its_points_and_what_its_own_head_adds_where_they_are() -> None:
    doubt, pairs = np.zeros((1, 8, 8, 2), np.float32), np.zeros((1, 8, 8, 3), np.float32)
    layer = point_finder.PointsAndDifferences([[0, 1]])
    points, _, apart, before = (np.asarray(part) for part in layer([heat_of_two(), doubt, pairs]))
    np.testing.assert_allclose(apart[0, 0], points[0, 0] - points[0, 1], atol=1e-4)
    pairs[0, 2, 5] = pairs[0, 7, 0] = (0.5, -0.25, 1.0)  # at the two points
    pairs[0, 4, 4] = 9.0  # elsewhere
    _, _, moved, after = (np.asarray(part) for part in layer([heat_of_two(), doubt, pairs]))
    np.testing.assert_allclose(moved - apart, [[[4.0, -2.0]]], atol=1e-3)
    assert after[0, 0, 0] > 1.5 * before[0, 0, 0]


@pytest.mark.parametrize("raw", [-12.0, -3.0, 0.0, 3.0, 12.0])
def test_a_deviation_never_loses_its_gradient(raw: float) -> None:
    import tensorflow as tf

    x = tf.constant(raw)
    with tf.GradientTape() as tape:
        tape.watch(x)
        sigma = point_finder.deviation(x, 0.4, 4.0)
    assert 0.4 < float(sigma) < 50
    assert float(tape.gradient(sigma, x)) > 0


def test_layers_come_back_from_their_configuration() -> None:
    layer = point_finder.PointsAndDifferences([[0, 1]])
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    inputs = [heat_of_two(), *(np.ones((1, 8, 8, n), np.float32) for n in (2, 3))]
    for first, second in zip(layer(inputs), again(inputs), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(first), ops.convert_to_numpy(second))
