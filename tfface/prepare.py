"""`tfface prepare PHOTOS --out DIR`: photographs to shards for weak supervision.

The largest face of each photograph is detected, its 68 landmarks and its mesh are found, it is cropped as Deep3D does
(five points, POS), and masks are made: skin by colour, the mesh's skin, the hull of 81 landmarks. Each shard holds the
faces of a fixed range of photographs, so a run that was stopped goes on with the shards that are missing. Photographs
that give no face are listed in DIR/report.csv with the reason; then the exit code is 1. DIR/sheet.png is to look at.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tfface.data.shards.photos import PhotoRecord
    from tfface.training.prepare import PhotoPreparer, PrepareSettings


@dataclass(frozen=True)
class Options:
    """Turn a folder of photographs into shards of cropped faces with landmarks and masks."""

    photos: Annotated[Path, tyro.conf.Positional]
    """Folder of photographs; folders inside it are searched too."""
    out: Path
    """Folder for the shards; a run that was stopped goes on there."""
    size: int = 224
    """Side of the crops in pixels."""
    detector: str = "auto"
    """auto, blazeface, dlib or mtcnn."""
    min_score: float | None = None
    """Least score of a face, on the detector's own scale (blazeface: 0 to 1, usually 0.55)."""
    model: str | None = None
    """Preset, run or exported model that finds the mesh and the landmarks; the default preset otherwise."""
    landmarks_file: Path | None = None
    """dlib's shape predictor (68 or 81 points) for the landmarks instead."""
    max_disagreement: float = 0.15
    """With --landmarks-file: leave out faces whose landmarks lie farther from the mesh's than this part of the face."""
    min_face: float = 40.0
    """Leave out faces whose landmarks span fewer pixels of the photograph."""
    photos_per_shard: int = 250
    """How many photographs a file covers."""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Processes; 0 works in this one."""
    sheet: int = 24
    """How many faces to draw on the contact sheet."""


_ANEW = "delete it and the shard of its name, and run the same command again"


def main(argv: list[str] | None = None) -> int:
    """Make the shards that are missing; returns the exit code."""
    options = tyro.cli(Options, args=argv, prog="tfface prepare", description=__doc__)
    from tfface.cli import alone_in
    from tfface.training.prepare import check_settings

    photos = _photographs(options)
    alone_in(options.out)
    step = options.photos_per_shard
    chunks = {index: photos[index * step : (index + 1) * step] for index in range(-(-len(photos) // step))}
    missing = {index: chunk for index, chunk in chunks.items() if not _shard(options, index).exists()}
    if missing:
        check_settings(_settings(options))
    _claim_folder(options, photos)
    if missing:
        _make(options, missing)
    good, failed = _write_report(options, chunks)
    if good and options.sheet > 0:
        _write_sheet(options, good)
    print(f"{options.out}: {good} faces in {len(chunks)} shards; {failed} photographs left out (report.csv)")
    return 1 if failed else 0


def _photographs(options: Options) -> list[str]:
    """Names within the folder, in order."""
    from tfface.cli import check_out
    from tfface.errors import UserError
    from tfface.io.image import survey

    if not 16 <= options.size <= 4096 or options.photos_per_shard < 1 or options.workers < 0:
        raise UserError("--size must be 16 to 4096, --photos-per-shard at least 1, and --workers not negative.")
    for name in ("max_disagreement", "min_face"):
        if not 0 <= getattr(options, name) < float("inf"):
            raise UserError(f"`{name}={getattr(options, name)}` is out of range: give 0 or more.")
    check_out(options.out)
    if not options.photos.is_dir():
        raise UserError(f"{options.photos} is not a folder: give one that holds photographs.")
    pictures = survey(options.photos, deep=True)
    found = (path for path in pictures.photographs + pictures.unreadable if options.out not in path.parents)
    names = sorted(path.relative_to(options.photos).as_posix() for path in found)
    if not names:
        raise UserError(f"{options.photos} holds no pictures: put JPEG, PNG, WebP, BMP or TIFF files into it.")
    return names


def _claim_folder(options: Options, photos: list[str]) -> None:
    """Write what the folder will hold, or check that it already holds the same."""
    from tfface.data.shards.folder import DATASET_FILE, claim_folder
    from tfface.errors import UserError
    from tfface.version import __version__

    same = [
        "size",
        "detector",
        "model",
        "landmarks_file",
        "max_disagreement",
        "min_face",
        "min_score",
        "photos_per_shard",
    ]
    card: dict[str, Any] = {key: getattr(options, key) for key in same}
    card["landmarks_file"] = str(options.landmarks_file or "")
    card |= {"photos": len(photos), "names_sha256": hashlib.sha256(os.fsencode("\n".join(photos))).hexdigest()}
    mine = [name for name in ("report.csv", "sheet.png") if (options.out / name).exists()]
    if mine and not (options.out / DATASET_FILE).exists():
        raise UserError(f"{options.out} holds a {mine[0]} that tfface did not write: choose another --out.")
    claim_folder(options.out, {**card, "tfface": __version__}, free=("tfface",))


def _shard(options: Options, index: int, suffix: str = ".tfrecord") -> Path:
    return options.out / f"photos-{index:05d}{suffix}"


def _make(options: Options, missing: dict[int, list[str]]) -> None:
    """The missing shards, each with a list of its failures beside it (written first: where a shard is, all is)."""
    from tfface.cli import progress_bar
    from tfface.data.shards.photos import write_photo_shard
    from tfface.io.files import write_text
    from tfface.parallel.pool import shared

    names, settings = [name for chunk in missing.values() for name in chunk], _settings(options)
    make, workers = partial(_preparer, settings), min(options.workers, len(names))
    with shared(make, workers) as answers_to, progress_bar() as progress:
        answers = answers_to(names)
        task = progress.add_task("photographs", total=len(names))
        for index, chunk in missing.items():
            records, failures = [], {}
            for name in chunk:
                answer = next(answers)
                if isinstance(answer, str):
                    failures[name] = answer
                else:
                    records.append(answer)
                progress.advance(task)
            notes = json.dumps({"faces": len(records), "failed": failures}, indent=1)
            write_text(_shard(options, index, ".json"), notes + "\n")
            write_photo_shard(_shard(options, index), records)


def _settings(options: Options) -> PrepareSettings:
    from tfface.runtime import find_network
    from tfface.training.prepare import PrepareSettings

    same = ("size", "detector", "landmarks_file", "max_disagreement", "min_face", "min_score")
    given = {name: getattr(options, name) for name in same}
    return PrepareSettings(options.photos, find_network(options.model), **given)


def _preparer(settings: PrepareSettings) -> PhotoPreparer:
    """In each process: the networks for all its photographs."""
    from tfface.training.prepare import PhotoPreparer

    return PhotoPreparer(settings)


def _write_report(options: Options, chunks: dict[int, list[str]]) -> tuple[int, int]:
    """report.csv: every photograph that was left out, and why. Gives the number of faces and of those."""
    from tfface.io.files import atomic_path
    from tfface.io.reading import read_json_object, reading

    good, rows = 0, []
    for index in chunks:
        path, what = _shard(options, index, ".json"), "what was left out of a shard"
        notes = read_json_object(path, what, _ANEW)
        with reading(path, what, _ANEW):
            good += int(notes["faces"])
            rows += list(notes["failed"].items())
    with (
        atomic_path(options.out / "report.csv") as beside,
        beside.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        csv.writer(file).writerows([("photo", "reason"), *rows])
    return good, len(rows)


def _write_sheet(options: Options, faces: int) -> None:
    """Each face twice: with its landmarks; and with the skin mask in red, the mesh in green, the hull in blue."""
    from tfface.data.shards.photos import photo_places, read_record
    from tfface.io.image import write_image
    from tfface.viz.sheet import contact_sheet

    every = max(faces // options.sheet, 1)
    pictures, labels = [], []
    for place in photo_places(options.out)[::every][: options.sheet]:
        record = read_record(place)
        pictures += _drawn(record)
        labels += [Path(record.name).name, "skin, mesh, hull"]
    write_image(options.out / "sheet.png", contact_sheet(pictures, labels, 8, 192), result=True)


def _drawn(record: PhotoRecord) -> list[NDArray[np.uint8]]:
    import numpy as np

    from tfface.viz.overlay import draw_landmarks

    masks = np.stack([record.skin_mask, record.mesh_mask, record.hull_mask], axis=-1)
    tinted = 0.55 * record.image.mean(-1, keepdims=True) + 0.45 * masks
    return [draw_landmarks(record.image, record.landmarks68, 0.9), tinted.astype(np.uint8)]


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
