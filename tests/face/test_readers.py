"""Readers of other people's models, on small files of the same structure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.face.small_models import small_bases, write_300wlp, write_bfm2009, write_ict, write_struct
from tfface.errors import UserError
from tfface.face.linear_face import LinearFace
from tfface.face.morphable import MorphableModel
from tfface.face.readers import bfm2009, read_model


def _check(model: LinearFace, identity: np.ndarray, expression: np.ndarray, expected: np.ndarray) -> None:
    """NumPy and TensorFlow give the expected vertices `[V,3]` up to a translation, and the landmarks among them."""
    vertices = model.vertices(identity, expression)
    shift = (expected - vertices).mean(0)
    np.testing.assert_allclose(vertices + shift, expected, atol=2e-3)
    batched = MorphableModel(model)
    many = batched.shape(np.stack([0 * identity, identity]), np.stack([0 * expression, expression]))
    assert many.dtype == tf.float32 and batched.num_vertices == len(expected)
    np.testing.assert_allclose(many[1], vertices, atol=1e-3)
    np.testing.assert_allclose(batched.landmarks(many)[1], vertices[small_bases()[4]], atol=1e-3)
    a, b, c = (many[0].numpy()[model.triangles[:, k]] for k in range(3))
    assert np.cross(b - a, c - a)[:, 2].sum() > 0


def test_bfm_2009_becomes_the_front_model(tmp_path: Path) -> None:
    truth = write_bfm2009(tmp_path)
    model = read_model(tmp_path)
    assert "not to be handed on" in model.licence
    np.testing.assert_allclose(model.mean.mean(0), 0, atol=1e-4)
    weights, strengths = np.array([1.0, -2, 0.5, 0, 1], np.float32), np.array([0.4, 0, 1], np.float32)
    expected = (
        truth["mean"] + np.tensordot(weights, truth["identity"], 1) + np.tensordot(strengths, truth["expression"], 1)
    )
    _check(model, weights, strengths, expected)
    coloured = MorphableModel(model)
    albedo = coloured.albedo(tf.constant([[1.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_allclose(albedo[:, 0, 0], [133 / 255, 138 / 255], atol=1e-6)


def test_without_upstreams_info_triangles_are_recomputed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bfm2009(tmp_path)
    whole = read_model(tmp_path)
    (tmp_path / "facemodel_info.mat").unlink()
    with pytest.raises(UserError, match="facemodel_info.mat"):
        read_model(tmp_path)
    landmarks = " ".join(str(k + 1) for k in whole.landmarks68)
    monkeypatch.setattr(bfm2009, "KEYPOINTS", landmarks)
    monkeypatch.setattr(bfm2009, "FRONT_VERTICES", len(whole.mean))
    again = read_model(tmp_path / "01_MorphableModel.mat")

    def cyclic(triangles: np.ndarray) -> set[tuple[int, ...]]:
        return {tuple(np.roll(t, -t.argmin())) for t in triangles}

    assert cyclic(again.triangles) == cyclic(whole.triangles)


def test_the_published_68_points_are_distinct_vertices_of_the_front_model() -> None:
    points = np.array(bfm2009.KEYPOINTS.split(), int)
    assert len(set(points)) == 68 and points.max() <= bfm2009.FRONT_VERTICES


def test_both_forms_of_the_bfm_of_300w_lp(tmp_path: Path) -> None:
    mean, identity, expression, _, _ = small_bases()
    write_300wlp(tmp_path)
    write_struct(tmp_path / "BFM.mat")
    weights, strengths = np.array([1000.0, -500, 0, 2000, 0], np.float32), np.array([0.0, 0.7, 0.2], np.float32)
    expected = mean + np.tensordot(weights / 1000, identity, 1) + np.tensordot(strengths, expression, 1)
    for path in (tmp_path, tmp_path / "BFM.mat"):
        model = read_model(path)
        _check(model, weights, strengths, expected)
        np.testing.assert_allclose(model.id_std, 1000)
    plain = MorphableModel(model)
    with pytest.raises(UserError, match="no colours"):
        plain.albedo(tf.zeros([1, 1]))


def test_ict_facekit(tmp_path: Path) -> None:
    mean, identity, expression, _, _ = small_bases()
    write_ict(tmp_path)
    model = read_model(tmp_path)
    assert model.expression_names == ("browInnerUp_L", "jawOpen") and len(model.id_basis) == 4
    weights, strengths = np.array([1.0, 0, -1, 2], np.float32), np.array([0.3, 1], np.float32)
    moved = mean + np.tensordot(weights, identity[:4], 1) + 0.3 * expression[2] + expression[0]
    assert len(model.mean) == len(mean) + 20  # fewer than the face's 9,409, so all are kept
    whole = model.vertices(weights, strengths)
    shift = (moved - whole[: len(mean)]).mean(0)
    np.testing.assert_allclose(whole[: len(mean)] + shift, moved, atol=2e-3)
    (tmp_path / "jawOpen.obj").write_text("v 1 2 3\n")
    with pytest.raises(UserError, match="jawOpen.obj has 1 vertices"):
        read_model(tmp_path)


def test_absent_and_wrong_files_are_reported_with_source_and_licence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ICT-FaceKit is the folder.*MIT"):
        read_model(tmp_path)
    write_bfm2009(tmp_path)
    (tmp_path / "std_exp.txt").unlink()
    with pytest.raises(UserError, match="std_exp.txt is missing.*github.com/microsoft"):
        read_model(tmp_path)
    np.savetxt(tmp_path / "std_exp.txt", np.ones(5))
    with pytest.raises(UserError, match="Exp_Pca.bin has .* says 3 components"):
        read_model(tmp_path)
    (tmp_path / "01_MorphableModel.mat").write_bytes(b"not a matrix")
    with pytest.raises(UserError, match="cannot be read as a MATLAB file.*faces.dmi.unibas.ch"):
        read_model(tmp_path)
    write_struct(tmp_path / "other.mat")
    (tmp_path / "BFM.mat").write_bytes((tmp_path / "BFM_exp_idx.mat").read_bytes())
    with pytest.raises(UserError, match="holds no model"):
        read_model(tmp_path / "BFM.mat")
