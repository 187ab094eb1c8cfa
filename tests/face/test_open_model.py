"""The open face model: its shape, its symmetry, what its numbers mean."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tfface.errors import UserError
from tfface.face import open_model
from tfface.face.build.chart import signed_uv_areas
from tfface.face.open_model import load_open_face


def test_sizes() -> None:
    face = load_open_face()
    assert face.num_identity >= 150 and len(face.expression_names) == 52
    assert [face.face(level).matrix.shape[0] for level in range(3)] == [3378, 13507, 53833]
    assert [face.head(level).matrix.shape[0] for level in range(3)] == [3816, 15307, 61129]
    assert len(face.landmarks81) == 81 and len(set(face.landmarks81.tolist())) == 81


def test_levels_are_prefixes() -> None:
    face = load_open_face()
    coarse, fine = (face.face(level).vertices(face.mean) for level in (1, 2))
    assert np.linalg.norm(fine[: len(coarse)] - coarse, axis=1).max() < 1.5


def test_expressions_move_what_they_name() -> None:
    face = load_open_face()
    neutral = face.face(2).vertices(face.cage())[face.landmarks68]

    def moved(*names: str) -> np.ndarray:
        weights = np.isin(face.expression_names, names).astype(np.float32)
        return face.face(2).vertices(face.cage(None, weights))[face.landmarks68]

    assert moved("jawOpen")[8, 1] < neutral[8, 1] - 10
    blink = moved("eyeBlinkLeft", "eyeBlinkRight")
    opening = lambda points: points[[37, 38, 43, 44], 1] - points[[41, 40, 47, 46], 1]  # noqa: E731
    assert (opening(blink) < 0.35 * opening(neutral)).all()
    smile = moved("mouthSmileLeft", "mouthSmileRight")
    assert (smile[[48, 54], 1] > neutral[[48, 54], 1] + 2).all()


def test_mean_is_symmetric_and_so_are_the_tables() -> None:
    face = load_open_face()
    surface = face.face(2)
    vertices = surface.vertices(face.mean)
    np.testing.assert_allclose(vertices[surface.mirror] * [-1, 1, 1], vertices, atol=1e-3)
    np.testing.assert_allclose(surface.uv[surface.mirror], surface.uv * [-1, 1] + [1, 0], atol=1e-5)
    left, right = face.landmarks68[[36, 48, 0]], face.landmarks68[[45, 54, 16]]
    assert (surface.mirror[left] == right).all()


def test_the_two_conventions_of_68_landmarks() -> None:
    face = load_open_face()
    surface, vertices = face.face(2), face.face(2).vertices(face.mean)
    jaw = np.arange(17)
    for chosen in (face.landmarks68, face.landmarks68_2d):
        assert len(set(chosen.tolist())) == 68
        assert (surface.mirror[chosen[jaw]] == chosen[16 - jaw]).all()
        assert (np.diff(vertices[chosen[:9], 1]) < 0).all()  # from the ear down to the chin
    in_3d, in_2d = vertices[face.landmarks68], vertices[face.landmarks68_2d]
    assert (in_2d[3:7, 2] - in_3d[3:7, 2] > 6).all()  # on the bone, not on the cheek that hides it
    assert np.linalg.norm(in_3d - in_2d, axis=-1)[30:].max() < 6  # eyes, nose and mouth, hardly
    np.testing.assert_array_equal(face.landmarks_of(81)[:68], face.landmarks68_2d)


def test_identity_components_are_symmetric_or_antisymmetric() -> None:
    face = load_open_face()
    mirrored = face.id_basis[:, face.cage_mirror] * np.array([-1, 1, 1], np.float32)
    size = np.linalg.norm(face.id_basis, axis=(1, 2))
    same = np.linalg.norm(mirrored - face.id_basis, axis=(1, 2)) / size
    opposite = np.linalg.norm(mirrored + face.id_basis, axis=(1, 2)) / size
    assert (np.minimum(same, opposite) < 0.02).all()


def test_no_triangle_of_the_chart_is_flipped() -> None:
    surface = load_open_face().face(2)
    areas = signed_uv_areas(surface.uv, surface.triangles)
    assert (np.sign(areas) == np.sign(areas[0])).all()
    assert abs(np.abs(areas).sum() - 1) < 1e-3


def test_landmark_spreads_are_those_of_people() -> None:
    """Standard deviations of distances over random identities, in mm: scanned people have 5.0, 7.6, 7.1, 3.1, 3.9."""
    face, rng = load_open_face(), np.random.default_rng(0)
    rows = face.face(2).matrix[face.landmarks68]
    points = np.array([rows @ face.cage(rng.normal(0, 1, 150)) for _ in range(300)])
    spread = [
        np.linalg.norm(points[:, a] - points[:, b], axis=1).std() for a, b in ((36, 45), (0, 16), (4, 12), (27, 33))
    ]
    np.testing.assert_allclose(spread, [5.0, 7.6, 7.1, 3.1], rtol=0.25)


def test_too_many_coefficients_are_refused() -> None:
    with pytest.raises(UserError, match="999 identity coefficients"):
        load_open_face().cage(np.zeros(999))


def test_a_damaged_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in open_model.ASSETS.glob("open_face.*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "open_face.npz").write_bytes(b"half a file")
    monkeypatch.setattr(open_model, "ASSETS", tmp_path)
    with pytest.raises(UserError, match="not the face model"):
        load_open_face.__wrapped__()
