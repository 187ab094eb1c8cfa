"""Models of several meshes: GLB, OBJ and PLY, read back by others' readers."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from tfface.io.files import written_by_us
from tfface.io.model import WRITERS, Material, Model, NamedMesh

CORNERS = np.float32([[0, 0, 0], [10, 0, 0], [10, 10, 5], [0, 10, 5], [20, 0, 0]])
QUADS = np.int32([[0, 1, 2, 3], [1, 4, 2, -1]])
UV = np.float32([[0, 1], [0.5, 1], [0.5, 0], [0, 0], [1, 1]])
TEXTURE = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
OPEN, SHUT = np.zeros((5, 3), np.float32), np.zeros((5, 3), np.float32)
OPEN[3] = [0, 2, 0]
OPEN[4] = [0, 0.001, 0]  # too little to be kept
MODEL = Model(
    "someone",
    [
        NamedMesh("skin", CORNERS, QUADS, Material("skin", texture=TEXTURE), UV, {"jawOpen": OPEN, "blink": SHUT}),
        NamedMesh(
            "tongue", CORNERS + np.float32([0, 0, -9]), QUADS, Material("red", (0.8, 0.2, 0.1), double_sided=True),
            targets={"jawOpen": SHUT, "blink": SHUT}, pivot=(1.0, 2.0, 3.0),
        ),
    ],
    {"jawOpen": 0.5},
)  # fmt: skip


def _tree(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def _sparse(path: Path, mesh: int, target: int) -> np.ndarray:
    """A morph target's offsets, as a viewer finds them."""
    tree, buffer = _tree(path)
    accessor = tree["accessors"][tree["meshes"][mesh]["primitives"][0]["targets"][target]["POSITION"]]
    offsets = np.zeros((accessor["count"], 3), np.float32)
    if "sparse" in accessor:
        views = [tree["bufferViews"][accessor["sparse"][key]["bufferView"]] for key in ("indices", "values")]
        parts = [buffer[view["byteOffset"] : view["byteOffset"] + view["byteLength"]] for view in views]
        offsets[np.frombuffer(parts[0], np.uint16)] = np.frombuffer(parts[1], np.float32).reshape(-1, 3)
    np.testing.assert_allclose(offsets.min(0), accessor["min"], atol=1e-9)
    np.testing.assert_allclose(offsets.max(0), accessor["max"], atol=1e-9)
    return offsets


@pytest.mark.parametrize("kind", WRITERS)
def test_the_same_model_is_the_same_bytes_and_ours(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"m.{kind}"
    written = WRITERS[kind](path, MODEL)
    assert sorted(written) == sorted(tmp_path.iterdir()) and all(map(written_by_us, written))
    first = [file.read_bytes() for file in written]
    assert [file.read_bytes() for file in WRITERS[kind](path, MODEL)] == first


def test_glb_has_named_nodes_materials_and_morph_targets(tmp_path: Path) -> None:
    path = WRITERS["glb"](tmp_path / "m.glb", MODEL)[0]
    scene = trimesh.load_scene(path)
    assert set(scene.geometry) == {"skin", "tongue"}
    skin, tongue = scene.geometry["skin"], scene.geometry["tongue"]
    np.testing.assert_allclose(skin.vertices * 1000, CORNERS, atol=1e-5)  # at rest
    seen = np.asarray(skin.visual.material.baseColorTexture.convert("RGB"), int)
    assert np.abs(seen - TEXTURE).max() <= 16  # a JPEG, of noise
    np.testing.assert_allclose(skin.visual.uv, UV * [1, -1] + [0, 1], atol=1e-6)
    assert len(skin.faces) == 3 and (skin.face_normals[:, 2] > 0).all()
    assert tongue.visual.material.doubleSided
    np.testing.assert_allclose(
        tongue.visual.material.baseColorFactor[:3] / 255, np.array([0.604, 0.033, 0.01]), atol=0.01
    )
    tree, _ = _tree(path)
    assert [node.get("name") for node in tree["nodes"]] == ["skin", "tongue", "someone"]
    assert tree["nodes"][1]["translation"] == [0.001, 0.002, 0.003]
    np.testing.assert_allclose(scene.bounds[0], [0, 0, -0.009], atol=1e-7)
    for mesh in tree["meshes"]:
        assert mesh["extras"]["targetNames"] == ["jawOpen", "blink"] and mesh["weights"] == [0.5, 0.0]
    np.testing.assert_allclose(_sparse(path, 0, 0)[3], [0, 0.002, 0], atol=1e-9)
    assert not _sparse(path, 0, 0)[4].any() and not _sparse(path, 1, 1).any()
    for view in tree["bufferViews"]:
        assert view["byteOffset"] % 4 == 0


def test_obj_keeps_quads_normals_and_shows_the_weights(tmp_path: Path) -> None:
    path, material, picture = WRITERS["obj"](tmp_path / "m.obj", MODEL)
    lines = path.read_text().splitlines()
    faces = [line.split()[1:] for line in lines if line.startswith("f ")]
    assert sorted(map(len, faces)) == [3, 3, 4, 4]
    assert [line for line in lines if line[:2] == "o "] == ["o skin", "o tongue"]
    assert sum(line.startswith("vn ") for line in lines) == 10 and sum(line.startswith("vt ") for line in lines) == 5
    assert f"map_Kd {picture.name}" in material.read_text()
    scene = trimesh.load_scene(path, process=False)
    joined = trimesh.util.concatenate([each.copy() for each in scene.geometry.values()])
    np.testing.assert_allclose(joined.bounds, [[0, 0, -9], [20, 11, 5]], atol=1e-4)  # half of jawOpen's 2 mm


def test_ply_has_the_colours_of_texture_and_material(tmp_path: Path) -> None:
    path = WRITERS["ply"](tmp_path / "m.ply", MODEL)[0]
    mesh = trimesh.load_mesh(path, process=False)
    assert mesh.vertices.shape == (10, 3) and mesh.faces.shape == (6, 3)
    np.testing.assert_array_equal(mesh.visual.vertex_colors[5:, :3], np.tile([204, 51, 26], (5, 1)))
    np.testing.assert_array_equal(mesh.visual.vertex_colors[3, :3], TEXTURE[0, 0])


def test_an_obj_after_another_has_its_own_faces_and_places(tmp_path: Path) -> None:
    skin = MODEL.meshes[0]
    turned = NamedMesh("skin", CORNERS, QUADS[:, ::-1][:1], skin.material, UV[::-1], {})
    texts = []
    for name, mesh in (("first", skin), ("second", turned), ("first", skin)):
        WRITERS["obj"](tmp_path / f"{name}.obj", Model(name, [mesh], {}))
        texts.append((tmp_path / f"{name}.obj").read_text(encoding="utf-8").splitlines())
    assert texts[0] == texts[2]
    assert [line for line in texts[1] if line[:2] == "f "] == ["f 4/4/4 3/3/3 2/2/2 1/1/1"]
    places = [[line for line in text if line[:3] == "vt "] for text in texts]
    assert places[1] == places[0][::-1] != places[0]
