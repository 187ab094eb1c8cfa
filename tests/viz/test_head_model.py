"""The head as an artist's model, and pictures of it."""

from __future__ import annotations

import numpy as np

from tfface.face.head_mesh import head_mesh
from tfface.face.open_model import load_open_face
from tfface.viz.head_model import head_model
from tfface.viz.model_view import model_view

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
