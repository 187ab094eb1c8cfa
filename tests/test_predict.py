"""The command: one photograph, folders, and the ways to be wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.toy_network import disc_photo, save_toy_network
from tfface.cli import run
from tfface.io.image import write_image
from tfface.predict import main


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_toy_network(tmp_path_factory.mktemp("model")))


def test_a_photograph_with_a_box(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "disc.png"
    write_image(photo, disc_photo(160, 200, (100, 80), 30))
    out = tmp_path / "out"
    arguments = [str(photo), "--model", model, "--out", str(out), "--box", "40", "20", "160", "140"]
    assert main(arguments) == 0
    assert "yaw 25" in capsys.readouterr().out
    assert json.loads((out / "disc.json").read_text())["model"] == "toy"


def test_a_head_as_one_file(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, out = tmp_path / "disc.png", tmp_path / "out"
    write_image(photo, disc_photo(160, 200, (100, 80), 30))
    box = ["--box", "40", "20", "160", "140"]
    asked = ["--mesh", "head", "--level", "0", "--formats", "glb", "--texture-size", "256"]
    assert main([str(photo), "--model", model, "--out", str(out), *box, *asked]) == 0
    assert "disc.glb" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["disc.glb", "disc.json"]
    assert json.loads((out / "disc.json").read_text())["made_with"]["files"]["mesh"] == "head"
    assert run(main, [str(photo), "--model", model, "--out", str(out), *box, "--texture-size", "300"]) == 2
    assert "texture_size 300 does not exist: choose 256, 512" in capsys.readouterr().err


def test_a_folder_goes_on_after_a_failure(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = pytest.importorskip("skimage.data")
    photos = tmp_path / "photos"
    write_image(photos / "a.png", np.full((80, 80, 3), 128, np.uint8))
    (photos / "b.jpg").write_text("no picture")
    write_image(photos / "c.jpg", data.astronaut())
    assert main([str(photos), "--model", model, "--out", str(tmp_path / "out"), "--detector", "dlib"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert [line.split("photos/")[1][:5] for line in errors[:2]] == ["a.png", "b.jpg"]
    assert errors[2].startswith("tfface predict: 2 of 3")
    assert (tmp_path / "out" / "c.glb").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jpg"], "does not exist"),
        (["{photo}", "--detector", "dlb"], "did you mean dlib"),
        (["{photo}", "--model", "{folder}"], "neither a preset"),
        (["{photo}", "--box", "9", "9", "1", "1", "--model", "{model}"], "left top right bottom"),
        (["{empty}"], "holds no pictures"),
    ],
)
def test_wrong_input_exits_with_two(
    arguments: list[str],
    message: str,
    model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # the default --out lies in the working folder
    places = {"photo": tmp_path / "p.png", "folder": tmp_path, "model": model, "empty": tmp_path / "empty"}
    write_image(tmp_path / "p.png", disc_photo(64, 64, (30, 30), 9))
    (tmp_path / "empty").mkdir()
    assert run(main, [text.format(**places) for text in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["x.jpg", "--modle", "y"], 2)])
def test_help_and_wrong_flags_have_exit_codes(arguments: list[str], code: int) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == code
