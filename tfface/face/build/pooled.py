"""The identity of two populations as one: half of the people are one model's, half the other's.

Both are linear models on the same cage whose coefficients are standard normal, so the pooled covariance is the sum of
both bases' outer products, each with its share, and its principal components come from the bases alone, without a
draw. What counts is the surface of the face: vertices weigh as their area, those of the skull and the neck less.
Symmetric and antisymmetric components are found apart, as in `identity`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
ELSEWHERE = 0.1
"""How much the vertices beyond the face count."""


@dataclass(frozen=True)
class PooledIdentity:
    """`basis [K,C,3]` mm per standard deviation, the share of variance up to each, and the vertices' weights `[C]`.

    Components are orthogonal under the weights.
    """

    basis: NDArray[np.float32]
    explained: NDArray[np.float64]
    weights: NDArray[np.float64]

    def coefficients(self, deviations: FloatArray) -> NDArray[np.float64]:
        """What people with `deviations [P,C,3]` from the mean are in standard deviations: `[P,K]`."""
        basis = self.basis.astype(np.float64)
        size = np.einsum("kci,kci,c->k", basis, basis, self.weights)
        return np.einsum("pci,kci,c->pk", deviations, basis, self.weights, optimize=True) / size


def vertex_weights(shape: FloatArray, faces: NDArray[np.integer], inner: NDArray[np.bool_]) -> NDArray[np.float64]:
    """`[C]` the share of the surface's area that belongs to each vertex; of those not `inner`, `ELSEWHERE` of it.

    Args:
        shape: `[C,3]` mm; faces: `[Q,4]`, -1 ends a triangle.
    """
    first = np.concatenate([faces[:, [0, 1, 2]], faces[faces[:, 3] >= 0][:, [0, 2, 3]]])
    a, b, c = (shape[first[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    share = np.zeros(len(shape))
    for corner in range(3):
        np.add.at(share, first[:, corner], area)
    share *= np.where(inner, 1.0, ELSEWHERE)
    return np.asarray(share / share.sum())


def without_rigid(basis: FloatArray, shape: FloatArray, weights: FloatArray) -> NDArray[np.float64]:
    """Fields `[K,C,3]` without the small rigid motion of `shape [C,3]` that says most of them under `weights [C]`.

    The linear counterpart of aligning people before they are compared.
    """
    centred = shape - weights @ shape / weights.sum()
    motions = np.zeros((6, len(shape), 3))
    for axis in range(3):
        motions[axis, :, axis] = 1.0
        motions[3 + axis] = np.cross(np.eye(3)[axis], centred)
    gram = np.einsum("aci,bci,c->ab", motions, motions, weights)
    amount = np.linalg.solve(gram, np.einsum("aci,kci,c->ak", motions, basis, weights, optimize=True))
    return np.asarray(basis - np.einsum("ak,aci->kci", amount, motions))


def pool(
    first: FloatArray, second: FloatArray, mirror: NDArray[np.integer], weights: FloatArray, count: int
) -> PooledIdentity:
    """The first `count` principal components of half of the people each.

    Args:
        first, second: `[K,C,3]` mm per standard deviation, about one mean.
        mirror: `[C]` the vertex on the other side.
        weights: `[C]` what a vertex counts.
    """
    rows = np.concatenate([first, second]).astype(np.float64) * np.sqrt(0.5)
    mirrored = rows[:, mirror] * [-1.0, 1.0, 1.0]
    root = np.sqrt(weights)[:, None]
    values, components = [], []
    for part in ((rows + mirrored) / 2, (rows - mirrored) / 2):
        flat = (part * root).reshape(len(part), -1)
        eigenvalues, vectors = np.linalg.eigh(flat @ flat.T)
        best = np.argsort(-eigenvalues, kind="stable")[:count]
        values.append(np.maximum(eigenvalues[best], 0.0))
        components.append(np.einsum("rk,rci->kci", vectors[:, best], part, optimize=True))
    all_values, all_components = np.concatenate(values), np.concatenate(components)
    order = np.argsort(-all_values, kind="stable")[:count]
    total = float(((rows * root) ** 2).sum())
    basis = with_signs(all_components[order])
    return PooledIdentity(basis.astype(np.float32), np.cumsum(all_values[order]) / total, np.asarray(weights))


def with_signs(components: NDArray[np.float64]) -> NDArray[np.float64]:
    """Components `[K,C,3]` have no sign of their own: the largest entry (of equal ones the first) is positive."""
    flat = components.reshape(len(components), -1)
    size = np.abs(flat).round(4)
    largest = np.take_along_axis(flat, size.argmax(1)[:, None], axis=1)
    return components * np.where(largest < 0, -1.0, 1.0)[..., None]
