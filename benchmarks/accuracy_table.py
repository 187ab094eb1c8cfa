"""The README's accuracy table, by one command: presets and peers on whatever benchmarks are at hand.

    python benchmarks/accuracy_table.py --aflw2000 DIR --aflw2000-peers DIR --scans DIR --synthetic 100 \\
        --out out/accuracy --markdown README.md

Every benchmark is run by `tfface evaluate` and leaves its own report below --out. In a file that holds the
lines `<!-- accuracy -->` and `<!-- /accuracy -->` what stands between them is replaced; another file is written anew.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfface.cli import run
from tfface.errors import UserError

START, END = "<!-- accuracy -->", "<!-- /accuracy -->"
Rows = list[list[str]]


@dataclass(frozen=True)
class Options:
    """Measure presets and peers, and print (or write) tables in Markdown."""

    out: Path
    """Folder for the benchmarks' reports."""
    model: tuple[str, ...] = field(default=())
    """SavedModel folders or presets (default: every preset)."""
    aflw2000: Path | None = None
    """AFLW2000-3D's folder."""
    aflw2000_peers: Path | None = None
    """Other methods' landmarks there, a file each."""
    scans: Path | None = None
    """A folder of textured scans."""
    scans_peers: Path | None = None
    """Other methods' meshes of them, a folder each."""
    synthetic: int = 0
    """So many held-out synthetic persons."""
    limit: int | None = None
    """The first so many images of AFLW2000-3D, and scans, only."""
    markdown: Path | None = None
    """The file to write the tables into."""


def main(argv: list[str] | None = None) -> int:
    """Measures, prints, writes; 1 when an item failed somewhere."""
    import tyro

    options = tyro.cli(Options, args=argv, prog="accuracy_table")
    models = views_of(options.model or _presets())
    codes, sections = [], []
    for name, arguments, table in _plans(options, models):
        out = options.out / name
        code = _evaluate([*arguments, "--out", str(out)])
        codes.append(code)
        sections.append(table(json.loads((out / "results.json").read_text())))
    if not sections:
        raise UserError("there is nothing to measure: give --aflw2000, --scans or --synthetic")
    text = "\n\n".join(sections)
    print(text)
    if options.markdown is not None:
        write_markdown(options.markdown, text)
    return max(codes)


def _presets() -> tuple[str, ...]:
    from tfface.models.weights import presets

    return tuple(name for name in presets.available() if presets.model_config(name).name != "detail")


def _evaluate(arguments: list[str]) -> int:
    from tfface.evaluate import main as evaluate

    return evaluate(arguments)


def views_of(models: tuple[str, ...]) -> dict[str, int]:
    """How many views each model takes."""
    from tfface.runtime import find_network

    return {model: int(find_network(model).card["views"]) for model in models}


def _plans(options: Options, models: dict[str, int]) -> list[tuple[str, list[str], Any]]:
    """Name, arguments and table of each benchmark that is wanted."""
    limit = [] if options.limit is None else ["--limit", str(options.limit)]
    plans: list[tuple[str, list[str], Any]] = []
    single = [model for model, views in models.items() if views == 1]
    for name, data, peers, chosen, table in (
        ("aflw2000", options.aflw2000, options.aflw2000_peers, single, aflw2000_table),
        ("florence", options.scans, options.scans_peers, list(models), scan_table),
    ):
        if data is not None and (chosen or peers is not None):
            own = ["--model", *chosen] if chosen else []
            theirs = [] if peers is None else ["--peers", str(peers)]
            plans.append((name, ["--benchmark", name, "--data", str(data), *own, *theirs, *limit], table))
    if options.synthetic and models:
        arguments = ["--benchmark", "synthetic", "--limit", str(options.synthetic), "--model", *models]
        plans.append(("synthetic", arguments, synthetic_table))
    return plans


def aflw2000_table(results: dict[str, Any]) -> str:
    """68 points in 2D by yaw, against both truths; whether frontal faces' mouths, lids and brows are followed."""
    from tfface.evaluation.report import expression_rows

    rows = []
    for name, model in results["models"].items():
        for key, truth in (("nme68_2d", "usual"), ("nme68_2d_reannotated", "re-annotated")):
            if key in model:
                figures = model[key]
                numbers = [*figures["bins"].values(), figures["mean_of_bins"], figures["mean"], figures["median"]]
                rows.append([name, truth, *map(_text, numbers)])
    head = ["AFLW2000-3D, NME %", "truth", "0-30", "30-60", "60-90", "mean of bins", "mean", "median"]
    table = markdown_table(head, rows) + f"\n\n{results['images']} photographs, 68 points in 2D."
    followed = markdown_table(*expression_rows(results))
    return (
        f"{table}\n\n{followed}\n\nFrontal faces: slope (and correlation) of predicted on true openings; share with "
        "a side of the jaw more than 4 % outside."
    )


def scan_table(results: dict[str, Any]) -> str:
    """Millimetres and NME on scans; the last row is the mean face, only posed."""
    rows = []
    for name, model in results["models"].items():
        mean = model["mean"]
        numbers = [mean["landmarks"]["mean"], mean["icp"]["mean"], mean["icp_plane"]["rms"], mean["now"]["median"]]
        rows.append([name, *map(_text, [*numbers, mean["icp_rigid_point"]["nme_box_predicted"]])])
    head = ["scans", "by landmarks, mm", "ICP, mm", "ICP to plane, rms mm", "NoW median, mm", "rigid ICP, NME %"]
    return markdown_table(head, rows) + f"\n\n{results['images']} scans, 95 mm round the nose tip."


def synthetic_table(results: dict[str, Any]) -> str:
    """Whole meshes of held-out synthetic faces."""
    keys = ("dense_2d", "dense_3d_centred", "reconstruction_mm", "mean_face_mm", "pose_error_deg", "smooth_share")
    rows = []
    for name, model in results["models"].items():
        dense = model["dense"]
        if "absent" not in dense:
            spread = dense["dense_2d"].get("by_skin_tone", {}).get("spread", {}).get("mean")
            numbers = [*(dense[key]["mean"] if key in dense else None for key in keys), spread]
            rows.append([name, _text(model["nme68_2d"]["mean"]), *map(_text, numbers)])
    head = ["synthetic faces", "68 points %", "dense 2D %", "dense 3D %", "mm", "mean face, mm", "pose deg"]
    head += ["smooth", "spread by skin tone"]
    return markdown_table(head, rows) + f"\n\n{results['images']} pictures; networks of two views answer for the front."


def markdown_table(head: list[str], rows: Rows) -> str:
    """A Markdown table, numbers to the right."""
    lines = ["| " + " | ".join(row) + " |" for row in [head, *rows]]
    rule = "| --- |" + " ---: |" * (len(head) - 1)
    return "\n".join([lines[0], rule, *lines[1:]])


def write_markdown(path: Path, text: str) -> None:
    """Puts `text` between the marks of a file that has them, or writes the file anew."""
    from tfface.io.files import write_text

    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    if START in old and END in old:
        head, tail = old[: old.index(START)], old[old.index(END) :]
        text = f"{head}{START}\n{text}\n{tail}"
    elif old:
        raise UserError(f"{path} exists and has no lines {START} and {END}: add them, or name another file")
    write_text(path, text if text.endswith("\n") else text + "\n")


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(run(main))
