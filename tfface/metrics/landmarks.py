"""Normalised mean error (NME) of landmarks, by head pose.

`NME = 100 * mean_k |p_k - t_k| / d`, in per cent, with points `[N,K,2]` or `[N,K,3]` in pixels and a length
`d` for each image. In 3D the depth of a photograph has no absolute origin, so a rule has to be named
(`align_depth`).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tfface.geometry.ibug68 import OUTER_EYES

FloatArray = NDArray[np.floating]
DepthRule = Literal["raw", "centred", "least_squares"]
YAW_BINS = ("0-30", "30-60", "60-90")


def nme(predicted: FloatArray, truth: FloatArray, normaliser: FloatArray) -> NDArray[np.float64]:
    """NME in per cent of each image, `[N]`; NaN where a prediction is NaN.

    Args:
        predicted, truth: `[N,K,D]` pixels, D = 2 or 3 alike.
        normaliser: `[N]` pixels: one of the functions below.
    """
    distance = np.linalg.norm(np.asarray(predicted, np.float64) - truth, axis=-1)
    return 100.0 * distance.mean(axis=-1) / normaliser


def nme_2d(predicted: FloatArray, truth: FloatArray, normaliser: FloatArray) -> NDArray[np.float64]:
    """`nme` of the u and v of points `[N,K,2 or 3]`, depth left out."""
    return nme(predicted[..., :2], truth[..., :2], normaliser)


def nme_3d(predicted: FloatArray, truth: FloatArray, normaliser: FloatArray, rule: DepthRule) -> NDArray[np.float64]:
    """`nme` of points `[N,K,3]` after `align_depth`."""
    return nme(align_depth(predicted, truth, rule), truth, normaliser)


def align_depth(predicted: FloatArray, truth: FloatArray, rule: DepthRule) -> NDArray[np.float64]:
    """The prediction `[N,K,3]` with its depth brought to the truth's.

    `raw`: as it is (PRNet's figures). `centred`: both means made equal (SADRNet). `least_squares`: scale and
    shift that bring it nearest (so it measures relief only, and even an inverted depth fits).
    """
    aligned = np.array(predicted, np.float64)
    if rule == "raw":
        return aligned
    z, target = aligned[..., 2], np.asarray(truth, np.float64)[..., 2]
    centred = z - z.mean(-1, keepdims=True)
    scale: FloatArray | float = 1.0
    if rule == "least_squares":
        square = np.maximum((centred**2).sum(-1, keepdims=True), 1e-12)
        scale = (centred * target).sum(-1, keepdims=True) / square
    aligned[..., 2] = scale * centred + target.mean(-1, keepdims=True)
    return aligned


def box_area_root(points: FloatArray) -> NDArray[np.float64]:
    """`sqrt(width * height)` `[N]` of the box of points `[N,K,2 or 3]`: AFLW2000's, of the truth."""
    return np.sqrt(_extent(points).prod(axis=-1))


def box_diagonal(points: FloatArray) -> NDArray[np.float64]:
    """The diagonal `[N]` of the box of points `[N,K,2 or 3]`, prediction or truth (Lium 2020 uses both)."""
    return np.linalg.norm(_extent(points), axis=-1)


def outer_eye_distance(points: FloatArray) -> NDArray[np.float64]:
    """The distance `[N]` of the outer eye corners among 68 points `[N,68,2 or 3]` (300-W's protocol)."""
    first, second = OUTER_EYES
    return np.linalg.norm(np.asarray(points, np.float64)[:, first, :2] - points[:, second, :2], axis=-1)


def _extent(points: FloatArray) -> NDArray[np.float64]:
    flat = np.asarray(points, np.float64)[..., :2]
    return flat.max(axis=-2) - flat.min(axis=-2)


def yaw_bin(yaw_deg: FloatArray) -> NDArray[np.int64]:
    """The bin `[N]` of each yaw: 0 up to 30 degrees, 1 up to 60, 2 above (upper ends included)."""
    return np.digitize(np.abs(yaw_deg), (30.0, 60.0), right=True)


def by_yaw(errors: FloatArray, yaw_deg: FloatArray) -> dict[str, Any]:
    """The mean error of each bin of |yaw|, and the mean of the three bin means (3DDFA's protocol).

    NaN errors (images without a prediction) are left out and must be reported beside. A bin without an image
    is None, and so is then the mean of the bins.
    """
    known = np.isfinite(errors)
    index, values = yaw_bin(yaw_deg)[known], np.asarray(errors, np.float64)[known]
    bins = {name: _mean(values[index == i]) for i, name in enumerate(YAW_BINS)}
    means = [value for value in bins.values() if value is not None]
    return {
        "bins": bins,
        "counts": {name: int((index == i).sum()) for i, name in enumerate(YAW_BINS)},
        "mean_of_bins": float(np.mean(means)) if len(means) == len(YAW_BINS) else None,
        "mean": _mean(values),
        "median": float(np.median(values)) if values.size else None,
    }


def balanced(errors: FloatArray, yaw_deg: FloatArray) -> dict[str, Any] | None:
    """The mean error over images drawn evenly from the yaw bins, averaged over seeded draws (3DDFA's second
    protocol).

    Each draw takes, without replacement, as many images from each bin as the smallest bin holds. None when a
    bin is empty. Returns `mean`, `std` over draws, `images_per_bin`, `draws`, `seed`.
    """
    known = np.isfinite(errors)
    index, values = yaw_bin(yaw_deg)[known], np.asarray(errors, np.float64)[known]
    groups = [values[index == i] for i in range(len(YAW_BINS))]
    size = min(len(group) for group in groups)
    if size == 0:
        return None
    draws, seed = 10, 0
    random = np.random.default_rng(seed)
    means = [np.mean([random.choice(group, size, replace=False) for group in groups]) for _ in range(draws)]
    return {
        "mean": float(np.mean(means)), "std": float(np.std(means)),
        "images_per_bin": size, "draws": draws, "seed": seed,
    }  # fmt: skip


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if values.size else None
