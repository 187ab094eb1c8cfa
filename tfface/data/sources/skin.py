"""Where a picture shows skin, by colour alone: Deep3D's mask (Deng et al. 2019, published code), in NumPy.

A pixel's colour x in full-range YCbCr (BT.601) has two densities, each a mixture of four Gaussians,
`p(x) = sum_k w_k exp(-(x - m_k)^T S_k^-1 (x - m_k) / 2) / ((2 pi)^1.5 sqrt(det S_k))`: of skin and of everything else.
With 0.8 of all pixels skin beforehand, `P(skin | x) = 0.8 p_skin / (0.8 p_skin + 0.2 p_other)`.

The mixtures know colour only: grey photographs have none, dark skin and coloured light get less. A mask from
the fitted mesh (`tfface.data.sources.face_masks`) does not depend on colour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SKIN_SHARE = 0.8
_TO_YCBCR = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
_OFFSET = np.array([0.0, 128.0, 128.0])


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussians: weights `[K]`, means `[K,3]`, inverse covariances `[K,3,3]`, determinants `[K]`."""

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    inverses: NDArray[np.float64]
    determinants: NDArray[np.float64]

    def density(self, colors: NDArray[np.floating]) -> NDArray[np.float64]:
        """At colours `[N,3]`: `[N]`."""
        total = np.zeros(len(colors))
        for weight, mean, inverse, determinant in zip(
            self.weights, self.means, self.inverses, self.determinants, strict=True
        ):
            away = colors - mean
            exponent = -0.5 * np.einsum("ni,ij,nj->n", away, inverse, away, optimize=True)
            total += weight / ((2 * np.pi) ** 1.5 * np.sqrt(determinant)) * np.exp(exponent)
        return total


def _mixture(rows: list[list[float]]) -> Mixture:
    """Of rows: weight, mean (3), inverse covariance times 1000 (YY, YCb, YCr, CbCb, CbCr, CrCr), determinant."""
    table = np.array(rows)
    symmetric = table[:, 4:10][:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3) * 1e-3
    return Mixture(table[:, 0], table[:, 1:4], symmetric, table[:, 10])


SKIN = _mixture(
    [
        [0.2406, 113.7, 103.4, 164.1, 1.947, 2.045, -0.602, 17.70, 5.142, 8.131, 5.693e6],
        [0.1637, 150.2, 105.2, 155.5, 2.711, 1.104, 2.312, 10.71, 10.74, 17.48, 5.852e6],
        [0.2603, 183.9, 107.6, 152.7, 4.803, 0.229, 7.767, 11.73, 8.166, 25.37, 2.329e6],
        [0.3354, 114.9, 113.6, 151.4, 1.199, 2.245, -1.075, 47.76, 20.33, 24.50, 1.586e6],
    ]
)
OTHER = _mixture(
    [
        [0.1279, 99.2, 112.1, 140.2, 0.854, 0.712, 0.240, 2.594, 0.766, 1.504, 4.587e8],
        [0.3113, 110.9, 125.5, 130.2, 0.2465, 0.4554, 0.1502, 26.41, 18.42, 37.50, 6.466e6],
        [0.3425, 129.8, 130.0, 127.0, 0.3705, 0.3815, 0.4041, 8.551, 7.914, 10.98, 9.061e7],
        [0.2183, 112.3, 128.9, 129.1, 0.1371, 0.5123, 0.1278, 282.4, 105.3, 234.7, 1.331e5],
    ]
)


def to_ycbcr(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Luma and chroma `[...,3]`, 0 to 255, of RGB `[...,3]` uint8 (BT.601, full range)."""
    return np.asarray(image, np.float64) @ _TO_YCBCR.T + _OFFSET


def skin_probability(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The probability `[H,W]` that a pixel of `[H,W,3]` uint8 RGB is skin."""
    colors = to_ycbcr(image).reshape(-1, 3)
    skin = SKIN_SHARE * SKIN.density(colors)
    other = (1 - SKIN_SHARE) * OTHER.density(colors)
    probability = skin / np.maximum(skin + other, np.finfo(np.float64).tiny)
    return np.asarray(probability.reshape(image.shape[:2]), np.float32)


def skin_mask(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`skin_probability` as upstream stores it: `[H,W]` uint8, `round(255 p)`."""
    return np.asarray(np.round(255 * skin_probability(image)), np.uint8)
