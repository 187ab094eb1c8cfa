"""Skin-tone groups."""

from __future__ import annotations

import numpy as np
import pytest

from tfface.metrics.groups import ITA_BINS, by_group, ita_bin, ita_deg


def test_ita_agrees_with_scikit_image_and_orders_skin() -> None:
    from skimage.color import rgb2lab

    skin = np.array([[0.98, 0.87, 0.80], [0.80, 0.60, 0.48], [0.30, 0.19, 0.13]])
    lab = rgb2lab(skin[None])[0]
    assert ita_deg(skin) == pytest.approx(np.rad2deg(np.arctan2(lab[:, 0] - 50, lab[:, 2])), abs=0.1)
    assert [ITA_BINS[i] for i in ita_bin(ita_deg(skin))] == ["very light", "intermediate", "dark"]


def test_spread_is_worst_group_minus_best() -> None:
    groups = by_group(np.array([1.0, 3.0, 7.0]), np.array([0, 0, 4]), ITA_BINS)
    assert groups["dark"] == {"mean": 2.0, "count": 2} and groups["light"] == {"mean": 7.0, "count": 1}
    assert groups["spread"]["mean"] == 5.0
