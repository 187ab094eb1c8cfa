"""What results are called: nothing is lost, nothing overwritten, and a folder done in part goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.toy_network import disc_photo, save_toy_network
from tfface import apply
from tfface.cli import run
from tfface.errors import UserError
from tfface.io.files import mark_of, owner, written_by_us
from tfface.io.formats import REPORT
from tfface.io.image import write_image
from tfface.io.made import Film, write_made
from tfface.io.model import WRITERS, Material, Model, NamedMesh
from tfface.io.results import about, finished, free_names, own_name, photograph, stems
from tfface.predict import main


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_toy_network(tmp_path_factory.mktemp("toy")))


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    return np.asarray(pytest.importorskip("skimage.data").astronaut())


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.jpg"], ["a"]),
        (["a.jpg", "b.jpg"], ["a", "b"]),
        (["a.jpg", "a.png"], ["a_jpg", "a_png"]),
        (["a.jpg", "A.png"], ["a_jpg", "A_png"]),
        (["a.jpg", "a.png", "a_jpg.png"], ["a_jpg", "a_png", "a_jpg-2"]),
        (["group.png", "group_0.png"], ["group_png", "group_0"]),
        (["group.png", "group_x.png"], ["group", "group_x"]),
        (["x/a.jpg", "y/a.jpg"], ["a_jpg", "a_jpg-2"]),
        ([".jpg.png", "v1.2.jpg"], [".jpg", "v1.2"]),
    ],
)
def test_no_two_photographs_share_a_name(names: list[str], expected: list[str]) -> None:
    found = stems([Path(name) for name in names])
    assert found == expected


def test_a_folder_of_many_photographs_is_named() -> None:
    """Each compared with each other, these would take hours."""
    found = stems([Path(f"{n % 2}/IMG_{n // 2:05d}.jpg") for n in range(50_000)])
    assert len(set(found)) == 50_000 and found[:2] == ["IMG_00000_jpg", "IMG_00000_jpg-2"]


def test_long_names_are_cut_and_stay_their_own() -> None:
    first, second = stems([Path("ü" * 120 + end + ".png") for end in ("a", "b")])
    assert first != second and all(len(os.fsencode(name)) <= 200 for name in (first, second))


def test_two_faces_beside_a_photograph_of_that_name(
    model: str, portrait: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    write_image(photos / "group.png", np.concatenate([portrait, portrait[:, ::-1]], axis=1))
    write_image(photos / "group_0.png", portrait[:330, 90:420])
    assert run(main, [str(photos), "--model", model, "--detector", "dlib", "--out", str(out)]) == 0
    assert sorted(path.stem for path in out.glob("*.obj")) == ["group_0", "group_png_0", "group_png_1"]
    summary = json.loads((out / "group_png_1.json").read_text())
    assert summary["photograph"]["name"] == "group.png" and summary["face"] == {"number": 1, "of": 2}


def test_results_beside_their_photographs_are_none(
    model: str, portrait: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    face = portrait[:300, 100:400]
    write_image(tmp_path / "x.png", face)
    mine = np.full((80, 80, 3), 7, np.uint8)
    write_image(tmp_path / "x_overlay.png", mine)  # the user's own
    before = (tmp_path / "x_overlay.png").read_bytes()
    arguments = [str(tmp_path), "--model", model, "--detector", "dlib", "--out", str(tmp_path)]
    assert run(main, arguments) == 1  # x_overlay.png shows no face
    assert [path.name for path in tmp_path.glob("*.obj")] == ["x-2.obj"]
    assert (tmp_path / "x_overlay.png").read_bytes() == before
    stamp = (tmp_path / "x-2.obj").stat().st_mtime_ns
    capsys.readouterr()
    assert run(main, arguments) == 1
    assert "1 of 2 photographs were done before" in capsys.readouterr().err
    assert [path.name for path in tmp_path.glob("*.obj")] == ["x-2.obj"]
    assert (tmp_path / "x-2.obj").stat().st_mtime_ns == stamp
    assert all(written_by_us(path) for path in tmp_path.glob("x-2*"))


def test_a_folder_done_in_part_goes_on(model: str, portrait: np.ndarray, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    write_image(photos / "a.png", portrait[:300, 100:400])
    arguments = [str(photos), "--model", model, "--detector", "dlib", "--out", str(out)]
    assert run(main, arguments) == 0
    write_image(photos / "b.png", portrait[:320, 80:400])
    stamps = {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.name != REPORT}
    assert run(main, arguments) == 0
    assert (out / "b.json").is_file()
    assert all(f'"name":"{name}"' in (out / REPORT).read_text(encoding="utf-8") for name in "ab")
    assert all((out / name).stat().st_mtime_ns == stamp for name, stamp in stamps.items())
    assert run(main, [*arguments, "--recrop", "0"]) == 0  # made otherwise: done again
    assert (out / "a.json").stat().st_mtime_ns > stamps["a.json"]
    assert sorted(path.stem for path in out.glob("*.obj")) == ["a", "b"]


def test_another_photograph_of_the_same_name_overwrites_nothing(model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for folder, centre in (("one", (100, 80)), ("two", (90, 70))):
        photo = tmp_path / folder / "disc.png"
        write_image(photo, disc_photo(160, 200, centre, 30))
        box = ["--box", "40", "20", "160", "140"]
        for _ in range(2):
            assert run(main, [str(photo), "--model", model, *box, "--out", str(out)]) == 0
    assert sorted(path.stem for path in out.glob("*.obj")) == ["disc", "disc-2"]


def test_what_is_not_ours_is_overwritten_only_when_asked(model: str, tmp_path: Path) -> None:
    photo, out = tmp_path / "disc.png", tmp_path / "out"
    write_image(photo, disc_photo(160, 200, (100, 80), 30))
    out.mkdir()
    (out / "disc.obj").write_text("v 0 0 0\n")
    arguments = [str(photo), "--model", model, "--box", "40", "20", "160", "140", "--out", str(out)]
    assert run(main, arguments) == 0
    assert (out / "disc.obj").read_text() == "v 0 0 0\n" and (out / "disc-2.obj").is_file()
    assert run(main, [*arguments, "--overwrite"]) == 0
    assert written_by_us(out / "disc.obj")


def test_uses_of_two_photographs_of_one_name_are_kept(model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for folder, centre in (("one", (100, 80)), ("two", (90, 70)), ("one", (100, 80))):
        photo = tmp_path / folder / "disc.png"
        write_image(photo, disc_photo(160, 200, centre, 30))
        box = ["--box", "40", "20", "160", "140"]
        assert run(apply.main, ["pose", str(photo), "--model", model, *box, "--out", str(out)]) == 0
    assert sorted(path.name for path in out.glob("*.png")) == ["disc-2_pose.png", "disc_pose.png"]


@pytest.mark.parametrize("end", ["_pose.png", "_map.glb", "_turn.gif", "_turn.mp4", "_pose.json", "_neutral.ply"])
def test_every_result_says_whose_it_is(end: str, tmp_path: Path) -> None:
    picture = disc_photo(64, 64, (30, 30), 20)
    mesh = NamedMesh("m", np.eye(3, dtype=np.float32), np.array([[0, 1, 2, -1]], np.int32), Material("m"))
    contents = {".json": {"faces": []}, ".png": picture, ".glb": Model("m", [mesh])}
    mine, others = ({"name": "a.png", "sha256": digit * 64} for digit in "ab")
    if end.endswith(".ply"):
        WRITERS["ply"](tmp_path / f"a{end}", Model("m", [mesh], mark=mark_of(mine["sha256"])))
    else:
        content = contents.get(Path(end).suffix, Film([picture] * 2, 10))
        write_made(tmp_path / f"a{end}", content, mark_of(mine["sha256"]))
    assert owner(tmp_path / f"a{end}") == "a" * 16
    assert own_name(tmp_path, "a", mine, [end]) == "a" and own_name(tmp_path, "a", others, [end]) == "a-2"
    (tmp_path / f"a-2{end}").write_text("a person's own")
    with pytest.raises(UserError, match="not a result of tfface"):
        own_name(tmp_path, "a", others, [end])
    assert own_name(tmp_path, "a", others, [end], overwrite=True) == "a"


def test_a_report_that_is_not_ours_is_told_before_any_photograph(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    write_image(photos / "disc.png", disc_photo(160, 200, (100, 80), 30))
    out.mkdir()
    (out / REPORT).write_text("mine")
    assert run(main, [str(photos), "--model", model, "--out", str(out)]) == 2
    assert "--no-report" in capsys.readouterr().err and [path.name for path in out.iterdir()] == [REPORT]


def test_names_follow_the_photograph(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"one")
    (tmp_path / "b.png").write_bytes(b"two")
    one, two = photograph(tmp_path / "a.png"), photograph(tmp_path / "b.png")
    out = tmp_path / "out"
    assert free_names(out, "a", 1, one) == ["a"] and finished(out, "a", one, {}) is None
    out.mkdir()
    for number in range(2):
        summary = {"software": "written by tfface", **about(one, number, 2, {"steps": 3})}
        (out / f"a_{number}.json").write_text(json.dumps(summary))
    assert finished(out, "a", one, {"steps": 3}) == ["a_0", "a_1"]
    assert finished(out, "a", one, {"steps": 4}) is None and finished(out, "a", two, {"steps": 3}) is None
    assert free_names(out, "a", 2, one) == ["a_0", "a_1"] and free_names(out, "a", 2, two) == ["a-2_0", "a-2_1"]
    for count in (10**9, True, "2"):  # damaged
        told = {"software": "written by tfface", **about(one, 0, 2, {}), "face": {"number": 0, "of": count}}
        (out / "b_0.json").write_text(json.dumps(told))
        assert finished(out, "b", one, {}) is None
    (out / "a_1.json").unlink()
    assert finished(out, "a", one, {"steps": 3}) is None


def test_names_that_are_no_utf8_are_done_and_reported(
    model: str, portrait: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    name = os.fsdecode(b"caf\xe9.png")
    write_image(tmp_path / "photo.png", portrait[:300, 100:400])
    photos.mkdir()
    (tmp_path / "photo.png").rename(photos / name)
    (photos / os.fsdecode(b"\xff.jpg")).write_text("no picture")
    assert run(main, [str(photos), "--model", model, "--detector", "dlib", "--out", str(out)]) == 1
    assert len(list(out.glob("*.obj"))) == 1


def test_a_name_that_is_too_long_is_reported(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, [str(tmp_path / ("x" * 300 + ".png")), "--model", model]) == 2
    printed = capsys.readouterr().err
    assert "too long" in printed and printed.count("\n") == 1
