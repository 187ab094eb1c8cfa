"""Pictures of every kind come in as upright RGB; crops are exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfface.errors import UserError
from tfface.geometry.align import crop_transform
from tfface.io.image import list_images, read_image, write_image
from tfface.io.warp import warp_image

RAMP = np.uint8(np.stack(np.meshgrid(np.arange(60) * 4, np.arange(40) * 6), axis=-1))
PICTURE = np.concatenate([RAMP, np.full((40, 60, 1), 100, np.uint8)], axis=-1)


def test_round_trip_with_a_unicode_path(tmp_path: Path) -> None:
    path = tmp_path / "Ünï côdé 顔.png"
    write_image(path, PICTURE)
    np.testing.assert_array_equal(read_image(path), PICTURE)


def test_exif_orientation_is_obeyed(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise by 90 degrees
    Image.fromarray(PICTURE).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png"), np.rot90(PICTURE, -1))


def test_grey_alpha_16_bits_and_cmyk(tmp_path: Path) -> None:
    grey = PICTURE[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    for name in ("grey.png", "deep.png"):
        np.testing.assert_array_equal(read_image(tmp_path / name), np.repeat(grey[..., None], 3, axis=-1))
    clear = np.dstack([PICTURE, np.zeros_like(grey)])
    Image.fromarray(clear).save(tmp_path / "clear.png")
    assert (read_image(tmp_path / "clear.png") == 255).all()
    Image.new("CMYK", (40, 40), (0, 255, 255, 0)).save(tmp_path / "ink.jpg")
    assert np.abs(read_image(tmp_path / "ink.jpg").astype(int) - [254, 0, 0]).max() < 8


def test_16_bit_colour_tiff(tmp_path: Path) -> None:
    import cv2

    encoded = cv2.imencode(".tiff", PICTURE[..., ::-1].astype(np.uint16) * 257)[1]
    (tmp_path / "deep.tiff").write_bytes(encoded.tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "deep.tiff"), PICTURE)


def test_bad_files_are_reported(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty.jpg").touch()
    write_image(tmp_path / "tiny.png", PICTURE[:5])
    whole = tmp_path / "whole.png"
    write_image(whole, np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8))
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:9000])
    messages = {
        "text.jpg": "not a picture",
        "empty.jpg": "not a picture",
        "tiny.png": "60 x 5",
        "cut.png": "broken",
        "no.png": "exist",
    }
    for name, message in messages.items():
        with pytest.raises(UserError, match=message):
            read_image(tmp_path / name)


def test_list_images(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == ["a.png", "b.JPG"]
    with pytest.raises(UserError, match="no pictures"):
        (tmp_path / "none").mkdir()
        list_images(tmp_path / "none")


def test_whole_pixel_crop_is_a_slice() -> None:
    crop = warp_image(PICTURE, crop_transform((10, 5, 42, 37), 32), 32, 32)
    np.testing.assert_array_equal(crop, PICTURE[5:37, 10:42])


@pytest.mark.parametrize(("side", "size"), [(32, 64), (32, 16), (30.6, 7), (30.6, 3), (25.0, 2)])
def test_a_linear_picture_stays_linear(side: float, size: int) -> None:
    # a picture that says where it is: every pixel of the crop must name its own centre's position
    u, v = np.meshgrid(np.arange(61) + 0.5, np.arange(43) + 0.5)
    crop = warp_image(
        np.float32(np.dstack([u, v, u])), crop_transform((8.3, 4.1, 8.3 + side, 4.1 + side), size), size, size
    )
    step = (np.arange(size) + 0.5) * side / size
    near = max(0.05, 0.016 * side / size)  # where it is halved first, within a sixtieth of the crop's pixels
    np.testing.assert_allclose(crop[..., 0], np.broadcast_to(8.3 + step, (size, size)), atol=near)
    np.testing.assert_allclose(crop[..., 1], np.broadcast_to(4.1 + step, (size, size)).T, atol=near)


def test_shrinking_averages() -> None:
    checks = np.uint8(np.indices((256, 256)).sum(0) % 2 * 255)[..., None].repeat(3, -1)
    crop = warp_image(checks, crop_transform((0, 0, 256, 256), 32), 32, 32)
    assert np.abs(crop.astype(int) - 128).max() <= 2


def test_huge_and_distant_boxes() -> None:
    assert warp_image(PICTURE, crop_transform((-1e7, -1e7, 1e7, 1e7), 16), 16, 16).shape == (16, 16, 3)
    with pytest.raises(UserError, match="outside"):
        warp_image(PICTURE, crop_transform((100, 0, 140, 40), 16), 16, 16)
