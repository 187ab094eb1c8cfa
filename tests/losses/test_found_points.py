"""What is learnt of points: their places, their differences, and how sure to be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tfface.config import LossConfig
from tfface.face.found_points import landmark_texels
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.losses.found_points import FoundPoints
from tfface.models.layers import maps, points

SIZE, COUNT = 64, 128
QUIET = LossConfig(points=0.0, gaps=0.0, certainty=0.0, expressive=1.0)


@pytest.fixture(scope="module")
def topology() -> PositionMap:
    return PositionMap(load_open_face(), SIZE)


def joined(truth: np.ndarray, off_px: float = 0.0, apart_px: float = 0.0, sigma_px: float = 1.0) -> np.ndarray:
    """A network's output that is right but for what is named."""
    found = np.asarray(maps.to_pixels(truth, "linear")).reshape(len(truth), -1, 3)
    found = found[:, points.point_texels(SIZE, COUNT), :2]
    _, pairs = points.point_pairs(SIZE, COUNT)
    apart = found[:, pairs[:, 0]] - found[:, pairs[:, 1]] + apart_px
    sigma, deviation = (np.full((len(truth), n, 1), sigma_px, np.float32) for n in (COUNT, len(pairs)))
    return np.array(points.JoinedMaps("linear")([truth, found + off_px, sigma, apart, deviation, truth]))


def some_maps() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.1, 0.6, (2, SIZE, SIZE, 3)).astype(np.float32)


def test_places_count_lids_and_lips_more(topology: PositionMap) -> None:
    truth = some_maps()
    plain = FoundPoints(replace(QUIET, points=1.0), topology)
    np.testing.assert_allclose(plain(truth, joined(truth)), 0, atol=1e-6)
    np.testing.assert_allclose(plain(truth, joined(truth, off_px=12.8)), 0.1, rtol=1e-3)
    off = joined(truth).reshape(2, -1, 12)
    off[:, landmark_texels(SIZE)[62], 3:5] += 0.1  # an inner lip
    off = off.reshape(2, SIZE, SIZE, 12)
    weighted = FoundPoints(replace(QUIET, points=1.0, expressive=8.0), topology)
    assert np.all(np.asarray(weighted(truth, off)) > 2 * np.asarray(plain(truth, off)))


def test_gaps_are_those_measured_and_those_of_the_answer(topology: PositionMap) -> None:
    truth, loss = some_maps(), FoundPoints(replace(QUIET, gaps=1.0), topology)
    np.testing.assert_allclose(loss(truth, joined(truth, off_px=5.0)), 0, atol=1e-6)  # all moved alike: no gap
    np.testing.assert_allclose(loss(truth, joined(truth, apart_px=12.8)), 0.1, rtol=1e-3)
    answer = joined(truth)
    answer[..., -3:] += np.linspace(0, 1, SIZE)[:, None, None]
    assert np.all(np.asarray(loss(truth, answer)) > 0.01)


def test_certainty_is_best_where_it_is_true(topology: PositionMap) -> None:
    truth, loss = some_maps(), FoundPoints(replace(QUIET, certainty=1.0), topology)
    losses = [np.asarray(loss(truth, joined(truth, 4.0, 4.0, sigma_px))).mean() for sigma_px in (1.0, 5.7, 30.0)]
    assert losses[1] < min(losses[0], losses[2])  # 4 px off: Laplace's scale is 4, the deviation 4 sqrt(2)


def test_unknown_texels_say_nothing(topology: PositionMap) -> None:
    truth = np.concatenate([some_maps(), np.zeros((2, SIZE, SIZE, 1), np.float32)], axis=-1)
    loss = FoundPoints(replace(QUIET, points=1.0, certainty=1.0), topology)
    np.testing.assert_allclose(loss(truth, joined(truth[..., :3], 9.0, 9.0)), 0, atol=1e-6)
