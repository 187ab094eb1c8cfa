"""FaceGen's exports: equation 4.1, and shards of a small made export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.data.tools import load_tool
from tests.face.small_models import small_bases, write_300wlp
from tfface.data.shards.maps import iterate_map_records
from tfface.data.sources.facegen import Job, View, read_view
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.io.image import write_image

FRUSTUM = (-6.0, 6.0, -6.0, 6.0, 40.0, 2000.0)
YAWS = {"front": 10.0, "left": -60.0, "right": 60.0}


def items(numbers: tuple[float, ...] | list[float]) -> str:
    return "<m>" + "".join(f"<item>{number}</item>" for number in numbers) + "</m>"


def write_export(folder: Path) -> np.ndarray:
    """One face, moved to the origin; gives its vertices."""
    mean = small_bases()[0] - load_open_face().centre
    name = folder / "00000"
    name.mkdir(parents=True)
    (name / "00000.obj").write_text("".join(f"v {x:.5f} {y:.5f} {z:.5f}\n" for x, y, z in mean))
    for view, yaw in YAWS.items():
        x, y, z, real = Rotation.from_euler("y", yaw, degrees=True).as_quat()
        turn = f"<rotateToHcs><m_comp>{items([x / real, y / real, z / real])}</m_comp></rotateToHcs>"
        (name / f"00000_{view}.xml").write_text(f"<r><val><rend><pose>{turn}</pose></rend></val></r>")
        camera = f"<modelview><translation>{items([3.0, -2.0, -700.0])}</translation></modelview>"
        (name / f"00000_{view}_cam.xml").write_text(f"<r><val>{camera}<frustum>{items(FRUSTUM)}</frustum></val></r>")
        write_image(name / f"00000_{view}.png", np.full((256, 256, 3), 90, np.uint8))
    return mean


def test_projection_is_equation_4_1(tmp_path: Path) -> None:
    vertices = write_export(tmp_path)
    job = Job("x", tmp_path / "00000", "left")
    view = read_view(job.file("left", ".xml"), job.file("left", "_cam.xml"))
    np.testing.assert_allclose(view.rotation, Rotation.from_euler("y", -60, degrees=True).as_matrix(), atol=1e-6)
    left, right, bottom, top, near, far = FRUSTUM
    eye = np.concatenate([vertices @ view.rotation.T + [3.0, -2.0, -700.0], np.ones((len(vertices), 1))], axis=1)
    frustum = np.array(
        [
            [2 * near / (right - left), 0, 0, 0],
            [0, 2 * near / (top - bottom), 0, 0],
            [0, 0, (near + far) / (far - near), -2 * near * far / (far - near)],
            [0, 0, -1, 0],
        ]
    )
    viewport = np.diag([128.0, 128, 128, 1])
    viewport[:3, 3] = 128
    seen = eye @ (viewport @ frustum).T
    points = view.project(vertices, 256, 256)
    np.testing.assert_allclose(points[:, 0], seen[:, 0] / seen[:, 3], atol=1e-6)
    np.testing.assert_allclose(points[:, 1], 256 - seen[:, 1] / seen[:, 3], atol=1e-6)
    scale = np.ptp(points[:, 1]) / np.ptp(vertices[:, 1])
    assert np.ptp(points[:, 2]) == pytest.approx(scale * np.ptp(eye[:, 2]), rel=0.2)
    with pytest.raises(UserError, match="behind the camera"):
        View(view.rotation, -view.translation, view.frustum).project(vertices, 256, 256)


def test_an_export_becomes_pairs(tmp_path: Path, repository: Path) -> None:
    vertices = write_export(tmp_path / "export")
    write_300wlp(tmp_path)
    tool = load_tool(repository, "convert_facegen")
    arguments = ["--data", str(tmp_path / "export"), "--out", str(tmp_path / "out"), "--bfm", str(tmp_path)]
    assert tool.main([*arguments, "--image-size", "128"]) == 0
    records = list(iterate_map_records(tmp_path / "out" / "faces-00000.tfrecord"))
    assert [record.key for record in records] == ["00000/left", "00000/right"]
    side = records[0].views[1]
    job = Job("x", tmp_path / "export" / "00000", "left")
    view = read_view(job.file("left", ".xml"), job.file("left", "_cam.xml"))
    truth = view.project(vertices, 256, 256)[small_bases()[4]]
    face, topology = load_open_face(), PositionMap(load_open_face(), 256)
    found = topology.landmarks(side.position_map)
    sure = topology.to_vertices(side.mask[..., None])[face.landmarks68, 0] > 250
    system = np.concatenate([truth[sure, :2], np.ones((sure.sum(), 1))], 1)
    fit, *_ = np.linalg.lstsq(system, found[sure, :2], rcond=None)
    assert np.abs(fit[:2] - fit[0, 0] * np.eye(2)).max() < 0.05 * fit[0, 0]
    assert np.abs(system @ fit - found[sure, :2]).mean() < 2.0
    (job.file("front", ".xml")).write_text("<r/>")
    (job.folder / "00000.obj").write_text("v 0 0 0\n")
    arguments[3] = str(tmp_path / "again")
    assert tool.main(arguments) == 1


def test_a_folder_of_something_else_is_reported(tmp_path: Path) -> None:
    (tmp_path / "camera.xml").write_text("<r><val/></r>")
    with pytest.raises(UserError, match="3 are needed"):
        read_view(tmp_path / "camera.xml", tmp_path / "camera.xml")
    with pytest.raises(UserError, match="fg3 render"):
        read_view(tmp_path / "none.xml", tmp_path / "camera.xml")
