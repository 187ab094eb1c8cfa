"""Pictures with a mask, and textures behind them (Lium 2020, section 4.2.6 and appendix A.2).

result = alpha image + (1 - alpha) texture
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.io.image import open_picture, read_image
from tfface.io.reading import reading

BLACK_LEVEL = 2


def read_cutout(
    path: Path, mask: Path | None = None, black: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A picture `[H,W,3]` uint8 RGB and what of it to keep `[H,W]` in [0,1].

    Args:
        path: the picture.
        mask: a grey picture of the same size, white is kept; None takes the picture's alpha channel.
        black: without either, black that hangs together with the rim is background.

    Raises:
        UserError: there is no mask, or it has another size.
    """
    if mask is not None:
        image, grey = read_image(path), read_image(mask)[..., 0]
        if grey.shape != image.shape[:2]:
            raise UserError(f"its mask {mask.name} is {grey.shape[1]} x {grey.shape[0]} pixels, not the picture's size")
        return image, np.asarray(grey / 255, np.float32)
    image = read_image(path)
    opened = open_picture(path)
    if opened is not None:
        with opened, reading(path, "a picture"):
            if "A" in opened.getbands() or "transparency" in opened.info:
                pixels = np.asarray(opened.convert("RGBA"))
                return np.ascontiguousarray(pixels[..., :3]), np.asarray(pixels[..., 3] / 255, np.float32)
    if not black:
        raise UserError("it has no alpha channel: give `masks`, or `black` for pictures on black")
    return image, np.asarray(~_black_outside(image), np.float32)


def _black_outside(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Black pixels `[H,W]` that hang together with the picture's rim."""
    from scipy.ndimage import label

    labels, _ = label((image <= BLACK_LEVEL).all(axis=-1))
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return np.isin(labels, rim[rim > 0])


def over_texture(
    image: NDArray[np.uint8], alpha: NDArray[np.float32], texture: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The picture over a random part of the texture, which is as large as the picture or is stretched to it."""
    import cv2

    height, width = alpha.shape
    zoom = min(texture.shape[0] / height, texture.shape[1] / width) * rng.uniform(0.5, 1.0)
    rows, columns = max(int(height * zoom), 1), max(int(width * zoom), 1)
    top = int(rng.integers(texture.shape[0] - rows + 1))
    left = int(rng.integers(texture.shape[1] - columns + 1))
    part = texture[top : top + rows, left : left + columns]
    behind = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if zoom > 1 else cv2.INTER_LINEAR)
    mixed = alpha[..., None] * image + (1 - alpha[..., None]) * behind
    return np.asarray(np.clip(mixed + 0.5, 0, 255), np.uint8)
