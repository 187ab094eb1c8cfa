"""Contact sheets: pictures in a grid, each with a line of text under it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

PAPER = (250, 250, 248)
INK = (40, 42, 46)


def contact_sheet(
    images: Sequence[NDArray[np.uint8]],
    labels: Sequence[str] | None = None,
    columns: int | None = None,
    cell: int = 256,
    gap: int = 8,
) -> NDArray[np.uint8]:
    """A grid of pictures.

    Args:
        images: each `[H,W,3]` uint8 RGB of any size; fitted into its cell, its proportions kept.
        labels: one line per picture, shortened where it is too long.
        columns: None makes the grid about square.
        cell: side of a cell in pixels.
        gap: space between the cells.

    Returns:
        `[H,W,3]` uint8 RGB.
    """
    columns = min(columns or int(np.ceil(np.sqrt(len(images)))), max(len(images), 1))
    rows = -(-len(images) // columns) if images else 1
    text = max(cell // 14, 11) if labels else 0
    step = cell + gap, cell + gap + (round(1.5 * text) if labels else 0)
    sheet = _paper(columns * step[0] + gap, rows * step[1] + gap)
    for index, image in enumerate(images):
        left, top = gap + index % columns * step[0], gap + index // columns * step[1]
        picture = _fit(image, cell)
        height, width = picture.shape[:2]
        right, below = left + (cell - width) // 2, top + (cell - height) // 2
        sheet[below : below + height, right : right + width] = picture
        if labels:
            strip = sheet[top + cell : top + step[1], left : left + cell]
            strip[:] = _written(labels[index], cell, len(strip), text)
    return sheet


def _paper(width: int, height: int) -> NDArray[np.uint8]:
    return np.tile(np.tile(np.array(PAPER, np.uint8), (1, width, 1)), (height, 1, 1))


def _fit(image: NDArray[np.uint8], cell: int) -> NDArray[np.uint8]:
    from PIL import Image

    zoom = cell / max(image.shape[:2])
    size = max(round(image.shape[1] * zoom), 1), max(round(image.shape[0] * zoom), 1)
    if size == image.shape[1::-1]:
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def _written(line: str, width: int, height: int, size: int) -> NDArray[np.uint8]:
    """A line in the middle of a strip of paper `[height,width,3]`, shortened where it is too long."""
    from PIL import Image, ImageDraw

    strip, font = Image.fromarray(_paper(width, height)), _font(size)
    pen = ImageDraw.Draw(strip)
    line = line.encode("utf-8", "replace").decode()  # names of files may be no UTF-8
    while line and pen.textlength(line, font=font) > width:
        line = line.rstrip("…")[:-1] + "…" if len(line) > 2 else ""
    pen.text((width / 2, size * 0.25), line, fill=INK, font=font, anchor="ma")
    return np.asarray(strip)


@lru_cache(maxsize=4)
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)
