"""FaceGen's exports as samples with position maps (Lium 2020, sections 2.7 and 4.2).

A face is a folder `NAME/` with `NAME.obj` (vertex for vertex the Basel model of 300W-LP), pictures `NAME_VIEW.png`
with transparent or black background, poses `NAME_VIEW.xml` and cameras `NAME_VIEW_cam.xml`, VIEW being front, left and
right.
Equation 4.1 takes a vertex to the picture:

    (x, y, z, w) = viewport . frustum . (R X + t),   u = x / w,   v = H - y / w

with R of the quaternion of `val/rend/pose/rotateToHcs`, t of `val/modelview/translation` and the frustum
(left, right, bottom, top, near, far) of `val/frustum`. In the eye's frame (x right, y up, the camera looks along -z)
this is `u = W (n x / -z - l) / (r - l)`, and so for v: equation 2.8, made right for frustums off the middle too. Depth
is scaled as lengths are at the face's middle, larger is nearer, as for every map here.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfface.data.shards.maps import MapRecord, MapView, cropped_view
from tfface.data.sources.map_maker import BaselMaps
from tfface.errors import UserError
from tfface.io.image import read_image
from tfface.io.obj import read_obj
from tfface.io.reading import files_in, reading, sibling

FloatArray = NDArray[np.floating]
FRONT, SIDES = "front", ("left", "right")


@dataclass(frozen=True)
class View:
    """How FaceGen saw a face: `rotation` `[3,3]`, `translation` `[3]`, `frustum` (l, r, b, t, n, f)."""

    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]
    frustum: NDArray[np.float64]

    def project(self, vertices: FloatArray, width: int, height: int) -> NDArray[np.float64]:
        """Pixels and depth `[V,3]` of vertices `[V,3]` in a picture of this size.

        Raises:
            UserError: a vertex lies behind the camera.
        """
        left, right, bottom, top, near, _ = self.frustum
        x, y, z = (np.asarray(vertices, np.float64) @ self.rotation.T + self.translation).T
        if (z >= 0).any():
            raise UserError(
                "the face lies behind the camera: the pose's or the camera's XML belongs to another picture"
            )
        u = width * (near * x / -z - left) / (right - left)
        v = height - height * (near * y / -z - bottom) / (top - bottom)
        middle = float(-z.mean())
        depth = (z + middle) * near * width / (right - left) / middle
        return np.stack([u, v, depth], axis=1)


def read_view(pose_file: Path, camera_file: Path) -> View:
    """The two XML files of a picture. Rotations are quaternions `m_real`, `m_comp`; Lium's have a real part of 1.

    Raises:
        UserError: one is missing or of another form.
    """
    from scipy.spatial.transform import Rotation

    imaginary = _numbers(pose_file, "val/rend/pose/rotateToHcs/m_comp/m", 3)
    real = _numbers(pose_file, "val/rend/pose/rotateToHcs/m_real", 1, default=1.0)
    translation = _numbers(camera_file, "val/modelview/translation/m", 3)
    frustum = _numbers(camera_file, "val/frustum/m", 6)
    if frustum[1] <= frustum[0] or frustum[3] <= frustum[2] or frustum[4] <= 0:
        raise UserError(f"{camera_file} has no frustum (left < right, bottom < top, near > 0) but {frustum.tolist()}")
    if not np.linalg.norm([*imaginary, *real]) > 0:
        raise UserError(f"{pose_file} has a quaternion of zeros, which is not a rotation: it is another file.")
    rotation = Rotation.from_quat([*imaginary, *real]).as_matrix()
    return View(np.asarray(rotation, np.float64), translation, frustum)


def _numbers(file: Path, where: str, count: int, default: float | None = None) -> NDArray[np.float64]:
    """The numbers of an element: of its `item`s, or its own text; `default` where there is no such element."""
    if not file.is_file():
        raise UserError(f"{file} is missing: `fg3 render -s` writes it beside the picture.")
    with reading(file, "FaceGen's XML", "render the face again"):
        found = ElementTree.parse(file).getroot().find(where)
        if found is None and default is not None:
            return np.array([default])
        items = [] if found is None else (found.findall("item") or [found])
        numbers = np.array([float(item.text or "") for item in items])
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise UserError(f"{file} has {len(numbers)} numbers at {where} where {count} are needed: it is another file.")
    return numbers


@dataclass(frozen=True)
class Job:
    """A front and a side picture of a face; `side` is "left" or "right"."""

    key: str
    folder: Path
    side: str

    def file(self, view: str, end: str) -> Path:
        """A file of one view, `end` being `.png`, `.xml` or `_cam.xml` (the suffix in any case)."""
        path = self.folder / f"{self.folder.name}_{view}{end}"
        return sibling(path, (path.suffix,)) or path

    def mesh(self) -> Path:
        """The face's mesh."""
        path = self.folder / f"{self.folder.name}.obj"
        return sibling(path, (".obj",)) or path


def find_jobs(folder: Path) -> list[Job]:
    """The pairs of an export: each face gives two.

    Raises:
        UserError: there are no faces.
    """
    children = sorted(child for child in folder.glob("*") if child.is_dir())
    faces = [child for child in children if any(file.stem == child.name for file in files_in(child, "*", (".obj",)))]
    jobs = [Job(f"{face.name}/{side}", face, side) for face in faces for side in SIDES]
    jobs = [job for job in jobs if job.file(job.side, ".png").is_file()]
    if not jobs:
        raise UserError(
            f"{folder} holds no folders NAME with NAME.obj, NAME_front.png, NAME_left.png and their .xml files: export "
            "faces with FaceGen's SDK (facegen.com; commercial licence) as docs/data.md says."
        )
    return jobs


class RecordMaker(BaselMaps):
    """`Job`s to records; FaceGen's meshes have the vertices of the Basel model."""

    def __call__(self, job: Job) -> MapRecord:
        """The record of a pair.

        Raises:
            UserError: a file is missing or wrong.
        """
        vertices = read_obj(job.mesh(), with_faces=False).vertices
        if len(vertices) != len(self.model.mean):
            raise UserError(
                f"{job.folder.name}.obj has {len(vertices)} vertices, the Basel model {len(self.model.mean)}: "
                "construct it with a shape model of that topology (FaceGen's mesh integration)"
            )
        return MapRecord(job.key, tuple(self._view(job, view, vertices) for view in (FRONT, job.side)))

    def _view(self, job: Job, view: str, vertices: FloatArray) -> MapView:
        image = read_image(job.file(view, ".png"))
        camera = read_view(job.file(view, ".xml"), job.file(view, "_cam.xml"))
        points = camera.project(vertices, image.shape[1], image.shape[0])
        position_map, mask = self.maker.dense(points)
        return cropped_view(image, points[self.model.landmarks68], position_map, mask, self.image_size)
