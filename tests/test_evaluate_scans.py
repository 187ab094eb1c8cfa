"""Scans: read, drawn, reconstructed and measured, with answers that are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.toy_network import save_toy_network
from tfface.errors import UserError
from tfface.evaluate import main
from tfface.evaluation.scan_files import Scan, read_landmarks, read_scans
from tfface.evaluation.scan_photometric import transfer_error
from tfface.evaluation.scan_render import frontal_rotation, predict_surface, render_views, with_landmarks
from tfface.evaluation.scans import BASELINE, mean_surface, scan_regions
from tfface.face.open_model import load_open_face
from tfface.geometry.align import Similarity
from tfface.geometry.rotation import euler_to_matrix, geodesic_angle
from tfface.io.mesh import Mesh, write_mesh
from tfface.metrics.reconstruction import Surface, compare
from tfface.viz.scan_view import OrthographicView, heat_view, render_scan

MOTION = Similarity(1.0, euler_to_matrix(0.3, -0.2, 0.15), np.array([12.0, -30.0, 55.0]))


@pytest.fixture(scope="module")
def wide() -> Surface:
    """Somebody with a wide face, in a frame of their own."""
    mean = mean_surface(load_open_face(), level=0)
    return Surface(mean.vertices * [1.08, 1.0, 1.0], mean.triangles, mean.landmarks * [1.08, 1.0, 1.0]).moved(MOTION)


def as_scan(surface: Surface, color: tuple[int, int, int] = (200, 90, 80)) -> Scan:
    colors = np.tile(np.array(color, np.uint8), (len(surface.vertices), 1))
    mesh = Mesh(surface.vertices.astype(np.float32), np.asarray(surface.triangles, np.int32), colors=colors)
    return Scan("wide", mesh, np.asarray(surface.landmarks, np.float64), mesh)


class Knowing:
    """A network that knows the scan: gives its vertices in the pixels of the front view, at a depth of its own."""

    name = "knowing"

    def __init__(self, surface: Surface, view: OrthographicView, num_views: int) -> None:
        self.num_views, self.triangles = num_views, surface.triangles
        self.surface, self.view = surface, view

    def vertices(self, views: list) -> np.ndarray:
        assert len(views) == self.num_views
        return self.view.project(self.surface.vertices) + [0.0, 0.0, 77.0]

    def straightened(self, vertices: np.ndarray) -> np.ndarray:
        return vertices  # the view has no perspective

    def landmarks_of(self, vertices: np.ndarray) -> np.ndarray:
        return vertices[load_open_face().landmarks(0, 68)]

    def find_box(self, image: np.ndarray) -> np.ndarray:
        return np.array([0.0, 0.0, *image.shape[1::-1]])


@pytest.mark.parametrize("num_views", [1, 2])
def test_a_right_prediction_comes_back_to_the_scan_in_millimetres(wide: Surface, num_views: int) -> None:
    item = render_views(as_scan(wide))
    found = predict_surface(Knowing(wide, item.views[0], num_views), item)
    assert np.abs(found.vertices - wide.vertices).max() < 1e-3
    assert np.abs(found.landmarks - wide.landmarks).max() < 1e-3


def test_every_measure_of_a_copy_moved_by_a_similarity_is_zero(wide: Surface) -> None:
    table = compare(wide.moved(Similarity(1.0, MOTION.rotation.T, np.array([3.0, 2.0, 1.0]))), wide).table
    assert {"icp_rigid_point", "icp_rigid_plane", "icp_plane", "known", "now"} <= table.keys()
    assert max(value for row in table.values() for value in row.values()) < 1e-3
    scaled = compare(wide.moved(Similarity(2.3, MOTION.rotation.T, np.array([3.0, 2.0, 1.0]))), wide).table
    assert max(row["rms"] for name, row in scaled.items() if "rigid" not in name) < 1e-3
    assert scaled["icp_rigid"]["mean"] > 5


def test_nme_is_over_the_boxes_diagonals(wide: Surface) -> None:
    row = compare(mean_surface(load_open_face(), 0), wide)
    diagonal = np.linalg.norm(np.ptp(wide.vertices[row.measured], axis=0))
    figures = row.table["icp"]
    assert figures["nme_box_truth"] == pytest.approx(100 * figures["mean"] / diagonal)
    assert figures["nme_box_predicted"] != pytest.approx(figures["nme_box_truth"])


def test_views_are_frontal_and_from_the_side(wide: Surface) -> None:
    assert geodesic_angle(frontal_rotation(wide.landmarks), MOTION.rotation.T) < 0.05
    item = render_views(as_scan(wide))
    front, side = item.images
    for image, box in zip(item.images, item.boxes, strict=True):
        assert image.shape == (512, 512, 3) and (box > 0).all() and (box < 512).all()
    middle = front[256, 256].astype(int)
    assert np.abs(middle - [200, 90, 80]).max() <= 1 and (front[0, 0] == 128).all()
    tip = item.views[1].project(wide.landmarks[30:31])[0]
    eyes = item.views[1].project(wide.landmarks[[36, 45]])
    assert tip[0] > eyes[:, 0].max() + 20 and (side != front).any()


def test_textures_land_where_their_coordinates_say() -> None:
    """A square of two triangles with a texture of four colours, drawn as large as the picture."""
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32, :32], picture[:32, 32:], picture[32:, :32] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    mesh = Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32), uv=uv, texture=picture)
    view = OrthographicView(np.eye(3), 32.0, np.full(2, 32.0), np.zeros(3), 64)
    drawn = render_scan(mesh, view)
    assert np.abs(drawn[4:60, 4:60].astype(int) - picture[4:60, 4:60]).mean() < 8
    assert np.allclose(view.unproject(view.project(corners)), corners, atol=1e-5)
    heat = heat_view(corners, mesh.triangles, np.array([0.0, 0, 5, 5]), view)
    assert heat[5, 32].sum() > heat[58, 32].sum() + 200


@pytest.mark.parametrize("suffix", [".ljson", ".json", ".pts", ".txt", ".npz"])
def test_landmarks_of_every_form(tmp_path: Path, suffix: str) -> None:
    points = np.arange(204.0).reshape(68, 3) / 7
    file = tmp_path / f"a{suffix}"
    rows = "\n".join(" ".join(map(str, row)) for row in points)
    if suffix == ".ljson":
        file.write_text(json.dumps({"groups": {"x": {"landmarks": {"points": points.tolist()}}}}))
    elif suffix == ".json":
        file.write_text(json.dumps(points.tolist()))
    elif suffix == ".npz":
        np.savez(file, landmarks=points)
    else:
        file.write_text(f"version: 1\n{{\n{rows}\n}}\n" if suffix == ".pts" else rows)
    found = read_landmarks(tmp_path / "a.obj")
    assert found is not None and np.allclose(found, points)
    assert read_landmarks(tmp_path / "b.obj") is None


def test_a_scan_without_landmarks_gets_the_networks_own(wide: Surface) -> None:
    straight = wide.moved(Similarity(1.0, MOTION.rotation.T, np.zeros(3)))
    scan = Scan("bare", as_scan(straight).mesh, None, as_scan(straight).looks)
    with pytest.raises(UserError, match="no network"):
        with_landmarks(scan, None)
    low, high = straight.vertices.min(0), straight.vertices.max(0)
    scale = 512 / (1.15 * (high - low)[:2].max())
    view = OrthographicView(np.eye(3), scale, np.full(2, 256.0), (low + high) / 2, 512)
    found, estimated = with_landmarks(scan, Knowing(straight, view, 1))
    assert estimated and np.median(np.linalg.norm(found.landmarks - straight.landmarks, axis=1)) < 0.6


def test_regions_follow_the_face(wide: Surface) -> None:
    mean = mean_surface(load_open_face(), 0)
    labels = scan_regions(wide, mean, compare(mean, wide))
    assert (labels == load_open_face().regions[: len(labels)]).mean() > 0.9
    assert labels[load_open_face().landmarks(0, 68)[30]] == 3


def test_a_mesh_wearing_the_front_picture_looks_right_from_elsewhere(wide: Surface) -> None:
    across, depth = MOTION.rotation[:, 0], MOTION.rotation[:, 2]
    place = (wide.vertices - wide.landmarks[27]) @ across
    colors = np.uint8(np.clip(128 + 1.4 * place[:, None] * [1, 1, -1], 0, 255))
    mesh = Mesh(wide.vertices.astype(np.float32), wide.triangles, colors=colors)
    item = render_views(Scan("ramp", mesh, np.asarray(wide.landmarks, np.float64), mesh))
    right = transfer_error(item, wide)
    relief = (wide.vertices - wide.vertices.mean(0)) @ depth
    flat = Surface(wide.vertices - 0.6 * relief[:, None] * depth, wide.triangles, wide.landmarks)
    assert right["l2"] < 0.03 and transfer_error(item, flat)["l2"] > 2.5 * right["l2"]


def test_two_scans_of_one_name_keep_their_folders(tmp_path: Path, wide: Surface) -> None:
    for name in ("anna", "bert"):
        write_mesh(tmp_path / name / "model.ply", as_scan(wide).mesh)
    (tmp_path / "broken.obj").write_text("no mesh")
    scans, broken = read_scans(tmp_path)
    assert list(scans) == ["anna/model", "bert/model"] and list(broken) == ["broken.obj"]


def test_florence_runs_from_scan_to_report_for_one_and_two_views(tmp_path: Path) -> None:
    """Toy networks say the mean face in some place, size and pose; the scan is the mean face in red."""
    mean = mean_surface(load_open_face(), level=0)
    scan = as_scan(mean.moved(MOTION), (230, 20, 20))
    write_mesh(tmp_path / "scans" / "red" / "red.ply", scan.mesh)
    np.savez(tmp_path / "scans" / "red" / "red.npz", landmarks68=scan.landmarks)
    models = [str(save_toy_network(tmp_path / f"toy{views}", views=views)) for views in (1, 2)]
    out = tmp_path / "out"
    arguments = ["--benchmark", "florence", "--data", str(tmp_path / "scans"), "--model", *models]
    assert main([*arguments, "--out", str(out)]) == 0
    results = json.loads((out / "results.json").read_text())
    assert list(results["models"]) == ["toy1", "toy2", BASELINE]
    for name in ("toy1", "toy2"):
        figures = results["models"][name]
        assert figures["mean"]["icp"]["rms"] < 0.4 and figures["mean"]["now"]["rms"] < 0.4
        assert set(figures["regions"]) == {"face", "eyes", "nose", "mouth"} and max(figures["regions"].values()) < 0.5
    assert results["models"]["toy1"]["mean"]["icp_rigid"] != results["models"]["toy2"]["mean"]["icp_rigid"]
    page = (out / "report.html").read_text()
    assert page.count("data:image/jpeg") == 4 and page.count("data:image/png") == 2
    with pytest.raises(UserError, match="front and a side view"):
        (tmp_path / "p").mkdir()
        _photo(tmp_path / "p")
        main(["--benchmark", "photos", "--data", str(tmp_path / "p"), "--model", models[1], "--out", str(out)])


def _photo(folder: Path) -> None:
    from PIL import Image

    Image.new("RGB", (96, 104)).save(folder / "one.png")
    points = np.random.default_rng(0).uniform(20, 70, (68, 2))
    rows = "\n".join(f"{x} {y}" for x, y in points)
    (folder / "one.pts").write_text(f"version: 1\n{{\n{rows}\n}}\n")
