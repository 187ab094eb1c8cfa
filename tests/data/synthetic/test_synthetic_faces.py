"""Lids that shut, lashes that go with them, and what hides a jaw: the truth stays where it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tfface.data.synthetic.head.albedo import SkinChart
from tfface.data.synthetic.head.hair import sample_style
from tfface.data.synthetic.head.lashes import LashRoots
from tfface.data.synthetic.head.mesh import GUM, MOUTH, TEETH, TONGUE, HeadMesh
from tfface.data.synthetic.head.mouth import MouthParts
from tfface.data.synthetic.head.wraps import hanging_beard, scarf
from tfface.data.synthetic.sample import SyntheticSettings
from tfface.data.synthetic.scene import FaceGenerator
from tfface.face.open_model import OpenFace, load_open_face
from tfface.face.parts import load_parts
from tfface.geometry.raster import rasterize


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


@pytest.mark.parametrize("jaw", [0.0, 0.4])
def test_an_open_mouth_shows_what_lies_behind_shut_lips(face: OpenFace, head: HeadMesh, jaw: float) -> None:
    mouth, names, size = MouthParts(load_parts(face_model=face.checksum)), face.expression_names, 300
    skin = head.triangles[head.material != MOUTH]
    shown = []
    for seed in range(8):
        identity = np.random.default_rng(seed).normal(size=face.num_identity).astype(np.float32)
        expression = (np.array(names) == "jawOpen").astype(np.float32) * jaw
        vertices, landmarks = (part @ face.cage(identity, expression) for part in (head.matrix, head.landmark_matrix))
        built = mouth.build(identity, expression, landmarks, np.random.default_rng(seed))
        assert {piece.material for piece in built} == {TEETH, GUM, TONGUE, MOUTH}
        starts = np.cumsum([len(vertices), *(len(piece.vertices) for piece in built)])
        pieces = [piece.triangles + start for piece, start in zip(built, starts, strict=False)]
        points = np.concatenate([vertices, *(piece.vertices for piece in built)]) - landmarks[62]
        points = (points * [2.5, -2.5, 2.5] + [size / 2, size / 2, 0.0]).astype(np.float32)
        hit = rasterize(points, np.concatenate([skin, *pieces]), size, size)[0]
        shown.append((hit >= len(skin)).sum() / 2.5**2)
    low, high = (0, 25) if jaw == 0 else (150, 900)  # mm2 of teeth, tongue and cavity
    assert low <= np.median(shown) <= high, shown


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


def test_brows_are_painted_where_the_landmarks_are(face: OpenFace) -> None:
    """The skin is painted on the face that the chart was drawn on, not on the mean of scanned people."""
    skin = SkinChart(face, 128)
    uv = face.face(2).uv[face.landmarks68_2d[17:27]] * 127
    places = np.stack([skin.position[round(float(v)), round(float(u))] for u, v in uv])
    drawn = face.face(2).vertices(face.chart_mean)[face.landmarks68_2d[17:27]]
    assert np.linalg.norm(places - drawn, axis=1).mean() < 1.5
    assert np.linalg.norm(places - face.mean_face()[face.landmarks68_2d[17:27]], axis=1).mean() > 2.0


def test_a_fringe_covers_the_forehead() -> None:
    covered = []
    for fringe in (0.0, 1.0):
        styles = [sample_style(np.random.default_rng(seed), True, 0.3, 780.0, fringe) for seed in range(60)]
        front = [style.end[np.abs(np.linspace(-180, 180, len(style.end))) < 60].mean() for style in styles if style]
        covered.append(np.median(front))
    assert covered[1] > covered[0] + 3  # degrees from the crown


def test_eyes_look_where_the_expression_says_and_an_occasion_changes_all_but_the_face(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFFACE_CACHE", str(tmp_path))
    generator = FaceGenerator(SyntheticSettings(bank_size=2, texture_size=64))
    names, aside = generator.face.expression_names, np.zeros(52, np.float32)
    aside[[names.index("eyeLookOutLeft"), names.index("eyeLookInRight")]] = 0.6
    ahead, left = (generator.person(3, expression) for expression in (0 * aside, aside))
    assert abs(ahead.eye[0]) < 1e-6 and np.degrees(np.arctan2(left.eye[0], left.eye[2])) == pytest.approx(18, abs=1e-3)
    first, second = (generator.person(3, occasion=occasion) for occasion in (10, 11))
    np.testing.assert_array_equal(first.identity, second.identity)
    assert np.abs(first.expression - second.expression).max() > 0.1
