"""Lids that shut, lashes that go with them, and what hides a jaw: the truth stays where it is."""

from __future__ import annotations

import numpy as np
import pytest

from tfface.data.synthetic.lashes import LashRoots
from tfface.data.synthetic.mesh import GUM, MOUTH, TEETH, TONGUE, HeadMesh
from tfface.data.synthetic.mouth import MouthParts
from tfface.data.synthetic.sample import SyntheticSettings
from tfface.data.synthetic.wraps import hanging_beard, scarf
from tfface.face.open_model import OpenFace, load_open_face
from tfface.face.parts import load_parts


@pytest.fixture(scope="module")
def face() -> OpenFace:
    return load_open_face()


@pytest.fixture(scope="module")
def head(face: OpenFace) -> HeadMesh:
    return HeadMesh(face, 1)


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


def test_an_open_mouth_shows_teeth_behind_the_lips_and_a_shut_one_nothing(face: OpenFace, head: HeadMesh) -> None:
    mouth, identity = MouthParts(load_parts(face_model=face.checksum)), np.zeros(face.num_identity, np.float32)
    names = list(face.expression_names)
    for name, amount, pieces in (("jawOpen", 0.0, 0), ("jawOpen", 0.4, 4), ("mouthUpperUpLeft", 1.0, 4)):
        expression = np.zeros(len(names), np.float32)
        expression[names.index(name)] = amount
        landmarks = head.landmark_matrix @ face.cage(identity, expression)
        built = mouth.build(identity, expression, landmarks, np.random.default_rng(1))
        assert len(built) == pieces, name
        for piece in built:
            assert piece.material in (TEETH, GUM, TONGUE, MOUTH)
            if piece.material == TEETH:
                assert piece.vertices[:, 2].max() < landmarks[48:, 2].max()
                assert piece.attributes[piece.vertices[:, 2].argmin(), 1] < 0.5  # molars lie in the dark


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
