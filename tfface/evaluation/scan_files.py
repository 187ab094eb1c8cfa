"""Scans on disk: meshes with their looks, and 68 landmarks where there are any.

A scan is an `.obj` (with `.mtl` and its picture) or `.ply` file, in a folder or in folders of it, in millimetres. Its
landmarks are a file of the same name: Menpo's `.ljson`, `.json` (a list of 68 points, or an object with `landmarks`),
`.pts` or `.txt` (68 rows of three numbers) or `.npz` (`landmarks` or `landmarks68`, `[68,3]`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.io.mesh import Mesh, read_mesh
from tfface.metrics.reconstruction import Surface

MESH_SUFFIXES = (".obj", ".ply")
LANDMARK_SUFFIXES = (".ljson", ".json", ".pts", ".txt", ".npz")
# Where each part stands among the 68 points; left and right are the picture's.
_PARTS = {
    "chin": (0, 17), "leyebrow": (17, 22), "reyebrow": (22, 27), "nose": (27, 36),
    "leye": (36, 42), "reye": (42, 48), "mouth": (48, 68),
}  # fmt: skip


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


def read_scans(folder: Path, pattern: str = "*") -> tuple[dict[str, Scan], dict[str, str]]:
    """The scans of `folder` (and the folders in it) by name, and those that cannot be used, and why.

    A name is the file's, or its path below `folder` where two files have the same.

    Raises:
        UserError: there is no mesh.
    """
    files = sorted(file for suffix in MESH_SUFFIXES for file in folder.rglob(f"{pattern}{suffix}"))
    if not files:
        raise UserError(f"{folder} holds no {' or '.join(MESH_SUFFIXES)} file; give a folder of scans")
    scans, broken = {}, {}
    for file, name in zip(files, names_of(files, folder), strict=True):
        try:
            scans[name] = _read_scan(name, file)
        except (UserError, OSError, ValueError, KeyError, TypeError) as error:
            broken[str(file.relative_to(folder))] = str(error) or type(error).__name__
    return scans, broken


def _read_scan(name: str, file: Path) -> Scan:
    mesh = read_mesh(file)
    looks = mesh if mesh.texture is None else read_mesh(file, split_seams=True)
    return Scan(name, mesh, read_landmarks(file), looks)


def names_of(files: list[Path], folder: Path) -> list[str]:
    """Short names of files below `folder`, all different."""
    stems = [file.stem for file in files]
    paths = [file.relative_to(folder).with_suffix("").as_posix() for file in files]
    return [stem if stems.count(stem) == 1 else path for stem, path in zip(stems, paths, strict=True)]


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
            broken[name] = str(error)
    return surfaces, broken


def read_landmarks(mesh_file: Path) -> NDArray[np.float64] | None:
    """The landmarks `[68,3]` beside a mesh, or None.

    Raises:
        UserError: when there is a file, but of another form.
    """
    file = next((path for path in map(mesh_file.with_suffix, LANDMARK_SUFFIXES) if path.is_file()), None)
    if file is None:
        return None
    points = read_points(file)
    if points.shape != (68, 3) or not np.isfinite(points).all():
        raise UserError(f"{file} holds points of shape {points.shape}, not 68 finite ones in three dimensions")
    return points


def read_points(file: Path) -> NDArray[np.float64]:
    """The points `[N,3]` of a landmark file of any of the forms above."""
    if file.suffix in (".ljson", ".json"):
        return _from_json(json.loads(file.read_text()), file)
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as data:
            key = next((key for key in ("landmarks68", "landmarks") if key in data.files), None)
            if key is None:
                raise UserError(f"{file} has neither landmarks68 nor landmarks")
            return np.asarray(data[key], np.float64)
    text = file.read_text()
    text = text[text.index("{") + 1 : text.index("}")] if "{" in text and "}" in text else text
    numbers = np.array(text.replace(",", " ").split(), np.float64)
    if numbers.size == 0 or numbers.size % 3:
        raise UserError(f"{file} has {numbers.size} numbers, not triples")
    return numbers.reshape(-1, 3)


def _from_json(data: Any, file: Path) -> NDArray[np.float64]:
    if isinstance(data, list):
        return np.array(data, np.float64)
    group = next(iter(data["groups"].values())) if "groups" in data else data
    found = group.get("landmarks")
    if found is None:
        raise UserError(f"{file} has no landmarks")
    points = np.array(found["points"] if isinstance(found, dict) else found, np.float64)
    masks = {label["label"]: label["mask"] for label in group.get("labels", [])}
    return _in_order(points, masks) if masks.keys() >= _PARTS.keys() and len(points) == 68 else points


def _in_order(points: NDArray[np.float64], masks: dict[str, list[int]]) -> NDArray[np.float64]:
    """iBUG's order whatever the order of the labels."""
    ordered = np.empty_like(points)
    for part, (start, stop) in _PARTS.items():
        ordered[start:stop] = points[masks[part]]
    return ordered
