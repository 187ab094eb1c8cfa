"""Films: read back by OpenCV and Pillow, with our mark, whole or absent."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tfface.errors import UserError
from tfface.io.files import written_by_us
from tfface.io.film import FAST, film, write_gif, write_mp4
from tfface.io.image import read_layer, write_image
from tfface.io.panorama import read_panorama

FRAMES = [np.full((48, 64, 3), [40 * k, 20, 200 - 40 * k], np.uint8) for k in range(5)]


@pytest.mark.parametrize("codec", [FAST, "vp09"])
def test_an_mp4_is_read_back_frame_by_frame(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "film.mp4"
    write_mp4(path, FRAMES, 10, codec)
    assert written_by_us(path)
    reader = cv2.VideoCapture(str(path))
    assert reader.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    for frame in FRAMES:
        there, read = reader.read()
        assert there and np.abs(read[..., ::-1].astype(int) - frame).mean() < 8
    assert not reader.read()[0]


def test_a_gif_is_read_back(tmp_path: Path) -> None:
    write_gif(tmp_path / "film.gif", FRAMES, 10)
    assert written_by_us(tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as read:
        assert read.n_frames == len(FRAMES) and read.info["duration"] == 100
        read.seek(3)
        assert np.abs(np.asarray(read.convert("RGB")).astype(int) - FRAMES[3]).max() < 8


def test_a_film_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no picture at all"), film(tmp_path / "film.mp4", 10):
        pass
    with pytest.raises(ZeroDivisionError), film(tmp_path / "film.mp4", 10) as add:
        add(FRAMES[0])
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_deep_pictures_layers_and_panoramas(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 65535, (40, 50, 3)).astype(np.uint16)
    write_image(tmp_path / "deep.png", levels, result=True)
    assert written_by_us(tmp_path / "deep.png")
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "deep.png"), cv2.IMREAD_UNCHANGED)[..., ::-1], levels)
    layer = np.random.default_rng(1).integers(0, 255, (40, 40, 4)).astype(np.uint8)
    write_image(tmp_path / "layer.png", layer)
    np.testing.assert_array_equal(read_layer(tmp_path / "layer.png"), layer)
    sky = np.full((32, 64, 3), 3.0, np.float32)
    sky[8, 20] = [100, 50, 25]
    cv2.imwrite(str(tmp_path / "sky.hdr"), sky[..., ::-1])
    read = read_panorama(tmp_path / "sky.hdr")
    np.testing.assert_allclose(read[8, 20], [100, 50, 25], rtol=0.02)
    for name, message in (("layer.png", "twice as wide"), ("sky.exr", "does not exist")):
        with pytest.raises(UserError, match=message):
            read_panorama(tmp_path / name)
