"""Landmarked scans: how far a mesh lies from each, beside the mean face that was only posed.

A folder holds scans (`.obj`, `.ply`, in millimetres) and, of the same name, their 68 landmarks as Menpo's `.ljson`.
Predictions are meshes of the same name with their own `.ljson`, in any pose and scale.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.open_model import OpenFace
from tfface.io.mesh import read_mesh
from tfface.metrics.reconstruction import Surface, side_by_side

MESH_SUFFIXES = (".obj", ".ply")
BASELINE = "mean face, posed"
# Where each part stands among the 68 points; left and right are the picture's.
_PARTS = {
    "chin": (0, 17), "leyebrow": (17, 22), "reyebrow": (22, 27), "nose": (27, 36),
    "leye": (36, 42), "reye": (42, 48), "mouth": (48, 68),
}  # fmt: skip


def read_surfaces(folder: Path) -> tuple[dict[str, Surface], dict[str, str]]:
    """The meshes of `folder` (and the folders in it) with landmarks, by name, and those that cannot be used, and why.

    Raises:
        UserError: there is no mesh.
    """
    files = sorted(file for suffix in MESH_SUFFIXES for file in folder.rglob(f"*{suffix}"))
    if not files:
        raise UserError(f"{folder} holds no {' or '.join(MESH_SUFFIXES)} file; give a folder of landmarked meshes")
    surfaces, broken = {}, {}
    for file in files:
        try:
            mesh = read_mesh(file)
            surfaces[file.stem] = Surface(mesh.vertices, mesh.triangles, read_ljson(file.with_suffix(".ljson")))
        except (UserError, OSError, ValueError, KeyError) as error:
            broken[file.name] = str(error)
    return surfaces, broken


def read_ljson(file: Path) -> NDArray[np.float64]:
    """The 68 landmarks `[68,3]` of Menpo's `.ljson`, in iBUG's order whatever the order of its labels.

    Raises:
        UserError: when it is missing or holds something else.
    """
    if not file.is_file():
        raise UserError(f"{file} does not exist: a scan needs 68 landmarks beside it")
    data = json.loads(file.read_text())
    group = next(iter(data["groups"].values())) if "groups" in data else data
    points = np.array(group["landmarks"]["points"], np.float64)
    masks = {label["label"]: label["mask"] for label in group.get("labels", [])}
    if points.shape != (68, 3):
        raise UserError(f"{file} holds points of shape {points.shape}, not 68 in three dimensions")
    if not masks.keys() >= _PARTS.keys():
        return points
    ordered = np.empty_like(points)
    for part, (start, stop) in _PARTS.items():
        ordered[start:stop] = points[masks[part]]
    return ordered


def mean_surface(face: OpenFace, level: int = 1) -> Surface:
    """The mean face of our model with its landmarks, at a level of subdivision."""
    surface = face.face(level)
    neutral = np.zeros(len(face.expression_names), np.float32)
    vertices = surface.vertices(face.cage(np.zeros(face.num_identity, np.float32), neutral))
    return Surface(vertices, surface.triangles, vertices[face.landmarks(level, 68)])


def measure_scans(scans: dict[str, Surface], methods: dict[str, dict[str, Surface]], radius: float) -> dict[str, Any]:
    """For each method, `scans` (all measures in mm, scan by scan), `mean` over scans, `failed` (no such mesh).

    Args:
        scans: the truth, in millimetres.
        methods: each one's meshes by scan name.
        radius: of the crop round the nose tip in mm (95 is Florence's).
    """
    return {name: _measure(scans, meshes, radius) for name, meshes in methods.items()}


def _measure(scans: dict[str, Surface], meshes: dict[str, Surface], radius: float) -> dict[str, Any]:
    tables = {name: side_by_side(meshes[name], scan, radius) for name, scan in scans.items() if name in meshes}
    measures = next(iter(tables.values()), {}).keys()
    means = {key: _mean([table[key] for table in tables.values() if key in table]) for key in measures}
    return {"scans": tables, "mean": means, "failed": {n: "no mesh of it" for n in scans if n not in tables}}


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def read_methods(folder: Path) -> tuple[dict[str, dict[str, Surface]], dict[str, str]]:
    """Each subfolder of `folder` as a method with its meshes by name, and what could not be read, and why.

    Raises:
        UserError: there is no subfolder, or one without meshes.
    """
    methods, broken = {}, {}
    for method in sorted(path for path in folder.glob("*") if path.is_dir()):
        methods[method.name], bad = read_surfaces(method)
        broken.update({f"{method.name}/{name}": why for name, why in bad.items()})
    if not methods:
        raise UserError(f"{folder} holds no folder; --peers takes a folder with a subfolder of meshes for each method")
    return methods, broken


def print_scans(results: dict[str, Any]) -> None:
    """A row for each method and measure, and what failed, on the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table("method", "measure", title=f"scans: {results['images']}, mm over {results['radius_mm']:g} mm")
    for key in ("mean", "median", "rms", "NME %"):
        table.add_column(key, justify="right")
    for name, method in results["models"].items():
        for measure, row in method["mean"].items():
            figures = (row["mean"], row["median"], row["rms"], row["nme"])
            table.add_row(name, measure, *(f"{value:.3f}" for value in figures))
    console = Console()
    console.print(table)
    for item, why in results["broken"].items():
        console.print(f"broken item {item}: {why}", markup=False)
    for name, method in results["models"].items():
        for item, why in method["failed"].items():
            console.print(f"{name} failed on {item}: {why}", markup=False)


PROTOCOL = (
    "Distances in mm of the scan's vertices within the radius of its nose tip from the aligned mesh. landmarks_rigid, "
    "landmarks: fitted to 68 points without and with scale; icp_rigid, icp: from there by nearest points; icp_point "
    "and icp_plane: to the nearest vertex and its tangent plane; now: NoW's 7 landmarks and crop. nme: mean over the "
    "scan's outer eye distance."
)


def evaluate_scans(data: Path, peers: Path | None, radius: float = 95.0) -> dict[str, Any]:
    """Everything that `results.json` holds for the scans of `data` and the methods of `peers`.

    Raises:
        UserError: nothing to measure.
    """
    from tfface.face.open_model import load_open_face

    scans, broken = read_surfaces(data)
    if not scans:
        raise UserError(f"{data} holds no usable scan: {next(iter(broken.values()))}")
    methods, bad = ({}, {}) if peers is None else read_methods(peers)
    mean = mean_surface(load_open_face())
    methods = {**methods, BASELINE: {name: mean for name in scans}}
    return {
        "benchmark": "scans",
        "images": len(scans),
        "radius_mm": radius,
        "models": measure_scans(scans, methods, radius),
        "broken": {**broken, **bad},
        "protocol": PROTOCOL,
    }
