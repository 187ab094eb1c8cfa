"""Lids that shut, lashes that go with them, and what hides a jaw: the truth stays where it is."""

from __future__ import annotations

import numpy as np
import pytest

from tfface.data.synthetic.lashes import LashRoots
from tfface.data.synthetic.mesh import HeadMesh
from tfface.data.synthetic.sample import SyntheticSettings, sample_expression
from tfface.data.synthetic.wraps import hanging_beard, scarf
from tfface.face.open_model import OpenFace, load_open_face


@pytest.fixture(scope="module")
def face() -> OpenFace:
    return load_open_face()


@pytest.fixture(scope="module")
def head(face: OpenFace) -> HeadMesh:
    return HeadMesh(face, 1)


def test_some_shut_their_eyes_some_wink_and_nobody_past_the_lower_lid(face: OpenFace) -> None:
    names = face.expression_names
    draws = np.stack([sample_expression(np.random.default_rng(seed), names, 1.0) for seed in range(1500)])
    left, right = (draws[:, names.index(f"eyeBlink{side}")] for side in ("Left", "Right"))
    shut = np.stack([left, right]) > 0.7
    assert 0.12 < shut.all(0).mean() < 0.2
    assert 0.03 < (shut[0] ^ shut[1]).mean() < 0.09
    assert max(left.max(), right.max()) < 0.93  # at 1 the upper lid's edge lies below the lower one's
    assert np.median(left[~shut[0]]) < 0.25
    wide = draws[:, [names.index("eyeWideLeft"), names.index("eyeWideRight")]]
    assert not wide[shut.any(0)].any()


def test_lashes_grow_from_the_upper_lids_and_come_down_with_them(face: OpenFace, head: HeadMesh) -> None:
    roots = LashRoots(head)
    blink = np.array([0.8 if name.startswith("eyeBlink") else 0.0 for name in face.expression_names])
    tips = []
    for expression in (None, blink):
        cage = face.cage(None, expression)
        vertices, landmarks = head.matrix @ cage, head.landmark_matrix @ cage
        for strip, lid in zip(roots.build(vertices, landmarks, 7.0, 0.0), ((37, 38), (43, 44)), strict=True):
            rows = strip.vertices.reshape(3, -1, 3)
            for landmark in lid:
                assert np.linalg.norm(rows[0] - landmarks[landmark], axis=1).min() < 3.0
            assert (rows[2, :, 2] > rows[0, :, 2]).mean() > 0.8  # forwards, out of the face
        tips.append(rows[2, len(rows[2]) // 2, 1])
    assert tips[0] - tips[1] > 5.0


def test_a_scarf_goes_round_the_jaw_and_a_beard_hangs_from_it(face: OpenFace, head: HeadMesh) -> None:
    landmarks = head.landmark_matrix @ face.mean
    chin, heights = landmarks[8], []
    for seed in range(20):
        points = scarf(landmarks, np.random.default_rng(seed)).vertices
        assert points[:, 2].max() > chin[2] and points[:, 2].min() < landmarks[0, 2]
        heights.append(points[np.abs(points[:, 0]) < 5, 1].max() - chin[1])
        beard = hanging_beard(landmarks, np.random.default_rng(seed)).vertices.reshape(4, -1, 3)
        assert np.linalg.norm(beard[1] - beard[0], axis=1).max() < 20
        assert (beard[3, :, 1] < beard[1, :, 1]).all() and beard[3, :, 1].min() < chin[1]
    assert min(heights) < 0 < max(heights)  # some leave the chin free, some hide it


def test_clean_pictures_hide_no_jaw() -> None:
    assert SyntheticSettings().scarf > 0 == SyntheticSettings().clean().scarf
