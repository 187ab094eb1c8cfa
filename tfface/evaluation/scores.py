"""The numbers of a table: what a column scores on a benchmark, as plain dictionaries ready for JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.evaluation.columns import Column
from tfface.evaluation.landmark_set import LandmarkSet
from tfface.metrics import curves, landmarks

FloatArray = NDArray[np.floating]
FAILURE_PERCENT = 10.0
_DEPTH_RULES: tuple[landmarks.DepthRule, ...] = ("raw", "centred", "least_squares")


def score_column(column: Column, data: LandmarkSet) -> dict[str, Any]:
    """All figures of a column: `nme68_2d` against the first truth, `nme68_2d_NAME` against each other one.

    Where a detector missed faces, these leave those out, and `..._with_missed` takes them in.
    """
    result: dict[str, Any] = {"crop": column.crop, "failed": column.failed, "missed": column.missed}
    known = ~np.isin(data.names, column.missed)
    for number, (name, truth) in enumerate(data.truths.items()):
        key = "nme68_2d" if number == 0 else f"nme68_2d_{name}"
        errors = box_errors(column, truth)
        result[key] = statistics(np.where(known, errors, np.nan), data.yaw_deg, penalised=known)
        if column.missed:
            result[f"{key}_with_missed"] = statistics(errors, data.yaw_deg)
        if truth.shape[2] == 3 and column.landmarks.shape[2] == 3:
            result["nme68_3d"] = {
                rule: statistics(_errors_3d(column, truth, rule), data.yaw_deg) for rule in _DEPTH_RULES
            }
    first = next(iter(data.truths.values()))
    result["mean_by_normaliser"] = _by_normaliser(column, first)
    result["per_image"] = {
        name: _number(error) for name, error in zip(data.names, box_errors(column, first), strict=True)
    }
    return result


def box_errors(column: Column, truth: FloatArray) -> NDArray[np.float64]:
    """2D NME in per cent `[N]` by the root of the true landmarks' box area; NaN without a prediction."""
    return landmarks.nme_2d(column.landmarks, truth, landmarks.box_area_root(truth))


def statistics(
    errors: FloatArray, yaw_deg: FloatArray | None, penalised: NDArray[np.bool_] | None = None
) -> dict[str, Any]:
    """Bins, mean of the bins, mean, median, intervals, balanced protocol, area under the curve, failures.

    `penalised` `[N]` says for which images a NaN counts as a failure (default: all).
    """
    counted = errors if penalised is None else errors[penalised]
    plain = np.zeros(len(errors)) if yaw_deg is None else yaw_deg
    result = landmarks.by_yaw(errors, plain)
    if yaw_deg is None:
        result.update(bins={}, counts={}, mean_of_bins=None)
    else:
        whole = result["mean_of_bins"] is not None
        groups = landmarks.yaw_bin(plain)
        result["mean_of_bins_interval95"] = curves.bootstrap_interval(errors, groups=groups) if whole else None
        result["balanced"] = landmarks.balanced(errors, plain)
    result["mean_interval95"] = curves.bootstrap_interval(errors)
    result["auc10"] = curves.area_under_curve(counted, FAILURE_PERCENT)
    result["failure_rate10"] = curves.failure_rate(counted, FAILURE_PERCENT)
    return result


def _errors_3d(column: Column, truth: FloatArray, rule: landmarks.DepthRule) -> NDArray[np.float64]:
    return landmarks.nme_3d(column.landmarks, truth, landmarks.box_area_root(truth), rule)


def _by_normaliser(column: Column, truth: FloatArray) -> dict[str, float | None]:
    lengths = {
        "box_area_root": landmarks.box_area_root(truth),
        "box_diagonal_truth": landmarks.box_diagonal(truth),
        "box_diagonal_predicted": landmarks.box_diagonal(column.landmarks),
        "outer_eyes": landmarks.outer_eye_distance(truth),
    }
    errors = {name: landmarks.nme_2d(column.landmarks, truth, length) for name, length in lengths.items()}
    return {name: _number(value[np.isfinite(value)].mean()) if np.isfinite(value).any() else None
            for name, value in errors.items()}  # fmt: skip


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
