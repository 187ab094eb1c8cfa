"""How well one identity says a person in several pictures: what C-Net learns from."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from tfface.face.open_model import load_open_face

NUM_POINTS = 2000
TINY_MM2 = 1e-3


def weighted_mean(identities: Any, confidences: Any, shown: Any) -> Any:
    """`[B,I]` of pictures' identities `[B,K,I]`, by their confidences `[B,K,I]`, where `shown` `[B,K]` is 1."""
    weight = confidences * shown[..., None]
    return ops.sum(weight * identities, axis=1) / ops.sum(weight, axis=1)


def shape_error_mm(found: Any, true: Any, metric: Any) -> Any:
    """`[B]` root mean square distance in mm of the neutral faces of identities `[B,I]`, nearly after the best
    similarity (`shape_metric`)."""
    away = found - true
    return ops.sqrt(ops.sum(away * ops.matmul(away, metric), axis=-1) + TINY_MM2)


def misfit(found: Any, information: Any, vector: Any, shown: Any, prior: float) -> Any:
    """`[B]` how badly identities `[B,I]` explain the points of all of their pictures, whose own expression, pose and
    camera follow: the loss on landmarks of Deng et al. 2019 for sets, with all points, each by its deviation.

    Args:
        found: the shared identity.
        information, vector: `[B,K,I,I]` and `[B,K,I]` of each picture (`tfface.face.several.Person`, without the unit
            matrix): up to a constant, the squared residuals over the deviations are `i' information i - 2 i' vector`.
        shown: `[B,K]`.
        prior: weight of the squared identity.
    """
    through = ops.einsum("bkij,bj->bki", information, found) - 2 * vector
    each = ops.sum(through * found[:, None], axis=-1)
    mean = ops.sum(each * shown, axis=1) / ops.sum(shown, axis=1)
    return (mean + prior * ops.sum(ops.square(found), axis=-1)) / found.shape[-1]


def shape_metric() -> NDArray[np.float32]:
    """`[I,I]` such that `d' G d` is the mean squared distance in mm^2 of the inner face's vertices for a difference `d`
    of identities, what a similarity takes away left out (to first order)."""
    face = load_open_face()
    inner = np.flatnonzero(face.regions)
    chosen = inner[np.linspace(0, len(inner) - 1, NUM_POINTS).astype(int)]
    linear = face.linear_at(face.face(2).matrix[chosen])[: 1 + face.num_identity].astype(np.float64)
    mean = linear[0] - linear[0].mean(axis=0)
    zero, (x, y, z) = np.zeros(NUM_POINTS), mean.T
    moves = [np.tile(np.eye(3)[axis], (NUM_POINTS, 1)) for axis in range(3)]
    moves += [np.stack(c, axis=-1) for c in ((zero, -z, y), (z, zero, -x), (-y, x, zero), (x, y, z))]
    span = np.linalg.qr(np.array(moves).reshape(len(moves), -1).T)[0]
    basis = linear[1:].reshape(face.num_identity, -1)
    basis -= (basis @ span) @ span.T
    return (basis @ basis.T / NUM_POINTS).astype(np.float32)
