"""Zhou's roll correction and noise, in TensorFlow."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfface.config import AugmentConfig
from tfface.data import augment, face_noise, roll
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


def test_rolls_are_those_of_numpy_and_upright_faces_have_none() -> None:
    wanted = [0.0, 30.0, 90.0, 179.0, -120.0, -45.0]
    posed = maps(wanted)
    topology = PositionMap(load_open_face(), SIZE)
    expected = [roll_from_landmarks(points) for points in topology.landmarks(posed)]
    found = roll.rolls_of_maps(tf.constant(posed)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    off = (np.degrees(found) - wanted + 180) % 360 - 180
    assert np.abs(off).max() < 12  # a turned head's eyes do not lie level
    turn = roll.upright_similarities(tf.constant(found)).numpy()
    upright = np.einsum("bij,brcj->brci", turn[:, :, :2], posed[..., :2]) + turn[:, None, None, :, 2]
    again = roll.rolls_of_maps(tf.constant(upright.astype(np.float32))).numpy()
    np.testing.assert_allclose(again, 0, atol=1e-3)


@pytest.mark.parametrize("yaw_deg", [-100.0, -90.0, 90.0, 100.0])
def test_profiles_are_not_turned_upside_down(yaw_deg: float) -> None:
    """Their eyes' order is no guide."""
    landmarks = PositionMap(load_open_face(), SIZE).landmarks(maps([0.0, 20.0], yaw_deg))
    for points, expected in zip(landmarks, (0.0, 20.0), strict=True):
        assert abs(np.degrees(roll_from_landmarks(points)) - expected) < 45


def test_noise_stays_inside_the_face_and_comes_in_every_kind() -> None:
    tf.random.set_seed(3)
    posed = tf.constant(np.repeat(maps([0.0]), 64, 0))
    pictures = tf.fill([64, SIZE, SIZE, 3], 0.5)
    inside = face_noise.face_ellipse(posed, SIZE)[0].numpy()[..., 0]
    assert 0.2 < inside.mean() < 0.8
    noisy = face_noise.add_face_noise(pictures, posed).numpy()
    changed = (noisy != 0.5).any(-1)
    assert not (changed & ~inside).any() and changed.any(axis=(1, 2)).all()
    share = changed.sum((1, 2)) / inside.sum((1, 2))
    assert share.min() < 0.15 and share.max() > 0.9  # random pixels alone; Gaussian
    assert noisy.min() >= 0 and noisy.max() <= 1


def test_one_to_three_channels_are_scaled() -> None:
    tf.random.set_seed(1)
    chosen = augment.random_subset(tf.constant(300), 3).numpy().sum(1)
    assert set(chosen) == {1, 2, 3} and (np.bincount(chosen)[1:] > 70).all()
    quiet = dataclasses.replace(
        AugmentConfig(), colour=(0.5, 1.5), some_channels=True, dropout_boxes=0, blur_probability=0, noise_probability=0
    )
    quiet = dataclasses.replace(quiet, greyscale_probability=0, border_probability=0, gamma_probability=0)
    factors = augment.damage_pictures(tf.fill([64, 8, 8, 3], 0.5), quiet).numpy()[:, 0, 0] / 0.5
    kept = np.isclose(factors, 1)
    assert not kept.all(1).any() and kept.any() and factors.min() < 0.7 and factors.max() > 1.3
