"""Contact sheets: pictures in a grid, each with a line of text under it."""

from __future__ import annotations

from collections.abc import Sequence

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
    from PIL import Image, ImageDraw

    columns = min(columns or int(np.ceil(np.sqrt(len(images)))), max(len(images), 1))
    rows = -(-len(images) // columns) if images else 1
    text = max(cell // 14, 11) if labels else 0
    step = cell + gap, cell + gap + (round(1.5 * text) if labels else 0)
    sheet = Image.new("RGB", (columns * step[0] + gap, rows * step[1] + gap), PAPER)
    pen = ImageDraw.Draw(sheet)
    for index, image in enumerate(images):
        left, top = gap + index % columns * step[0], gap + index // columns * step[1]
        picture = _fit(Image.fromarray(image), cell)
        sheet.paste(picture, (left + (cell - picture.width) // 2, top + (cell - picture.height) // 2))
        if labels:
            _write(pen, labels[index], left + cell / 2, top + cell + text * 0.25, cell, text)
    return np.asarray(sheet)


def _fit(picture, cell: int):  # type: ignore[no-untyped-def]
    from PIL import Image

    zoom = cell / max(picture.size)
    size = max(round(picture.width * zoom), 1), max(round(picture.height * zoom), 1)
    return picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)


def _write(pen, line: str, centre: float, top: float, width: int, size: int) -> None:  # type: ignore[no-untyped-def]
    from PIL import ImageFont

    font = ImageFont.load_default(size)
    line = line.encode("utf-8", "replace").decode()  # names of files may be no UTF-8
    while line and pen.textlength(line, font=font) > width:
        line = line.rstrip("…")[:-1] + "…" if len(line) > 2 else ""
    pen.text((centre, top), line, fill=INK, font=font, anchor="ma")
