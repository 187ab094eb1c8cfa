"""Videos: filters, broken frames, who is who, and the files of a performance."""

from __future__ import annotations

import csv
import json
import os
import struct
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.effects.heads import photographed
from tests.toy_network import Discs, disc_photo, save_toy_network
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.inference import Reconstructor
from tfface.io.files import write_results, written_by_us
from tfface.io.results import free_names
from tfface.video.files import FACE_CAPTURE_ORDER, csv_text, save_performer, timecode
from tfface.video.person import Performer
from tfface.video.run import Options, predict_video
from tfface.video.smooth import OneEuro, OneEuroTurn
from tfface.video.source import is_video, open_video
from tfface.video.transfer import moving_head

TIMES = np.arange(90) / 30


def _film(path: Path, frames: list[np.ndarray]) -> Path:
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (width, height))
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


def _discs(count: int, second: bool = False) -> list[np.ndarray]:
    frames = []
    for k in range(count):
        frame = disc_photo(160, 320, (70.0 + 2 * k, 80.0), 24)
        if second:
            other = disc_photo(160, 320, (250.0, 80.0 - k), 20)
            frame = np.where(other[..., :1] > 120, other, frame)
        frames.append(frame)
    return frames


def test_the_filter_calms_noise_and_follows_steps() -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, (90, 3))
    quiet = np.array([f(x, s) for f in [OneEuro(1.0, 2.0)] for x, s in zip(noise, TIMES, strict=True)])
    assert quiet[20:].std() < 0.5 * noise[20:].std()
    step = np.where(TIMES < 1, 0.0, 1.0)[:, None]
    followed = np.array([f(x, s) for f in [OneEuro(1.0, 2.0)] for x, s in zip(step, TIMES, strict=True)])
    assert followed[29] == 0 and followed[45] > 0.9 and followed[-1] == pytest.approx(1, abs=0.01)
    same = np.array([f(x, s) for f in [OneEuro(1.0, 2.0, 0.0)] for x, s in zip(noise, TIMES, strict=True)])
    np.testing.assert_array_equal(same, noise)


def test_turns_are_smooth_whatever_a_quaternions_sign() -> None:
    turns = Rotation.from_euler("y", np.linspace(0, 80, 90)[:, None], degrees=True).as_quat()
    turns[::2] *= -1
    smooth = np.array([f(q, s) for f in [OneEuroTurn(1.0, 20.0)] for q, s in zip(turns, TIMES, strict=True)])
    np.testing.assert_allclose(np.linalg.norm(smooth, axis=1), 1, atol=1e-9)
    assert (np.einsum("ij,ij->i", smooth[1:], smooth[:-1]) > 0.99).all()
    last = Rotation.from_quat(smooth[-1]).magnitude()
    assert np.degrees(last) == pytest.approx(80, abs=6)


def test_broken_frames_are_passed_over(tmp_path: Path) -> None:
    path = _film(tmp_path / "discs.avi", _discs(12))
    data = bytearray(path.read_bytes())
    starts = [place for place in range(len(data) - 8) if data[place : place + 4] == b"00dc"][:12]
    size = struct.unpack_from("<I", data, starts[5] + 4)[0]
    data[starts[5] + 8 : starts[5] + 8 + size] = bytes(size)
    path.write_bytes(bytes(data))
    with open_video(path) as video:
        frames = list(video.frames())
    assert video.fps == pytest.approx(25) and not video.camera
    whole = [frame for frame in frames if frame.image is not None]
    assert len(whole) == 11 and len(frames) in (11, 12)


def test_what_is_no_video_is_reported(tmp_path: Path) -> None:
    assert is_video(Path("talk.MP4")) and is_video(Path("0")) and not is_video(Path("a.jpg"))
    (tmp_path / "a.mp4").write_text("no video")
    for path, message in (
        (tmp_path / "a.mp4", "cannot be read as a video"),
        (tmp_path / "b.mp4", "does not exist"),
        (Path("77"), "Camera 77 cannot be opened"),
    ):
        with pytest.raises(UserError, match=message), open_video(path):
            pass


