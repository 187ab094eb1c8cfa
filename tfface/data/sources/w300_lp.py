"""300W-LP and AFLW2000-3D as samples with position maps (Lium 2020, appendix A.1).

A picture's `.mat` has `Shape_Para`, `Exp_Para` and `Pose_Para` of the Basel model; with that model in hand, its mesh in
the picture is `tfface.geometry.conventions.pose_from_300wlp`'s. The crop is that of every room here (3DDFA's, of the 68
points) times `ENLARGE`, so that augmentation, which also does A.1's shifts and scales, never runs out of pixels; depth
scales along and starts at 0 in the crop. Without the model the 68 landmarks alone are truth.

Pictures of one face share a name but for its last number (`AFW_134212_1_0`, `..._1_1`): fronts have |yaw| up to 45
degrees, sides 45 to 100.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.data.shards.maps import MapRecord, MapView, cropped_view
from tfface.data.sources.map_maker import BaselMaps
from tfface.errors import UserError
from tfface.geometry.align import Pose
from tfface.geometry.conventions import points_from_matlab, pose_from_300wlp
from tfface.io.image import read_image
from tfface.io.reading import files_in, read_matlab_numbers, sibling

SETS = ("AFW", "HELEN", "IBUG", "LFPW")
FRONT_YAW_DEG, SIDE_YAW_DEG = 45.0, 100.0


@dataclass(frozen=True)
class Photo:
    """A picture with its `.mat`, the name of its face, and its yaw (ours, folded into [-90, 90])."""

    image: Path
    mat: Path
    face: str
    yaw_deg: float


@dataclass(frozen=True)
class Job:
    """A record to make: one photograph, or front and side."""

    key: str
    photos: tuple[Photo, ...]


def find_mats(folder: Path, flips: bool = False) -> list[Path]:
    """The `.mat` files of 300W-LP's sets, or of a folder of pictures (AFLW2000-3D).

    Raises:
        UserError: there are none.
    """
    names = [name + end for name in SETS for end in (("", "_Flip") if flips else ("",))]
    found = [file for name in names for file in files_in(folder / name, "*", (".mat",))]
    for flat in (folder, folder / "images"):
        found = found or files_in(flat, "*", (".mat",))
    if not found:
        raise UserError(
            f"{folder} holds no .mat files, neither in {', '.join(SETS)} nor itself: give the folder of 300W-LP or "
            "AFLW2000-3D (www.cbsr.ia.ac.cn/users/xiangyuzhu/projects/3DDFA/main.htm, research only)."
        )
    return found


def read_photo(mat: Path) -> Photo:
    """The facts of one `.mat` file.

    Raises:
        UserError: it has no picture or no pose.
    """
    image = sibling(mat, (".jpg", ".jpeg", ".png"))
    if image is None:
        raise UserError(f"no picture {mat.stem}.jpg beside it")
    pose = pose_from_300wlp(_content(mat, "Pose_Para")["Pose_Para"], 1)
    face = f"{mat.parent.name}/{mat.stem.rsplit('_', 1)[0]}"
    return Photo(image, mat, face, pose.degrees[0])


def jobs(photos: list[Photo], pairs: bool) -> list[Job]:
    """Records in an order that keeps a face together and mixes faces, so that held-out shards hold other faces.

    Args:
        photos: all of them.
        pairs: each front with one side of the same face, chosen by the front's name; else each by itself.
    """
    faces: dict[str, list[Photo]] = {}
    for photo in photos:
        faces.setdefault(photo.face, []).append(photo)
    result: list[Job] = []
    for name in sorted(faces, key=lambda name: hashlib.sha1(os.fsencode(name)).digest()):
        result += _pairs(faces[name]) if pairs else [Job(_key(photo), (photo,)) for photo in faces[name]]
    return result


def _pairs(photos: list[Photo]) -> Iterator[Job]:
    sides = [photo for photo in photos if FRONT_YAW_DEG < abs(photo.yaw_deg) <= SIDE_YAW_DEG]
    for photo in photos:
        if abs(photo.yaw_deg) <= FRONT_YAW_DEG and sides:
            draw = int.from_bytes(hashlib.sha1(os.fsencode(photo.mat.stem)).digest()[:4], "big")
            yield Job(_key(photo), (photo, sides[draw % len(sides)]))


def _key(photo: Photo) -> str:
    return f"{photo.mat.parent.name}/{photo.mat.stem}"


class RecordMaker(BaselMaps):
    """`Job`s to records."""

    def __call__(self, job: Job) -> MapRecord:
        """The record.

        Raises:
            UserError: a file lacks something.
        """
        return MapRecord(job.key, tuple(self.view(photo) for photo in job.photos))

    def view(self, photo: Photo) -> MapView:
        """One picture's crop, map and mask."""
        image = read_image(photo.image)
        if self.bfm is None:
            points: NDArray[np.floating] = landmarks_of(photo)
            position_map, mask = self.maker.landmarks(points, pose_of(photo, len(image)))
        else:
            vertices = self.vertices(photo, len(image))
            points = vertices[self.model.landmarks68]
            position_map, mask = self.maker.dense(vertices)
        return cropped_view(image, points, position_map, mask, self.image_size)

    def vertices(self, photo: Photo, height: int) -> NDArray[np.float32]:
        """The model's vertices `[V,3]` in the picture: u, v and depth in our pixels."""
        content = _content(photo.mat, "Shape_Para", "Exp_Para")
        shape = self.model.vertices(content["Shape_Para"], content["Exp_Para"])
        return pose_of(photo, height).to_image(shape)

    def check(self, photo: Photo) -> float | None:
        """Mean distance in pixels of the model's 68 points from the file's own; None where it has none."""
        try:
            truth = landmarks_of(photo)
        except UserError:
            return None
        height = len(read_image(photo.image))
        points = self.vertices(photo, height)[self.model.landmarks68]
        return float(np.linalg.norm(points[:, :2] - truth[:, :2], axis=1).mean())


def pose_of(photo: Photo, height: int) -> Pose:
    """The face's pose in its picture of this height."""
    return pose_from_300wlp(_content(photo.mat, "Pose_Para")["Pose_Para"], height)


def landmarks_of(photo: Photo) -> NDArray[np.float64]:
    """`fitted_points` in our pixels.

    Raises:
        UserError: none of them is there.
    """
    return points_from_matlab(fitted_points(photo.mat, _content(photo.mat)))


def fitted_points(mat: Path, content: dict[str, Any]) -> NDArray[np.float64]:
    """The 68 points `[68, 2 or 3]` in the pixels of a `.mat` file of this content: its `pt3d_68`, else `pts_3d` of the
    landmarks' folder, else its `pt2d`.

    Raises:
        UserError: none of them is there.
    """
    beside = mat.parent.parent / "landmarks" / mat.parent.name / f"{mat.stem}_pts.mat"
    if "pt3d_68" not in content and beside.is_file():
        content = content | _content(beside, "pts_3d")
    for name in ("pt3d_68", "pts_3d", "pt2d"):
        points = np.asarray(content.get(name, ()), np.float64)
        points = points.T if points.ndim == 2 and points.shape[1] == 68 else points
        if points.shape in ((68, 2), (68, 3)) and np.isfinite(points).all():
            return points
    raise UserError("no 68 points in it (pt3d_68, pt2d), and no landmarks/SET/NAME_pts.mat")


def _content(path: Path, *needed: str) -> dict[str, Any]:
    return read_matlab_numbers(path, needed)
