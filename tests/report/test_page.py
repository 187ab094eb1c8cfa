"""The report: self-contained, safe whatever names are, and the meshes in it those of the results."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.effects.heads import photographed
from tfface.errors import UserError
from tfface.face.head_mesh import head_mesh
from tfface.face.open_model import load_open_face
from tfface.io.files import written_by_us
from tfface.io.formats import FileOptions
from tfface.io.image import write_image
from tfface.report.page import write_report
from tfface.view import write_view

EVIL = "</script><b>x"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    result = photographed(20.0, smile=0.8)
    write_image(folder / "photos" / "her.png", result.image)
    options = FileOptions(level=0, formats=("obj", "png"), texture_size=256)
    result.save(folder, "her", files=options)
    result.save(folder, "plain", files=FileOptions(level=0, formats=("glb",), texture_size=256))
    return folder


def _blocks(text: str) -> dict[str, object]:
    found = re.findall(r'<script type="application/json" id="(\w+)">(.*?)</script>', text)
    return {name: json.loads(content) for name, content in found}


def test_a_page_holds_its_faces_and_fetches_nothing(folder: Path) -> None:
    photo = folder / "photos" / "her.png"
    path = write_report(folder, [(photo, "her"), (photo, "gone"), (photo, "plain")], ["a.jpg: <b> no face"], EVIL)
    text = path.read_text(encoding="utf-8")
    assert written_by_us(path) and "http://" not in text.replace("http-equiv", "") and "https://" not in text
    assert "default-src 'none'" in text and EVIL not in text and "a.jpg: &lt;b&gt; no face" in text
    blocks = _blocks(text)
    her, plain = blocks["list"]
    assert her["name"] == "her" and her["yaw"] == pytest.approx(20, abs=1.5) and plain["name"] == "plain"
    assert "mouthSmileLeft" in dict(her["expression"])
    assert base64.b64decode(blocks["face0"]["photo"])[:2] == b"\xff\xd8" and blocks["face0"]["texture"]
    assert blocks["face1"]["overlay"] is None and blocks["face1"]["texture"]  # out of the GLB


def test_its_mesh_is_the_results(folder: Path) -> None:
    text = write_report(folder, [(folder / "photos" / "her.png", "her")], [], "one").read_text(encoding="utf-8")
    blocks = _blocks(text)
    mean = np.frombuffer(base64.b64decode(blocks["shared"]["mean"]), np.int16) / 100
    face = blocks["face0"]
    points = mean + np.frombuffer(base64.b64decode(face["mesh"]), np.int8) * face["step"]
    wanted = head_mesh("face", 0).vertices(*photographed(20.0, smile=0.8).shape) - load_open_face().centre
    assert np.abs(points.reshape(-1, 3) - wanted).max() < face["step"] and face["step"] < 0.3
    skin = blocks["shared"]["pieces"][0]
    triangles = np.frombuffer(base64.b64decode(skin["triangles"]), np.uint16)
    assert skin["name"] == "skin" and triangles.max() < len(points) // 3


def test_a_view_moves_its_faces_as_morph_targets_do(folder: Path) -> None:
    for given in (folder, folder / "her_texture.png", folder / "her.json"):
        blocks = _blocks(write_view(given).read_text(encoding="utf-8"))
        assert [face["name"] for face in blocks["list"]] == (["her", "plain"] if given == folder else ["her"])
    names, targets = load_open_face().expression_names, head_mesh("face", 0).morph_targets()
    jaw = blocks["shared"]["moves"][names.index("jawOpen")]
    moved = np.zeros_like(targets["jawOpen"])
    rows = np.frombuffer(base64.b64decode(jaw["rows"]), np.uint16)
    moved[rows] = np.frombuffer(base64.b64decode(jaw["offsets"]), np.int8).reshape(-1, 3) * jaw["step"]
    assert jaw["name"] == "jawOpen" and np.abs(moved - targets["jawOpen"]).max() < max(jaw["step"], 0.021)
    shape = blocks["shared"]["moves"][len(names)]
    assert shape["name"] == "shape 1" and (shape["least"], shape["most"]) == (-2, 2)
    identity = photographed(20.0, smile=0.8).shape[0]
    np.testing.assert_allclose(blocks["face0"]["weights"][len(names) :], identity[:10], atol=2e-3)
    assert blocks["face0"]["weights"][names.index("mouthSmileLeft")] == pytest.approx(0.8, abs=0.25)
    for wrong in (folder / "photos", folder / "absent.glb", folder / "photos" / "her.png"):
        with pytest.raises(UserError):
            write_view(wrong)


def test_a_report_of_others_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(UserError, match="not a result of tfface"):
        write_report(tmp_path, [], [], "none")
    assert (tmp_path / "report.html").read_text() == "mine"
