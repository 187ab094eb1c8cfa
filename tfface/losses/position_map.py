"""The weighted position-map loss of PRNet and Lium 2020.

    L = mean over texels of w_ij * mean over u, v, z of d(p_ij, q_ij),   d = (p - q)^2 or |p - q|

with `w` the UV weight mask divided by its mean where it is not zero, and the outer mean over those texels: a constant
error of e gives e^2 (or |e|) whatever the mask. In network units, float32. Truth whose texels are not all known has a
fourth channel, which multiplies `w`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from tfface.errors import UserError


def normalised_mask(mask: NDArray[np.floating]) -> NDArray[np.float32]:
    """`mask` `[R,R]` divided by its mean over the texels where it is not zero.

    Raises:
        UserError: no texel has a weight.
    """
    support = mask > 0
    if not support.any() or (mask < 0).any():
        raise UserError("The loss weights must not be negative, and one of them must be above 0: see `loss.face`.")
    return np.asarray(mask / mask[support].mean(), np.float32)


def weighted_map_loss(truth: Any, predicted: Any, mask: Any, kind: str = "mse") -> Any:
    """The loss of each sample, `[B]`.

    Args:
        truth: `[B,R,R,3]`, or `[B,R,R,4]` with each texel's weight.
        predicted: `[B,R,R,3]` in the same unit.
        mask: `[R,R]`, normalised to a mean of 1 over its support.
        kind: "mse" or "l1".
    """
    truth = ops.cast(truth, "float32")
    difference = ops.cast(predicted, "float32") - truth[..., :3]
    distance = ops.square(difference) if kind == "mse" else ops.abs(difference)
    mask = ops.convert_to_tensor(mask, "float32")
    support = ops.maximum(ops.sum(ops.cast(mask > 0, "float32")), 1.0)
    if truth.shape[-1] == 4:
        mask = mask * truth[..., 3]
    return ops.sum(ops.mean(distance, axis=-1) * mask, axis=(1, 2)) / support
