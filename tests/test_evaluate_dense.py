"""Whole meshes behind images: figures of a right prediction and of one that is off by a known amount."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from tfface.errors import UserError
from tfface.evaluation.aflw2000 import read_aflw2000
from tfface.evaluation.bfm import bfm_truth
from tfface.evaluation.columns import Column, predict_column
from tfface.evaluation.dense_truth import KnownFace, SyntheticTruth
from tfface.evaluation.landmark_set import LandmarkSet
from tfface.evaluation.report import dense_rows, skin_tone_rows
from tfface.evaluation.scores import score_column
from tfface.evaluation.w300_lp import read_300w_lp
from tfface.face.linear_face import LinearFace
from tfface.face.open_model import load_open_face
from tfface.face.readers import bfm_300wlp
from tfface.geometry.camera import Camera
from tfface.geometry.rotation import euler_to_matrix
from tfface.metrics.landmarks import box_area_root
from tfface.metrics.photometric import photometric_error
from tfface.metrics.visibility import errors_by_visibility, visible_points

POSE = np.array([[0.2, -0.4, 0.1, 60.0, 50.0, -3.0, 0.4]])


@pytest.fixture(scope="module")
def truth() -> SyntheticTruth:
    face = load_open_face()
    rng = np.random.default_rng(1)
    identity = rng.normal(0, 1, face.num_identity).astype(np.float32)
    rotation = euler_to_matrix(np.deg2rad(50.0), 0.1, 0.0)
    camera = Camera(rotation, 1e5, 1e5 / 1.2, np.array([128.0, 120.0]), face.centre)
    return SyntheticTruth(face, [KnownFace(identity, np.zeros(len(face.expression_names), np.float32), camera)])


def test_right_vertices_have_no_error_and_a_shift_its_own(truth: SyntheticTruth) -> None:
    known, face = truth.faces[0], truth.face
    vertices = known.camera.project(face.face(2).vertices(face.cage(known.identity, known.expression)))
    right = truth.measure(0, vertices)
    for key in ("dense_2d", "dense_3d_raw", "dense_3d_centred", "pose_error_deg", "yaw_error_deg", "landmarks_visible"):
        assert right[key] == pytest.approx(0.0, abs=1e-3), key
    assert right["reconstruction_mm"] < 0.85 * right["mean_face_mm"], "one photograph does not tell all millimetres"
    assert right["smooth_share"] == right["smooth_share_truth"] > 0.8
    size = box_area_root(vertices[face.landmarks68][None])[0]
    moved = truth.measure(0, vertices + [3.0, 0.0, 4.0])
    assert moved["dense_2d"] == pytest.approx(300.0 / size, rel=1e-3)
    assert moved["dense_3d_raw"] == pytest.approx(500.0 / size, rel=1e-3)
    assert moved["dense_3d_centred"] == pytest.approx(300.0 / size, rel=1e-3)
    assert moved["reconstruction_mm"] == pytest.approx(right["reconstruction_mm"], abs=1e-3)
    assert moved["landmarks_visible"] == pytest.approx(moved["landmarks_hidden"], rel=1e-3)


def test_the_far_cheek_is_hidden(truth: SyntheticTruth) -> None:
    known, face = truth.faces[0], truth.face
    surface = face.face(2)
    vertices = known.camera.project(surface.vertices(face.cage(known.identity)))
    points = vertices[face.landmarks68]
    seen = visible_points(points, vertices, surface.triangles)
    # The nose points to the picture's right, so the right half of the jaw turns away.
    assert seen[[0, 2, 4, 30, 33, 36]].all() and not seen[[14, 15, 16]].any()
    split = errors_by_visibility(points + np.where(seen[:, None], 1.0, 0.0) * [2.0, 0, 0], points, seen, 50.0)
    assert split == pytest.approx({"visible": 4.0, "hidden": 0.0})


def test_photometric_error_of_a_known_difference() -> None:
    photograph, mask = np.full((4, 4, 3), 0.5), np.zeros((4, 4))
    mask[1] = 1.0
    rendered = photograph + np.where(mask[..., None] > 0, [0.3, 0.0, 0.4], 9.0)
    expected = {"l2": 0.5, "mae": 0.7 / 3, "psnr": -10 * np.log10(0.25 / 3)}
    assert photometric_error(rendered, photograph, mask) == pytest.approx(expected)
    assert photometric_error(photograph, photograph, mask)["l2"] == 0.0
    with pytest.raises(UserError, match="empty"):
        photometric_error(photograph, photograph, mask * 0)


class Pair:
    """A network of two views that gives the second view's box as its answer's place."""

    name, num_views = "pair", 2

    def landmarks(self, image: np.ndarray, box: np.ndarray, side: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        return np.full((68, 3), side[1][0] - 0.5) + np.arange(68.0)[:, None]


def test_networks_of_two_views_are_asked_about_fronts_only(tmp_path: Path) -> None:
    points = np.random.default_rng(0).uniform(10, 40, (4, 68, 3))
    names = ["a_front", "a_side", "b_front", "b_side"]
    boxes = np.array([[k, 0, k + 50, 50] for k in range(4)], np.float64)
    data = LandmarkSet(
        "x", names, [tmp_path] * 4, {"exact": points}, boxes, np.array([0, 90, 10, -90.0]), "",
        sides=[1, None, 3, None], ita_deg=np.array([60.0, 60.0, -50.0, -50.0]),
    )  # fmt: skip
    column = predict_column(Pair(), data, lambda path: np.zeros((50, 50, 3), np.uint8))
    assert column.skipped == ["a_side", "b_side"] and not column.failed
    assert (column.landmarks[0, 0, 0], column.landmarks[2, 0, 0]) == (1.0, 3.0)
    scores = score_column(column, data)
    assert scores["nme68_2d"]["counts"] == {"0-30": 2, "30-60": 0, "60-90": 0}
    assert {"very light", "dark", "spread"} == set(scores["by_skin_tone"])
    exact = score_column(Column("peer", points), data)
    assert exact["nme68_2d"]["failure_rate10"] == 0.0
    results = {"models": {"pair": scores}, "nme68_2d": scores["nme68_2d"]}
    assert not dense_rows(results)[1] and len(skin_tone_rows(results)[1]) == 3
    both = {**results, "models": {"pair": scores, "mesh": {**scores, "dense": {"dense_2d": scores["nme68_2d"]}}}}
    absent, there = dense_rows(both)[1]
    assert "has landmarks only" in absent[1] and there[1] == "dense_2d"
    with pytest.raises(UserError, match="single photographs"):
        predict_column(Pair(), LandmarkSet("y", names, [], {}, boxes, None, ""), lambda path: np.zeros(1, np.uint8))


@pytest.fixture(scope="module")
def bfm_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the BFM's form made of our own coarse face, in tenths of a millimetre, off centre."""
    face = load_open_face()
    surface = face.face(1)
    mean = surface.vertices(face.cage()) * 10.0 + [5.0, -7.0, 11.0]
    rng = np.random.default_rng(2)
    model = {
        "shapeMU": mean.reshape(-1, 1) * 0.75, "expMU": mean.reshape(-1, 1) * 0.25,
        "shapePC": rng.normal(0, 3, (mean.size, 4)), "expPC": rng.normal(0, 3, (mean.size, 2)),
        "kpt_ind": face.landmarks(1, 68) + 1, "tri": surface.triangles.T + 1,
    }  # fmt: skip
    file = tmp_path_factory.mktemp("bfm") / "BFM.mat"
    savemat(file, {"model": model})
    return file


