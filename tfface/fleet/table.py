"""One table, `faces.parquet`: a row a face, and one a photograph that failed, with the sentence that says why."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tfface.errors import UserError
from tfface.io.files import MARK, atomic_path, refuse_foreign
from tfface.io.reading import read_json_object, reading

FACES, FAILURES = "faces.parquet", "failures.txt"
ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")


def schema() -> Any:
    """The table's columns. Numbers are those of NAME.json (`tfface.summary`): angles in degrees, landmarks `[68,3]` one
    after the other in pixels, identity in standard deviations, expression as ARKit weights."""
    import pyarrow as arrow

    number, numbers = arrow.float32(), arrow.list_(arrow.float32())
    columns = [("photograph", arrow.string()), ("results", arrow.string()), ("face", arrow.int16())]
    columns += [("score", number), ("doubtful", arrow.bool_()), *((angle, number) for angle in ANGLES)]
    columns += [(name, numbers) for name in ("box_px", "landmarks68_px", "identity_sigma", "expression_weights")]
    columns += [("rotation", numbers), ("focal_px", number), ("distance_mm", number), ("centre_px", numbers)]
    return arrow.schema([*columns, ("error", arrow.string())], metadata={"software": MARK})


def row_of_face(photograph: str, results: str, file_of_face: Path) -> dict[str, Any]:
    """The row of a face whose NAME.json lies at `file_of_face`."""
    face = read_json_object(file_of_face, "a face's JSON")
    camera, shape = face["camera"], face["shape"]
    return {
        "photograph": photograph,
        "results": results,
        "face": face["face"]["number"],
        "score": face["detection_score"],
        "doubtful": face["detection_doubtful"],
        **{angle: face["pose"][angle] for angle in ANGLES},
        "box_px": face["box_px"],
        "landmarks68_px": [value for point in face["landmarks68_px"] for value in point],
        "identity_sigma": shape["identity_sigma"],
        "expression_weights": list(shape["expression_weights"].values()),
        "rotation": [value for row in camera["rotation"] for value in row],
        **{name: camera[name] for name in ("focal_px", "distance_mm", "centre_px")},
    }


def write_part(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Writes the rows of a part, whole or not at all."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    with atomic_path(path) as beside:
        parquet.write_table(arrow.Table.from_pylist(list(rows), schema()), beside, compression="zstd")


def join_parts(parts: list[Path], out: Path) -> tuple[int, int]:
    """Writes `faces.parquet` and `failures.txt` of all parts, in order, and deletes the parts.

    Returns:
        how many faces there are, and how many photographs failed.
    """
    import pyarrow.compute as compute
    import pyarrow.parquet as parquet

    faces = failed = 0
    with (
        atomic_path(out / FACES) as beside,
        atomic_path(out / FAILURES) as failures,
        parquet.ParquetWriter(beside, schema(), compression="zstd") as writer,
        failures.open("w", encoding="utf-8", errors="surrogateescape") as lines,
    ):
        lines.write(f"# {MARK}\n")
        for part in parts:
            with reading(part, "rows of a part", "delete it: the same command does that part again"):
                table = parquet.read_table(part, schema=schema())
            wrong = table.filter(compute.is_valid(table["error"]))
            lines.writelines(f"{row['photograph']}: {row['error']}\n" for row in wrong.to_pylist())
            writer.write_table(table)
            faces, failed = faces + len(table) - len(wrong), failed + len(wrong)
    shutil.rmtree(parts[0].parent)
    return faces, failed


def refuse_foreign_table(out: Path) -> None:
    """Sees to it that no table or list in the results' folder is overwritten, or taken for a run's, that is not ours.

    Raises:
        UserError: there is one.
    """
    import pyarrow.parquet as parquet

    advice = "choose another `out`, or add `overwrite=True`"
    refuse_foreign([out / FAILURES], advice)
    if not os.path.lexists(out / FACES):
        return
    with reading(out / FACES, "a table of faces", advice):
        about = parquet.read_schema(out / FACES).metadata or {}
    if about.get(b"software") != MARK.encode():
        raise UserError(f"{out / FACES} is there and is not a result of tfface: {advice}.")


def failures_listed(out: Path) -> int:
    """How many photographs `failures.txt` names."""
    with (
        reading(out / FAILURES, "failures"),
        (out / FAILURES).open(encoding="utf-8", errors="surrogateescape") as lines,
    ):
        return sum(1 for line in lines if not line.startswith("#"))
