"""The mean of networks' weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfface.errors import UserError
from tfface.models.weights.average import average_weights


def network(value: float, size: int = 3) -> keras.Model:
    """One input, weights that all are `value`, and batch normalisation, whose statistics count as weights."""
    inputs = keras.Input((2,))
    hidden = keras.layers.BatchNormalization(name="normal")(keras.layers.Dense(size, name="dense")(inputs))
    model = keras.Model(inputs, hidden)
    model.set_weights([np.full_like(weight, value) for weight in model.get_weights()])
    return model


def test_every_weight_is_the_mean() -> None:
    model = network(1.0)
    average_weights(model, [network(2.0), network(6.0)])
    assert len(model.get_weights()) == 6
    assert all((weight == 3.0).all() for weight in model.get_weights())


def test_other_networks_are_refused() -> None:
    model = network(1.0)
    with pytest.raises(UserError, match="the very same network"):
        average_weights(model, [network(2.0, size=4)])
    assert all((weight == 1.0).all() for weight in model.get_weights())
