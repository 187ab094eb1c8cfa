"""A folder of photographs with `.pts` files of 68 points beside them (300-W, LFPW, HELEN, one's own)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.evaluation.landmark_set import IMAGE_SUFFIXES, OFFSET_PX, LandmarkSet, read_each
from tfface.geometry.align import box_from_landmarks


def read_photos(folder: Path) -> LandmarkSet:
    """Every `NAME.pts` of `folder` (and the folders in it) with a photograph of the same name.

    Raises:
        UserError: there is no `.pts` file.
    """
    files = sorted(folder.rglob("*.pts"))
    if not files:
        raise UserError(f"{folder} holds no .pts file; photos needs one beside each photograph")
    items, broken = read_each(files, _read_item)
    points = np.array([item["points"] for item in items], np.float64)
    return LandmarkSet(
        "photos",
        [str(item["image"].relative_to(folder)) for item in items],
        [item["image"] for item in items],
        {"annotated": points},
        np.array([box_from_landmarks(each - OFFSET_PX) for each in points]),
        None,
        "photographs with 68 points in .pts files, pixels counted from 1; boxes by 3DDFA's rule",
        broken,
    )


def read_pts(file: Path) -> NDArray[np.float64]:
    """The points `[N,2]` of a `.pts` file, as written there (pixels counted from 1).

    Raises:
        UserError: when the file is not of that form.
    """
    text = file.read_text()
    if "{" not in text or "}" not in text:
        raise UserError(f"{file} has no list of points in braces")
    numbers = np.array(text[text.index("{") + 1 : text.index("}")].split(), np.float64)
    if numbers.size == 0 or numbers.size % 2:
        raise UserError(f"{file} has {numbers.size} numbers, not pairs")
    return numbers.reshape(-1, 2)


def _read_item(file: Path) -> dict[str, Any]:
    images = [file.with_suffix(suffix) for suffix in IMAGE_SUFFIXES if file.with_suffix(suffix).is_file()]
    if not images:
        raise UserError("no photograph of the same name beside it")
    points = read_pts(file)
    if points.shape != (68, 2):
        raise UserError(f"{len(points)} points instead of 68")
    return {"image": images[0], "points": points}
