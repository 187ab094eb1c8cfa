"""The evaluate command on small benchmarks whose numbers are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from tfface.cli import run
from tfface.data.shards.faces import FaceRecord, camera_vector
from tfface.data.shards.pictures import encode_jpeg
from tfface.errors import UserError
from tfface.evaluate import main
from tfface.evaluation.aflw2000 import read_aflw2000
from tfface.evaluation.columns import Column, Found, predict_column, read_peers
from tfface.evaluation.photos import read_photos
from tfface.evaluation.report import part_rows
from tfface.evaluation.scans import mean_surface
from tfface.evaluation.scores import score_column
from tfface.evaluation.synthetic import EVALUATION_SEED, make_synthetic, views_of
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.align import Similarity, overlap
from tfface.geometry.camera import Camera
from tfface.geometry.rotation import euler_to_matrix
from tfface.io.image import read_image
from tfface.io.mesh import Mesh, write_mesh
from tfface.metrics.reconstruction import Surface

YAW = np.array([0.0, 10.0, 45.0, -75.0])
NAMES = [f"image{i}.jpg" for i in range(4)]


@pytest.fixture
def truth() -> np.ndarray:
    """68 points of four images; each box is 36 x 64 pixels, so its root area is 48."""
    points = np.random.default_rng(0).uniform(0.1, 0.9, (4, 68, 3)) * [36, 64, 20]
    points[:, 0], points[:, 1] = [0, 0, 3], [36, 64, 5]
    return points + [30.0, 20.0, 0.0]


@pytest.fixture
def folder(tmp_path: Path, truth: np.ndarray) -> Path:
    """The layout with reference.npz; one photograph of five is not there."""
    (tmp_path / "images").mkdir()
    for name in NAMES:
        Image.new("RGB", (96, 104), (90, 120, 150)).save(tmp_path / "images" / name)
    five = np.concatenate([truth, truth[:1]]).transpose(0, 2, 1)
    np.savez(
        tmp_path / "reference.npz",
        names=np.array([*NAMES, "gone.jpg"]),
        landmarks68_px=five,
        landmarks68_reannotated_px=five[:, :2] + 3.0,
        yaw_deg=np.append(YAW, 0.0),
        roi_box_px=np.tile([10.0, 5.0, 90.0, 95.0], (5, 1)),
    )
    return tmp_path


def write_peer(path: Path, truth: np.ndarray) -> None:
    """Predictions off by 0.48, 0.96, 1.44 and 2.4 pixels to the right: 1, 2, 3 and 5 % of 48."""
    shift = np.zeros((4, 1, 3))
    shift[:, 0, 0] = [0.48, 0.96, 1.44, 2.4]
    order = [2, 0, 3, 1]
    np.savez(path, names=np.array(NAMES)[order], landmarks68_px=(truth + shift)[order])


def test_command_gives_the_known_numbers(folder: Path, truth: np.ndarray, capsys: pytest.CaptureFixture) -> None:
    (folder / "peers").mkdir()
    write_peer(folder / "peers" / "right.npz", truth)
    savemat(folder / "peers" / "exact.mat", {"landmarks": truth})
    out = folder / "out"
    code = main(["--data", str(folder), "--peers", str(folder / "peers"), "--out", str(out)])
    results = json.loads((out / "results.json").read_text())
    assert code == 1 and list(results["broken"]) == ["gone.jpg"]
    right = results["models"]["right"]
    assert right["nme68_2d"]["bins"] == pytest.approx({"0-30": 1.5, "30-60": 3.0, "60-90": 5.0})
    assert right["nme68_2d"]["mean_of_bins"] == pytest.approx(9.5 / 3)
    assert right["nme68_2d"]["median"] == pytest.approx(2.5) and right["nme68_2d"]["mean"] == pytest.approx(2.75)
    assert right["per_image"] == pytest.approx(dict(zip(NAMES, [1, 2, 3, 5], strict=True)))
    exact = results["models"]["exact"]
    assert exact["nme68_2d_reannotated"]["mean"] == pytest.approx(100 * np.hypot(3, 3) / 48)
    assert exact["nme68_3d"]["raw"]["mean"] == pytest.approx(0.0, abs=1e-9)
    assert results["nme68_2d"] == exact["nme68_2d"]
    shown = capsys.readouterr().out
    assert "gone.jpg" in shown and "depth centred" in shown
    assert "depth raw" not in shown and "whole mesh" not in shown  # what says nothing is in results.json alone
    page = (out / "report.html").read_text()
    assert page.count("data:image/png") == 1 + 2 * 8 and "gone.jpg" in page
    assert (out / "ced.png").read_bytes()[:4] == b"\x89PNG"


def test_a_benchmark_of_others_results_needs_no_tensorflow(python, folder: Path, truth: np.ndarray) -> None:  # type: ignore[no-untyped-def]
    (folder / "peers").mkdir()
    write_peer(folder / "peers" / "right.npz", truth)
    script = (
        "import sys; sys.modules['tensorflow'] = None; from tfface.evaluate import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = ("--data", str(folder), "--peers", str(folder / "peers"), "--out", str(folder / "out"))
    done = python("-c", script, *arguments)
    assert done.returncode == 1 and "gone.jpg" in done.stdout, done.stderr
    assert (folder / "out" / "report.html").is_file()


class BoxFace:
    """The true face, as far as the given crop holds it: placed by the crop's upper left corner."""

    name = "box face"

    def __init__(self, truth: np.ndarray) -> None:
        self.truth = truth - [0.5, 0.5, 0.0]

    def landmarks(self, image: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Off by the distance of the box from (10, 5); refuses boxes out of the picture."""
        if box[0] > image.shape[1]:
            raise UserError("the crop lies outside the picture")
        return self.truth + [*(box[:2] - [10.0, 5.0]), 0.0]


def test_networks_get_the_given_square_box_and_half_a_pixel(folder: Path, truth: np.ndarray) -> None:
    data = read_aflw2000(folder).first(1)
    assert data.boxes.tolist() == [[10.0, 5.0, 100.0, 95.0]]
    scores = score_column(predict_column(BoxFace(truth[0]), data, read_image), data)
    assert scores["nme68_2d"]["mean"] == pytest.approx(0.0, abs=1e-9)


def test_missed_and_failed_images_are_named(folder: Path, truth: np.ndarray) -> None:
    data = read_aflw2000(folder)
    boxes = [[22.0, 5, 0, 0], None, [500.0, 5, 0, 0], [10.0, 5, 0, 0]]
    found = iter([None if box is None else Found(np.array(box)) for box in boxes])
    column = predict_column(BoxFace(truth[0]), data, read_image, lambda image, box: next(found))
    assert column.missed == [NAMES[1]] and list(column.failed) == [NAMES[2]]
    scores = score_column(column, data)
    assert scores["nme68_2d"]["counts"] == {"0-30": 1, "30-60": 0, "60-90": 1}
    assert scores["nme68_2d"]["bins"]["0-30"] == pytest.approx(25.0)
    assert scores["nme68_2d_with_missed"]["counts"] == {"0-30": 2, "30-60": 0, "60-90": 1}
    assert scores["nme68_2d"]["mean_of_bins"] is None
    assert scores["per_image"][NAMES[2]] is None


def test_original_folder_gives_roi_and_yaw(tmp_path: Path, truth: np.ndarray) -> None:
    for i, yaw in enumerate(np.deg2rad([20.0, 170.0])):
        Image.new("RGB", (96, 104)).save(tmp_path / f"image{i}.jpg")
        pose = np.array([[0, yaw, 0, 0, 0, 0, 1.0]])
        savemat(tmp_path / f"image{i}.mat", {"pt3d_68": truth[i].T, "Pose_Para": pose})
    (tmp_path / "image9.mat").write_bytes(b"no mat file")
    data = read_aflw2000(tmp_path)
    assert data.yaw_deg == pytest.approx([20.0, 10.0]) and list(data.broken) == ["image9.mat"]
    side = np.sqrt(2) * 64
    assert data.boxes[0] == pytest.approx([48 - side / 2, 52 - side / 2, 48 + side / 2, 52 + side / 2])


def test_photos_with_pts_files(tmp_path: Path, truth: np.ndarray) -> None:
    Image.new("RGB", (96, 104)).save(tmp_path / "one.png")
    body = "\n".join(f"{x} {y}" for x, y in truth[0, :, :2])
    (tmp_path / "one.pts").write_text(f"version: 1\nn_points: 68\n{{\n{body}\n}}\n")
    (tmp_path / "two.pts").write_text("version: 1\n{\n1 2\n}\n")
    data = read_photos(tmp_path)
    assert data.names == ["one.png"] and list(data.broken) == ["two.pts"]
    assert data.truths["annotated"][0] == pytest.approx(truth[0, :, :2])
    scores = score_column(predict_column(BoxFace(truth[0] + [0.48, 0, 0]), data, read_image), data)
    assert scores["nme68_2d"]["bins"] == {} and scores["nme68_2d"]["median"] > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--data", "nowhere"], "not a folder"), (["--recrop", "-1"], "--recrop -1"), (["--peers", "."], "reference")],
)
def test_bad_input_is_reported_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    given = arguments if "--data" in arguments else ["--data", str(tmp_path), *arguments]
    assert run(main, [*given, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_detection_on_the_benchmarks_face_is_meant() -> None:
    box = np.array([0.0, 0.0, 10.0, 10.0])
    assert overlap(box, box + [5.0, 0.0, 5.0, 0.0]) == pytest.approx(1 / 3)
    assert overlap(box, box + 20.0) == 0.0


def test_peers_of_another_shape_are_refused(folder: Path) -> None:
    np.savez(folder / "odd.npz", landmarks=np.zeros((4, 5, 3)))
    data = read_aflw2000(folder)
    (folder / "reference.npz").unlink()
    with pytest.raises(UserError, match=r"\[N, 68, 3\]"):
        read_peers(folder, data)


def test_the_same_people_in_other_pictures_are_reported_apart(tmp_path: Path) -> None:
    data = make_synthetic(3, tmp_path, variants=("clean", "dark"))
    clean, dark = (data.parts[f"{name}, front"] for name in ("clean", "dark"))
    assert clean.sum() == dark.sum() == 3 and not (clean & dark).any()
    truth = data.truths["exact"]
    np.testing.assert_allclose(truth[clean], truth[dark])
    grey = np.array([read_image(path).mean() for path in data.images])
    assert (grey[dark] < 0.7 * grey[clean]).sum() >= 2
    landmarks = truth + np.where(dark, 2.0, 1.0)[:, None, None]
    scores = score_column(Column("net", landmarks, "given"), data)["by_part"]
    assert scores["dark, front"]["mean"] > 1.9 * scores["clean, front"]["mean"] > 0
    head, rows = part_rows({"models": {"net": {"by_part": scores}}})
    assert all(len(row) == len(head) for row in rows) and [row[1] for row in rows][:2] == [
        "clean, front",
        "clean, side",
    ]


def test_synthetic_truth_is_the_projected_face(tmp_path: Path) -> None:
    face = load_open_face()
    cameras = []
    for yaw in (0.0, np.deg2rad(40.0)):
        camera = Camera(euler_to_matrix(yaw, 0, 0), 900.0, 1000.0, np.array([128.0, 120.0]), face.centre)
        cameras.append(camera_vector(camera))
    jpeg = encode_jpeg(np.zeros((256, 256, 3), np.uint8))
    neutral = np.zeros(len(face.expression_names), np.float32)
    identity = np.zeros(face.num_identity, np.float32)
    record = FaceRecord(EVALUATION_SEED, identity, neutral, (jpeg, jpeg), (cameras[0], cameras[1]), {})
    front, side = views_of(record, face, tmp_path)
    assert (front["yaw_deg"], side["yaw_deg"]) == pytest.approx((0.0, 40.0))
    assert front["points"][30] == pytest.approx([128.0, front["points"][30][1], front["points"][:, 2].max()], abs=1)
    assert side["points"][30, 0] > side["points"][[36, 45], 0].mean() + 10
    assert read_image(side["image"]).shape == (256, 256, 3)


def test_scans_measure_a_moved_copy_as_zero_beside_the_mean_face(tmp_path: Path) -> None:
    mean = mean_surface(load_open_face(), level=0)
    wide = Surface(mean.vertices * [1.1, 1.0, 1.0], mean.triangles, mean.landmarks * [1.1, 1.0, 1.0])
    moved = wide.moved(Similarity(0.5, euler_to_matrix(0.3, 0.2, 0.1), np.array([5.0, 6.0, 7.0])))
    for path, surface in ((tmp_path / "scans", wide), (tmp_path / "peers" / "copy", moved)):
        path.mkdir(parents=True)
        write_mesh(path / "a.ply", Mesh(surface.vertices.astype(np.float32), surface.triangles))
        (path / "a.ljson").write_text(json.dumps({"landmarks": {"points": surface.landmarks.tolist()}}))
    arguments = ["--benchmark", "scans", "--data", str(tmp_path / "scans"), "--peers", str(tmp_path / "peers")]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    models = json.loads((tmp_path / "out" / "results.json").read_text())["models"]
    assert models["copy"]["mean"]["icp"]["rms"] < 1e-3 and models["copy"]["mean"]["now"]["rms"] < 1e-3
    assert models["copy"]["mean"]["landmarks_rigid"]["mean"] > 5
    assert 0.3 < models["mean face, posed"]["mean"]["icp"]["mean"] < 5


def test_a_saved_model_is_read_in_the_benchmarks_pixels(folder: Path, tmp_path: Path) -> None:
    import tensorflow as tf

    face = load_open_face()
    topology = PositionMap(face)
    vertices = face.face(2).vertices(face.cage(np.zeros(face.num_identity), np.zeros(len(face.expression_names))))
    camera = Camera(np.eye(3), 1000.0, 1200.0, np.array([128.0, 128.0]), face.centre)
    constant = topology.from_vertices(camera.project(vertices))

    class Constant(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 64, 64, 3], tf.float32)])
        def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"position_map": tf.repeat(tf.constant(constant)[None], tf.shape(images)[0], axis=0)}

    saved = tmp_path / "export"
    tf.saved_model.save(Constant(), str(saved))
    card = {"model": "constant", "views": 1, "image_size": 64, "face_model": {"checksum": face.checksum}}
    (saved / "tfface.json").write_text(json.dumps(card))
    options = ["--data", str(folder), "--model", str(saved), "--out", str(tmp_path / "out")]
    assert main([*options, "--limit", "2", "--recrop", "0"]) == 1
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    data = read_aflw2000(folder)
    crop = topology.landmarks(constant)[:, :2] * (90.0 / 256.0) + [10.0, 5.0] + 0.5
    expected = 100 * np.linalg.norm(crop - data.truths["usual"][0][:, :2], axis=1).mean() / 48
    assert results["models"]["export"]["per_image"][NAMES[0]] == pytest.approx(expected, rel=1e-4)
