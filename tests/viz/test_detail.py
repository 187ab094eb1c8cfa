"""Detail of a face in the files that people take away: a known bump on the forehead."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from tfface import predict
from tfface.cli import run
from tfface.detailing import Detailer
from tfface.face.head_mesh import head_mesh
from tfface.face.head_uv import to_face_chart
from tfface.geometry.raster import vertex_normals
from tfface.inference import Reconstructor
from tfface.io.formats import FileOptions
from tfface.io.image import write_image
from tfface.result import FaceResult
from tfface.viz.detail import MIDDLE_LEVEL, MM_PER_LEVEL, STRENGTH, Detail, strengthened
from tfface.viz.texture import sample_photo
from tfface.viz.unwrapped import unwrap

SIZE, AT, RADIUS = 256, (0.5, 0.3), 14
"""Of the chart; u and v of the bump, and its standard deviation in texels."""
FILES = FileOptions(formats=("glb", "json"), texture_size=512, level=1)


@pytest.fixture(scope="module")
def bumped() -> FaceResult:
    """A photograph's face with 2 mm of bump, ripples of .2 mm on it, and a darker albedo there."""
    row, column = np.mgrid[:SIZE, :SIZE]
    away = np.hypot(column - AT[0] * (SIZE - 1), row - AT[1] * (SIZE - 1)) / RADIUS
    bump = np.exp(-(away**2) / 2)
    displacement = np.float32(bump * (2 + 0.2 * np.sin(1.2 * column)))
    detail = Detail(displacement, np.float32(-0.3 * bump[..., None].repeat(3, -1)), "known")
    return replace(Reconstructor("rnet_points")(data.astronaut())[0], detail=detail)


def test_the_mesh_carries_the_bump_and_nothing_else_moves(bumped: FaceResult) -> None:
    with_it, without = (face.head("face", 1, 256).meshes[0] for face in (bumped, replace(bumped, detail=None)))
    skin = head_mesh("face", 1).pieces[0]
    moved = with_it.vertices - without.vertices
    along = (moved * vertex_normals(without.vertices, skin.triangles)).sum(-1)
    away = np.linalg.norm(to_face_chart(skin.uv) - AT, axis=1) * (SIZE - 1) / RADIUS
    np.testing.assert_allclose(along[away < 0.3], 2.0, atol=0.2)
    assert np.abs(moved[away > 5]).max() < 1e-3


def test_lines_are_made_stronger_and_the_shape_stays() -> None:
    column = np.mgrid[:SIZE, :SIZE][1]
    shape, lines = np.float32(2 * np.sin(column / 40)), np.float32(0.1 * np.sin(column))
    inside = np.s_[:, 20:-20]
    np.testing.assert_allclose(strengthened(shape + lines, 2.5)[inside], (shape + 2.5 * lines)[inside], atol=0.04)
    np.testing.assert_allclose(strengthened(shape + lines, 0.0)[inside], shape[inside], atol=0.02)
    seen, none = np.ones((SIZE, SIZE), np.float32), np.zeros((SIZE, SIZE, 3), np.float32)
    usual, answer = (Detail.of(shape + lines, none, seen, "known", *given).displacement for given in ((), (1.0,)))
    middle = np.s_[120:136, 120:136]
    np.testing.assert_allclose((usual - answer)[middle], (STRENGTH - 1) * lines[middle], atol=0.01)


def test_hair_leaves_no_lines(bumped: FaceResult) -> None:
    assert bumped.decoded is not None
    base = unwrap(bumped.image, bumped.vertices, bumped.decoded)
    displacement, bare = Detailer(strength=2.5).of(base).displacement, base.bare()
    lines = displacement - cv2.GaussianBlur(displacement, (0, 0), 1.5)
    hair, skin = (
        cv2.erode(np.uint8(there & (base.seen > 0.9)), np.ones((5, 5))) > 0 for there in (bare < 0.05, bare > 0.95)
    )
    assert hair.sum() > 1000 and lines[hair].std() < 0.3 * lines[skin].std()
    usual = Detailer().of(base).displacement
    usual -= cv2.GaussianBlur(usual, (0, 0), 1.5)
    assert 1.5 < lines[skin].std() / usual[skin].std() < 1.8, "2.5 by default 1.5"


