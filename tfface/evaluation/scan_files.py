"""Scans on disk: meshes with their looks, and 68 landmarks where there are any.

A scan is an `.obj` (with `.mtl` and its picture) or `.ply` file, in a folder or in folders of it, in millimetres. Its
landmarks are a file of the same name: Menpo's `.ljson`, `.json` (a list of 68 points, or an object with `landmarks`),
`.pts` or `.txt` (68 rows of three numbers) or `.npz` (`landmarks` or `landmarks68`, `[68,3]`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError, item_error
from tfface.io.landmarks import read_points
from tfface.io.mesh import Mesh, read_mesh
from tfface.io.reading import files_in, sibling
from tfface.metrics.reconstruction import Surface

MESH_SUFFIXES = (".obj", ".ply")
HEAD_MM = (60.0, 3000.0)
"""From half a face to a whole person."""
LANDMARK_SUFFIXES = (".ljson", ".json", ".pts", ".txt", ".npz")


@dataclass(frozen=True)
class Scan:
    """A mesh in millimetres and its 68 landmarks `[68,3]`, None where nobody has set any.

    `mesh` has the file's vertices; `looks` repeats them at the texture's seams, to be drawn.
    """

    name: str
    mesh: Mesh
    landmarks: NDArray[np.float64] | None
    looks: Mesh

    def surface(self) -> Surface:
        """For the measures.

        Raises:
            UserError: it has no landmarks.
        """
        if self.landmarks is None:
            raise UserError(f"the mesh {self.name} has no 68 landmarks beside it (.ljson, .json, .pts, .txt or .npz)")
        return Surface(self.mesh.vertices, self.mesh.triangles, self.landmarks)


def read_scans(folder: Path, millimetres: bool = False) -> tuple[dict[str, Scan], dict[str, str]]:
    """The scans of `folder` (and the folders in it) by name, and those that cannot be used, and why.

    With `millimetres`, a mesh that cannot be a head in millimetres cannot be used.

    A name is the file's, or its path below `folder` where two files have the same.

    Raises:
        UserError: there is no mesh.
    """
    files = files_in(folder, "*", MESH_SUFFIXES, deep=True)
    if not files:
        raise UserError(f"{folder} holds no {' or '.join(MESH_SUFFIXES)} file; give a folder of scans")
    scans, broken = {}, {}
    for file, name in zip(files, names_of(files, folder), strict=True):
        try:
            scan = _read_scan(name, file)
            if millimetres:
                check_millimetres(scan.mesh.vertices, file)
            scans[name] = scan
        except Exception as error:
            broken[str(file.relative_to(folder))] = item_error(error)
    return scans, broken


def check_millimetres(vertices: NDArray[np.floating], file: Path) -> None:
    """Sees to it that a scan is as large as heads are: in metres, all errors would come out as 0.

    Raises:
        UserError: it is not.
    """
    size = float(np.ptp(vertices, axis=0).max())
    if not HEAD_MM[0] <= size <= HEAD_MM[1]:
        raise UserError(
            f"{file} spans {size:.4g} units, no head in millimetres ({HEAD_MM[0]:g} to {HEAD_MM[1]:g}): scale it by "
            "1000 if it is in metres, by 10 if in centimetres, by 0.001 if in micrometres."
        )


def _read_scan(name: str, file: Path) -> Scan:
    mesh = read_mesh(file)
    looks = mesh if mesh.texture is None else read_mesh(file, split_seams=True)
    return Scan(name, mesh, read_landmarks(file), looks)


def names_of(files: list[Path], folder: Path) -> list[str]:
    """Short names of files below `folder`, all different."""
    stems = [file.stem for file in files]
    paths = [file.relative_to(folder).with_suffix("").as_posix() for file in files]
    names = [file.relative_to(folder).as_posix() for file in files]
    return [
        stem if stems.count(stem) == 1 else path if paths.count(path) == 1 else name
        for stem, path, name in zip(stems, paths, names, strict=True)
    ]


def read_surfaces(folder: Path) -> tuple[dict[str, Surface], dict[str, str]]:
    """The meshes of `folder` that have landmarks, and those that cannot be used, and why.

    Raises:
        UserError: there is no mesh.
    """
    scans, broken = read_scans(folder)
    surfaces = {}
    for name, scan in scans.items():
        try:
            surfaces[name] = scan.surface()
        except UserError as error:
            broken[name] = item_error(error)
    return surfaces, broken


def read_landmarks(mesh_file: Path) -> NDArray[np.float64] | None:
    """The landmarks `[68,3]` beside a mesh, or None.

    Raises:
        UserError: when there is a file, but of another form.
    """
    file = sibling(mesh_file, LANDMARK_SUFFIXES)
    if file is None:
        return None
    points = read_points(file, columns=3)
    if points.shape != (68, 3) or not np.isfinite(points).all():
        raise UserError(f"{file} holds points of shape {points.shape}, not 68 finite ones in three dimensions")
    return points
