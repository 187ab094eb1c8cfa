"""Landmarked scans: how far a network's or a peer's mesh lies from each, beside the mean face that was only posed.

Networks see the scans as `scan_render` draws them. Peers' meshes have the same names as the scans and their own
landmarks, in any pose and scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError, item_error
from tfface.evaluation.scan_files import read_scans, read_surfaces
from tfface.evaluation.scan_photometric import transfer_error
from tfface.evaluation.scan_render import RenderedScan, ScanPredictor, predict_surface, render_views, with_landmarks
from tfface.face.open_model import REGION_NAMES, OpenFace, load_open_face
from tfface.geometry.icp import move
from tfface.metrics.curves import area_under_curve
from tfface.metrics.reconstruction import RADIUS_MM, Comparison, Surface, compare, region_errors

BASELINE = "mean face, posed"
BASELINE_LEVEL = 2
AUC_MM = 5.0
_REGIONS = {label: name for label, name in enumerate(REGION_NAMES) if label}
PROTOCOL = (
    "Distances in mm of the scan's vertices within the radius of its nose tip from the aligned mesh. landmarks_rigid, "
    "landmarks: fitted to 68 points without and with scale; icp_rigid, icp: from there by nearest points, to the "
    "surface; ..._point and ..._plane: to the nearest vertex and its tangent plane; now: NoW's 7 landmarks and crop. "
    "NME in per cent of the mean: over the scan's outer eye distance (nme), over the diagonal of the predicted mesh's "
    "box (nme_box_predicted, Lium's text) and of the measured true points' (nme_box_truth, Lium's code). "
    "Regions: each aligned on its own by rigid ICP, in the manner of REALY. Networks see a front and, those of "
    "more views, a side picture and others in orthographic projection, whose known scale gives their millimetres. "
    "Photometric: the front picture worn by the mesh after icp, seen 30 degrees from the side, against the scan "
    "(colours in [0,1])."
)


@dataclass
class Method:
    """One column: its meshes by scan, why others are missing, and what was measured.

    Attributes:
        posed: the meshes lie where the network saw them in the front view.
    """

    surfaces: dict[str, Surface]
    failed: dict[str, str] = field(default_factory=dict)
    posed: bool = False
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    regions: dict[str, dict[str, float]] = field(default_factory=dict)
    photometric: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass
class ScanRun:
    """Everything that a report needs."""

    benchmark: str
    items: dict[str, RenderedScan]
    methods: dict[str, Method]
    broken: dict[str, str]


def mean_surface(face: OpenFace, level: int = BASELINE_LEVEL) -> Surface:
    """The face of people on average with its landmarks, at a level of subdivision."""
    surface = face.face(level)
    vertices = face.mean_face(level)
    return Surface(vertices, surface.triangles, vertices[face.landmarks(level, 68)])


def evaluate_scans(
    data: Path,
    peers: Path | None = None,
    predictors: Iterable[ScanPredictor] = (),
    benchmark: str = "scans",
    limit: int | None = None,
    side_yaw_deg: float = 90.0,
    track: Callable[[list[str], str], Iterable[str]] = lambda names, what: names,
) -> ScanRun:
    """Renders the scans of `data`, lets networks reconstruct them, and measures these, the peers and the mean face.

    Args:
        peers: a folder with a subfolder of meshes for each method.
        limit: the first so many scans only.
        side_yaw_deg: of the side view.
        track: wraps a list of scans and what is done to them, to show progress.

    Raises:
        UserError: no scan can be used, or the peers' folder is empty.
    """
    networks = list(predictors)
    items, broken = _render(data, networks, limit, side_yaw_deg, track)
    methods: dict[str, Method] = {}
    for network in networks:
        methods[_new_name(network.name, methods)] = _predict(network, items, track)
    if peers is not None:
        surfaces, bad = read_methods(peers)
        broken.update(bad)
        methods.update({_new_name(name, methods): Method(meshes) for name, meshes in surfaces.items()})
    mean = mean_surface(load_open_face())
    methods[BASELINE] = Method({name: mean for name in items})
    run = ScanRun(benchmark, items, methods, broken)
    for name in track(list(items), "measuring"):
        _measure(run, name)
    return run


def _render(
    data: Path,
    networks: list[ScanPredictor],
    limit: int | None,
    side_yaw_deg: float,
    track: Callable[[list[str], str], Iterable[str]],
) -> tuple[dict[str, RenderedScan], dict[str, str]]:
    scans, broken = read_scans(data, millimetres=True)
    finder = next((network for network in networks if network.num_views == 1), None)
    items = {}
    for name in track(list(scans)[:limit], "rendering"):
        try:
            scan, estimated = with_landmarks(scans[name], finder)
            rendered = render_views(scan, side_yaw_deg, max([2, *(network.num_views for network in networks)]))
            items[name] = RenderedScan(scan, rendered.views, rendered.images, rendered.boxes, estimated)
        except Exception as error:
            broken[name] = item_error(error)
    if not items:
        raise UserError(f"{data} holds no usable scan: {next(iter(broken.values()))}")
    return items, broken


def _predict(
    network: ScanPredictor, items: dict[str, RenderedScan], track: Callable[[list[str], str], Iterable[str]]
) -> Method:
    method = Method({}, posed=True)
    for name in track(list(items), network.name):
        try:
            method.surfaces[name] = predict_surface(network, items[name])
        except Exception as error:
            method.failed[name] = item_error(error)
    return method


def _new_name(name: str, taken: dict[str, Method]) -> str:
    number = 2
    result = name
    while result in taken or result == BASELINE:
        result, number = f"{name} ({number})", number + 1
    return result


def _measure(run: ScanRun, name: str) -> None:
    """All methods on one scan; the mean face first, since it says where the scan's regions are."""
    truth = run.items[name].scan.surface()
    labels = None
    for title in [BASELINE, *(title for title in run.methods if title != BASELINE)]:
        method = run.methods[title]
        if name not in method.surfaces:
            method.failed.setdefault(name, "no mesh of it")
            continue
        try:
            comparison = compare(method.surfaces[name], truth)
            if labels is None:
                labels = scan_regions(truth, method.surfaces[name], comparison)
            method.regions[name] = region_errors(method.surfaces[name], truth, labels, _REGIONS)
            placed = method.surfaces[name].moved(comparison.motion)
            method.photometric[name] = transfer_error(run.items[name], placed)
            method.comparisons[name] = comparison
        except Exception as error:
            method.failed[name] = item_error(error)


