"""Fairness: any error by skin tone.

The individual typology angle `ITA = atan2(L* - 50, b*)` in degrees (Chardon 1991) orders skin from very light
(above 55) to dark (below -30); `by_group` reports any error in its bins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
ITA_BINS = ("dark", "brown", "tan", "intermediate", "light", "very light")
_ITA_EDGES_DEG = (-30.0, 10.0, 28.0, 41.0, 55.0)
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE_D65 = np.array([0.95047, 1.0, 1.08883])


def ita_deg(colours: FloatArray) -> NDArray[np.float64]:
    """The angle `[...]` of sRGB colours `[...,3]` in [0,1] (albedo, without the light of the photograph)."""
    srgb = np.asarray(colours, np.float64)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T / _WHITE_D65
    cubic = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16.0 / 116.0)
    lightness, b = 116.0 * cubic[..., 1] - 16.0, 200.0 * (cubic[..., 1] - cubic[..., 2])
    return np.rad2deg(np.arctan2(lightness - 50.0, b))


def ita_bin(angles_deg: FloatArray) -> NDArray[np.int64]:
    """The index into `ITA_BINS` of each angle."""
    return np.digitize(angles_deg, _ITA_EDGES_DEG)


def by_group(errors: FloatArray, index: NDArray[np.integer], names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """`{name: {mean, count}}` of the errors in each group that has any; `spread` is worst minus best mean."""
    groups = {
        name: {"mean": float(np.mean(errors[index == i])), "count": int((index == i).sum())}
        for i, name in enumerate(names)
        if (index == i).any()
    }
    means = [group["mean"] for group in groups.values()]
    return {**groups, "spread": {"mean": max(means) - min(means), "count": len(errors)}} if means else {}
