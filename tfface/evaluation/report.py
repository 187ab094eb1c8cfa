"""What an evaluation leaves: `results.json`, `ced.png`, `report.html`, and a table on the terminal."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import numpy as np

from tfface.errors import item_error
from tfface.evaluation import page
from tfface.evaluation.columns import Column, ReadImage
from tfface.evaluation.landmark_set import LandmarkSet
from tfface.evaluation.pictures import draw_landmarks, plot_ced
from tfface.evaluation.scores import FAILURE_PERCENT, box_errors, score_column
from tfface.io.files import write_results, write_text
from tfface.metrics.expressions import OPENINGS
from tfface.metrics.landmarks import YAW_BINS

PROTOCOL = (
    "NME in per cent: mean distance of 68 points over sqrt(width * height) of the true points' box. "
    "Bins of |yaw|: up to 30, up to 60, above 60 degrees; mean_of_bins is the mean of the three bin means. "
    "Intervals: 95 %, bootstrap over images (1000 draws, within bins for mean_of_bins). "
    "auc10 and failure_rate10: area under the cumulative curve up to 10 %, and share above it, images without "
    "a prediction counted as failures. "
    "nme68_3d: depth raw, with its mean made the truth's, or scaled and shifted to it by least squares. "
    "Networks' pixels are moved by half a pixel into the files' frame (first pixel centred on 1)."
)
_CASES = 6
PARTS = "The same people in other pictures: NME in %, slope (and correlation) of openings"
EXPRESSIONS = "Frontal faces: slope (and correlation) of predicted on true openings"


def collect(data: LandmarkSet, columns: list[Column]) -> dict[str, Any]:
    """Everything that `results.json` holds; the first column's 2D figures also stand at the top."""
    models = {column.name: score_column(column, data) for column in columns}
    first = models[columns[0].name]
    return {
        "benchmark": data.name,
        "images": len(data.names),
        "model": columns[0].name,
        **{key: value for key, value in first.items() if key.startswith("nme68_2d")},
        "models": models,
        "broken": data.broken,
        "protocol": f"{data.protocol}. {PROTOCOL}" + (f" {data.dense.note}." if data.dense is not None else ""),
        "versions": page.versions(),
    }


def write_report(
    out: Path, data: LandmarkSet, columns: list[Column], results: dict[str, Any], read_image: ReadImage
) -> None:
    """Writes `results.json`, `ced.png` and `report.html` into `out`."""
    truth = next(iter(data.truths.values()))
    errors = {column.name: box_errors(column, truth) for column in columns}
    write_results(out / "results.json", results)
    plot_ced(errors, FAILURE_PERCENT, out / "ced.png")
    cases = "".join(_cases(column, errors[column.name], data, read_image) for column in columns)
    text = _page(results, (out / "ced.png").read_bytes(), cases)
    write_text(out / "report.html", text, errors="backslashreplace")