def scan_regions(truth: Surface, mean: Surface, comparison: Comparison) -> NDArray[np.uint8]:
    """The region `[V]` (`REGION_NAMES`) of each of the scan's vertices: that of the aligned mean face's nearest one."""
    from scipy.spatial import cKDTree

    placed = move(comparison.motion, mean.vertices)
    distance, nearest = cKDTree(placed).query(truth.vertices)
    regions = load_open_face().regions[: len(placed)][nearest]
    return np.where(distance < 15.0, regions, 0).astype(np.uint8)


def read_methods(folder: Path) -> tuple[dict[str, dict[str, Surface]], dict[str, str]]:
    """Each subfolder of `folder` as a method with its meshes by name, and what could not be read, and why.

    Raises:
        UserError: there is no subfolder, or none with meshes.
    """
    methods, broken = {}, {}
    for method in sorted(path for path in folder.glob("*") if path.is_dir()):
        try:
            methods[method.name], bad = read_surfaces(method)
        except UserError as error:
            bad = {"": item_error(error)}
        broken.update({f"{method.name}/{name}": why for name, why in bad.items()})
    if not methods and broken:
        raise UserError(f"{folder}: no method's meshes can be read; {next(iter(broken.values()))}")
    if not methods:
        raise UserError(f"{folder} holds no folder; `peers` takes a folder with a subfolder of meshes for each method")
    return methods, broken


def results_of(run: ScanRun) -> dict[str, Any]:
    """Everything that `results.json` holds."""
    estimated = [name for name, item in run.items.items() if item.estimated]
    return {
        "benchmark": run.benchmark,
        "images": len(run.items),
        "radius_mm": RADIUS_MM,
        "models": {name: _figures(method) for name, method in run.methods.items()},
        "estimated_landmarks": estimated,
        "broken": run.broken,
        "protocol": PROTOCOL,
    }


def _figures(method: Method) -> dict[str, Any]:
    tables = {name: comparison.table for name, comparison in method.comparisons.items()}
    measures = next(iter(tables.values()), {}).keys()
    result: dict[str, Any] = {
        "scans": tables,
        "mean": {key: _mean([table[key] for table in tables.values() if key in table]) for key in measures},
        "regions": _mean(list(method.regions.values())) if method.regions else {},
        "photometric": _mean(list(method.photometric.values())) if method.photometric else {},
        "failed": method.failed,
    }
    if tables:
        errors = np.concatenate([comparison.errors for comparison in method.comparisons.values()])
        result["auc5mm"] = area_under_curve(errors, AUC_MM)
    return result


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([row[key] for row in rows if key in row])) for key in rows[0]}
