"""Expressions as people make them."""

from __future__ import annotations

import numpy as np
import pytest

from tfface.face.expressions import BROWS, MOUTHS, gaze_degrees, sample_expression, shutting_weights, without_side
from tfface.face.open_model import OpenFace, load_open_face
from tfface.geometry.ibug68 import LIDS


@pytest.fixture(scope="module")
def face() -> OpenFace:
    return load_open_face()


@pytest.fixture(scope="module")
def draws(face: OpenFace) -> np.ndarray:
    shut = np.array([0.9, 0.8])
    return np.stack(
        [sample_expression(np.random.default_rng(seed), face.expression_names, 1.0, shut) for seed in range(1500)]
    )


def test_recipes_name_units_that_the_model_has(face: OpenFace) -> None:
    known = {without_side(name) for name in face.expression_names}
    for recipe in (*MOUTHS.values(), *BROWS.values()):
        assert set(recipe.units) <= known
        assert all(0 <= low <= high <= 1 for low, high in recipe.units.values())


def test_some_shut_their_eyes_and_some_wink(face: OpenFace, draws: np.ndarray) -> None:
    names = face.expression_names
    blinks = draws[:, [names.index("eyeBlinkLeft"), names.index("eyeBlinkRight")]] / [0.9, 0.8]
    shut = blinks > 0.95
    assert 0.12 < shut.all(1).mean() < 0.2
    assert 0.03 < (shut[:, 0] ^ shut[:, 1]).mean() < 0.09
    assert 0.1 < np.median(blinks[~shut]) < 0.35
    wide = draws[:, [names.index("eyeWideLeft"), names.index("eyeWideRight")]]
    assert not wide[shut.any(1)].any()


def test_weights_lie_in_range_and_do_not_contradict_themselves(face: OpenFace, draws: np.ndarray) -> None:
    names = face.expression_names
    assert draws.min() >= 0 and draws.max() <= 1 and draws.dtype == np.float32
    assert (draws[:, names.index("mouthClose")] <= draws[:, names.index("jawOpen")] + 1e-6).all()
    for part in ("jaw", "mouth"):
        both = draws[:, [names.index(f"{part}Left"), names.index(f"{part}Right")]]
        assert not both.all(1).any() and both.any(0).all()


def test_everything_that_faces_do_happens_and_much_of_it_together(face: OpenFace, draws: np.ndarray) -> None:
    moved = dict(zip(face.expression_names, (draws > 0.2).mean(0), strict=True))
    assert min(moved.values()) > 0
    smile, jaw = (draws[:, face.expression_names.index(name)] for name in ("mouthSmileLeft", "jawOpen"))
    assert 0.25 < (smile > 0.3).mean() < 0.55
    assert ((smile > 0.5) & (jaw > 0.15)).mean() > 0.03  # laughter
    assert 0.4 < (jaw < 0.1).mean() < 0.8
    assert not sample_expression(np.random.default_rng(3), face.expression_names, 0.0, np.ones(2)).any()


def test_both_eyes_look_one_way(face: OpenFace, draws: np.ndarray) -> None:
    looks = np.array([gaze_degrees(face.expression_names, weights) for weights in draws])
    assert 5 < looks[:, 0].std() < 15 and 2 < looks[:, 1].std() < 12
    assert abs(looks[:, 0].mean()) < 1
    weights = np.zeros(52)
    weights[face.expression_names.index("eyeLookOutLeft")] = weights[face.expression_names.index("eyeLookInRight")] = (
        0.5
    )
    assert gaze_degrees(face.expression_names, weights) == (15.0, 0.0)


def test_lids_meet_at_everybodys_own_weight(face: OpenFace) -> None:
    rows = face.face(2).matrix[face.landmarks68]
    index = [face.expression_names.index(f"eyeBlink{side}") for side in ("Left", "Right")]
    weights = []
    for seed in range(20):
        identity = np.random.default_rng(seed).normal(size=face.num_identity).astype(np.float32)
        expression = np.zeros(52, np.float32)
        expression[index] = shutting_weights(face, identity)
        weights.append(expression[index])
        height = (rows @ face.cage(identity, expression))[:, 1]
        gaps = np.array([height[upper] - height[lower] for upper, lower in LIDS])
        assert (gaps < 3.0).all() or expression[index].max() == 1.0, seed
        assert abs(gaps.mean()) < 0.8 or expression[index].max() == 1.0, seed
    assert np.std(weights) > 0.015
