"""What an evaluation on sets leaves: `results.json`, two curves and `report.html`, and a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tfface.evaluation import page
from tfface.evaluation.person_sets import NME, PAIR, PROTOCOL, SIZES
from tfface.evaluation.pictures import plot_ced
from tfface.io.files import MARK, atomic_path, write_results, write_text

PICTURES = {
    "sets.png": "Error by number of pictures",
    "pairs.png": "Front and side, by the side's yaw",
    "ced.png": "Cumulative NME of front, and of front and side",
}
METHODS = ("one of them", "best of them", "mean", "mean of what C-Net weighs", "C-Net", "together", "both")
"""Those of C-Net only of networks that have it."""


def write_sets_report(out: Path, results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Writes the files into `out` and gives what `results.json` holds.

    Args:
        results: of each network, by `person_sets.summary`.
    """
    summary = {"benchmark": "sets", "models": results, "protocol": PROTOCOL, "versions": page.versions()}
    write_results(out / "results.json", summary)
    _plot_sizes(results, out / "sets.png")
    _plot_yaw(results, out / "pairs.png")
    curves = {
        f"{name}: {which}": np.array(each["nme_percent"][which]) for name, each in results.items() for which in NME
    }
    highest = float(np.quantile(np.concatenate([*curves.values()]), 0.99))
    plot_ced(curves, highest, out / "ced.png", "NME after ICP (% of the true box's diagonal)", "people (%)")
    parts = []
    for name in results:
        parts += [page.heading(name), *(page.table(*rows(results[name])) for rows in TABLES)]
    for name, title in PICTURES.items():
        parts += [page.heading(title), page.png_tag((out / name).read_bytes())]
    write_text(out / "report.html", page.page("sets of pictures of one person", *parts, page.paragraph(PROTOCOL or "")))
    return summary


def set_rows(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows: a row for each method, a column for each number of pictures."""
    sizes = [size for size in SIZES if f"good {size} mean" in result["mm"]]
    rows = [
        [f"{method}, {'a third of them bad' if kind == 'bad' else 'all good'}"]
        + ["{:.3f} ({:.3f})".format(*result["mm"][f"{kind} {size} {method}"]) for size in sizes]
        for kind in ("good", "bad")
        for method in _methods(result)
    ]
    usual = "{:.3f} ({:.3f})".format(*result["mm"]["usual"])
    return ["mm (standard error)", *map(str, sizes)], [["the usual face", *[usual] * len(sizes)], *rows]


def _methods(result: dict[str, Any]) -> list[str]:
    return [method for method in METHODS if f"good 1 {method}" in result["mm"]]


def pair_rows(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows: what front and side say, and what a wrong side does."""
    rows = []
    for name, value in result["side_above_45_mm"].items():
        which = name.removeprefix("side: ") if name.startswith("side: ") else "the right one" * (name == "pair")
        shares = [result[key].get(which) for key in ("told_as_two_people", "told_as_useless")]
        everybody = "{:.3f} ({:.3f})".format(*result["mm"][name])
        rows.append([name, everybody, f"{value:.3f}", *("" if t is None else f"{100 * t:.0f} %" for t in shares)])
    return [
        "front and side",
        "mm",
        "side above 45 degrees",
        "flagged as two people",
        "flagged as showing nothing",
    ], rows


def nme_rows(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows: Lium's table (2020), one view against two, and by how much the pair lies below the front."""
    rows = []
    for name, values in result["nme_percent"].items():
        error = np.std(values) / np.sqrt(len(values))
        quantiles = [f"{value:.3f}" for value in np.quantile(values, (0.5, 0.9))]
        rows.append([name, f"{np.mean(values):.3f} ({error:.3f})", *quantiles])
    for what, key in (("NME", "nme_pair_below_front_percent"), ("mm", "pair_below_front_percent")):
        rows.append([f"pair below front, {what}", "{:.1f} % ({:.1f} to {:.1f})".format(*result[key]), "", ""])
    return ["NME in % of the box", "mean (standard error)", "median", "nine in ten"], rows


TABLES = (set_rows, pair_rows, nme_rows)


def print_sets(results: dict[str, dict[str, Any]]) -> None:
    """The tables, on a terminal."""
    for name, result in results.items():
        page.print_tables([(f"{name}: {result['people']} people", rows_of(result)) for rows_of in TABLES])


def _plot_sizes(results: dict[str, dict[str, Any]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, result in results.items():
        for kind, line in (("good", "-"), ("bad", "--")):
            sizes = [size for size in SIZES if f"{kind} {size} mean" in result["mm"]]
            for method in _methods(result)[1:]:
                label = f"{name}: {method}" + ", a third bad" * (kind == "bad")
                axes.plot(sizes, [result["mm"][f"{kind} {n} {method}"][0] for n in sizes], line, label=label)
    axes.set(xlabel="pictures", ylabel="mean error of the neutral face (mm)", xscale="log", xticks=SIZES)
    axes.set_xticklabels([str(size) for size in SIZES])
    _save(figure, axes, path)


def _plot_yaw(results: dict[str, dict[str, Any]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, result in results.items():
        middles = [(low + high) / 2 for low, high, *_ in result["by_side_yaw"]]
        for index, what in enumerate(PAIR):
            axes.plot(middles, [row[3 + index] for row in result["by_side_yaw"]], "o-", label=f"{name}: {what}")
    axes.set(xlabel="yaw of the side picture (degrees)", ylabel="mean error of the neutral face (mm)", ylim=(0, None))
    _save(figure, axes, path)


def _save(figure: Any, axes: Any, path: Path) -> None:
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    with atomic_path(path) as beside:
        figure.savefig(beside, dpi=110, metadata={"Software": MARK})
