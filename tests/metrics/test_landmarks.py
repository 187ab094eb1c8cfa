"""Landmark metrics against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tfface.metrics import curves, landmarks
from tfface.metrics.dense import dense_nme


@pytest.fixture
def truth() -> np.ndarray:
    """Two images of 68 points whose boxes are 40 x 90 pixels."""
    points = np.random.default_rng(0).uniform(0.1, 0.9, (2, 68, 3)) * [40, 90, 50]
    points[:, 0, :2], points[:, 1, :2] = [0, 0], [40, 90]
    points[:, 36, :2], points[:, 45, :2] = [10, 20], [34, 30]
    return points


def test_a_shift_of_3_and_4_pixels_is_5_over_the_normaliser(truth: np.ndarray) -> None:
    moved = truth + [3.0, 4.0, 12.0]
    assert landmarks.nme_2d(moved, truth, landmarks.box_area_root(truth)) == pytest.approx([100 * 5 / 60] * 2)
    assert landmarks.box_diagonal(truth) == pytest.approx([np.hypot(40, 90)] * 2)
    assert landmarks.outer_eye_distance(truth) == pytest.approx([26.0] * 2)
    assert dense_nme(moved, truth) == pytest.approx([100 * 5 / 60] * 2)


def test_each_depth_rule_forgives_what_it_says(truth: np.ndarray) -> None:
    one = np.ones(2)
    shifted, scaled = truth + [0, 0, 12.0], truth * [1, 1, 2.0]
    assert landmarks.nme_3d(shifted, truth, one, "raw") == pytest.approx([1200.0] * 2)
    assert landmarks.nme_3d(shifted, truth, one, "centred") == pytest.approx([0.0] * 2, abs=1e-9)
    spread = np.abs(truth[..., 2] - truth[..., 2].mean(1, keepdims=True)).mean(1)
    assert landmarks.nme_3d(scaled, truth, one, "centred") == pytest.approx(100 * spread)
    assert landmarks.nme_3d(scaled, truth, one, "least_squares") == pytest.approx([0.0] * 2, abs=1e-9)


def test_mean_of_bins_is_not_the_mean() -> None:
    errors, yaw = np.array([1.0, 3.0, 5.0, 9.0, np.nan]), np.array([-30.0, 0.0, 60.0, -61.0, 0.0])
    result = landmarks.by_yaw(errors, yaw)
    assert result["bins"] == {"0-30": 2.0, "30-60": 5.0, "60-90": 9.0}
    assert result["counts"] == {"0-30": 2, "30-60": 1, "60-90": 1}
    assert result["mean_of_bins"] == pytest.approx(16 / 3)
    assert (result["mean"], result["median"]) == (4.5, 4.0)
    assert landmarks.by_yaw(errors[:2], yaw[:2])["mean_of_bins"] is None


def test_balanced_takes_equal_numbers_and_repeats_itself() -> None:
    errors, yaw = (
        np.array([2.0] * 10 + [5.0] * 3 + [8.0, 9.0]),
        np.array([0.0] * 10 + [45.0] * 3 + [70.0] * 2),
    )
    result = landmarks.balanced(errors, yaw)
    assert result is not None and result["images_per_bin"] == 2
    assert result["mean"] == pytest.approx((2 + 5 + 8.5) / 3)
    assert result == landmarks.balanced(errors, yaw)
    assert landmarks.balanced(errors[:13], yaw[:13]) is None


def test_curve_area_and_failures() -> None:
    errors = np.array([1.0, 2.0, 3.0, np.nan])
    thresholds, share = curves.ced(errors, 4.0, steps=5)
    assert thresholds.tolist() == [0, 1, 2, 3, 4] and share.tolist() == [0, 0.25, 0.5, 0.75, 0.75]
    assert curves.area_under_curve(errors, 4.0) == pytest.approx((0.75 + 0.5 + 0.25) / 4)
    assert curves.failure_rate(errors, 2.0) == 0.5


def test_bootstrap_interval_is_that_of_the_normal_mean() -> None:
    errors = np.random.default_rng(1).normal(4.0, 1.0, 400)
    low, high = curves.bootstrap_interval(errors)
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.15) and low < errors.mean() < high
    groups = np.repeat([0, 1], [300, 100])
    low, high = curves.bootstrap_interval(errors + 10 * groups, groups=groups)
    assert low < (errors[:300].mean() + errors[300:].mean() + 10) / 2 < high and high - low < 0.4
    assert curves.bootstrap_interval(np.array([np.nan])) is None
