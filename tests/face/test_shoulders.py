"""Shoulders that go on where the head's mesh ends, for every person and expression."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tfface.errors import UserError
from tfface.face.head_mesh import HeadMesh, head_mesh
from tfface.face.head_uv import head_uv
from tfface.face.open_model import ASSETS, load_open_face
from tfface.face.shoulders import ASSET, HOLE, Shoulders, load_shoulders
from tfface.face.traits import NAMES, load_traits
from tfface.geometry.cut import edges_of
from tfface.geometry.raster import vertex_normals

RNG = np.random.default_rng(11)
SOMEONE, SMILING = RNG.normal(size=150), RNG.uniform(0, 0.4, 52)


def _rim(mesh: HeadMesh) -> list[int]:
    """The shoulders' border away from the neck: their own vertices, one after the other."""
    edges = edges_of(mesh.pieces[1].quads)
    there = set(map(tuple, edges.tolist()))
    neck = set((mesh.seam[:, 1] - mesh.pieces[1].first).tolist())
    after = {a: b for a, b in there if (b, a) not in there and not (a in neck and b in neck)}
    rim = [next(iter(after))]
    while rim[-1] in after:
        rim.append(after.pop(rim[-1]))
    assert not after  # one border
    return rim


@pytest.mark.parametrize("level", [0, 1, 2])
def test_head_and_shoulders_are_one_surface_with_one_smooth_border(level: int) -> None:
    mesh = head_mesh("full", level)
    skin, shoulders = mesh.pieces[:2]
    assert (skin.name, shoulders.name) == ("skin", "shoulders") and len(mesh.seam) == 48 * 2**level
    vertices = mesh.vertices(SOMEONE, SMILING)
    np.testing.assert_allclose(*(vertices[mesh.seam[:, k]] for k in range(2)), atol=1e-3)
    normals = [vertex_normals(vertices[piece.rows], piece.triangles) for piece in (skin, shoulders)]
    either = [normals[k][mesh.seam[:, k] - piece.first] for k, piece in enumerate((skin, shoulders))]
    assert (np.einsum("si,si->s", *either) > (0.7, 0.85, 0.93)[level]).all()  # no edge between them
    points = mesh.vertices(np.zeros(1), np.zeros(1))[shoulders.rows][_rim(mesh)]
    steps = np.diff(points.astype(np.float64), axis=0)
    unit = steps[np.linalg.norm(steps, axis=1) > 0.4]
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    assert np.degrees(np.arccos(np.clip((unit[1:] * unit[:-1]).sum(1), -1, 1))).max() < (60, 45, 35)[level]


def test_the_skin_is_the_heads_with_its_places_in_the_chart() -> None:
    face, mesh = load_open_face(), head_mesh("full", 1)
    skin = mesh.pieces[0]
    surface = face.head(1)
    own = np.flatnonzero(surface.vertex_part < 2)
    from scipy.spatial import cKDTree

    whole = surface.vertices(face.cage(SOMEONE, SMILING))
    found = mesh.vertices(SOMEONE, SMILING)[skin.rows]
    above = found[:, 1] > face.centre[1]
    distance, nearest = cKDTree(whole).query(found[above])
    assert distance.max() < 1e-3 and above.sum() > 0.3 * len(own)
    assert skin.uv is not None
    np.testing.assert_allclose(skin.uv[above], head_uv(face)[: len(whole)][nearest], atol=1e-5)


def test_their_chart_is_not_folded_and_alike_on_every_level() -> None:
    for level in range(3):
        piece = head_mesh("full", level).pieces[1]
        assert piece.uv is not None and piece.uv.min() >= 0 and piece.uv.max() <= 1
        a, b, c = (piece.uv[piece.triangles[:, k]].astype(np.float64) for k in range(3))
        areas = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
        assert (areas * np.sign(np.median(areas)) > 0).all()
        radius = 2 * np.linalg.norm(piece.uv - 0.5, axis=1)
        assert radius.min() == pytest.approx(HOLE, abs=0.01)


def test_shoulders_go_with_the_person_and_stay_where_the_jaw_opens() -> None:
    traits, mesh, shoulders = load_traits(), head_mesh("full", 0), load_shoulders()
    widths = []
    for male in (0.0, 1.0):
        who = traits.mean.copy()
        who[NAMES.index("male")] = male
        moved = shoulders.vertices(traits.identity(who, np.zeros(150)), np.zeros(52))
        widths.append(np.ptp(moved[:, 0]))
    assert widths[1] > widths[0] + 15
    piece = mesh.pieces[1]
    jaw = mesh.morph_targets()["jawOpen"][piece.rows]
    assert np.abs(jaw[_rim(mesh)]).max() < 0.5  # and the throat moves with it
    width, height, _ = np.ptp(mesh.vertices(SOMEONE, SMILING)[piece.rows], axis=0)
    assert 330 < width < 420 and 100 < height < 250  # mm


def test_those_of_another_face_model_are_refused(tmp_path: Path) -> None:
    for end in (".npz", ".json"):
        shutil.copy(ASSETS / f"{ASSET}{end}", tmp_path)
    assert isinstance(load_shoulders(tmp_path), Shoulders)
    card = json.loads((tmp_path / f"{ASSET}.json").read_text())
    assert card["face_model"] == load_open_face().checksum and "CC0" in card["licence"]
    with pytest.raises(UserError, match="another face model.*--shoulders"):
        load_shoulders(tmp_path, "other")
