"""Eyeballs and what else lies behind the skin, on files of the same structure as the builder's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.face.small_cage import small_cage
from tfface.errors import UserError
from tfface.face.build.eyes import Sphere
from tfface.face.build.parts import SUNK_MM, Follow, eyeball, grid_quads
from tfface.face.open_model import load_open_face, save_asset
from tfface.face.parts import MATERIALS, FaceParts, load_parts


def _eye_asset(folder: Path, face_model: str) -> dict[str, np.ndarray]:
    """One eyeball that identity 0 shifts and expression 1 turns."""
    vertices, quads, material = eyeball(Sphere(np.array([30.0, 700.0, 80.0]), 12.0))
    identity, expression = np.zeros((2, len(vertices), 3)), np.zeros((3, len(vertices), 3))
    identity[0] = [0.0, 2.0, 0.0]
    expression[1, :, 0] = 0.2 * (vertices[:, 2] - 80.0)
    arrays = {
        "mean": vertices.astype(np.float32), "quads": quads.astype(np.int16), "part": np.zeros(len(quads), np.uint8),
        "material": material, "id_basis": identity.astype(np.float16), "exp_basis": expression.astype(np.float16),
    }  # fmt: skip
    save_asset(folder, "open_face_parts", arrays, {"name": "parts", "face_model": face_model})
    return arrays


def test_an_eyeball_is_closed_looks_forward_and_faces_outwards() -> None:
    eye = Sphere(np.array([30.0, 700.0, 80.0]), 12.0)
    vertices, quads, material = eyeball(eye)
    np.testing.assert_allclose(np.linalg.norm(vertices - eye.centre, axis=1), 12.0 - SUNK_MM)
    edges = [
        (int(a), int(b)) for quad in quads for a, b in zip(quad[quad >= 0], np.roll(quad[quad >= 0], -1), strict=True)
    ]
    assert len(set(edges)) == len(edges) and {(b, a) for a, b in edges} == set(edges)
    a, b, c = (vertices[quads[:, k]] for k in range(3))
    assert ((np.cross(b - a, c - a) * (a - eye.centre)).sum(1) > 0).all()
    depth = np.array([vertices[quad[quad >= 0], 2].mean() for quad in quads])
    order = [depth[material == MATERIALS.index(name)].mean() for name in ("pupil", "iris", "sclera")]
    assert order[0] > order[1] > order[2]


def test_parts_move_with_identity_and_expression(tmp_path: Path) -> None:
    arrays = _eye_asset(tmp_path, "abc")
    parts = load_parts(tmp_path, "abc")
    moved = parts.vertices(np.array([1.5, 0.0]), np.zeros(3))
    np.testing.assert_allclose(moved, arrays["mean"] + [0.0, 3.0, 0.0], atol=1e-3)
    turned = parts.vertices(np.zeros(2), np.array([0.0, 1.0, 0.0]))
    pupil = parts.triangles[parts.material[parts.triangle_quad] == MATERIALS.index("pupil")]
    assert turned[pupil, 0].mean() > arrays["mean"][pupil, 0].mean() + 2.0
    assert len(parts.triangles) == len(parts.triangle_quad) and (parts.triangles >= 0).all()


def test_parts_of_another_face_model_are_refused(tmp_path: Path) -> None:
    _eye_asset(tmp_path, "abc")
    assert isinstance(load_parts(tmp_path), FaceParts)
    with pytest.raises(UserError, match="another face model.*--ict"):
        load_parts(tmp_path, "other")


def test_teeth_follow_a_lip_as_a_whole() -> None:
    """Shift, turn and size of the lips are the teeth's."""
    face, cage = load_open_face(), small_cage()
    shape = face.mean.astype(np.float64)
    follow = Follow(cage, shape, upper=True)
    assert shape[follow.lip, 1].min() > shape[cage.lip_loop, 1].mean()
    teeth = follow.centre + np.random.default_rng(0).normal(0, 15, (40, 3))

    def motion(points: np.ndarray) -> np.ndarray:
        return np.cross([0.02, -0.01, 0.03], points) + 0.05 * points + [1.0, -2.0, 3.0]

    np.testing.assert_allclose(follow(teeth, motion(shape)[None])[0], motion(teeth), atol=1e-6)


def test_rings_join_in_a_closed_band() -> None:
    quads = grid_quads(3, 5)
    assert quads.shape == (10, 4) and sorted(np.unique(quads)) == list(range(15))
    assert (np.bincount(quads.ravel()) == np.r_[[2] * 5, [4] * 5, [2] * 5]).all()
