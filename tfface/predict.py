"""`python -m tfface.predict PHOTO [SIDE_PHOTO]`: photographs to aligned, textured 3D faces."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from tfface.cli import progress_bar, run, tell
from tfface.errors import UserError, item_error
from tfface.io.formats import FileOptions

if TYPE_CHECKING:
    from rich.console import Console

    from tfface.inference import Reconstructor
    from tfface.result import FaceResult


@dataclass(frozen=True)
class Arguments:
    """Turns photographs of faces into textured 3D faces: .obj, .glb, overlay, sheet, depth and .json for each face."""

    photo: tyro.conf.Positional[Path]
    """A photograph, or a folder of photographs."""
    side_photo: tyro.conf.Positional[Path | None] = None
    """The same face from the side, for models of two views."""
    model: str | None = None
    """A preset's name, or the folder of an exported model or of a training run; without it, the best preset, with --set
    or --mat the best of those that give coefficients."""
    out: Path = Path("out")
    """Folder for the results; made when it is missing."""
    detector: Annotated[str, tyro.conf.arg(metavar="{auto,blazeface,dlib,mtcnn}")] = "auto"
    """auto: blazeface, the best by measurement (docs/detection.md)."""
    min_score: float | None = None
    """Least score of a face, on the detector's own scale (blazeface: 0 to 1, usually 0.55)."""
    box: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom of the face in pixels, instead of detection."""
    side_box: tuple[float, float, float, float] | None = None
    """The same for the side photograph."""
    recrop: int = 1
    """How often to crop again from the network's own landmarks."""
    refine: bool = False
    """Then fit the face model to the photograph, from the network's answer on (seconds a face; see tfface.fit)."""
    set: bool = False
    """The folder holds photographs of one person: their mean identity and albedo for all (an R-Net's)."""
    mat: bool = False
    """Also write NAME.mat with Deep3DFaceReconstruction's fields (an R-Net's)."""
    overwrite: bool = False
    """Do again what is done in --out, and overwrite files there that tfface did not write."""
    files: tyro.conf.OmitArgPrefixes[FileOptions] = field(default_factory=FileOptions)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Returns:
        0; 1 when photographs of a folder failed; 2 on wrong input.
    """
    from rich.console import Console

    try:
        arguments = tyro.cli(Arguments, args=argv, prog="tfface predict")
        return _run(arguments, Console(highlight=False))
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    except UserError as error:
        return tell("tfface predict", error)


def _run(arguments: Arguments, console: Console) -> int:
    from tfface.io.image import unreadable_format

    batch = _batch(arguments)
    failed = 0
    for path in batch.unreadable:
        failed += _failure(path, UserError(unreadable_format(path)))
    if arguments.set:
        return _predict_set(arguments, batch, console)
    model = _saved_model(arguments)
    made_with = _made_with(arguments, model)
    todo, done = _left(arguments, batch, made_with)
    with progress_bar(console, transient=True) as progress:
        task = progress.add_task("loading the network", total=len(todo))
        reconstructor = _reconstructor(arguments, model) if todo else None
        for photo, stem in todo:
            assert reconstructor is not None
            progress.update(task, description=photo.name.replace("[", r"\["))
            try:
                _predict_one(reconstructor, photo, stem, arguments, made_with, console)
            except Exception as error:  # whatever one photograph does, the others are done
                if not arguments.photo.is_dir():
                    raise UserError(_naming(photo, error)) from error
                failed += _failure(photo, error)
            progress.advance(task)
    _say_how_it_went(arguments, len(batch.photos) + len(batch.unreadable), failed, done)
    return 1 if failed else 0


def _failure(photo: Path, error: Exception) -> int:
    """Tells that a photograph failed; 1."""
    print(f"tfface predict: {_naming(photo, error)}", file=sys.stderr)
    return 1


def _say_how_it_went(arguments: Arguments, count: int, failed: int, done: int) -> None:
    if done:
        print(
            f"tfface predict: {done} of {count} photographs were done before, in {arguments.out}, and are left as they "
            "are (--overwrite does them again).",
            file=sys.stderr,
        )
    if failed:
        print(f"tfface predict: {failed} of {count} photographs failed; the others are done.", file=sys.stderr)


def _naming(photo: Path, error: Exception) -> str:
    """The error's sentence, beginning with the photograph when it does not name it."""
    said = item_error(error)
    return said if photo.name in said else f"{photo}: {said}"


@dataclass(frozen=True)
class Batch:
    """Photographs to do, what their results are called, and pictures that cannot be read."""

    photos: list[Path]
    stems: list[str]
    unreadable: list[Path]


def _batch(arguments: Arguments) -> Batch:
    """The photographs to do; checks what can be checked before the network is loaded."""
    from tfface.detect.registry import DETECTORS, load_detector
    from tfface.geometry.align import check_box
    from tfface.io.image import no_pictures, read_image, survey
    from tfface.io.results import stems

    if arguments.detector not in DETECTORS:
        load_detector(arguments.detector)
    arguments.files.check()
    if arguments.recrop < 0:
        raise UserError(f"--recrop {arguments.recrop} is negative: give 0, 1 or more.")
    if arguments.out.exists() and not arguments.out.is_dir():
        raise UserError(f"--out {arguments.out} is a file: give a folder.")
    if arguments.set and not arguments.photo.is_dir():
        raise UserError(f"--set: {arguments.photo} is not a folder; name the folder with one person's photographs.")
    if arguments.set and arguments.refine:
        raise UserError("--set and --refine: python -m tfface.fit fits several photographs of one person together.")
    for box in (arguments.box, arguments.side_box):
        if box is not None:
            check_box(box)
    if arguments.photo.is_dir():
        if arguments.box or arguments.side_photo:
            raise UserError(f"{arguments.photo} is a folder: --box and a side photograph go with one photograph only.")
        found = survey(arguments.photo)
        if not found.photographs:
            raise UserError(no_pictures(arguments.photo, found))
        return Batch(found.photographs, stems(found.photographs), found.unreadable)
    for path in (arguments.photo, arguments.side_photo):
        if path is not None:
            read_image(path)
    return Batch([arguments.photo], stems([arguments.photo]), [])


