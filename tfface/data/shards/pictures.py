"""Pictures and maps as records hold them: JPEG and PNG."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError


def encode_jpeg(image: NDArray[np.uint8]) -> bytes:
    """`[H,W,3]` RGB uint8 as JPEG of quality 95."""
    good, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    if not good:
        raise UserError(f"An image of shape {image.shape} could not be written as JPEG: it must be [H,W,3] uint8.")
    return bytes(data)


def decode_image(data: bytes) -> NDArray[np.uint8]:
    """The `[H,W,3]` RGB uint8 picture that `encode_jpeg` wrote."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError("its image is not a picture")
    return np.asarray(image, np.uint8)


def encode_png(levels: NDArray[Any], *options: int) -> bytes:
    """Levels `[H,W]` or `[H,W,3]`, uint8 or uint16, as PNG; channels and `options` as OpenCV has them."""
    good, data = cv2.imencode(".png", levels, [cv2.IMWRITE_PNG_COMPRESSION, 1, *options])
    assert good
    return bytes(data)


def decode_png(data: bytes) -> NDArray[Any]:
    """The levels that `encode_png` wrote.

    Raises:
        ValueError: `data` is not a picture.
    """
    levels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if levels is None:
        raise ValueError("a map of it is not a picture")
    return np.asarray(levels)


def check_pictures(features: dict[str, Any]) -> None:
    """Sees to it that each picture, map and mask of a record can be decoded."""
    for key, value in features.items():
        if (
            key.endswith(("image", "map", "mask"))
            and cv2.imdecode(np.frombuffer(value, np.uint8), cv2.IMREAD_UNCHANGED) is None
        ):
            raise ValueError(f"its {key} is not a picture")