@pytest.fixture(scope="module")
def reconstructor(tmp_path_factory: pytest.TempPathFactory) -> Reconstructor:
    return Reconstructor(str(save_toy_network(tmp_path_factory.mktemp("video_model"))), Discs(), 0)


def test_two_people_are_followed_to_their_files(reconstructor: Reconstructor, tmp_path: Path) -> None:
    film = _film(tmp_path / "two.avi", _discs(14, second=True))
    lines: list[str] = []
    out = tmp_path / "out"
    options = Options(level=0)
    paths = predict_video(film, out, reconstructor, Discs(), options, lines.append, lambda line: None)
    assert {path.name for path in paths} == {
        "two_overlay.mp4",
        *(f"two_{k}{end}" for k in (0, 1) for end in (".csv", ".glb", ".json")),
    }
    assert all(written_by_us(path) for path in paths if path.suffix != ".csv")
    assert "14 frames" in lines[-1] and "a second" in lines[-1]
    assert json.loads((out / "two_0.json").read_text())["frames"] == list(range(14))
    predict_video(film, out, reconstructor, Discs(), options, lines.append, lambda line: None)  # ours: again is fine
    (out / "two_0.json").write_text("{}")
    with pytest.raises(UserError, match="two_0.json is there and is not a result"):
        predict_video(film, out, reconstructor, Discs(), options, lines.append, lambda line: None)


