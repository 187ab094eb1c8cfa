"""What an evaluation on scans leaves: `results.json`, `report.html` with heat maps, two curves, and a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.evaluation import page, report
from tfface.evaluation.pictures import plot_ced
from tfface.evaluation.scan_render import RenderedScan
from tfface.evaluation.scans import AUC_MM, Method, ScanRun, results_of
from tfface.io.files import write_results, write_text
from tfface.metrics.reconstruction import Surface
from tfface.viz.overlay import overlay
from tfface.viz.scan_view import heat_view
from tfface.viz.sheet import contact_sheet

FIGURES = ("mean", "median", "rms", "nme", "nme_box_predicted", "nme_box_truth")
_CASES = 6
_LEAST_NME_AXIS = 3.0


def write_scan_report(out: Path, run: ScanRun) -> dict[str, Any]:
    """Writes the files into `out` and gives what `results.json` holds."""
    results = {**results_of(run), "versions": page.versions()}
    write_results(out / "results.json", results)
    _plot(run, out)
    curves = [page.png_tag((out / name).read_bytes()) for name in ("ced.png", "ced_points.png")]
    parts = [
        page.table(*table_rows(results)),
        page.heading("Regions, each aligned on its own, and photometric error"),
        page.table(*region_rows(results)),
        page.problem_list(problems(results)),
        page.heading("Cumulative errors"),
        *curves,
        *_cases(run),
        page.heading("Protocol"),
        page.paragraph(results["protocol"]),
        page.paragraph(", ".join(f"{name} {version}" for name, version in results["versions"].items())),
    ]
    text = page.page(f"{run.benchmark}: {len(run.items)} scans", *parts)
    write_text(out / "report.html", text, errors="backslashreplace")
    return results


def _plot(run: ScanRun, out: Path) -> None:
    """The CED of the scans' NME (Lium's figure 5.1), and that of all points in mm."""
    with_any = {name: method for name, method in run.methods.items() if method.comparisons}
    nme = {
        name: np.array([c.table["icp_rigid_point"]["nme_box_predicted"] for c in method.comparisons.values()])
        for name, method in with_any.items()
    }
    maximum = max([_LEAST_NME_AXIS, *(float(values.max()) for values in nme.values())])
    plot_ced(nme, maximum, out / "ced.png", "NME after rigid ICP (% of the predicted box's diagonal)", "scans (%)")
    points = {
        name: np.concatenate([c.errors for c in method.comparisons.values()]) for name, method in with_any.items()
    }
    plot_ced(points, AUC_MM, out / "ced_points.png", "distance after similarity ICP (mm)", "the scans' points (%)")


def table_rows(results: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows: one for each method and measure, with the posed mean face's own mean beside it."""
    models = results["models"]
    baseline = list(models.values())[-1]["mean"]
    head = ["method", "measure", "mean mm", "median mm", "rms mm", "NME eyes %", "NME pred. box %", "NME true box %"]
    rows = []
    for name, model in models.items():
        for measure, row in model["mean"].items():
            floor = baseline.get(measure)
            figures = [f"{row[key]:.3f}" for key in FIGURES]
            rows.append([name, measure, *figures, "-" if floor is None else f"{floor['mean']:.3f}"])
    return [*head, "mean face, mm"], rows


def region_rows(results: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the region-wise errors (mm) and the photometric ones."""
    names = sorted({region for model in results["models"].values() for region in model["regions"]})
    looks = ("l2", "mae", "psnr")
    rows = []
    for name, model in results["models"].items():
        figures = [model["regions"].get(region) for region in names] + [model["photometric"].get(key) for key in looks]
        rows.append([name, *("-" if value is None else f"{value:.3f}" for value in figures)])
    return ["method", *(f"{name} mm" for name in names), "photometric l2", "mae", "psnr dB"], rows


def print_scans(results: dict[str, Any]) -> None:
    """The tables, and what failed, on the terminal."""
    title = f"{results['benchmark']}: {results['images']} scans, {results['radius_mm']:g} mm crop"
    tables = [(title, table_rows(results)), ("regions, photometric", region_rows(results))]
    page.print_tables(tables, problems(results))


def problems(results: dict[str, Any]) -> list[str]:
    """A line for each kind of trouble, with the names."""
    lines = report.problems(results)
    if results.get("estimated_landmarks"):
        lines.append(f"landmarks estimated by the first network: {', '.join(results['estimated_landmarks'])}")
    return lines


def _cases(run: ScanRun) -> list[str]:
    """The views of each scan, and for every method the best and the worst scans with overlay and heat map."""
    parts = [page.heading("Views that the networks saw")]
    names = list(run.items)[: 2 * _CASES]
    views = [image for name in names for image in run.items[name].images[:2]]
    labels = [f"{name}, {side}" for name in names for side in ("front", "side")]
    parts.append(page.image_tag(contact_sheet(views, labels, 4, 320)))
    parts.append(page.heading(f"Best and worst: mesh over the front view, errors from 0 (dark) to {AUC_MM:g} mm"))
    for title, method in run.methods.items():
        order = sorted(method.comparisons, key=lambda name: float(method.comparisons[name].errors.mean()))
        chosen = order if len(order) <= 2 * _CASES else order[:_CASES] + order[-_CASES:]
        for name in chosen:
            parts.append(page.heading(f"{title}: {name}", 3))
            parts.append(page.image_tag(case_sheet(run.items[name], method, name)))
    return parts


def case_sheet(item: RenderedScan, method: Method, name: str) -> NDArray[np.uint8]:
    """Overlay on the front view (a network's mesh where it put it, others aligned) and errors on the scan."""
    comparison, surface = method.comparisons[name], method.surfaces[name]
    placed = surface if method.posed else surface.moved(comparison.motion)
    errors = np.full(len(comparison.measured), np.nan)
    errors[comparison.measured] = comparison.errors
    mesh = item.scan.mesh
    heat = [heat_view(mesh.vertices, mesh.triangles, errors, view, AUC_MM) for view in item.views[:2]]
    labels = ["front view", "mesh over it", f"errors, mean {comparison.errors.mean():.2f} mm", "from the side"]
    return contact_sheet([item.images[0], _overlay(item, placed), *heat], labels, 4, 320)


def _overlay(item: RenderedScan, placed: Surface) -> NDArray[np.uint8]:
    front = item.views[0]
    triangles = np.asarray(placed.triangles, np.int32)
    return overlay(item.images[0], front.project(placed.vertices), triangles, front.project(placed.landmarks))
