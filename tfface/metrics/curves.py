"""What a list of errors says: cumulative distribution (CED), area under it, failure rate, bootstrap
intervals.

An item without a prediction has the error NaN. It counts as infinitely wrong in the curve, the area and the
failure rate; `bootstrap_interval` leaves it out, as the means that it goes with do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


def ced(errors: FloatArray, maximum: float, steps: int = 201) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Thresholds `[steps]` from 0 to `maximum`, and the share of `errors` `[N]` at most as large as each."""
    thresholds = np.linspace(0.0, maximum, steps)
    ordered = np.sort(_with_failures(errors))
    return thresholds, np.searchsorted(ordered, thresholds, side="right") / max(len(ordered), 1)


def area_under_curve(errors: FloatArray, maximum: float) -> float:
    """The exact area under the CED from 0 to `maximum`, over `maximum`: 1 is perfect, 0 all beyond it."""
    return float(np.clip(1.0 - _with_failures(errors) / maximum, 0.0, 1.0).mean())


def failure_rate(errors: FloatArray, maximum: float) -> float:
    """The share of `errors` above `maximum`, items without a prediction included."""
    return float((_with_failures(errors) > maximum).mean())


def bootstrap_interval(errors: FloatArray, groups: NDArray[np.integer] | None = None) -> tuple[float, float] | None:
    """The 95 % percentile bootstrap interval of the mean of `errors` `[N]`; None without errors.

    With `groups` `[N]` images are drawn within each group and means are averaged over groups: the interval of a mean
    of bin means.
    """
    known = np.isfinite(errors)
    values = np.asarray(errors, np.float64)[known]
    labels = np.zeros(len(values), np.int64) if groups is None else np.asarray(groups)[known]
    parts = [values[labels == label] for label in np.unique(labels)]
    if not parts:
        return None
    random = np.random.default_rng(0)
    samples = [np.mean([_resample(part, random).mean() for part in parts]) for _ in range(1000)]
    low, high = np.quantile(samples, [(1 - 0.95) / 2, (1 + 0.95) / 2])
    return float(low), float(high)


def _resample(values: FloatArray, random: np.random.Generator) -> FloatArray:
    return values[random.integers(len(values), size=len(values))]


def _with_failures(errors: FloatArray) -> NDArray[np.float64]:
    return np.where(np.isfinite(errors), errors, np.inf).astype(np.float64)
