"""Meshes come back as they were written, and the same mesh is the same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tfface.errors import UserError
from tfface.io.mesh import Mesh, read_mesh, write_mesh

CORNERS = np.float32([[0, 0, 0], [10, 0, 0], [10, 10, 5], [0, 10, 5]])
MESH = Mesh(CORNERS, np.int32([[0, 1, 2], [0, 2, 3]]))
COLORED = replace(MESH, colors=np.uint8([[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 80, 70]]))
TEXTURED = replace(
    MESH,
    uv=np.float32([[0, 1], [1, 1], [1, 0], [0, 0.25]]),
    texture=np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8),
)


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