def posed(vertices: np.ndarray, pose_para: np.ndarray, height: int) -> np.ndarray:
    """Vertices `[V,3]` in the file's unit to the file's pixels, as 3DDFA's own code poses them."""
    pitch, yaw, roll, *shift, scale = pose_para.ravel()
    cp, sp, cy, sy, cr, sr = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw), np.cos(roll), np.sin(roll)
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    placed = scale * vertices.astype(np.float64) @ (about_x @ about_y @ about_z).T + shift
    placed[:, 1] = height + 1 - placed[:, 1]
    return placed


def write_item(folder: Path, bfm: LinearFace) -> np.ndarray:
    """An AFLW2000-3D folder of one image, of the mean face; gives its vertices in the file's pixels."""
    vertices = posed(bfm.vertices() / bfm_300wlp.MM_PER_MICROMETRE, POSE * [1, 1, 1, 1, 1, 1, 0.05], 120)
    Image.new("RGB", (110, 120)).save(folder / "image1.jpg")
    zeros = {"Shape_Para": np.zeros((4, 1)), "Exp_Para": np.zeros((2, 1))}
    pose = POSE * [1, 1, 1, 1, 1, 1, 0.05]
    savemat(folder / "image1.mat", {"pt3d_68": vertices[bfm.landmarks68].T, "Pose_Para": pose, **zeros})
    return vertices


