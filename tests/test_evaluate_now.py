"""The NoW challenge on a tiny folder in its authors' layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tfface.errors import UserError
from tfface.evaluate import main
from tfface.evaluation.now import evaluate_now, read_now, read_pp
from tfface.evaluation.scans import BASELINE, mean_surface
from tfface.face.open_model import load_open_face
from tfface.geometry.align import Similarity
from tfface.geometry.rotation import euler_to_matrix
from tfface.io.mesh import Mesh, write_mesh
from tfface.metrics.reconstruction import NOW_LANDMARKS, Surface

MOTION = Similarity(0.01, euler_to_matrix(0.5, 0.1, -0.2), np.array([1.0, 2.0, 3.0]))


def write_pp(file: Path, points: np.ndarray) -> None:
    rows = [
        f'  <point x="{x:.6f}" y="{y:.6f}" z="{z:.6f}" active="1" name="{i}"/>' for i, (x, y, z) in enumerate(points)
    ]
    head = "<!DOCTYPE PickedPoints>\n<PickedPoints>\n <DocumentData>\n </DocumentData>\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(head + "\n".join(rows) + "\n</PickedPoints>\n")


def write_surface(file: Path, surface: Surface) -> None:
    write_mesh(file, Mesh(np.asarray(surface.vertices, np.float32), np.asarray(surface.triangles, np.int32)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two persons, three images; the peer `copy` has the scan of one person in metres' size and another pose."""
    mean = mean_surface(load_open_face(), level=0)
    data, peer = tmp_path / "now", tmp_path / "peers" / "copy"
    for subject, width in (("A_1", 1.1), ("B_2", 0.9)):
        person = Surface(mean.vertices * [width, 1, 1], mean.triangles, mean.landmarks * [width, 1, 1])
        write_surface(data / "scans" / subject / "natural_head_rotation.obj", person)
        write_pp(data / "scans_lmks_onlypp" / subject / "natural.pp", person.landmarks[list(NOW_LANDMARKS)])
        if subject == "A_1":
            for challenge in ("selfie", "multiview_neutral"):
                moved = person.moved(MOTION)
                write_surface(peer / subject / challenge / "IMG_1.ply", moved)
                np.savetxt(peer / subject / challenge / "IMG_1.txt", moved.landmarks[list(NOW_LANDMARKS)])
    lines = ["A_1/selfie/IMG_1.jpg", "A_1/multiview_neutral/IMG_1.jpg", "B_2/selfie/IMG_1.jpg", "C_3/selfie/IMG_1.jpg"]
    (data / "imagepathsvalidation.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_now_command_names_what_is_missing_and_a_copy_is_exact(folder: Path) -> None:
    arguments = ["--benchmark", "now", "--data", str(folder / "now"), "--peers", str(folder / "peers")]
    assert main([*arguments, "--out", str(folder / "out")]) == 1
    results = json.loads((folder / "out" / "results.json").read_text())
    assert list(results["broken"]) == ["C_3/selfie/IMG_1.jpg"] and results["images"] == 3
    copy, mean = results["models"]["copy"], results["models"][BASELINE]
    assert list(copy["failed"]) == ["B_2/selfie/IMG_1"]
    assert copy["groups"]["all"]["mean"] < 1e-2 and copy["groups"]["all"]["images"] == 2
    assert mean["groups"]["selfie"]["images"] == 2 and 0.2 < mean["groups"]["all"]["median"] < 5
    assert (folder / "out" / "report.html").read_text().count("data:image/png") == 1


def test_broken_folders_are_reported(folder: Path, tmp_path: Path) -> None:
    items, broken = read_now(folder / "now", limit=1)
    assert items[0].name == "A_1/selfie/IMG_1" and not broken
    assert read_pp(items[0].points).shape == (7, 3)
    with pytest.raises(UserError, match="imagepathsvalidation"):
        evaluate_now(tmp_path / "peers")
