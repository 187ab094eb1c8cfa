"""Deep3D's layout, and faces carried from one model to another and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.face.small_models import write_300wlp
from tfface.errors import UserError
from tfface.face.coefficients import Deep3DCoefficients, ModelBridge, split
from tfface.face.open_model import load_open_face
from tfface.face.readers import read_model
from tfface.geometry.icp import move


def test_deep3ds_layout_goes_there_and_back() -> None:
    numbers = np.arange(2 * 257, dtype=np.float64).reshape(2, 257)
    parts = split(numbers)
    assert parts.identity[1, 0] == 257 and parts.expression[0, 0] == 80 and parts.albedo[0, 0] == 144
    assert parts.angles_rad[0].tolist() == [224, 225, 226] and parts.translation_dm[0].tolist() == [254, 255, 256]
    assert parts.gamma[0, 1, 0] == 227 + 9  # colour by colour
    assert parts.light[0, 1, 0] == 227 + 9 + 0.8 and parts.light[0, 1, 1] == 227 + 10
    np.testing.assert_array_equal(parts.joined(), numbers)
    with pytest.raises(UserError, match="257 numbers"):
        split(numbers[:, :62])


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> ModelBridge:
    folder = tmp_path_factory.mktemp("model")
    write_300wlp(folder)
    return ModelBridge(load_open_face(), read_model(folder))


def test_faces_cross_to_our_model_and_back(bridge: ModelBridge, tmp_path: Path) -> None:
    """The other model is five identities and three expressions of ours, with coefficients a thousand times as large."""
    identity, expression = np.array([1500.0, -1000, 800, 0, -700]), np.array([0.6, 0.4, 0.0])
    ours = bridge.to_ours(identity, expression)
    assert ours.rms_mm < 0.5 and ours.motion.scale == 1
    np.testing.assert_allclose(ours.identity[:5], identity / 1000, atol=0.5)
    names = bridge.face.expression_names
    assert ours.expression[names.index("jawOpen")] == pytest.approx(0.6, abs=0.15)
    back = bridge.to_other(ours.identity, ours.expression)
    np.testing.assert_allclose(back.identity, identity, atol=120)
    np.testing.assert_allclose(back.expression, expression, atol=0.1)
    shape = bridge.other.vertices(back.identity, back.expression)
    truth = bridge.other.vertices(identity, expression)
    assert np.linalg.norm(shape - truth, axis=1).mean() < 0.5


def test_deep3ds_camera_sees_our_face_where_it_saw_theirs(bridge: ModelBridge) -> None:
    identity, expression = np.array([500.0, 1000, 0, 0, 0]), np.array([0.0, 0.3, 0.0])
    ours = bridge.to_ours(identity, expression)
    zeros = [np.zeros(n) for n in (80, 64, 80)]
    far = np.array([0.1, 0.0, -1.0]) - np.array([0, bridge.face.centre[1] / 100, 0])
    theirs = Deep3DCoefficients(*zeros, np.array([0.0, 0.5, 0.1]), np.zeros((3, 9)), far)
    camera = bridge.camera_to_ours(theirs, ours)
    seen = theirs.camera.project(bridge.correspondence(bridge.other.vertices(identity, expression)))
    mine = camera.project(bridge.face.face(2).vertices(bridge.face.cage(ours.identity, ours.expression)))
    sure = bridge.correspondence.sure
    assert np.linalg.norm((seen - mine)[sure, :2], axis=1).mean() < 0.6
    there = bridge.to_other(ours.identity, ours.expression)
    angles, translation = bridge.camera_to_deep3d(camera, there)
    np.testing.assert_allclose(angles, theirs.angles_rad, atol=0.01)
    placed = move(there.motion, bridge.other.mean)
    assert np.linalg.norm(placed - bridge.other.mean, axis=1).mean() < 3
    np.testing.assert_allclose(translation, far, atol=0.06)
