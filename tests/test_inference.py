"""From a picture to a face in its pixels: a network with a known answer, detectors, files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from tests.toy_network import MM_PER_RADIUS, POSE_DEG, disc_photo, save_toy_network, unit_map
from tfface.detect.base import Detection
from tfface.errors import UserError
from tfface.face.head_mesh import head_mesh
from tfface.face.open_model import load_open_face
from tfface.face.position_map import position_tables
from tfface.geometry.align import box_from_landmarks
from tfface.geometry.camera import Camera
from tfface.inference import Reconstructor
from tfface.io.formats import FileOptions
from tfface.io.image import read_image
from tfface.io.mesh import read_mesh
from tfface.result import FaceResult
from tfface.runtime import read_card

CENTRE, RADIUS = (233.3, 161.7), 47.0


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_toy_network(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def reconstructor(toy: Path) -> Reconstructor:
    return Reconstructor(toy, upright=False)  # it says the same roll whichever way the crop is turned


@pytest.fixture(scope="session")
def result(reconstructor: Reconstructor) -> FaceResult:
    return reconstructor(disc_photo(300, 420, CENTRE, RADIUS), box=(150, 80, 330, 250))[0]


def test_the_face_lies_where_the_disc_is(result: FaceResult) -> None:
    expected = unit_map() * RADIUS + [*CENTRE, 0]
    assert np.abs(result.position_map - expected).mean() < 0.25
    np.testing.assert_allclose(result.pose.degrees, POSE_DEG, atol=0.5)  # a similarity does not know perspective
    assert result.pose.scale_px_per_mm == pytest.approx(RADIUS / MM_PER_RADIUS, rel=5e-2)


def test_how_sure_landmarks_are_is_reported_in_pixels_of_the_photograph(result: FaceResult) -> None:
    assert result.landmark_deviations_px is not None
    np.testing.assert_allclose(result.landmark_deviations_px, np.full(68, RADIUS / 20), rtol=0.03)
    assert result.summary()["landmarks68_deviation_px"][0] == pytest.approx(RADIUS / 20, rel=0.03)


def test_the_last_crop_is_closer_than_that_of_the_landmarks(result: FaceResult) -> None:
    np.testing.assert_allclose(result.box, closer_box(result.landmarks68), atol=1.0)


def closer_box(landmarks: np.ndarray) -> np.ndarray:
    """The box of landmarks with 0.85 of its side."""
    box = box_from_landmarks(landmarks)
    return box.reshape(2, 2).mean(0)[[0, 1, 0, 1]] + 0.85 * np.ptp(box[::2]) / 2 * np.array([-1, -1, 1, 1])


def test_a_second_look_at_a_given_crop_is_predictions(reconstructor: Reconstructor, toy: Path) -> None:
    photo, crop = disc_photo(300, 420, CENTRE, RADIUS), (120.0, 40.0, 330.0, 250.0)
    once = Reconstructor(toy, upright=False, recrop=0)
    first = once.predict_box(photo, crop)
    np.testing.assert_array_equal(first, once.predict_crops([photo], [crop])[0])
    points = position_tables(256).landmarks(first)
    again = once.predict_crops([photo], [closer_box(points)])[0]
    mean = (first + 2 * again) / 3  # they agree
    mean[..., 2] -= mean[..., 2].min()
    np.testing.assert_allclose(reconstructor.predict_box(photo, crop), mean, rtol=2e-6, atol=1e-4)
    assert np.abs(again - first).max() > 1e-3


def test_millimetres_are_those_of_the_mean_face(result: FaceResult) -> None:
    assert np.linalg.norm(result.vertices_mm - load_open_face().mean_face(), axis=1).mean() < 0.3


def test_crops_in_a_batch_shrunk_enlarged_turned_and_over_the_border(reconstructor: Reconstructor) -> None:
    photos = [
        disc_photo(900, 700, (300.2, 500.6), 200),
        disc_photo(120, 120, (60, 50), 20),
        disc_photo(200, 200, (40, 90), 28),
    ]
    boxes = [(0, 150, 680, 830), (30, 25, 90, 85), (-60, 10, 120, 190)]
    maps = reconstructor.predict_crops(photos, boxes)
    unit = unit_map()
    for found, (u, v), radius in zip(maps, [(300.2, 500.6), (60, 50), (40, 90)], [200, 20, 28], strict=True):
        assert np.abs(found - (unit * radius + [u, v, 0])).mean() < 0.01 * radius + 0.05
    turned = reconstructor.predict_crops(photos[:1], boxes[:1], rolls_rad=[np.pi / 2])[0]
    expected = np.stack([unit[..., 1], -unit[..., 0], unit[..., 2]], axis=-1) * 200 + [300.2, 500.6, 0]
    assert np.abs(turned - expected).mean() < 1.5
    assert reconstructor.predict_crops([], []).shape == (0, 256, 256, 3)


def test_a_box_off_the_picture_is_reported(reconstructor: Reconstructor) -> None:
    with pytest.raises(UserError, match="outside the picture"):
        reconstructor(disc_photo(64, 64, (30, 30), 9), box=(100, 100, 150, 150))


def test_no_face_is_reported_and_views_are_counted(reconstructor: Reconstructor, toy: Path) -> None:
    class Blind:
        def detect(self, image: np.ndarray) -> list[Detection]:
            return []

    photo = disc_photo(64, 64, (30, 30), 9)
    with pytest.raises(UserError, match="takes one photograph"):
        reconstructor(photo, side_image=photo)
    with pytest.raises(UserError, match="No face was found"):
        Reconstructor(toy, Blind())(photo)


def test_two_views_are_stacked_front_first(tmp_path: Path) -> None:
    network = Reconstructor(save_toy_network(tmp_path, views=2), recrop=0)
    front, side = disc_photo(200, 200, (90, 110), 30), disc_photo(200, 200, (100, 100), 60)
    box = (0.0, 0.0, 200.0, 200.0)
    found = network(front, box, side, box)[0]
    assert np.abs(found.position_map - (unit_map() * 60 + [90, 110, 0])).mean() < 0.6
    with pytest.raises(UserError, match="a front and a side"):
        network(front, box)
    with pytest.raises(UserError, match="side box"):
        network.predict_box(front, box, side)


def test_files(result: FaceResult, tmp_path: Path) -> None:
    written = result.save(tmp_path, "Anna ü")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in written)
    summary = json.loads((tmp_path / "Anna ü.json").read_text(encoding="utf-8"))
    assert summary["pose"]["yaw_deg"] == pytest.approx(POSE_DEG[0], abs=0.5)
    np.testing.assert_allclose(summary["landmarks68_px"], result.landmarks68, atol=1e-3)
    noted = summary["camera"]
    numbers = [noted[key] for key in ("rotation", "focal_px", "distance_mm", "centre_px", "origin_mm")]
    centre = load_open_face().centre.astype(np.float32)
    placed = Camera(*(np.asarray(each) for each in numbers)).project(result.vertices_mm - centre)
    missed = np.linalg.norm((placed - result.vertices)[:, :2], axis=1).mean()
    assert missed == pytest.approx(noted["mean_error_px"], abs=2e-3) and missed < 0.3
    assert (summary["schema"]["version"], summary["preset"]) == (2, result.preset)
    assert {"detect", "network", "meshes", "pictures"} <= set(summary["timings_ms"])
    again = head_mesh("face", 2).vertices(*(list_of(summary["shape"][key]) for key in summary["shape"])) - centre
    obj = read_mesh(tmp_path / "Anna ü.obj")
    np.testing.assert_allclose(obj.vertices, again, atol=1e-2)
    assert obj.texture is not None and obj.texture.shape == (512, 512, 3)
    scene = trimesh.load_scene(tmp_path / "Anna ü.glb")
    assert set(scene.geometry) == {piece.name for piece in head_mesh("face", 2).pieces}
    np.testing.assert_allclose(scene.bounds * 1000, [again.min(0), again.max(0)], atol=1e-2)
    assert read_image(tmp_path / "Anna ü_overlay.png").shape == (960, 960, 3)


def test_a_texture_has_as_many_texels_as_the_photograph_has_pixels(result: FaceResult) -> None:
    assert result.texture_size == 512
    larger = np.repeat(np.repeat(result.image, 4, axis=0), 4, axis=1)
    assert replace(result, image=larger, position_map=result.position_map * 4).texture_size == 1024


def list_of(numbers: list[float] | dict[str, float]) -> np.ndarray:
    return np.array(list(numbers.values()) if isinstance(numbers, dict) else numbers)


def test_only_what_is_asked_for_is_written(result: FaceResult, tmp_path: Path) -> None:
    files = FileOptions(mesh="head", level=0, formats=("glb", "ply"), texture_size=256)
    written = result.save(tmp_path, "a", files=files)
    assert sorted(path.name for path in written) == ["a.glb", "a.json", "a.ply"]
    assert sorted(tmp_path.iterdir()) == sorted(written)
    data = (tmp_path / "a.glb").read_bytes()
    assert b'"targetNames":["browDownLeft"' in data and len(data) < 3e6  # level 0 moves
    for wrong in (FileOptions(level=3), FileOptions(texture_size=1000), FileOptions(formats=("stl",))):  # type: ignore[arg-type]
        with pytest.raises(UserError, match="does not exist: choose"):
            result.save(tmp_path, "a", files=wrong)


def test_vertex_colours_come_from_the_photograph(result: FaceResult) -> None:
    colors = result.mesh(textured=False).colors
    assert colors is not None
    nose, chin = colors[result_vertex(30)].astype(int), colors[result_vertex(8)].astype(int)
    assert nose[0] - nose[1] > 200  # on the disc
    assert abs(chin[0] - chin[1]) < 30  # on the grey


def result_vertex(landmark: int) -> int:
    return int(load_open_face().landmarks68[landmark])


def test_depth_picture_is_nearest_at_the_nose(result: FaceResult) -> None:
    depth, step = result.depth_image()
    assert depth.shape == (300, 420)
    assert depth[0, 0] == 0
    u, v, z = result.landmarks68[30]
    low = result.vertices[:, 2].min()
    assert (depth[int(v), int(u)] - 1) * step + low == pytest.approx(z, abs=1.5)


@pytest.mark.parametrize(
    "broken", ["", '{"model": "x"}', '{"face_model": {"checksum": "0"}, "model": "m", "views": 1, "image_size": 8}']
)
def test_broken_cards_are_reported(tmp_path: Path, broken: str) -> None:
    with pytest.raises(UserError, match="not an exported model"):
        read_card(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    (tmp_path / "tfface.json").write_text(broken)
    with pytest.raises(UserError, match="export"):
        read_card(tmp_path)
