"""Meshes come back as they were written, and the same mesh is the same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tfface.errors import UserError
from tfface.io.mesh import Mesh, read_mesh, rows_of_text, write_mesh

CORNERS = np.float32([[0, 0, 0], [10, 0, 0], [10, 10, 5], [0, 10, 5]])
MESH = Mesh(CORNERS, np.int32([[0, 1, 2], [0, 2, 3]]))
COLORED = replace(MESH, colors=np.uint8([[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 80, 70]]))
TEXTURED = replace(
    MESH,
    uv=np.float32([[0, 1], [1, 1], [1, 0], [0, 0.25]]),
    texture=np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8),
)


@pytest.mark.parametrize(
    "template, values",
    [
        ("v %.4f %.4f %.4f\n", np.random.default_rng(0).normal(0, 80, (500, 3)).astype(np.float32)),
        ("v %.1f\n", np.array([[0.0], [-0.5], [123456789012.34], [-7.0]])),
        ("f %d/%d %d/%d\n", np.array([[1, 2, 3, 40000], [5, 60, 700, 8]])),
        ("f %d\n", np.zeros((0, 1), int)),
    ],
)
def test_rows_are_what_python_writes(template: str, values: np.ndarray) -> None:
    assert rows_of_text(template, values) == (template * len(values)) % tuple(values.ravel().tolist())


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".glb"])
@pytest.mark.parametrize("mesh", [MESH, COLORED], ids=["plain", "coloured"])
def test_round_trip(mesh: Mesh, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"mesh{suffix}"
    write_mesh(path, mesh)
    first = path.read_bytes()
    write_mesh(path, mesh)
    assert path.read_bytes() == first
    found = read_mesh(path)
    np.testing.assert_allclose(found.vertices, mesh.vertices, atol=1e-4)
    np.testing.assert_array_equal(found.triangles, mesh.triangles)
    if mesh.colors is not None:
        np.testing.assert_array_equal(found.colors, mesh.colors)


@pytest.mark.parametrize("suffix", [".obj", ".glb"])
def test_texture_round_trip(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "moved" / f"face{suffix}"
    write_mesh(tmp_path / "here" / path.name, TEXTURED)
    (tmp_path / "here").rename(tmp_path / "moved")  # paths inside are relative
    found = read_mesh(path)
    np.testing.assert_allclose(found.vertices[found.triangles], MESH.vertices[MESH.triangles], atol=1e-4)
    np.testing.assert_allclose(found.uv[found.triangles], TEXTURED.uv[MESH.triangles], atol=1e-5)
    np.testing.assert_array_equal(found.texture, TEXTURED.texture)


def test_glb_is_in_metres(tmp_path: Path) -> None:
    import trimesh

    write_mesh(tmp_path / "m.glb", MESH)
    assert trimesh.load_mesh(tmp_path / "m.glb").extents[0] == pytest.approx(0.01)


def test_obj_colours_are_six_numbers(tmp_path: Path) -> None:
    write_mesh(tmp_path / "m.obj", COLORED)
    assert (tmp_path / "m.obj").read_text().splitlines()[2] == "v 10.0000 0.0000 0.0000 0.0000 1.0000 0.0000"


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="stl"):
        write_mesh(tmp_path / "m.stl", MESH)
    with pytest.raises(UserError, match="does not exist"):
        read_mesh(tmp_path / "none.obj")
    (tmp_path / "bad.glb").write_text("no")
    with pytest.raises(UserError, match="cannot be read"):
        read_mesh(tmp_path / "bad.glb")


CORNER_LINES = ["v 0 0 0", "v 10 0 0", "v 0 10 0", "v 0 0 10"]
FORMS = {
    "comments": [line + " # nose" for line in CORNER_LINES] + ["f 1 2 3 # front", "f 1 3 4"],
    "tabs": [line.replace(" ", "\t") for line in CORNER_LINES] + ["f\t1\t2\t3", "f\t1\t3\t4"],
    "materials": [*CORNER_LINES, "usemtl skin", "f 1 2 3", "usemtl hair", "f 1 3 4"],
    "backwards": [*CORNER_LINES, "f -4 -3 -2", "f -4 -2 -1"],
    "continued": [*CORNER_LINES, "f 1 2 \\", " 3", "f 1 3 4"],
    "polygon": [*CORNER_LINES, "f 1 2 3 4"],
    "normals": [*CORNER_LINES, "vn 0 0 1", "f 1//1 2//1 3//1", "f 1//1 3//1 4//1"],
    "windows": [line + "\r" for line in [*CORNER_LINES, "f 1 2 3", "f 1 3 4"]],
}


@pytest.mark.parametrize("form", FORMS)
def test_obj_in_all_its_forms(form: str, tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_bytes("\n".join(["\ufeff# made by hand", *FORMS[form], ""]).encode())
    mesh = read_mesh(tmp_path / "a.obj")
    np.testing.assert_array_equal(mesh.vertices, [[0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]])
    np.testing.assert_array_equal(mesh.triangles, [[0, 1, 2], [0, 2, 3]])


def test_a_vertex_at_a_seam_keeps_one_of_its_places(tmp_path: Path) -> None:
    places = ["vt 0 0", "vt 1 0", "vt 0 1", "vt .5 .5", "f 1/1 2/2 3/3", "f 1/4 3/1 4/2"]
    (tmp_path / "a.obj").write_text("\n".join([*CORNER_LINES, *places]))
    mesh = read_mesh(tmp_path / "a.obj")
    assert mesh.uv is not None and len(mesh.vertices) == 4
    assert mesh.uv[2].tolist() in ([0.0, 0.0], [0.0, 1.0]) and mesh.uv[3].tolist() == [1.0, 1.0]
    split = read_mesh(tmp_path / "a.obj", split_seams=True)
    assert split.uv is not None and len(split.vertices) == 6
    np.testing.assert_array_equal(split.vertices[split.triangles], mesh.vertices[mesh.triangles])
    np.testing.assert_array_equal(split.uv[split.triangles][0], [[0, 1], [1, 1], [0, 0]])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["f 1 2 9"], "names a vertex beyond its 4"),
        (["f 0 1 2"], "vertex 0"),
        (["f 1 2"], "fewer than three corners"),
        (["v 1 2", "f 1 2 3"], "fewer than 3 numbers"),
        (["v 1 2 x", "f 1 2 3"], "cannot be read"),
        (["v nan 0 0", "f 1 2 3"], "not finite numbers"),
        ([], "no triangles"),
    ],
)
def test_broken_obj_is_reported(lines: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text("\n".join([*CORNER_LINES, *lines]))
    with pytest.raises(UserError, match=message):
        read_mesh(tmp_path / "a.obj")
