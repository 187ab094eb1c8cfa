"""The head as an artist's model, and pictures of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh

from tfface.face.head_mesh import head_mesh
from tfface.face.open_model import load_open_face
from tfface.io.model import write_glb
from tfface.viz.head_model import head_model
from tfface.viz.model_view import model_view
from tfface.viz.skin import SkinTexture
from tfface.viz.texture import sample_photo

RNG = np.random.default_rng(3)
SOMEONE, SMILING = RNG.normal(size=150), RNG.uniform(0, 0.5, 52)


def test_with_blend_shapes_it_rests_and_the_weights_show_the_expression() -> None:
    mesh = head_mesh("face", 0)
    moved, resting = (head_model(mesh, SOMEONE, SMILING, None, blend_shapes=each) for each in (False, True))
    assert not moved.weights and set(resting.weights) == set(load_open_face().expression_names)
    apart = np.abs(moved.meshes[0].vertices - resting.meshes[0].vertices).max()
    assert apart > 3
    np.testing.assert_allclose(resting.joined().vertices, moved.joined().vertices, atol=0.01)


def test_the_origin_is_the_heads_centre_and_eyes_turn_about_theirs() -> None:
    model = head_model(head_mesh("head", 0), np.zeros(150), np.zeros(52), None)
    skin = model.meshes[0].vertices
    assert (skin.min(0) < -40).all() and (skin.max(0) > 80).all()
    for mesh in model.meshes:
        if mesh.material.name == "eye":
            distance = np.linalg.norm(mesh.vertices - mesh.pivot, axis=1)
            assert np.ptp(distance) < 1.0 and 9 < distance.mean() < 16


def test_views_show_the_head_before_the_ground() -> None:
    model = head_model(head_mesh("face", 0), np.zeros(150), np.zeros(52), None)
    front, side = model_view(model, 96), model_view(model, 96, yaw_deg=90)
    ground = front[0, 0]
    assert (side[0, 0] == ground).all() and (front[48, 48] > ground + 60).all()
    widths = [(np.abs(view.astype(int) - ground).max(2) > 10).any(0).sum() for view in (front, side)]
    assert widths[0] > 50 and widths[1] != widths[0]
    mirrored = np.abs(front.astype(int) - front[:, ::-1]).max(2)
    assert ((mirrored > 200).mean() < 0.01) and (model_view(model, 96, skin_as_clay=True) != front).any()


def test_shoulders_go_on_in_the_necks_colours_and_normals(tmp_path: Path) -> None:
    row, column = np.mgrid[0:256, 0:256] / 255
    colours = np.stack([150 + 60 * column, 120 + 40 * row, np.full_like(row, 90)], -1).astype(np.uint8)
    skin = SkinTexture(colours, colours, np.ones(3, np.float32))
    mesh = head_mesh("full", 1)
    model = head_model(mesh, SOMEONE, SMILING, skin, blend_shapes=True)
    above, below = model.meshes[:2]
    assert (above.name, below.name, below.material.name) == ("skin", "shoulders", "shoulders")
    shown = []
    for each, rows in zip((above, below), mesh.seam.T, strict=True):
        own = rows - (0 if each is above else mesh.pieces[1].first)
        assert each.uv is not None and each.material.texture is not None
        places = each.uv[own] * np.array(each.material.texture.shape[1::-1])
        shown.append((sample_photo(each.material.texture, places[None])[0], each.normals[own]))
    np.testing.assert_allclose(shown[0][0], shown[1][0], atol=0.02)
    np.testing.assert_array_equal(shown[0][1], shown[1][1])
    assert below.material.texture is not None
    head = trimesh.load_scene(write_glb(tmp_path / "full.glb", model)[0])
    stored = [head.geometry[each.name].vertex_normals for each in (above, below)]
    rows = mesh.seam[:, 0], mesh.seam[:, 1] - mesh.pieces[1].first
    np.testing.assert_allclose(stored[0][rows[0]], stored[1][rows[1]], atol=0.02)  # a byte a component
    far = below.material.texture[[4, 4, 251, 251], [4, 251, 4, 251]]
    np.testing.assert_allclose(far, np.tile([180, 140, 90], (4, 1)), atol=3)  # one colour, the border's mean
