"""Losses of detail against their formulas, written out."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfface.config import DetailConfig
from tfface.losses.detail import (
    DetailObjective,
    Smoothness,
    displacement_mm,
    lines,
    shading,
    slope_deg,
    small,
    symmetry,
)


def test_only_what_counts_and_differs_costs() -> None:
    truth = np.random.default_rng(0).normal(size=(2, 8, 8, 5)).astype(np.float32)
    truth[..., 4] = 1.0
    truth[:, :, 4:, 4] = 0.0
    predicted = truth[..., :4].copy()
    loss = DetailObjective(DetailConfig())
    at_truth = float(loss(truth, predicted))
    assert at_truth < 0.02
    predicted[:, :, 5:] += 1.0
    assert float(loss(truth, predicted)) == pytest.approx(at_truth, abs=1e-3)
    predicted[:, :, :4, 3] += 0.5
    assert displacement_mm(truth, predicted).numpy() == pytest.approx(0.5 * 32 / 33, rel=1e-3)
    assert np.max(slope_deg(truth, predicted).numpy()) < 0.2  # all of it by as much: no normal changes


def test_shading_counts_as_it_is_weighed_and_needs_no_truth() -> None:
    rng = np.random.default_rng(2)
    shown = rng.uniform(0.2, 0.8, (1, 16, 16, 12)).astype(np.float32)
    unknown, predicted = np.zeros((1, 16, 16, 5), np.float32), rng.normal(size=(1, 16, 16, 4)).astype(np.float32)
    both = np.concatenate([unknown, shown], axis=-1)
    losses = [float(DetailObjective(DetailConfig(shading=weight))(both, predicted)) for weight in (0.0, 1.0, 3.0)]
    alone = float(shading(shown, predicted)[0])
    np.testing.assert_allclose(losses, [0.0, alone, 3 * alone], atol=1e-6)
    assert alone > 0.01


def test_lines_cost_what_is_finer_than_their_surroundings() -> None:
    truth = np.zeros((1, 64, 64, 5), np.float32)
    truth[..., 4] = 1.0
    truth[:, :, 50:, 4] = 0.0
    v, u = np.mgrid[:64, :64].astype(np.float32)

    def cost(displacement: np.ndarray) -> float:
        predicted = np.zeros((1, 64, 64, 4), np.float32)
        predicted[..., 3] = displacement
        return float(lines(truth, predicted)[0])

    line = -0.1 * np.exp(-((v - 32) ** 2))
    assert cost(0 * u) == 0
    assert cost(line) > 20 * cost(0.2 * np.exp(-((v - 32) ** 2 + (u - 25) ** 2) / 2 / 8**2)), "a swelling is none"
    assert cost(2 * line) == pytest.approx(4 * cost(line), rel=1e-3), "squares"
    assert cost(np.where(u > 55, line * 5, 0)) == 0, "what is not seen costs nothing"
    assert cost(100 * line) == pytest.approx(2 * cost(50 * line), rel=0.1), "a misplaced edge does not count squared"
    assert cost(20 * line) > 1.8 * cost(10 * line), "the deepest lines teach, too"
    predicted = np.zeros((1, 64, 64, 4), np.float32)
    predicted[..., 3] = line
    weighed = [float(DetailObjective(DetailConfig(lines=weight))(truth, predicted)) for weight in (0, 1, 3)]
    np.testing.assert_allclose(np.diff(weighed), [cost(line), 2 * cost(line)], rtol=1e-3)


def test_a_slope_is_reported_in_degrees_of_a_millimetre_a_texel_of_256() -> None:
    truth = np.zeros((1, 128, 128, 5), np.float32)
    truth[..., 4] = 1.0
    predicted = np.zeros((1, 128, 128, 4), np.float32)
    predicted[..., 3] = 2 * np.arange(128)  # a texel of 128 is as wide as two
    assert slope_deg(truth, predicted).numpy() == pytest.approx(45.0, abs=0.1)


def test_the_published_regularisers() -> None:
    maps = np.random.default_rng(1).normal(size=(1, 4, 6, 3)).astype(np.float32)
    assert float(small(maps)[0]) == pytest.approx((maps**2).sum(-1).mean(), rel=1e-5)
    assert float(symmetry(maps)[0]) == pytest.approx(((maps - maps[:, :, ::-1]) ** 2).sum(-1).mean(), rel=1e-5)
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    values = np.random.default_rng(2).normal(size=(1, 4, 3)).astype(np.float32)
    neighbours = {0: (1, 2, 3), 1: (0, 2), 2: (0, 1, 3), 3: (0, 2)}
    known = np.mean(
        [np.mean([((values[0, i] - values[0, j]) ** 2).sum() for j in near]) for i, near in neighbours.items()]
    )
    assert float(Smoothness(triangles, 4)(keras.ops.convert_to_tensor(values))[0]) == pytest.approx(known, rel=1e-5)
