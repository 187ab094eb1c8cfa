"""A folder of photographs with `.pts` files of 68 points beside them (300-W, LFPW, HELEN, one's own)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.evaluation.landmark_set import IMAGE_SUFFIXES, OFFSET_PX, LandmarkSet, read_each
from tfface.geometry.align import box_from_landmarks
from tfface.io.landmarks import read_points
from tfface.io.reading import files_in, read_text, sibling


def read_photos(folder: Path) -> LandmarkSet:
    """Every `NAME.pts` of `folder` (and the folders in it) with a photograph of the same name.

    Raises:
        UserError: there is no `.pts` file.
    """
    files = files_in(folder, "*", (".pts",), deep=True)
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
    text = read_text(file, "a .pts file")
    if "{" not in text or "}" not in text:
        raise UserError(f"{file} has no list of points in braces")
    points = read_points(file, columns=2)
    if not np.isfinite(points).all():
        raise UserError(f"{file} has points that are not finite numbers")
    return points


def _read_item(file: Path) -> dict[str, Any]:
    image = sibling(file, IMAGE_SUFFIXES)
    if image is None:
        raise UserError("no photograph of the same name beside it")
    points = read_pts(file)
    if points.shape != (68, 2):
        raise UserError(f"{len(points)} points instead of 68")
    return {"image": image, "points": points}