def _made_with(arguments: Arguments, model: Path) -> dict[str, Any]:
    """What decides how a photograph's results come out, beside the photograph."""
    from tfface.io.files import folder_digest

    chosen = ("detector", "min_score", "box", "side_box", "recrop", "refine", "set", "mat")
    asked = {name: getattr(arguments, name) for name in chosen}
    return {"model": folder_digest(model), **asked, "files": asdict(arguments.files)}


def _left(arguments: Arguments, batch: Batch, made_with: dict[str, Any]) -> tuple[list[tuple[Path, str]], int]:
    """The photographs that are not done yet, and how many are; a photograph named by itself is done anew."""
    from tfface.io.results import finished, photograph

    pairs = list(zip(batch.photos, batch.stems, strict=True))
    if arguments.overwrite or not arguments.photo.is_dir() or not arguments.out.is_dir():
        return pairs, 0
    left = []
    for photo, stem in pairs:
        try:
            done = finished(arguments.out, stem, photograph(photo), made_with)
        except UserError:
            done = None  # it will be told when it is its turn
        if done is None:
            left.append((photo, stem))
    return left, len(pairs) - len(left)


def _reconstructor(arguments: Arguments, model: Path) -> Reconstructor:
    from tfface.detect.registry import load_detector
    from tfface.inference import Reconstructor

    return Reconstructor(model, load_detector(arguments.detector, arguments.min_score), arguments.recrop)


def _saved_model(arguments: Arguments) -> Path:
    """The exported model that --model means; without it the best for what is asked."""
    from tfface import weights

    views = 1 if arguments.side_photo is None else 2
    coefficients = arguments.set or arguments.mat or "mat" in arguments.files.formats
    return weights.saved_model(arguments.model, views, coefficients)


def _predict_one(
    reconstructor: Reconstructor,
    photo: Path,
    stem: str,
    arguments: Arguments,
    made_with: dict[str, Any],
    console: Console,
) -> None:
    from tfface.io.image import read_image

    side = None if arguments.side_photo is None else read_image(arguments.side_photo)
    results = reconstructor(read_image(photo), arguments.box, side, arguments.side_box)
    if arguments.refine:
        from tfface.fitting.person import refine

        results = [refine(result) for result in results]
    _save(results, photo, stem, arguments, made_with, console)


def _save(
    results: list[FaceResult],
    photo: Path,
    stem: str,
    arguments: Arguments,
    made_with: dict[str, Any],
    console: Console,
) -> None:
    """Writes the faces of one photograph, under names that are free or its own."""
    from tfface.io.results import about, free_names, photograph

    source = photograph(photo)
    names = free_names(arguments.out, stem, len(results), source, arguments.overwrite)
    for number, (name, result) in enumerate(zip(names, results, strict=True)):
        _warn_of_doubt(result, photo)
        told = about(source, number, len(results), made_with)
        result.save(arguments.out, name, arguments.mat, arguments.overwrite, told, arguments.files)
        yaw, pitch, roll = result.pose.degrees
        took = sum(result.timings_ms.values())
        console.print(
            f"{photo} -> {arguments.out / name}.{(*arguments.files.formats, 'json')[0]}  "
            f"yaw {yaw:.0f}, pitch {pitch:.0f}, roll {roll:.0f} degrees, {took:.0f} ms",
            markup=False,
            soft_wrap=True,
        )


def _warn_of_doubt(result: FaceResult, photo: Path) -> None:
    if result.doubtful:
        ends = " ".join(f"{value:.0f}" for value in result.box)
        print(
            f"tfface predict: {photo}: what was found at {ends} may not be a face (score {result.score:.2f}): look at "
            "its overlay; --min-score leaves such out, --box says where the face is.",
            file=sys.stderr,
        )


def _predict_set(arguments: Arguments, batch: Batch, console: Console) -> int:
    """All photographs of one person at once; one that fails is told and left out."""
    from tfface.io.image import read_image

    model = _saved_model(arguments)
    reconstructor, made_with = _reconstructor(arguments, model), _made_with(arguments, model)
    read, failed = [], len(batch.unreadable)
    for photo, stem in zip(batch.photos, batch.stems, strict=True):
        try:
            read.append((photo, stem, reconstructor(read_image(photo))[0]))
        except Exception as error:  # whatever one photograph does, the others are done
            failed += _failure(photo, error)
    if not read:
        raise UserError(f"None of the {len(batch.photos)} photographs in {arguments.photo} shows a face.")
    together = reconstructor.as_set([result for _, _, result in read])
    for (photo, stem, _), result in zip(read, together, strict=True):
        try:
            _save([result], photo, stem, arguments, made_with, console)
        except Exception as error:
            failed += _failure(photo, error)
    _say_how_it_went(arguments, len(batch.photos) + len(batch.unreadable), failed, 0)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run(main))