def test_another_of_the_same_name_overwrites_nothing(reconstructor: Reconstructor, tmp_path: Path) -> None:
    """A second video, and photographs before and after."""
    out, said = tmp_path / "out", [].append
    source = {"name": "two.png", "sha256": "a" * 64}
    for place, kind in enumerate((".avi", ".mkv", ".avi")):
        film = _film(tmp_path / f"two{kind}", _discs(8 if kind == ".avi" else 9))
        predict_video(film, out, reconstructor, Discs(), Options(level=0), said, lambda _: None)
        if place == 0:
            assert free_names(out, "two", 1, source) == ["two-2"]
            write_results(out / "two-2.json", {"photograph": source})
    films = {name: json.loads((out / f"{name}.json").read_text())["frames"] for name in ("two", "two-3")}
    assert films == {"two": list(range(8)), "two-3": list(range(9))} and not (out / "two-4.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="names of other systems are Unicode")
def test_a_name_that_is_no_utf8_does_not_end_the_process(reconstructor: Reconstructor, tmp_path: Path) -> None:
    film = _film(tmp_path / "film.avi", _discs(8)).rename(tmp_path / os.fsdecode(b"caf\xe9.avi"))
    out = tmp_path / os.fsdecode(b"\xe9")
    paths = predict_video(film, out, reconstructor, Discs(), Options(level=0), [].append, lambda _: None)
    assert len(paths) == 4 and all(path.is_file() for path in paths)


def _away_and_back(blue: int) -> list[np.ndarray]:
    """Somebody at the left with another at the right; both leave; after 2.4 seconds one stands in the middle."""
    grey = np.full((160, 320, 3), 90, np.uint8)
    one, other = disc_photo(160, 320, (70.0, 80.0), 24), disc_photo(160, 320, (250.0, 80.0), 20)
    other[..., 2] = np.where(other[..., 0] > 120, 200, other[..., 2])
    both = np.where(other[..., :1] > 120, other, one)
    back = disc_photo(160, 320, (160.0, 90.0), 22)
    back[..., 2] = np.where(back[..., 0] > 120, blue, back[..., 2])
    return [both] * 10 + [grey] * 60 + [back] * 10


@pytest.mark.parametrize(("blue", "frames"), [(0, (20, 10)), (200, (10, 20)), (100, (10, 10, 10))])
def test_one_who_comes_back_is_known_by_the_colours(
    reconstructor: Reconstructor, tmp_path: Path, blue: int, frames: tuple[int, ...]
) -> None:
    """Red, magenta, or a third colour: the first one's file, the second one's, or a third."""
    film = _film(tmp_path / "back.avi", _away_and_back(blue))
    lines: list[str] = []
    options = Options(level=0, formats=())
    predict_video(film, tmp_path / "out", reconstructor, Discs(), options, lines.append, lambda _: None)
    written = [json.loads((tmp_path / "out" / f"back_{k}.json").read_text())["frames"] for k in range(len(frames))]
    assert sorted(len(each) for each in written) == sorted(frames) and not (tmp_path / "out" / "back_3.json").exists()
    assert ("number 2 of the overlay" in "".join(lines)) == (len(frames) == 2)
    if len(frames) == 2:
        longer = max(written, key=len)
        assert longer[:2] == [0, 1] and longer[-1] == 79


def test_a_video_without_a_face_leaves_nothing(reconstructor: Reconstructor, tmp_path: Path) -> None:
    film = _film(tmp_path / "grey.avi", [np.full((96, 128, 3), 90, np.uint8)] * 6)
    with pytest.raises(UserError, match="no face that can be followed"):
        predict_video(film, tmp_path / "out", reconstructor, Discs(), Options(), lambda _: None, lambda _: None)
    assert not list((tmp_path / "out").iterdir())


def _performer() -> Performer:
    performer = Performer(None, smooth=0.0)
    for frame, (yaw, smile) in enumerate([(0.0, 0.0), (12.0, 0.5), (25.0, 0.9)]):
        performer.add(photographed(yaw, smile), frame, frame / 25)
    return performer


def test_a_performance_as_csv() -> None:
    assert sorted(FACE_CAPTURE_ORDER) == sorted(load_open_face().expression_names)
    rows = list(csv.DictReader(csv_text(_performer(), 25.0).splitlines()))
    assert len(rows) == 3 and len(rows[0]) == 63 and rows[2]["BlendShapeCount"] == "61"
    assert [row["Timecode"] for row in rows] == ["00:00:00:00.000", "00:00:00:01.000", "00:00:00:02.000"]
    yaw = np.degrees([float(row["HeadYaw"]) for row in rows])
    np.testing.assert_allclose(yaw, [0, 12, 25], atol=2.0)
    smiles = [float(row["MouthSmileLeft"]) for row in rows]
    assert smiles[0] < smiles[1] < smiles[2] and abs(float(rows[0]["LeftEyeYaw"])) < 0.2
    assert timecode(3661.5, 30) == "01:01:01:15.000"


def test_another_head_plays_it_and_keeps_its_pose_if_asked() -> None:
    performer, other = _performer(), photographed(-20.0, 0.0)
    turning, still = (moving_head(other, performer, "face", turn).animation for turn in (None, other.camera.rotation))
    assert turning is not None and still is not None
    spread = [np.ptp(each.rotations, axis=0).max() for each in (turning, still)]
    assert spread[0] > 0.1 and spread[1] < 1e-6
    np.testing.assert_allclose(turning.weights, still.weights)
    assert np.ptp(turning.weights, axis=0).max() > 0.1


def test_a_performance_as_an_animation(tmp_path: Path) -> None:
    video = {"name": "known", "fps": 25.0, "width": 400, "height": 400, "frames": 3, "broken": []}
    paths = save_performer(_performer(), tmp_path / "known", video, "face", 0, True)
    data = next(path for path in paths if path.suffix == ".glb").read_bytes()
    tree: dict[str, Any] = json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])
    (animation,) = tree["animations"]
    kinds = [channel["target"]["path"] for channel in animation["channels"]]
    moving = [node for node in tree["nodes"] if "mesh" in node]
    assert kinds.count("weights") == len(moving) and kinds[-2:] == ["rotation", "translation"]
    inputs = {sampler["input"] for sampler in animation["samplers"]}
    times = tree["accessors"][inputs.pop()]
    assert not inputs and times["count"] == 3 and times["max"][0] == pytest.approx(2 / 25)
    counts = [tree["accessors"][sampler["output"]]["count"] for sampler in animation["samplers"]]
    assert counts == [3 * 52, 3, 3]
