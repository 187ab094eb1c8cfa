"""300W-LP as its authors give it: `AFW/`, `HELEN/`, `IBUG/`, `LFPW/` with a `.mat` beside each picture.

The 68 points are, as far as they are there: `pt3d_68` of the `.mat` (with depth), `pts_3d` of
`landmarks/SET/NAME_pts.mat` (the fitted face's points in the picture), or `pt2d` of the `.mat`. The mirrored copies
(`..._Flip`) are left out. 300W-LP is what most methods train on: its figures are of training data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tfface.data.sources.w300_lp import SETS, fitted_points
from tfface.errors import UserError
from tfface.evaluation.aflw2000 import folded_yaw_deg
from tfface.evaluation.landmark_set import LandmarkSet, read_each
from tfface.geometry.align import box_from_landmarks
from tfface.io.reading import files_in, read_matlab_numbers, sibling


def read_300w_lp(folder: Path, limit: int | None = None) -> LandmarkSet:
    """The pictures of `folder`, by set and name; the first `limit` of them.

    Raises:
        UserError: none of the four sets is there.
    """
    files = [file for name in SETS for file in files_in(folder / name, "*", (".mat",))]
    if not files:
        raise UserError(f"{folder} holds none of {', '.join(SETS)} with .mat files; give 300W_LP's folder with `data`")
    items, broken = read_each(files[:limit], _read_item)
    flat = any(item["points"].shape[1] == 2 for item in items)
    points = [item["points"][:, :2] if flat else item["points"] for item in items]
    return LandmarkSet(
        "300w_lp",
        [item["image"].relative_to(folder).as_posix() for item in items],
        [item["image"] for item in items],
        {"fitted": np.array(points, np.float64)},
        np.array([box_from_landmarks(each) for each in points]),
        np.array([item["yaw_deg"] for item in items]),
        "300W-LP without its mirrored copies, 68 points, pixels counted from 1; boxes by 3DDFA's rule from them, yaw "
        "from Pose_Para",
        broken,
        dense_absent="300W-LP is read for its landmarks only",
    )


def _read_item(file: Path) -> dict[str, Any]:
    image = sibling(file, (".jpg", ".jpeg", ".png"))
    if image is None:
        raise UserError(f"no photograph {file.stem}.jpg beside it")
    data = read_matlab_numbers(file, ("Pose_Para",))
    return {"image": image, "points": fitted_points(file, data), "yaw_deg": folded_yaw_deg(data["Pose_Para"])}
