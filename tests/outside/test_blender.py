"""What an artist finds in Blender: names, metres, axes, textures, 52 shape keys, pivots and an animation.

Runs where Blender is: a Python that has `bpy` (this one, or what TFFACE_BLENDER names), or `blender` in the PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.effects.heads import photographed
from tfface.face.head_mesh import head_mesh
from tfface.face.open_model import load_open_face
from tfface.io.formats import FileOptions
from tfface.video.files import save_performer
from tfface.video.person import Performer

READS = Path(__file__).with_name("blender_reads.py")
KIND = "full"
PIECES = {"skin", "shoulders", "eye_left", "eye_right", "teeth_upper", "teeth_lower", "gums", "tongue", "mouth"}
TURNS = (0.0, 15.0, 30.0)
FPS = 2.0
"""So that Blender's frames 0, 12 and 24, of 24 a second, are ours."""
MM = 0.001

pytestmark = pytest.mark.slow


def _command() -> list[str]:
    given = os.environ.get("TFFACE_BLENDER") or (sys.executable if find_spec("bpy") else shutil.which("blender"))
    if given is None:
        pytest.skip("no Blender: pip install bpy, or name a Python that has it, or a blender, in TFFACE_BLENDER")
    if "python" in Path(given).name:
        return [given, str(READS)]
    return [given, "--background", "--factory-startup", "--python-exit-code", "1", "--python", str(READS), "--"]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Each file by its name, as Blender has it."""
    command, folder = _command(), tmp_path_factory.mktemp("blender")
    options = FileOptions(mesh=KIND, level=0, formats=("glb", "obj", "ply"), texture_size=256)
    photographed(20.0, smile=0.8).save(folder, "her", files=options)
    performer = Performer(None, smooth=0.0)
    for frame, yaw in enumerate(TURNS):
        performer.add(photographed(yaw, 0.3 * frame), frame, frame / FPS)
    video = {"name": "moving", "fps": FPS, "width": 400, "height": 400, "frames": len(TURNS), "broken": []}
    save_performer(performer, folder / "moving", video, KIND, 0, True)
    files = [str(folder / name) for name in ("her.glb", "her.obj", "her.ply", "moving.glb")]
    done = subprocess.run([*command, *files], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("BLENDER ")]
    read: dict[str, Any] = json.loads(lines[0].removeprefix("BLENDER "))
    return read


def _expected(smiling: bool) -> np.ndarray:
    """The corners `[2,3]` of the model's box in metres with z up: x stays, the face's z looks along -y."""
    identity, expression = photographed(20.0, smile=0.8).shape
    shown = expression if smiling else np.zeros_like(expression)
    points = (head_mesh(KIND, 0).vertices(identity, shown) - load_open_face().centre)[:, [0, 2, 1]] * [1, -1, 1]
    return np.array([points.min(0), points.max(0)]) * MM


def test_a_glb_has_its_parts_in_metres_upright_and_facing_the_front_view(found: dict[str, Any]) -> None:
    meshes = found["her.glb"]["meshes"]
    assert set(meshes) == PIECES and {each["parent"] for each in meshes.values()} == {"her"}
    box = [np.min([each["low"] for each in meshes.values()], 0), np.max([each["high"] for each in meshes.values()], 0)]
    np.testing.assert_allclose(box, _expected(smiling=False), atol=2e-5)
    assert 0.35 < box[1][2] - box[0][2] < 0.5  # from the crown to the chest
    skin = meshes["skin"]
    assert abs(skin["foremost"][0]) < 0.01 and skin["foremost_normal"][1] < -0.5  # the nose, its outside outside
    for side, sign in (("left", 1), ("right", -1)):  # the person's left is the picture's right
        eye = meshes[f"eye_{side}"]
        np.testing.assert_allclose(eye["pivot"], (np.array(eye["low"]) + eye["high"]) / 2, atol=2e-3)
        assert sign * eye["pivot"][0] > 0.02


def test_its_surfaces_have_their_pictures(found: dict[str, Any]) -> None:
    read = found["her.glb"]
    for name, side in (("skin", 256), ("eye_left", 256), ("teeth_upper", 256)):
        mesh = read["meshes"][name]
        assert mesh["uv"] == 1 and read["images"][mesh["texture"]] == [side, side]
    assert read["meshes"]["tongue"]["texture"] is None and read["meshes"]["tongue"]["material"] == "tongue"


def test_its_52_keys_move_what_ours_move(found: dict[str, Any]) -> None:
    names, targets = load_open_face().expression_names, head_mesh(KIND, 0).morph_targets()
    pieces = {piece.name: piece for piece in head_mesh(KIND, 0).pieces}
    expression = dict(zip(names, photographed(20.0, smile=0.8).shape[1].tolist(), strict=True))
    for piece, mesh in found["her.glb"]["meshes"].items():
        assert tuple(mesh["keys"]) == names, piece
        for name, value in mesh["keys"].items():
            assert value == pytest.approx(expression[name], abs=1e-4), name
            wanted = np.linalg.norm(targets[name][pieces[piece].rows], axis=1).max()
            assert mesh["moved_mm"][name] == pytest.approx(wanted, abs=0.05), (piece, name)


def test_obj_and_ply_are_the_same_head(found: dict[str, Any]) -> None:
    drawn = found["her.obj"]["meshes"]
    assert set(drawn) == PIECES and drawn["skin"]["corners"][-1] == 4 and drawn["skin"]["uv"] == 1
    assert drawn["skin"]["texture"] == "her_texture.png" and drawn["eye_left"]["texture"] == "her_eye.png"
    for name in ("her.obj", "her.ply"):
        meshes = found[name]["meshes"].values()
        box = [np.min([each["low"] for each in meshes], 0), np.max([each["high"] for each in meshes], 0)]
        np.testing.assert_allclose(box, _expected(smiling=True), atol=2e-5)
    (joined,) = found["her.ply"]["meshes"].values()
    assert joined["colours"] == 1 and joined["vertices"] == head_mesh(KIND, 0).num_vertices


def test_an_animation_turns_the_head_and_moves_its_keys(found: dict[str, Any]) -> None:
    frames = found["moving.glb"]["frames"]
    assert [frame["seconds"] for frame in frames] == [0.0, 0.5, 1.0]
    smiles = [frame["keys"]["mouthSmileLeft"] for frame in frames]
    assert smiles[0] < smiles[1] < smiles[2] and smiles[2] > 0.2
    first = np.array(frames[0]["turn"])
    turned = [np.degrees(2 * np.arccos(min(abs(first @ frame["turn"]), 1))) for frame in frames]
    np.testing.assert_allclose(turned, TURNS, atol=2.0)
