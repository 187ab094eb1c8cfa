"""Pictures moved by an affine map, or read between their pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.geometry.align import invert_transform, transform_scale


def warp_image(image: NDArray[Any], matrix: NDArray[np.floating], width: int, height: int) -> NDArray[Any]:
    """The picture moved by an affine map, bilinear, averaged over areas first where it shrinks.

    Args:
        image: `[H,W,C]`; its border is repeated outwards.
        matrix: `[2,3]`, positions in `image` to positions in the result (pixel centres at +0.5).
        width, height: of the result.

    Raises:
        UserError: when the result would lie wholly outside the picture.
    """
    import cv2

    left, top, right, bottom = _region(image, matrix, width, height)
    part = image[top:bottom, left:right]
    zoom, across, down = transform_scale(matrix), 1.0, 1.0
    if zoom < 1.0:
        part, size = _halved(part, zoom)
        shrunk = [max(round(side * zoom), 1) for side in size]
        across, down = (before / after for before, after in zip(size, shrunk, strict=True))
        part = cv2.resize(part, shrunk, interpolation=cv2.INTER_AREA)
    rows = ((a, b, c + a * left + b * top) for a, b, c in matrix.tolist())
    indices = np.array([(a * across, b * down, c + (a * across + b * down - 1) / 2) for a, b, c in rows])
    return np.asarray(
        cv2.warpAffine(part, indices, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def _halved(part: NDArray[Any], zoom: float) -> tuple[NDArray[Any], tuple[int, int]]:
    """The picture halved until it shrinks to no less than a quarter, and how many of its columns and rows that shows.

    Areas of two by two pixels are averaged several times faster than those of any other size; the last step is exact.
    """
    import cv2

    steps = min(max(int(math.log2(0.5 / zoom)), 0), int(math.log2(min(part.shape[:2]))))
    height, width = (side >> steps for side in part.shape[:2])
    part = part[: height << steps, : width << steps]
    for step in range(steps - 1, -1, -1):
        part = cv2.resize(part, (width << step, height << step), interpolation=cv2.INTER_AREA)
    return part, (width << steps, height << steps)


def sample_image(image: NDArray[Any], positions: NDArray[np.floating]) -> NDArray[Any]:
    """The picture at positions `[H,W, 2 or 3]` (u, v; pixel centres at +0.5), bilinear; the border is repeated."""
    import cv2

    u, v = (np.ascontiguousarray(positions[..., k] - 0.5, np.float32) for k in range(2))
    return np.asarray(cv2.remap(image, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _region(image: NDArray[Any], matrix: NDArray[np.floating], width: int, height: int) -> tuple[int, int, int, int]:
    """The part of the picture that the result can see, with a margin for interpolation and area averages."""
    back = invert_transform(matrix).tolist()
    corners = (0, 0), (width, 0), (0, height), (width, height)
    us, vs = ([row[0] * x + row[1] * y + row[2] for x, y in corners] for row in back)
    margin = 2.0 + 2.0 / min(transform_scale(matrix), 1.0)
    high, wide = image.shape[:2]
    if min(max(us), max(vs)) <= 0 or min(us) >= wide or min(vs) >= high:
        raise UserError(f"The box lies outside the picture of {wide} x {high} pixels: give one that touches it.")
    left, top = (max(math.floor(min(ends) - margin), 0) for ends in (us, vs))
    right, bottom = (min(math.ceil(max(ends) + margin), size) for ends, size in ((us, wide), (vs, high)))
    return left, top, right, bottom
