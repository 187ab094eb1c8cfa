"""Openings that are followed, half followed and not followed, and jaws that lie outside."""

from __future__ import annotations

import numpy as np
import pytest

from tfface.metrics import expressions


def faces(count: int = 40) -> np.ndarray:
    """Flat faces `[N,68,2]` whose lower inner lip opens by a random amount."""
    rng = np.random.default_rng(0)
    turn = np.linspace(0, np.pi, 17)
    outline = np.stack([-80 * np.cos(turn), 100 * np.sin(turn)], -1)
    face = np.concatenate([outline, rng.uniform(-40, 40, (51, 2))])
    many = np.tile(face, (count, 1, 1))
    many[:, 66] = many[:, 62] + np.stack([np.zeros(count), rng.uniform(0, 40, count)], -1)
    return many


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
def test_the_slope_is_how_far_a_mouth_is_followed(share: float) -> None:
    truth = faces()
    predicted = truth.copy()
    predicted[:, 66] = truth[:, 62] + share * (truth[:, 66] - truth[:, 62]) + [0.0, 5.0]
    figures = expressions.frontal_figures(predicted, truth, None)
    assert figures is not None
    mouth = figures["openings"]["mouth_opening"]
    assert mouth["slope"] == pytest.approx(share, abs=1e-6)
    assert mouth["correlation"] == pytest.approx(1.0 if share else 0.0, abs=1e-6)
    assert figures["openings"]["mouth_width"]["mean_true"] > 0


def test_a_jaw_is_outside_where_a_side_went_to_the_collar() -> None:
    truth = faces()
    predicted = truth.copy()
    predicted[:10, 1:8] *= 1.15  # one side of ten faces
    predicted[10:20, 1:8] *= 0.85  # inside is not outside
    assert expressions.side_outside(predicted, truth).tolist() == [True] * 10 + [False] * 30


def test_profiles_and_faces_without_a_prediction_do_not_count() -> None:
    truth = faces()
    predicted = truth.copy()
    predicted[:5] = np.nan
    yaw = np.zeros(len(truth))
    yaw[5:10] = 80
    figures = expressions.frontal_figures(predicted, truth, yaw)
    assert figures is not None and figures["images"] == 30
    assert expressions.frontal_figures(predicted, truth, yaw + 60) is None
