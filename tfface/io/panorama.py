"""Panoramas of surroundings, as linear light."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.io import picture_header
from tfface.io.image import MAX_PIXELS, read_image
from tfface.io.reading import must_exist, reading

GAMMA = 2.2


def read_panorama(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """An equirectangular picture `[H,W,3]` in linear light: Radiance's HDR as it is, others by a power of 2.2.

    Raises:
        UserError: it cannot be read, or is not twice as wide as it is high.
    """
    path = must_exist(path, "give an equirectangular panorama")
    if path.suffix.lower() == ".exr":
        raise UserError(f"{path} is an EXR file, which is not read: convert it to Radiance HDR (.hdr).")
    picture = _read_radiance(path) if path.suffix.lower() in (".hdr", ".pic") else None
    if picture is None:
        picture = np.asarray((read_image(path) / 255.0) ** GAMMA, np.float32)
    height, width = picture.shape[:2]
    if abs(width - 2 * height) > 0.05 * width:
        raise UserError(
            f"{path} has {width} x {height} pixels: an equirectangular panorama is twice as wide as it is high."
        )
    return picture


def _read_radiance(path: Path) -> NDArray[np.float32] | None:
    """None of a file that is none."""
    import cv2

    with reading(path, "a Radiance HDR"):
        size = picture_header.size_of(path)
        if size is None:
            return None
        if size[0] * size[1] > MAX_PIXELS:
            raise UserError(f"{path} is too large to read: shrink it below {MAX_PIXELS // 10**6} megapixels.")
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if picture is None:
        raise UserError(f"{path} cannot be read as a Radiance HDR: the file is damaged or another one.")
    return np.nan_to_num(np.asarray(picture[..., ::-1], np.float32), posinf=0.0, neginf=0.0)