def test_dense_truth_of_the_users_bfm(bfm_file: Path, tmp_path: Path) -> None:
    face, bfm = load_open_face(), bfm_300wlp.read(bfm_file)
    write_item(tmp_path, bfm)
    data = read_aflw2000(tmp_path)
    dense = bfm_truth(bfm_file, data.images, face)
    assert len(dense.kept) == len(bfm.mean)
    ours = face.face(2).vertices(face.cage()) * 10.0 + [5.0, -7.0, 11.0]
    predicted = posed(ours, POSE * [1, 1, 1, 1, 1, 1, 0.05], 120) - [0.5, 0.5, 0.0]
    size = box_area_root(data.truths["usual"])[0]
    assert dense.measure(0, predicted)["dense_3d_raw"] < 0.3
    shifted = dense.measure(0, predicted + [0.0, 2.0, 30.0])
    assert shifted["dense_2d"] == pytest.approx(200.0 / size, rel=0.05)
    assert shifted["dense_3d_centred"] == pytest.approx(shifted["dense_2d"], rel=0.05)
    wrong = POSE * [1, 1, 1, 1.1, 1, 1, 0.05]
    savemat(
        tmp_path / "image1.mat",
        {"pt3d_68": np.zeros((3, 68)), "Pose_Para": wrong, "Shape_Para": np.zeros(4), "Exp_Para": np.zeros(2)},
    )
    with pytest.raises(UserError, match="pt3d_68"):
        dense.measure(0, predicted)
    with pytest.raises(UserError, match="struct"):
        bfm_truth(tmp_path / "image1.mat", data.images, face)


def test_300w_lp_takes_what_points_there_are(tmp_path: Path) -> None:
    points = np.random.default_rng(0).uniform(10, 90, (68, 3))
    pose = {"Pose_Para": POSE}
    for name in ("AFW", "HELEN", "AFW_Flip"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (100, 100)).save(tmp_path / name / "one.jpg")
    savemat(tmp_path / "AFW" / "one.mat", {"pt2d": np.zeros((2, 68)), **pose})
    (tmp_path / "landmarks" / "AFW").mkdir(parents=True)
    savemat(tmp_path / "landmarks" / "AFW" / "one_pts.mat", {"pts_3d": points[:, :2]})
    savemat(tmp_path / "HELEN" / "one.mat", {"pt3d_68": points.T, **pose})
    savemat(tmp_path / "HELEN" / "two.mat", {"pt3d_68": points.T, **pose})
    savemat(tmp_path / "AFW_Flip" / "one.mat", {"pt3d_68": points.T, **pose})
    data = read_300w_lp(tmp_path)
    assert data.names == ["AFW/one.jpg", "HELEN/one.jpg"] and list(data.broken) == ["two.mat"]
    assert np.allclose(data.truths["fitted"], points[None, :, :2])
    assert data.yaw_deg == pytest.approx(np.rad2deg([-0.4, -0.4]))
    with pytest.raises(UserError, match="AFW"):
        read_300w_lp(tmp_path / "HELEN")
