"""Textures behind pictures, by alpha, by mask and by black."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.tools import load_tool
from tfface.data.sources.cutout import read_cutout
from tfface.errors import UserError
from tfface.io.image import read_image, write_image

SIZE = 64


@pytest.fixture
def disc() -> np.ndarray:
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    return np.hypot(x - 32, y - 32) < 20


def portrait(disc: np.ndarray) -> np.ndarray:
    """A grey disc with a black pupil, on black."""
    image = np.where(disc, 150, 0).astype(np.uint8)
    image[30:34, 30:34] = 0
    return np.repeat(image[..., None], 3, axis=2)


def test_backgrounds_by_alpha_by_mask_and_by_black(tmp_path: Path, disc: np.ndarray, repository: Path) -> None:
    rng, image = np.random.default_rng(0), portrait(disc)
    images, textures, masks = tmp_path / "images" / "00000", tmp_path / "dtd" / "dotted", tmp_path / "masks" / "00000"
    write_image(textures / "one.png", rng.integers(60, 255, (40, 90, 3), np.uint8))
    write_image(images / "a.png", np.concatenate([image, 255 * disc[..., None].astype(np.uint8)], axis=2))
    write_image(images / "b.png", image)
    (images / "b.xml").write_text("<pose/>")
    tool = load_tool(repository, "add_backgrounds")
    arguments = ["--images", str(tmp_path / "images"), "--textures", str(tmp_path / "dtd"), "--out"]
    assert tool.main([*arguments, str(tmp_path / "alone")]) == 1  # b has no alpha
    assert not (tmp_path / "alone" / "00000" / "b.png").exists()
    assert tool.main([*arguments, str(tmp_path / "black"), "--black", "--copy"]) == 0
    write_image(masks / "a.png", 255 * disc.astype(np.uint8))
    write_image(masks / "b.png", 255 * disc.astype(np.uint8))
    assert tool.main([*arguments, str(tmp_path / "masked"), "--masks", str(tmp_path / "masks")]) == 0
    assert (tmp_path / "black" / "00000" / "b.xml").read_text() == "<pose/>"
    for folder, name in (("alone", "a"), ("black", "a"), ("black", "b"), ("masked", "b")):
        result = read_image(tmp_path / folder / "00000" / f"{name}.png")
        np.testing.assert_array_equal(result[disc], image[disc])  # the pupil stays black
        assert result[~disc].min() >= 50 and result[~disc].std() > 10, (folder, name)
    assert tool.main([*arguments, str(tmp_path / "again"), "--black"]) == 0
    again = [(tmp_path / folder / "00000" / "b.png").read_bytes() for folder in ("black", "again")]
    assert again[0] == again[1]


def test_a_mask_of_another_size_is_reported(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    Image.new("L", (48, 64)).save(tmp_path / "m.png")
    with pytest.raises(UserError, match="48 x 64"):
        read_cutout(tmp_path / "a.png", tmp_path / "m.png")
    with pytest.raises(UserError, match="`masks`, or `black`"):
        read_cutout(tmp_path / "a.png")
