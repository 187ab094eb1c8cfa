"""AFLW2000-3D, as its authors' folder (`image*.jpg` with `image*.mat`) or as `reference.npz` beside
`images/`.

`reference.npz` holds `names` [N], `landmarks68_px` [N,3,68], `landmarks68_reannotated_px` [N,2,68], `yaw_deg`
[N] and `roi_box_px` [N,4]. From the authors' folder the box is 3DDFA's of `pt3d_68` and the yaw that of
`Pose_Para`; angles beyond 90 degrees, which some fits have, are folded to the same head pose (`asin |sin
yaw|`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tfface.errors import UserError
from tfface.evaluation.landmark_set import LandmarkSet, read_each, squared
from tfface.geometry.align import box_from_landmarks

_COMMON = "AFLW2000-3D, 68 points, pixels counted from 1; "


def read_aflw2000(folder: Path) -> LandmarkSet:
    """The benchmark in `folder`.

    Raises:
        UserError: neither layout is there.
    """
    if (folder / "reference.npz").is_file():
        return _read_reference(folder)
    files = sorted(folder.glob("image*.mat"))
    if not files:
        raise UserError(f"{folder} holds neither reference.npz nor image*.mat; give the AFLW2000-3D folder with --data")
    return _read_original(files)


def _read_reference(folder: Path) -> LandmarkSet:
    with np.load(folder / "reference.npz", allow_pickle=False) as data:
        missing = {"names", "landmarks68_px", "yaw_deg", "roi_box_px"} - set(data.files)
        if missing:
            raise UserError(f"{folder / 'reference.npz'} has no {', '.join(sorted(missing))}; see docs/evaluation.md")
        arrays = {key: data[key] for key in data.files}
    names = [str(name) for name in arrays["names"]]
    images = [folder / "images" / name for name in names]
    here = np.array([image.is_file() for image in images])
    truths = {"usual": arrays["landmarks68_px"].transpose(0, 2, 1)[here].astype(np.float64)}
    if "landmarks68_reannotated_px" in arrays:
        truths["reannotated"] = arrays["landmarks68_reannotated_px"].transpose(0, 2, 1)[here].astype(np.float64)
    return LandmarkSet(
        "aflw2000",
        [name for name, there in zip(names, here, strict=True) if there],
        [image for image, there in zip(images, here, strict=True) if there],
        truths,
        squared(arrays["roi_box_px"][here]),
        arrays["yaw_deg"][here].astype(np.float64),
        _COMMON + "boxes and yaw as given in reference.npz",
        {name: f"{folder / 'images'} has no such file" for name, there in zip(names, here, strict=True) if not there},
    )


def _read_original(files: list[Path]) -> LandmarkSet:
    items, broken = read_each(files, _read_mat)
    truths = {"usual": np.array([item["points"] for item in items], np.float64)}
    return LandmarkSet(
        "aflw2000",
        [item["image"].name for item in items],
        [item["image"] for item in items],
        truths,
        np.array([box_from_landmarks(points) for points in truths["usual"]]),
        np.array([item["yaw_deg"] for item in items]),
        _COMMON + "boxes by 3DDFA's rule from pt3d_68, yaw from Pose_Para",
        broken,
    )


def _read_mat(file: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    image = file.with_suffix(".jpg")
    if not image.is_file():
        raise UserError(f"no photograph {image.name} beside it")
    data = loadmat(file)
    points = np.asarray(data["pt3d_68"], np.float64).T
    if points.shape != (68, 3) or not np.isfinite(points).all():
        raise UserError(f"pt3d_68 is not 3 x 68 finite numbers but {points.T.shape}")
    return {"image": image, "points": points, "yaw_deg": folded_yaw_deg(data["Pose_Para"])}


def folded_yaw_deg(pose_para: Any) -> float:
    """The yaw of `Pose_Para` (pitch, yaw, roll in radians, ...), in degrees between -90 and 90."""
    return float(np.rad2deg(np.arcsin(np.sin(float(np.asarray(pose_para).ravel()[1])))))
