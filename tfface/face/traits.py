"""What sex, age and origin say of a face's shape: identity coefficients as a Gaussian that depends on them.

Identity coefficients of the open model are standard normal over everybody. Of the people it was built from we know how
they were mixed (`tfface.face.build.identity`), so their coefficients are `traits @ effect` and what is left, whose
covariance is the same for all. Synthetic people need it: drawn apart, a woman's hair and lips stand on a man's jaw as
often as on her own, and a network cannot learn from the one what it should expect of the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tfface.face.open_model import load_asset

NAMES = ("male", "child", "old", "african", "asian")
"""Shares from 0 to 1: of male (the rest female), of child and of old (the rest young), of origins (the rest
caucasian, as MakeHuman calls its targets)."""


@dataclass(frozen=True)
class Traits:
    """Identity coefficients `[K]` of people with traits `[T]` are `N((traits - mean) @ effect, left @ left.T)`.

    Attributes:
        mean: `[T]` of everybody.
        effect: `[T,K]` standard deviations of identity per trait.
        left: `[K,K]` Cholesky factor of what traits leave open.
    """

    mean: NDArray[np.float64]
    effect: NDArray[np.float64]
    left: NDArray[np.float64]

    def identity(self, traits: NDArray[np.floating], normal: NDArray[np.floating]) -> NDArray[np.float64]:
        """Coefficients `[K]` of somebody with `traits` `[T]`; `normal` `[K]` is standard normal."""
        return np.asarray((traits - self.mean) @ self.effect + self.left @ normal)


def fit_traits(coefficients: NDArray[np.float64], traits: NDArray[np.float64]) -> dict[str, NDArray[np.float32]]:
    """The arrays of the asset, by least squares from people's coefficients `[P,K]` and traits `[P,T]`."""
    mean = traits.mean(0)
    effect = np.linalg.lstsq(traits - mean, coefficients - coefficients.mean(0), rcond=None)[0]
    rest = coefficients - coefficients.mean(0) - (traits - mean) @ effect
    covariance = rest.T @ rest / len(rest) + 1e-6 * np.eye(len(rest.T))
    arrays = {"mean": mean, "effect": effect, "left": np.linalg.cholesky(covariance)}
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def fit_shared_traits(coefficients: NDArray[np.float64], traits: NDArray[np.float64]) -> dict[str, NDArray[np.float32]]:
    """The arrays of the asset where the people `[P,K]` are but a part of those whose coefficients are standard normal.

    The others' traits nobody knows. What traits do to the first is given to everybody, along each direction as far as
    it leaves everybody's variance at 1; the rest of that 1 is what traits leave open.
    """
    mean = traits.mean(0)
    effect = np.linalg.lstsq(traits - mean, coefficients - coefficients.mean(0), rcond=None)[0]
    spread = effect.T @ np.cov(traits.T, bias=True) @ effect
    variance, directions = np.linalg.eigh(spread)
    scale = 1 / np.sqrt(np.maximum(variance, 1.0))
    effect = effect @ (directions * scale) @ directions.T
    open_share = np.maximum(1 - np.minimum(variance, 1.0), 0.0) + 1e-6
    arrays = {"mean": mean, "effect": effect, "left": np.linalg.cholesky((directions * open_share) @ directions.T)}
    return {name: array.astype(np.float32) for name, array in arrays.items()}


@lru_cache(maxsize=1)
def load_traits() -> Traits:
    """The traits that go with `load_open_face`.

    Raises:
        UserError: when the file is missing or not the one its card describes.
    """
    arrays, _, _ = load_asset("open_face_traits")
    return Traits(*(arrays[name].astype(np.float64) for name in ("mean", "effect", "left")))
