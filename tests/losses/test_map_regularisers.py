"""Regularisers of maps against values known beforehand, and the objective of every kind of output."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from tfface.config import LossConfig
from tfface.face.mean_map import face_texels, mean_shape
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry import ibug68
from tfface.geometry.rotation import euler_to_matrix
from tfface.losses import map_regularisers as regularisers
from tfface.losses.map_objective import MapObjective
from tfface.losses.position_map import normalised_mask, weighted_map_loss

SIZE = 32
ONES = np.ones((SIZE, SIZE), np.float32)


def number(value: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(value)


@pytest.fixture(scope="module")
def topology() -> PositionMap:
    return PositionMap(load_open_face(), SIZE)


@pytest.fixture(scope="module")
def posed() -> np.ndarray:
    """Mean faces under two poses, in network units of a sigmoid output."""
    shape = mean_shape(SIZE)
    turns = [euler_to_matrix(0.3, -0.2, 0.5), euler_to_matrix(-1.2, 0.1, 0.0)]
    return np.stack([0.3 * shape @ turn.T + 0.5 for turn in turns]).astype(np.float32)


def test_58_landmarks_have_partners_and_ten_have_none() -> None:
    paired = np.ravel(ibug68.MIRROR_PAIRS)
    assert len(paired) == 58 and sorted([*paired, *ibug68.MIDLINE]) == list(range(68))


def test_the_mean_face_is_symmetric_in_any_pose_and_one_cheek_pushed_in_is_not(
    topology: PositionMap, posed: np.ndarray
) -> None:
    landmarks = number(regularisers.read_landmarks(posed, *topology.landmark_samples()))
    np.testing.assert_allclose(landmarks, topology.landmarks(posed), atol=1e-5)
    assert (number(regularisers.landmark_symmetry(landmarks)) < 4e-3).all()
    away = landmarks[:, 36] - landmarks[:, 30]
    landmarks[:, 36] += 0.5 * away  # half as far again from the tip of the nose as its partner: one of 29 pairs
    expected = 0.5 * np.linalg.norm(away, axis=1) / 29
    np.testing.assert_allclose(number(regularisers.landmark_symmetry(landmarks)), expected, atol=4e-3)


def test_smoothness_of_a_plane_is_zero_and_of_a_spike_is_known() -> None:
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    plane = np.stack([columns, rows, columns + 2 * rows], -1)[None]
    assert number(regularisers.smoothness(plane, ONES))[0] == pytest.approx(0, abs=1e-4)
    plane[0, 10, 10, 2] += 4.0  # itself by 4, its four neighbours by 1
    assert number(regularisers.smoothness(plane, ONES))[0] == pytest.approx(8 / (SIZE - 2) ** 2, rel=1e-3)


def test_edges_and_normals_see_what_they_should(posed: np.ndarray) -> None:
    support = face_texels(SIZE)
    turned = (posed - 0.5) @ euler_to_matrix(0.0, 0.0, 0.7).T.astype(np.float32) + 0.5
    assert (number(regularisers.edge_lengths(posed, turned, support)) < 1e-4).all()
    assert (number(regularisers.normal_difference(posed, turned, support)) > 0.05).all()
    larger = (posed - 0.5) * 1.1 + 0.5
    edges = number(regularisers.edge_lengths(posed, larger, support))
    true = number(regularisers.edge_lengths(np.full_like(posed, 0.5), posed, support))
    np.testing.assert_allclose(edges, 0.1 * true, rtol=1e-2)
    np.testing.assert_allclose(number(regularisers.normal_difference(posed, larger, support)), 0, atol=1e-4)


def test_objective_without_regularisers_is_the_map_loss_and_stages_add_up(
    topology: PositionMap, posed: np.ndarray
) -> None:
    config = LossConfig(kind="mse", brief=0.5)
    noisy = posed + np.random.default_rng(0).normal(0, 0.02, posed.shape).astype(np.float32)
    mask = normalised_mask(topology.weight_mask((16, 4, 3, 0)))
    plain = float(number(weighted_map_loss(posed, noisy, mask)).mean())
    objective = MapObjective(config, topology)
    assert float(objective(posed, noisy)) == pytest.approx(plain, rel=1e-5)
    both = np.concatenate([noisy, posed], axis=-1)
    assert float(objective(posed, both)) == pytest.approx(0.5 * plain, rel=1e-5)


@pytest.mark.parametrize("term", ["symmetry", "smoothness", "edges", "normals"])
def test_every_regulariser_can_be_switched_on(term: str, topology: PositionMap, posed: np.ndarray) -> None:
    noisy = posed + np.random.default_rng(1).normal(0, 0.02, posed.shape).astype(np.float32)
    plain = float(MapObjective(LossConfig(), topology)(posed, noisy))
    one, two = (float(MapObjective(LossConfig(**{term: w}), topology)(posed, noisy)) for w in (1.0, 2.0))
    assert one > plain and two - plain == pytest.approx(2 * (one - plain), rel=1e-3)


def test_dual_objective_is_least_at_its_truth(topology: PositionMap, posed: np.ndarray) -> None:
    """The shape that it asks for is the mean face whatever the pose, and what faces away is not visible."""
    from tfface.geometry.map_ops import normals

    objective = MapObjective(LossConfig(), topology)
    visible = np.zeros((2, SIZE, SIZE, 1), np.float32)
    visible[:, :-1, :-1, 0] = number(normals(posed))[..., 2] > 0
    shape = np.stack([mean_shape(SIZE)] * 2)
    perfect = np.concatenate([posed, shape, visible, posed], axis=-1)
    least = float(objective(posed, perfect))
    assert least < 1e-3
    for channels, change in ((slice(0, 3), 0.05), (slice(3, 6), 0.05), (slice(7, 10), 0.05)):
        worse = perfect.copy()
        worse[..., channels] += change
        assert float(objective(posed, worse)) > least + 1e-3
    worse = perfect.copy()
    worse[..., 6] = 1 - worse[..., 6]
    assert float(objective(posed, worse)) > least + 0.1
