"""The command of a face's uses: its files, and the ways to be wrong."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.toy_network import Discs, disc_photo, save_toy_network
from tfface.apply import main
from tfface.cli import run
from tfface.io.files import written_by_us
from tfface.io.film import film
from tfface.io.image import read_image, write_image
from tfface.video.source import open_video

BOX = ["--box", "40", "20", "160", "140"]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_toy_network(tmp_path_factory.mktemp("apply_model")))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    write_image(tmp_path / "disc.png", disc_photo(160, 200, (100, 80), 30))
    return tmp_path / "disc.png"


@pytest.mark.parametrize(
    ("what", "files"),
    [
        (["pose"], {"_pose.png", "_pose.json"}),
        (["maps"], {f"_map_{n}.png" for n in ("depth", "normals", "pncc", "visibility", "position")} | {"_maps.json"}),
        (["relight", "--direction", "-60", "20"], {"_relit.png"}),
        (["makeup", "--texture-size", "256"], {"_uv.png"}),
        (["turntable", "--size", "64", "--seconds", "0.2"], {"_turntable.gif", "_turntable.mp4"}),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_each_use_writes_its_files(what: list[str], files: set[str], model: str, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main([what[0], str(photo), "--model", model, "--out", str(out), *BOX, *what[1:]]) == 0
    assert {path.name for path in out.iterdir()} == {f"disc{end}" for end in files}
    assert all(written_by_us(path) for path in out.iterdir())
    if what[0] == "pose":
        faces = json.loads((out / "disc_pose.json").read_text())["faces"]
        assert faces[0]["pose"]["yaw_deg"] == pytest.approx(25, abs=1)
        assert (read_image(out / "disc_pose.png") != read_image(photo)).any()


@pytest.mark.parametrize("keep", [[], ["--keep-pose"]], ids=["", "keep-pose"])
def test_a_videos_expressions_move_the_photographs_head(
    keep: list[str], model: str, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, out = tmp_path / "other.mp4", tmp_path / "out"
    with film(video, 25.0) as add:
        for k in range(7):
            add(disc_photo(160, 208, (80.0 + 4 * k, 80.0), 30))
    monkeypatch.setattr("tfface.detect.registry.load_detector", lambda *_: Discs())
    given = [
        "transfer",
        str(photo),
        str(video),
        "--model",
        model,
        "--out",
        str(out),
        "--size",
        "64",
        "--seconds",
        "0.3",
    ]
    assert main([*given, *keep]) == 0
    assert {path.name for path in out.iterdir()} == {"disc_transfer.mp4", "disc_transfer.glb"}
    data = (out / "disc_transfer.glb").read_bytes()
    tree = json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])
    assert {channel["target"]["path"] for channel in tree["animations"][0]["channels"]} == {
        *("weights", "rotation", "translation")
    }
    with open_video(out / "disc_transfer.mp4") as made:
        assert len(list(made.frames())) == 7 and made.fps == pytest.approx(25)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pose", "missing.jpg"], "does not exist"),
        (["pose", "{photo}", "--face", "3", *BOX], "no face 3"),
        (["relight", "{photo}", "--strength", "9"], "--strength 9.0 is out of range"),
        (["relight", "{photo}", "--panorama", "{photo}"], "twice as wide"),
        (["swap", "{photo}", "missing.jpg", *BOX], "does not exist"),
        (["makeup", "{photo}", "--uv", "{photo}", *BOX], "200 x 160 pixels"),
        (["transfer", "{photo}", "missing.mp4", *BOX], "does not exist"),
        (["transfer", "{photo}", "{photo}", "--seconds", "nan", *BOX], "--seconds nan is out of range"),
        (["turntable", "{photo}", "--size", "9", *BOX], "--size 9 is out of range"),
        (["frontalise", "{folder}", *BOX], "--box goes with one photograph only"),
    ],
)
def test_wrong_input_is_reported_and_leaves_nothing(
    arguments: list[str], message: str, model: str, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [text.format(photo=photo, folder=tmp_path) for text in arguments]
    assert run(main, [*filled, "--model", model, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_what_is_not_ours_is_not_overwritten(
    model: str, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = tmp_path / "out" / "disc_relit.png"
    write_image(theirs, np.zeros((40, 40, 3), np.uint8))
    before = theirs.read_bytes()
    arguments = ["relight", str(photo), "--model", model, "--out", str(tmp_path / "out"), *BOX]
    assert run(main, arguments) == 2
    assert "not a result of tfface" in capsys.readouterr().err and theirs.read_bytes() == before
    assert main([*arguments, "--overwrite"]) == 0 and written_by_us(theirs)
