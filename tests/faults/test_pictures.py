"""Pictures that are none, or not what they say: a sentence, no Ghostscript, no gigabytes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.faults.inputs import POSTSCRIPT, bad_pictures, damages, picture, png_of_size, radiance
from tests.toy_network import save_toy_network
from tfface.cli import run
from tfface.errors import UserError
from tfface.io.image import MAX_PIXELS, list_images, read_image, survey, write_image
from tfface.io.mesh import Mesh, read_mesh, write_mesh
from tfface.predict import main

BAD = bad_pictures()


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_toy_network(tmp_path_factory.mktemp("toy")))


@pytest.mark.parametrize("name", BAD)
def test_predict_tells_a_bad_picture(
    name: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "programs" / "gs"  # whoever starts Ghostscript leaves a trace
    started.parent.mkdir()
    started.write_text(f"#!/bin/sh\ntouch {tmp_path}/ghostscript\n")
    started.chmod(0o755)
    monkeypatch.setenv("PATH", f"{started.parent}{os.pathsep}{os.environ['PATH']}")
    photo = tmp_path / name
    photo.write_bytes(BAD[name])
    arguments = [str(photo), "--model", model, "--box", "0", "0", "50", "50", "--out", str(tmp_path / "out")]
    assert run(main, arguments) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and name in printed and "Traceback" not in printed and "unexpected" not in printed
    assert not (tmp_path / "out").exists() and not (tmp_path / "ghostscript").exists()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "BMP", "TIFF", "GIF", "PPM", "JPEG2000"])
def test_damaged_pictures_are_read_or_reported(kind: str, tmp_path: Path) -> None:
    whole = picture(kind)
    path = tmp_path / "photo.bin"
    path.write_bytes(whole)
    assert read_image(path).shape == (96, 120, 3)
    for what, data in damages(whole).items():
        path.write_bytes(data)
        try:
            read_image(path)
        except UserError as error:
            assert "photo.bin" in str(error) and "\n" not in str(error), what


def test_a_folder_names_what_it_cannot_read_and_does_the_rest(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    face = np.asarray(pytest.importorskip("skimage.data").astronaut())
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, kind in (("a.png", "PNG"), ("b.avif", "AVIF"), ("c.jp2", "JPEG2000")):
        Image.fromarray(face).save(photos / name, kind)
    Image.fromarray(face).save(photos / "d.mpo", "MPO", save_all=True, append_images=[Image.fromarray(face[::2])])
    (photos / "e.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (photos / "f.png").symlink_to(tmp_path / "nothing")
    os.mkfifo(photos / "g.jpg")
    out = tmp_path / "out"
    assert run(main, [str(photos), "--model", model, "--detector", "dlib", "--out", str(out)]) == 1
    printed = capsys.readouterr().err
    assert "e.HEIC is a HEIC file" in printed and "3 of 7 photographs failed" in printed
    assert "f.png is a link to nothing" in printed and "g.jpg is not an ordinary file" in printed
    assert sorted(path.stem for path in out.glob("*.obj")) == ["a", "b", "c", "d"]


def test_the_limit_of_pixels_holds_before_anything_is_decoded(tmp_path: Path) -> None:
    code = (
        "import resource, sys\n"
        "from tfface.io.image import read_image\n"
        "from tfface.errors import UserError\n"
        "import cv2, PIL.Image\n"
        "PIL.Image.init()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for name in sys.argv[1:]:\n"
        "    try: read_image(name)\n"
        "    except UserError as error: assert 'too large' in str(error), error\n"
        "    else: raise SystemExit(name + ' was read')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    side = int(MAX_PIXELS**0.5) + 64
    (tmp_path / "large.png").write_bytes(png_of_size(side, side, 16))
    (tmp_path / "large.hdr").write_bytes(radiance(side, side, bytes(8)))
    names = [str(tmp_path / "large.png"), str(tmp_path / "large.hdr")]
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 40_000  # kilobytes
    assert resource.RUSAGE_SELF == 0


def test_a_large_picture_is_in_memory_a_few_times_only(tmp_path: Path) -> None:
    code = (
        "import resource, sys, cv2, PIL.Image, PIL.ImageOps\n"
        "from tfface.io.image import read_image\n"
        "PIL.Image.init()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert read_image(sys.argv[1]).shape == (4000, 5000, 3)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    for mode in ("I;16", "LA", "RGBA"):
        Image.new(mode, (5000, 4000)).save(tmp_path / "large.png", compress_level=1)
        command = [sys.executable, "-c", code, str(tmp_path / "large.png")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) * 1024 < 17 * 20_000_000, mode  # bytes a pixel


def test_results_are_not_taken_for_photographs(tmp_path: Path) -> None:
    image = np.full((64, 64, 3), 90, np.uint8)
    for name in ("sheet.png", "sheet.jpg"):
        write_image(tmp_path / name, image, result=True)
    for name in ("photo_overlay.png", "photo.jpg"):
        write_image(tmp_path / name, image)
    assert [path.name for path in list_images(tmp_path)] == ["photo.jpg", "photo_overlay.png"]
    assert [path.name for path in survey(tmp_path).ours] == ["sheet.jpg", "sheet.png"]


def test_a_mesh_with_postscript_for_a_texture_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = tmp_path / "gs"
    started.write_text(f"#!/bin/sh\ntouch {tmp_path}/ghostscript\n")
    started.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    corners = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    texture = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    mesh = Mesh(corners, np.int32([[0, 1, 2]]), uv=corners[:, :2], texture=texture)
    write_mesh(tmp_path / "face.obj", mesh)
    (tmp_path / "face_texture.png").write_bytes(POSTSCRIPT)
    with pytest.raises(UserError, match="face_texture.png is not a picture"):
        read_mesh(tmp_path / "face.obj")
    assert not (tmp_path / "ghostscript").exists()


def test_a_pipe_is_no_photograph(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "photo.png")
    with pytest.raises(UserError, match="not an ordinary file"):
        read_image(tmp_path / "photo.png")
