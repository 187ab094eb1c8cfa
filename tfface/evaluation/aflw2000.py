"""AFLW2000-3D, as its authors' folder (`image*.jpg` with `image*.mat`) or as `reference.npz` beside
`images/`.

`reference.npz` holds `names` [N], `landmarks68_px` [N,3,68], `landmarks68_reannotated_px` [N,2,68], `yaw_deg`
[N] and `roi_box_px` [N,4]. From the authors' folder the box is 3DDFA's of `pt3d_68` and the yaw that of
`Pose_Para`; angles beyond 90 degrees, which some fits have, are folded to the same head pose (`asin |sin
yaw|`).
"""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Any

import numpy as np

from tfface.errors import UserError
from tfface.evaluation.landmark_set import LandmarkSet, read_each, squared
from tfface.geometry.align import box_from_landmarks
from tfface.io.reading import files_in, read_arrays, read_matlab_numbers, sibling

_SHAPES: dict[str, tuple[int, ...]] = {"names": (), "landmarks68_px": (3, 68), "yaw_deg": (), "roi_box_px": (4,)}
_FORM = "docs/evaluation.md says what it holds"
_COMMON = "AFLW2000-3D, 68 points, pixels counted from 1; "


def read_aflw2000(folder: Path) -> LandmarkSet:
    """The benchmark in `folder`.

    Raises:
        UserError: neither layout is there.
    """
    if (folder / "reference.npz").is_file():
        return _read_reference(folder)
    files = files_in(folder, "image*", (".mat",))
    if not files:
        raise UserError(f"{folder} holds neither reference.npz nor image*.mat; give the AFLW2000-3D folder with `data`")
    return _read_original(files)


def _read_reference(folder: Path) -> LandmarkSet:
    path = folder / "reference.npz"
    arrays = read_arrays(path, "AFLW2000-3D's reference", tuple(_SHAPES), _FORM)
    names = [str(name) for name in np.ravel(arrays["names"])]
    for key, shape in {**_SHAPES, "landmarks68_reannotated_px": (2, 68)}.items():
        if key in arrays and key != "names" and not _is_table(arrays[key], (len(names), *shape)):
            raise UserError(f"{path} has in {key} no finite numbers [{len(names)}, ...]: {_FORM}.")
    images = [folder / "images" / name for name in names]
    here = np.array([_is_inside(name) and image.is_file() for name, image in zip(names, images, strict=True)])
    if not here.any():
        raise UserError(f"{folder / 'images'} holds none of the pictures that {path.name} names: {_FORM}.")
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


def _is_table(array: Any, shape: tuple[int, ...]) -> bool:
    return array.shape == shape and array.dtype.kind in "fiu" and bool(np.isfinite(array).all())


def _is_inside(name: str) -> bool:
    """Whether a name of a reference file stays in its folder: the file may be a stranger's."""
    path = PurePath(name)
    return bool(name) and "\0" not in name and not path.is_absolute() and ".." not in path.parts


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
    image = sibling(file, (".jpg", ".jpeg", ".png"))
    if image is None:
        raise UserError(f"no photograph {file.stem}.jpg beside it")
    data = read_matlab_numbers(file, ("pt3d_68", "Pose_Para"))
    points = data["pt3d_68"].T
    if points.shape != (68, 3) or not np.isfinite(points).all():
        raise UserError(f"pt3d_68 is not 3 x 68 finite numbers but {points.T.shape}")
    return {"image": image, "points": points, "yaw_deg": folded_yaw_deg(data["Pose_Para"])}


def folded_yaw_deg(pose_para: Any) -> float:
    """The yaw of `Pose_Para` (pitch, yaw, roll in radians, ...), in degrees between -90 and 90.

    Raises:
        UserError: it is none.
    """
    numbers = np.ravel(pose_para)
    if len(numbers) < 7 or numbers.dtype.kind not in "fiu" or not np.isfinite(numbers).all():
        raise UserError(f"Pose_Para is not seven finite numbers but of shape {np.shape(pose_para)}")
    return float(np.rad2deg(np.arcsin(np.sin(float(numbers[1])))))
