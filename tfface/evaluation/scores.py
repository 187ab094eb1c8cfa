"""The numbers of a table: what a column scores on a benchmark, as plain dictionaries ready for JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.evaluation.columns import Column
from tfface.evaluation.landmark_set import LandmarkSet
from tfface.metrics import curves, expressions, groups, landmarks

FloatArray = NDArray[np.floating]
FAILURE_PERCENT = 10.0
_DEPTH_RULES: tuple[landmarks.DepthRule, ...] = ("raw", "centred", "least_squares")


def score_column(column: Column, data: LandmarkSet) -> dict[str, Any]:
    """All figures of a column: `nme68_2d` against the first truth, `nme68_2d_NAME` against each other one.

    Where a detector missed faces, these leave those out, and `..._with_missed` takes them in.
    """
    result: dict[str, Any] = {"crop": column.crop, "failed": column.failed, "missed": column.missed}
    asked = ~np.isin(data.names, column.skipped)
    known = asked & ~np.isin(data.names, column.missed)
    if column.skipped:
        result["skipped"] = column.skipped
    for number, (name, truth) in enumerate(data.truths.items()):
        key = "nme68_2d" if number == 0 else f"nme68_2d_{name}"
        errors = box_errors(column, truth)
        result[key] = statistics(np.where(known, errors, np.nan), data.yaw_deg, penalised=known)
        if column.missed:
            result[f"{key}_with_missed"] = statistics(errors, data.yaw_deg, penalised=asked)
        result.setdefault("expressions", {})[name] = expressions.frontal_figures(column.landmarks, truth, data.yaw_deg)
        if truth.shape[2] == 3 and column.landmarks.shape[2] == 3:
            result["nme68_3d"] = {
                rule: statistics(_errors_3d(column, truth, rule), data.yaw_deg, penalised=asked)
                for rule in _DEPTH_RULES
            }
    first = next(iter(data.truths.values()))
    result["mean_by_normaliser"] = _by_normaliser(column, first)
    result["per_image"] = {
        name: _number(error) for name, error in zip(data.names, box_errors(column, first), strict=True)
    }
    result["dense"] = _dense(column, data) if column.dense else {"absent": _why_absent(column, data)}
    if data.ita_deg is not None:
        result["by_skin_tone"] = _by_skin_tone(box_errors(column, first), data.ita_deg)
    result["by_part"] = {
        name: _part(errors[chosen], column.landmarks[chosen], first[chosen], name)
        for errors in [box_errors(column, first)]
        for name, chosen in data.parts.items()
    }
    return result


def _part(errors: FloatArray, seen: FloatArray, truth: FloatArray, name: str) -> dict[str, Any]:
    """Count, mean and median of a part's 2D errors, and of parts seen from the front what its faces do."""
    known = errors[np.isfinite(errors)]
    figures = expressions.frontal_figures(seen, truth, None) if name.endswith("front") else None
    middle = {"mean": float(known.mean()), "median": float(np.median(known))} if len(known) else {}
    return {"images": len(errors), **middle, "expressions": figures}


def _why_absent(column: Column, data: LandmarkSet) -> str:
    if column.crop == "the peer's own":
        return "its file holds landmarks only"
    if data.dense is None:
        return data.dense_absent or "this benchmark has landmarks only"
    return "nothing could be measured"


def _dense(column: Column, data: LandmarkSet) -> dict[str, Any]:
    """Each figure of the whole mesh: mean, median, mean by yaw, and by skin tone where that is known."""
    keys = dict.fromkeys(key for figures in column.dense.values() for key in figures)
    result: dict[str, Any] = {}
    for key in keys:
        errors = np.array([column.dense.get(name, {}).get(key, np.nan) for name in data.names])
        yaw = np.zeros(len(errors)) if data.yaw_deg is None else data.yaw_deg
        result[key] = landmarks.by_yaw(errors, yaw)
        if data.ita_deg is not None:
            result[key]["by_skin_tone"] = _by_skin_tone(errors, data.ita_deg)
    return result


def _by_skin_tone(errors: FloatArray, ita_deg: FloatArray) -> dict[str, Any]:
    known = np.isfinite(errors) & np.isfinite(ita_deg)
    return groups.by_group(errors[known], groups.ita_bin(ita_deg[known]), groups.ITA_BINS)


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
        complete = result["mean_of_bins"] is not None
        bins = landmarks.yaw_bin(plain)
        result["mean_of_bins_interval95"] = curves.bootstrap_interval(errors, groups=bins) if complete else None
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
