"""The mean of networks' weights (model soups: Wortsman et al. 2022).

Networks that came from one another by training on lie in one valley; on pictures unlike those they learnt from, the
point between them errs less than any of them (docs/experiments.md), at the price of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfface.errors import UserError

if TYPE_CHECKING:
    import keras


def average_weights(model: keras.Model, others: Sequence[keras.Model]) -> None:
    """Gives `model` the mean of its own weights and those of `others`.

    Raises:
        UserError: they are other networks.
    """
    networks = [model, *others]
    layouts = [[(weight.path, tuple(weight.shape)) for weight in network.weights] for network in networks]
    if any(layout != layouts[0] for layout in layouts):
        raise UserError("`average` takes runs and presets of the very same network: its kind, width, views and points.")
    values = zip(*(network.get_weights() for network in networks), strict=True)
    model.set_weights([np.mean(each, axis=0, dtype=np.float64) for each in values])
