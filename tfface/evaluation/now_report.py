"""What an evaluation on NoW leaves: `results.json`, `ced.png`, `report.html` and a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tfface.evaluation import page
from tfface.evaluation.pictures import plot_ced
from tfface.evaluation.report import problems
from tfface.io.files import write_results, write_text

_AXIS_MM = 7.0


def write_now_report(out: Path, results: dict[str, Any]) -> dict[str, Any]:
    """Writes the files into `out` and gives what `results.json` holds."""
    columns = {name: column for name, column in results["columns"].items() if column.distances}
    kept = {**{key: value for key, value in results.items() if key != "columns"}, "versions": page.versions()}
    write_results(out / "results.json", kept)
    points = {name: np.concatenate(list(column.distances.values())) for name, column in columns.items()}
    plot_ced(points, _AXIS_MM, out / "ced.png", "distance (mm)", "the scans' points (%)")
    parts = [
        page.table(*table_rows(kept)),
        page.problem_list(problems(kept)),
        page.heading("Cumulative errors"),
        page.png_tag((out / "ced.png").read_bytes()),
        page.heading("Protocol"),
        page.paragraph(kept["protocol"]),
    ]
    write_text(out / "report.html", page.page(f"now: {kept['images']} images", *parts), errors="backslashreplace")
    return kept


def table_rows(results: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows: one for each method and challenge."""
    rows = []
    for name, model in results["models"].items():
        for group, figures in model["groups"].items():
            numbers = [f"{figures[key]:.3f}" for key in ("median", "mean", "std")]
            rows.append([name, group, str(figures["images"]), *numbers])
    return ["method", "challenge", "images", "median mm", "mean mm", "std mm"], rows


def print_now(results: dict[str, Any]) -> None:
    """The table, and what failed, on the terminal."""
    page.print_tables([(f"now: {results['images']} images", table_rows(results))], problems(results))