def table_rows(results: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of 2D figures: a row for each method and ground truth."""
    binned = bool(results["nme68_2d"]["bins"])
    head = ["method", "figure", *(YAW_BINS if binned else ()), *(["mean of bins"] if binned else [])]
    head += ["mean", "95 %", "median", "AUC", "failures"]
    rows = []
    for name, model in results["models"].items():
        for key in (key for key in model if key.startswith("nme68_2d")):
            rows.append([name, key, *_row(model[key], binned)])
        for rule, figures in model.get("nme68_3d", {}).items():
            if rule == "raw":  # in results.json: depth from another zero says nothing
                continue
            rows.append([name, f"nme68_3d, depth {rule}", *_row(figures, binned)])
    return head, rows


def dense_rows(results: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the figures of whole meshes; a line says why a method has none; no rows where none has any."""
    binned = bool(results["nme68_2d"]["bins"])
    head = ["method", "figure", *(YAW_BINS if binned else ()), "mean", "median", "spread by skin tone"]
    rows: list[list[str]] = []
    if all("absent" in model["dense"] for model in results["models"].values()):
        return head, rows
    for name, model in results["models"].items():
        if "absent" in model["dense"]:
            rows.append([name, f"no dense figures: {model['dense']['absent']}", *[""] * (len(head) - 2)])
            continue
        for key, figures in model["dense"].items():
            numbers = [*(figures["bins"].values() if binned else ()), figures["mean"], figures["median"]]
            tone = figures.get("by_skin_tone", {}).get("spread", {}).get("mean")
            rows.append([name, key, *map(_text, [*numbers, tone])])
    return head, rows


def expression_rows(results: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of what frontal faces do: how far openings are followed, how often a side of the jaw is outside."""
    head, rows = ["method", "truth", "images", *(name.replace("_", " ") for name in OPENINGS), "jaw outside"], []
    for name, model in results["models"].items():
        for truth, figures in model["expressions"].items():
            if figures is None:
                continue
            slopes = [f"{o['slope']:.2f} ({o['correlation']:.2f})" for o in figures["openings"].values()]
            outside = f"{100 * figures['jaw_side_outside']:.0f} %"
            rows.append([name, truth, str(figures["images"]), *slopes, outside])
    return head, rows


def part_rows(results: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the kinds of pictures that are reported apart; no rows where there are none."""
    head, rows = ["method", "part", "images", "mean", "median", *(name.replace("_", " ") for name in OPENINGS)], []
    for name, model in results["models"].items():
        for part, figures in model.get("by_part", {}).items():
            numbers = [_text(figures.get(key)) for key in ("mean", "median")]
            followed = figures["expressions"]
            slopes = (
                [f"{o['slope']:.2f} ({o['correlation']:.2f})" for o in followed["openings"].values()]
                if followed
                else []
            )
            rows.append([name, part, str(figures["images"]), *numbers, *slopes, *["-"] * (len(OPENINGS) - len(slopes))])
    return head, rows


def skin_tone_rows(results: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the 2D error of the 68 points by skin tone; no rows where tones are unknown."""
    rows = []
    for name, model in results["models"].items():
        for tone, figures in model.get("by_skin_tone", {}).items():
            rows.append([name, tone, str(figures["count"]), f"{figures['mean']:.4f}"])
    return ["method", "skin tone (ITA)", "images", "nme68_2d"], rows


def print_table(results: dict[str, Any]) -> None:
    """The table, what failed, and what was missed, on the terminal."""
    tables = [
        (f"{results['benchmark']}: {results['images']} images, NME in %", table_rows(results)),
        (EXPRESSIONS, expression_rows(results)),
        ("whole mesh", dense_rows(results)),
        ("by skin tone", skin_tone_rows(results)),
        (PARTS, part_rows(results)),
    ]
    page.print_tables(tables, problems(results))


def problems(results: dict[str, Any]) -> list[str]:
    """A line for each kind of trouble, with the names."""
    lines = [f"broken item {name}: {why}" for name, why in results["broken"].items()]
    for name, model in results["models"].items():
        lines += [f"{name} failed on {image}: {why}" for image, why in model["failed"].items()]
        if model.get("skipped"):
            lines.append(f"{name}: not asked about {len(model['skipped'])} images that have no side view")
        if model.get("missed"):
            lines.append(f"{name}: no face found in {len(model['missed'])}: {', '.join(model['missed'])}")
    return lines


def _row(figures: dict[str, Any], binned: bool) -> list[str]:
    middle = [*figures["bins"].values(), figures["mean_of_bins"]] if binned else []
    low_high = figures["mean_interval95"]
    interval = "" if low_high is None else f"{low_high[0]:.2f}-{low_high[1]:.2f}"
    numbers = [_text(value) for value in (*middle, figures["mean"])]
    tail = [_text(figures["median"]), f"{figures['auc10']:.3f}", f"{100 * figures['failure_rate10']:.1f} %"]
    return [*numbers, interval, *tail]


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _cases(column: Column, errors: np.ndarray, data: LandmarkSet, read_image: ReadImage) -> str:
    order = [int(i) for i in np.argsort(errors) if np.isfinite(errors[i])]
    parts = []
    for title, chosen in (("best", order[:_CASES]), ("worst", order[::-1][:_CASES])):
        figures = "".join(_case(column, i, errors, data, read_image) for i in chosen)
        parts.append(f"<h3>{html.escape(column.name)}: {title}</h3><p>{figures}</p>")
    return "".join(parts)


def _case(column: Column, i: int, errors: np.ndarray, data: LandmarkSet, read_image: ReadImage) -> str:
    truth = next(iter(data.truths.values()))[i]
    try:
        image = read_image(data.images[i])
    except Exception as error:
        return html.escape(f"{_caption(data, i, errors)} ({item_error(error)}) ")
    return page.png_tag(draw_landmarks(image, truth, column.landmarks[i], _caption(data, i, errors)))


def _caption(data: LandmarkSet, i: int, errors: np.ndarray) -> str:
    return f"{data.names[i]}: {errors[i]:.2f} %"


def _page(results: dict[str, Any], curve: bytes, cases: str) -> str:
    return page.page(
        f"{results['benchmark']}: {results['images']} images",
        page.table(*table_rows(results)),
        page.heading(EXPRESSIONS),
        page.table(*expression_rows(results)),
        page.heading("Whole mesh"),
        page.table(*dense_rows(results)),
        *([page.heading("By skin tone"), page.table(*skin_tone_rows(results))] if skin_tone_rows(results)[1] else []),
        *([page.heading(PARTS), page.table(*part_rows(results))] if part_rows(results)[1] else []),
        page.problem_list(problems(results)),
        page.heading("Cumulative errors"),
        page.png_tag(curve),
        page.heading("Best and worst"),
        page.paragraph("Green: truth. Magenta: prediction."),
        cases,
        page.heading("Protocol"),
        page.paragraph(results["protocol"]),
        page.paragraph(", ".join(f"{name} {version}" for name, version in results["versions"].items())),
    )
