"""The command: one person's photographs, and the ways to be wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.fitting.people import landmarks, nme, person, photo_of
from tfface.cli import run
from tfface.fit import main
from tfface.io.image import write_image


def test_two_photographs_of_one_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truths = [person(11, -20.0, 0.0, 1), person(11, 20.0, 0.5, 2)]
    names = [tmp_path / f"{side}.png" for side in ("left", "right")]
    for name, truth in zip(names, truths, strict=True):
        write_image(name, photo_of(truth).image)
    np.save(tmp_path / "left.npy", landmarks(truths[0]))
    (tmp_path / "right.json").write_text(json.dumps({"landmarks68_px": landmarks(truths[1]).tolist()}))
    points = ["--landmarks", str(tmp_path / "left.npy"), str(tmp_path / "right.json"), "--jaw", "mesh"]
    out = tmp_path / "out"
    assert main([*map(str, names), *points, "--steps", "8", "--out", str(out)]) == 0
    assert "yaw" in capsys.readouterr().out
    meshes = (".obj", ".mtl", "_texture.png", "_eye.png", "_tooth.png", ".glb")
    ends = (*meshes, "_overlay.png", "_sheet.png", "_depth.png", "_origin.png", "_stages.png", ".json")
    assert sorted(p.name for p in out.iterdir()) == sorted(f"{s}{e}" for s in ("left", "right") for e in ends)
    left, right = (json.loads((out / f"{side}.json").read_text()) for side in ("left", "right"))
    assert left["coefficients"]["identity_sigma"] == right["coefficients"]["identity_sigma"]
    assert left["coefficients"]["expression_weights"] != right["coefficients"]["expression_weights"]
    for answer, truth in zip((left, right), truths, strict=True):
        assert nme(np.array(answer["landmarks68_px"]), landmarks(truth)) < 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png"], "does not exist"),
        (["{photo}", "--landmarks", "{photo}"], "holds no landmarks"),
        (["{photo}", "--landmarks", "{few}"], "68 points"),
        (["{photo}", "{photo}", "--landmarks", "{few}"], "one for each photograph"),
        (["{photo}", "--landmarks", "{few}", "--landmarks-file", "x.dat"], "exclude each other"),
        (["{photo}", "--landmarks-file", "x.dat"], "x.dat does not exist"),
        (["{photo}", "--steps", "-1"], "out of range"),
        (["{photo}", "--model", "{few}"], "few.npy"),
    ],
)
def test_wrong_input_exits_with_two(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # the default --out lies in the working folder
    write_image(tmp_path / "grey.png", np.full((64, 64, 3), 128, np.uint8))
    np.save(tmp_path / "few.npy", np.zeros((5, 2)))
    places = {"photo": tmp_path / "grey.png", "few": tmp_path / "few.npy"}
    assert run(main, [text.format(**places) for text in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_help_has_an_exit_code() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert not stop.value.code
