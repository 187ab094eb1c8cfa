"""Whether landmarks follow an expression: how far predicted mouths, lids and brows open as true ones do.

A mean error hides it: a mouth that is always a little open is never far from the truth. So openings are compared over
many faces: the slope of predicted on true openings (1: followed wholly, 0: not at all) and their correlation. Beside
them, how often a side of the jaw lies well outside the true outline (on hair, a collar, a hand). 68 points in iBUG's
order, in pixels; everything in per cent of the face's size (`landmarks.box_area_root` of the truth).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.geometry.ibug68 import LIDS, MOUTH_CORNERS
from tfface.metrics.landmarks import box_area_root

FloatArray = NDArray[np.floating]
OPENINGS = {
    "mouth_opening": ((62, 66),),
    "mouth_width": (MOUTH_CORNERS,),
    "lids": LIDS,
    "brows": ((19, 37), (24, 44)),
}
"""Pairs of landmarks whose mean distance is the opening."""
JAW_SIDES = (tuple(range(1, 8)), tuple(range(9, 16)))
OUTSIDE_PERCENT = 4.0


def openings(points: FloatArray, size_px: FloatArray) -> dict[str, NDArray[np.float64]]:
    """Each opening `[N]` of points `[N,68,2 or 3]`, in per cent of `size_px` `[N]`."""
    flat = np.asarray(points, np.float64)[..., :2]
    return {
        name: np.mean([100 * np.linalg.norm(flat[:, a] - flat[:, b], axis=1) / size_px for a, b in pairs], axis=0)
        for name, pairs in OPENINGS.items()
    }


def followed(predicted: FloatArray, truth: FloatArray) -> dict[str, dict[str, float]]:
    """`slope`, `correlation` and both means of each opening over N >= 2 faces whose openings differ.

    Args:
        predicted, truth: `[N,68,2 or 3]`, finite.
    """
    size = box_area_root(truth)
    seen, true = openings(predicted, size), openings(truth, size)
    result = {}
    for name in OPENINGS:
        spread = float(np.var(true[name]))
        common = float(np.cov(true[name], seen[name], bias=True)[0, 1])
        correlation = common / max(np.sqrt(spread * float(np.var(seen[name]))), 1e-12)
        means = {"mean_true": float(true[name].mean()), "mean_predicted": float(seen[name].mean())}
        result[name] = {"slope": common / max(spread, 1e-12), "correlation": correlation, **means}
    return result


def side_outside(predicted: FloatArray, truth: FloatArray) -> NDArray[np.bool_]:
    """`[N]` whether the points of a side of the jaw lie, on average, more than 4 % outside the true ones."""
    true, seen = (np.asarray(points, np.float64)[..., :2] for points in (truth, predicted))
    out = true - true.mean(axis=1, keepdims=True)
    out /= np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-12)
    beyond = 100 * ((seen - true) * out).sum(-1) / box_area_root(truth)[:, None]
    return np.any([beyond[:, list(side)].mean(1) > OUTSIDE_PERCENT for side in JAW_SIDES], axis=0)


def frontal_figures(predicted: FloatArray, truth: FloatArray, yaw_deg: FloatArray | None) -> dict[str, Any] | None:
    """`followed` and the share `side_outside`, over faces seen from the front (all of them without `yaw_deg`).

    Returns:
        None where fewer than ten such faces have a prediction: a slope of few says nothing.
    """
    chosen = np.isfinite(predicted).all(axis=(1, 2))
    if yaw_deg is not None:
        chosen &= np.abs(yaw_deg) <= 30.0
    if chosen.sum() < 10:
        return None
    seen, true = predicted[chosen], truth[chosen]
    share = float(side_outside(seen, true).mean())
    return {"images": int(chosen.sum()), "openings": followed(seen, true), "jaw_side_outside": share}
