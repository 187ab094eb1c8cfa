"""What the page makes of what is dropped on it, and what it refuses."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import tfface.video.run  # noqa: F401  # before a test puts another detector in the registry
from tests.toy_network import Discs, disc_photo, save_toy_network
from tfface import app
from tfface.errors import UserError
from tfface.inference import Reconstructor
from tfface.io.film import FOR_BROWSERS, film
from tfface.io.image import write_image


@pytest.fixture(scope="module")
def reconstructor(tmp_path_factory: pytest.TempPathFactory) -> Reconstructor:
    return Reconstructor(str(save_toy_network(tmp_path_factory.mktemp("app_model"))), Discs(), 0)


def test_a_photograph_becomes_files_and_a_model(reconstructor: Reconstructor, tmp_path: Path) -> None:
    write_image(tmp_path / "disc.png", disc_photo(160, 200, (100, 80), 30))
    shares: list[float] = []
    made = app.make([tmp_path / "disc.png"], tmp_path / "out", reconstructor, lambda share, _: shares.append(share))
    assert "yaw" in made.report and made.film is None
    assert made.model is not None and made.model.is_file() and made.picture is not None and made.picture.is_file()
    assert {".glb", ".obj", ".json", ".png"} <= {path.suffix for path in made.files} and made.model in made.files
    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] < 1


def test_a_video_becomes_a_film_and_a_head_that_moves(reconstructor: Reconstructor, tmp_path: Path) -> None:
    with film(tmp_path / "discs.mp4", 25.0, FOR_BROWSERS) as add:
        for k in range(8):
            add(disc_photo(160, 208, (80.0 + 4 * k, 80.0), 30))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfface.detect.registry.load_detector", lambda _: Discs())
        made = app.make([tmp_path / "discs.mp4"], tmp_path / "out", reconstructor, lambda *_: None)
    assert made.film is not None and made.film.suffix == ".mp4" and made.picture is None
    assert made.model is not None and made.model in made.files
    data = made.model.read_bytes()
    tree = json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])
    channels = {channel["target"]["path"] for channel in tree["animations"][0]["channels"]}
    assert channels == {"weights", "rotation", "translation"}


def test_what_is_too_much_is_refused(
    reconstructor: Reconstructor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, film = tmp_path / "a.png", tmp_path / "b.mp4"
    write_image(photo, np.full((100, 100, 3), 90, np.uint8))
    film.write_bytes(b"x")
    for uploads, message in (
        ([], "Nothing was dropped"),
        ([photo] * 13, "13 files are too many"),
        ([photo, film], "A video goes alone"),
        ([film], "cannot be read as a video"),
        ([photo], "No face was found"),
    ):
        with pytest.raises(UserError, match=message):
            app.make(uploads, tmp_path / "out", reconstructor, lambda *_: None)
    monkeypatch.setattr(app, "MOST_PIXELS", 5000)
    with pytest.raises(UserError, match="100 x 100 pixels"):
        app.make([photo], tmp_path / "out", reconstructor, lambda *_: None)
    monkeypatch.setattr(app, "MOST_BYTES", 10)
    with pytest.raises(UserError, match="a.png is too large"):
        app.make([photo], tmp_path / "out", reconstructor, lambda *_: None)


def test_it_listens_on_this_machine_alone() -> None:
    assert app.HOST == "127.0.0.1"


def test_uploads_are_called_as_people_call_them(tmp_path: Path) -> None:
    upload = tmp_path / "0a1b" / "photo.jpg"
    error = UserError(f"{upload} is not a picture that can be read: give a JPEG.")
    assert app.sentence_of(error, [str(upload)]) == "photo.jpg is not a picture that can be read: give a JPEG."


@pytest.mark.slow
def test_wrong_requests_are_reported_and_nothing_is_kept(tmp_path: Path) -> None:
    """Sent to the page's HTTP API, not through the page; SIGTERM ends it and deletes what was sent."""
    pytest.importorskip("gradio")
    with socket.socket() as free:
        free.bind((app.HOST, 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "room")}
    (tmp_path / "room").mkdir()
    command = [sys.executable, "-m", "tfface.app", "--port", str(port), "--model", "fast"]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        api = f"http://{app.HOST}:{port}/gradio_api"
        _until_it_answers(f"{api}/info", server)
        outside = {"path": str(tmp_path / "log"), "meta": {"_type": "gradio.FileData"}}
        for data in ([3], [["/etc/passwd"]], [[outside]], [[{"path": "x\0y"}]], [{"a": 1}], []):
            printed = _asked(api, data)
            assert "cannot be read" in printed and "Traceback" not in printed, (data, printed)
        assert "Nothing was dropped" in _asked(api, [[]])
        assert list((tmp_path / "room").iterdir()) and server.poll() is None
        assert b"Traceback" not in (tmp_path / "log").read_bytes()
        server.terminate()
        assert server.wait(30) == 0 and not list((tmp_path / "room").iterdir())
    finally:
        server.kill()


def _until_it_answers(address: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert server.poll() is None
        try:
            urllib.request.urlopen(address).close()
            return
        except OSError:
            time.sleep(0.3)
    raise AssertionError("the page does not answer")


def _asked(api: str, data: object) -> str:
    body = json.dumps({"data": data}).encode()
    asked = urllib.request.Request(f"{api}/call/reconstruct", body, {"content-type": "application/json"})
    with urllib.request.urlopen(asked) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{api}/call/reconstruct/{event}") as answer:
        return str(answer.read().decode())
