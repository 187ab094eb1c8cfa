"""Coefficients and place of a linear model for given positions of some of its points.

With points p_i, weights w_i, model points m_i(c) = mean_i + sum_k c_k b_ki and a similarity T,

    sum_i w_i |T^-1 p_i - m_i(c)|^2 / noise^2 + sum_k (c_k / std_k)^2

is minimised by turns: T by Umeyama's solution for fixed c, then c by a linear system whose matrix never changes. All
lengths are the model's millimetres, so the strength of the prior does not depend on the unit of the points.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfface.face.open_model import OpenFace
from tfface.geometry.align import Similarity, fit_similarity
from tfface.geometry.icp import inverse, move

FloatArray = NDArray[np.floating]


class Fit(NamedTuple):
    """`points ~ motion(mean + coefficients . basis)`."""

    coefficients: NDArray[np.float64]
    motion: Similarity


class CoefficientFit:
    """Fits of one selection of a model's points.

    Args:
        mean: `[N,3]` millimetres.
        basis: `[K,N,3]` millimetres per coefficient.
        std: `[K]` standard deviations of the coefficients.
        weights: `[N]` non-negative; all 1 by default.
        noise_mm: how far a point may be expected to lie from the model; larger keeps coefficients nearer to 0.
    """

    def __init__(
        self,
        mean: FloatArray,
        basis: FloatArray,
        std: FloatArray,
        weights: FloatArray | None = None,
        noise_mm: float = 1.0,
    ) -> None:
        precision = 1.0 / np.asarray(std, np.float64) ** 2
        self.mean = np.asarray(mean, np.float64)
        self.basis = np.asarray(basis, np.float64).reshape(len(basis), -1)
        self.weights = np.ones(len(mean)) if weights is None else np.asarray(weights, np.float64)
        weighted = self.basis * np.repeat(self.weights, 3) / noise_mm**2
        self._solution = np.linalg.solve(weighted @ self.basis.T + np.diag(precision), weighted)

    def coefficients(self, points: FloatArray) -> NDArray[np.float64]:
        """`[K]` for points `[N,3]` in the model's frame."""
        return np.asarray(self._solution @ (points - self.mean).ravel())

    def shape(self, coefficients: FloatArray) -> NDArray[np.float64]:
        """The model's points `[N,3]`."""
        return self.mean + (coefficients @ self.basis).reshape(self.mean.shape)

    def __call__(self, points: FloatArray, with_scale: bool = True, iterations: int = 6) -> Fit:
        """Coefficients and the similarity (or rigid motion) that takes the model to `points` `[N,3]`."""
        points = np.asarray(points, np.float64)
        found = np.zeros(len(self.basis))
        motion = fit_similarity(self.mean, points, self.weights, with_scale)
        for _ in range(iterations):
            found = self.coefficients(move(inverse(motion), points))
            motion = fit_similarity(self.shape(found), points, self.weights, with_scale)
        return Fit(found, motion)


def open_face_fit(
    face: OpenFace, vertices: NDArray[np.integer], expression_std: float, noise_mm: float
) -> CoefficientFit:
    """The fit of the open model's identity, then expression, to chosen vertices `[N]` of the face crop at level 2."""
    mean, *basis = face.linear_at(face.face(2).matrix[vertices])
    std = np.concatenate([np.ones(face.num_identity), np.full(len(face.exp_basis), expression_std)])
    return CoefficientFit(mean + face.centre, np.stack(basis), std, noise_mm=noise_mm)
