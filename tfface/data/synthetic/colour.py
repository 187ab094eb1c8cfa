"""Colour: CIELAB, linear light and sRGB; the directions in which melanin and blood darken skin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]

# Log absorbance of linear RGB per unit of melanin and of haemoglobin (shape of published skin spectra).
MELANIN = np.array([0.85, 1.0, 1.07], np.float32)
HAEMOGLOBIN = np.array([0.22, 1.0, 0.85], np.float32)
_XYZ_TO_RGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])


def lab_to_linear(lightness: float, a: float, b: float) -> NDArray[np.float32]:
    """Linear RGB `[3]` of a CIELAB colour (D65)."""
    fy = (lightness + 16) / 116
    f = np.array([fy + a / 500, fy, fy - b / 200])
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.95047, 1.0, 1.08883]
    return np.clip(_XYZ_TO_RGB @ xyz, 0.004, 1.0).astype(np.float32)


def linear_to_srgb(linear: FloatArray) -> NDArray[np.float32]:
    """The sRGB curve of linear values, both in [0,1]."""
    clipped = np.clip(linear, 0.0, 1.0)
    curve = 1.055 * clipped ** (1 / 2.4) - 0.055
    return np.where(clipped <= 0.0031308, 12.92 * clipped, curve).astype(np.float32)


def srgb_to_linear(encoded: FloatArray) -> NDArray[np.float32]:
    """The inverse of `linear_to_srgb`."""
    high = ((np.maximum(encoded, 0.0) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, high).astype(np.float32)


def random_colour(rng: np.random.Generator, saturation: float = 0.45) -> NDArray[np.float32]:
    """A linear RGB colour `[3]` as things have them: mostly dull, sometimes vivid, any brightness."""
    hue = rng.random(3)
    vivid = saturation * (2.0 if rng.random() < 0.15 else rng.random())
    value = rng.beta(0.8, 1.3)
    mixed = hue * min(vivid, 1.0) + hue.mean() * (1 - min(vivid, 1.0))
    return np.clip(mixed / max(mixed.max(), 1e-3) * value, 0.004, 0.95).astype(np.float32)