@pytest.mark.slow
def test_the_command_takes_the_strength(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", data.astronaut())
    heights = []
    for strength in ("0", "2.5"):
        options = [
            "--detail",
            "--detail-strength",
            strength,
            "--formats",
            "glb",
            "json",
            "png",
            "--texture-size",
            "512",
        ]
        assert run(predict.main, [str(tmp_path / "a.png"), "--out", str(tmp_path / strength), *options]) == 0
        millimetres = np.load(tmp_path / strength / "a_displacement.npy", allow_pickle=False)
        heights.append(float((millimetres - cv2.GaussianBlur(millimetres, (0, 0), 3)).std()))
    assert heights[1] > 2 * heights[0] > 0


def test_sunken_lids_stay_before_the_eyes(bumped: FaceResult) -> None:
    sunken = replace(bumped, detail=Detail(np.full((SIZE, SIZE), -2, np.float32), np.zeros((SIZE, SIZE, 3)), "known"))
    meshes = {name: {m.name: m for m in face.head("head", 1, 256).meshes} for name, face in
              (("sunken", sunken), ("base", replace(bumped, detail=None)))}  # fmt: skip
    for eye in (meshes["base"]["eye_left"], meshes["base"]["eye_right"]):
        radius = np.linalg.norm(eye.vertices - eye.pivot, axis=1).max()
        after, before = (np.linalg.norm(meshes[k]["skin"].vertices - eye.pivot, axis=1) for k in ("sunken", "base"))
        assert (after >= np.minimum(before, radius + 0.3) - 1e-3).all() and (after < before - 1).any()


def test_shoulders_go_on_in_the_details_albedo(bumped: FaceResult) -> None:
    mesh, seam = bumped.head("full", 0, 256), head_mesh("full", 0).seam
    skin, shoulders = mesh.meshes[:2]
    assert skin.uv is not None and shoulders.uv is not None and skin.material.normals is not None
    found = []
    for each, rows in ((skin, seam[:, 0]), (shoulders, seam[:, 1] - len(skin.vertices))):
        assert each.material.texture is not None and each.uv is not None
        places = each.uv[rows][None] * np.float32(each.material.texture.shape[0])
        found.append((sample_photo(each.material.texture, places)[0], each.vertices[rows]))
    np.testing.assert_allclose(found[0][0], found[1][0], atol=0.02)
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-3)


def test_maps_hold_what_the_mesh_does_not_carry(bumped: FaceResult, tmp_path: Path) -> None:
    names = {path.name for path in bumped.save(tmp_path, "a", files=FILES)}
    assert {"a.glb", "a.json", "a_normal.png", "a_albedo.png", "a_displacement.png", "a_displacement.npy"} <= names
    levels = cv2.imread(str(tmp_path / "a_displacement.png"), cv2.IMREAD_UNCHANGED)
    mm = (levels.astype(float) - MIDDLE_LEVEL) * MM_PER_LEVEL
    np.testing.assert_allclose(mm, np.load(tmp_path / "a_displacement.npy"), atol=MM_PER_LEVEL)
    assert mm.max() == pytest.approx(2.2, abs=0.1) and (levels == MIDDLE_LEVEL).mean() > 0.5
    maps, still = bumped.detail_maps(512), mm < 1e-3
    assert np.array_equal(bumped.head("face", 1, 512).meshes[0].material.normals, maps["normal"])
    bent = np.abs(maps["normal"][..., :2].astype(int) - 128).max(-1)
    assert bent[still].max() <= 1 < 12 < bent[mm > 1].max()  # ripples are bent, the rest is flat
    plain = replace(bumped, detail=replace(bumped.detail, albedo=0 * bumped.detail.albedo)).detail_maps(512)["albedo"]
    darker = plain.astype(int) - maps["albedo"]
    assert darker[mm > 1.5].mean() > 50 and np.abs(darker[still]).max() <= 1
    described = json.loads((tmp_path / "a.json").read_text())["detail"]
    assert described["network"] == "known" and described["displacement_png"]["mm_per_level"] == MM_PER_LEVEL
