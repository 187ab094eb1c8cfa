"""A benchmark whose photographs are turned by quarters: faces on their side and upside down."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.evaluation.columns import ReadImage
from tfface.evaluation.landmark_set import OFFSET_PX, LandmarkSet

FloatArray = NDArray[np.floating]


def rotated(data: LandmarkSet, degrees: int, read_image: ReadImage) -> tuple[LandmarkSet, ReadImage]:
    """The benchmark turned counter-clockwise by 90, 180 or 270 degrees, and what reads its photographs.

    Raises:
        UserError: it has whole meshes or pairs of views, which are not turned.
    """
    if data.dense is not None or data.sides is not None:
        raise UserError(f"`rotate` turns photographs with 68 points; leave it out with {data.name} or with `bfm`.")
    quarters = degrees // 90

    def read(path: Any) -> Any:
        return np.ascontiguousarray(np.rot90(read_image(path), quarters))

    sizes = [_size(path, read_image) for path in data.images]
    truths = {
        name: np.stack([_turned(t - OFFSET_PX, size, quarters) for t, size in zip(truth, sizes, strict=True)])
        for name, truth in data.truths.items()
    }
    corners = [_turned(box.reshape(2, 2), size, quarters) for box, size in zip(data.boxes, sizes, strict=True)]
    boxes = np.array([np.concatenate([pair.min(0), pair.max(0)]) for pair in corners])
    truths = {name: truth + OFFSET_PX for name, truth in truths.items()}
    note = f"{data.protocol}, photographs turned by {degrees} degrees"
    return replace(data, truths=truths, boxes=boxes, protocol=note), read


def _size(path: Any, read_image: ReadImage) -> tuple[int, ...]:
    """Height and width; 1 and 1 where the picture cannot be read, which is reported when it is asked about."""
    try:
        return read_image(path).shape[:2]
    except UserError:
        return 1, 1


def _turned(points: FloatArray, size: tuple[int, ...], quarters: int) -> NDArray[np.float64]:
    """Positions `[N,2 or 3]` of a picture of `size` (height, width) in `np.rot90(picture, quarters)`."""
    moved = np.array(points, np.float64)
    height, width = size
    for _ in range(quarters):
        moved[:, :2] = np.stack([moved[:, 1], width - moved[:, 0]], axis=1)
        height, width = width, height
    return moved
