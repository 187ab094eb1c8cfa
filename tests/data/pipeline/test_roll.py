"""Zhou's roll correction and noise in training."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfface.config import AugmentConfig
from tfface.data.pipeline import augment, face_noise
from tfface.data.pipeline.maps import transform_maps
from tfface.face.mean_map import mean_shape
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.align import roll_from_landmarks
from tfface.geometry.rotation import euler_to_matrix

SIZE = 32
FLIP = np.diag([1.0, -1.0, 1.0])


def maps(rolls_deg: list[float], yaw_deg: float = 20.0) -> np.ndarray:
    """Mean faces in the middle of a 256-pixel crop."""
    turns = [FLIP @ euler_to_matrix(np.radians(yaw_deg), 0.1, np.radians(r)) @ FLIP for r in rolls_deg]
    return np.stack([80 * mean_shape(SIZE) @ turn.T + 128 for turn in turns]).astype(np.float32)


def test_faces_turned_by_their_rolls_stand_upright() -> None:
    wanted = [0.0, 30.0, 90.0, 179.0, -120.0, -45.0]
    posed, topology = maps(wanted), PositionMap(load_open_face(), SIZE)
    found = np.array([roll_from_landmarks(points) for points in topology.landmarks(posed)])
    off = (np.degrees(found) - wanted + 180) % 360 - 180
    assert np.abs(off).max() < 12  # a turned head's eyes do not lie level
    upright = transform_maps(posed, augment.similarities(found))
    again = [roll_from_landmarks(points) for points in topology.landmarks(upright)]
    np.testing.assert_allclose(again, 0, atol=1e-3)


@pytest.mark.parametrize("yaw_deg", [-100.0, -90.0, 90.0, 100.0])
def test_profiles_are_not_turned_upside_down(yaw_deg: float) -> None:
    """Their eyes' order is no guide."""
    landmarks = PositionMap(load_open_face(), SIZE).landmarks(maps([0.0, 20.0], yaw_deg))
    for points, expected in zip(landmarks, (0.0, 20.0), strict=True):
        assert abs(np.degrees(roll_from_landmarks(points)) - expected) < 45


def test_noise_stays_inside_the_face_and_comes_in_every_kind() -> None:
    posed = np.repeat(maps([0.0]), 64, 0)
    inside = face_noise.face_ellipse(posed[0], SIZE)[0]
    assert 0.2 < inside.mean() < 0.8
    noisy = np.full((64, SIZE, SIZE, 3), 128, np.uint8)
    face_noise.add_face_noise(noisy, posed, np.random.default_rng(3))
    changed = (noisy != 128).any(-1)
    assert not (changed & ~inside).any() and changed.any(axis=(1, 2)).all()
    share = changed.sum((1, 2)) / inside.sum()
    assert share.min() < 0.15 and share.max() > 0.9  # random pixels alone; Gaussian


def test_one_to_three_channels_are_scaled() -> None:
    rng = np.random.default_rng(1)
    chosen = augment.random_subset(300, 3, rng).sum(1)
    assert set(chosen) == {1, 2, 3} and (np.bincount(chosen)[1:] > 70).all()
    quiet = dataclasses.replace(
        AugmentConfig(), colour=(0.5, 1.5), some_channels=True, dropout_boxes=0, blur_probability=0, noise_probability=0
    )
    quiet = dataclasses.replace(quiet, greyscale_probability=0, border_probability=0, gamma_probability=0)
    pictures = np.full((64, 8, 8, 3), 128, np.uint8)
    augment.damage_pictures(pictures, quiet, rng)
    factors = pictures[:, 0, 0] / 128
    kept = np.isclose(factors, 1)
    assert not kept.all(1).any() and kept.any() and factors.min() < 0.7 and factors.max() > 1.3
