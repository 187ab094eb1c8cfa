"""`python -m tfface.predict PHOTO [SIDE_PHOTO]`: photographs to aligned, textured 3D faces."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from tfface.cli import progress_bar, run
from tfface.errors import UserError

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
    """A preset's name or the folder of an exported model; without it, the best preset, with --set or --mat the best of
    those that say coefficients."""
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
        print(f"tfface predict: {error}", file=sys.stderr)
        return 2


def _run(arguments: Arguments, console: Console) -> int:
    photos = _photos(arguments)
    stems = _stems(photos)
    if arguments.set:
        return _predict_set(arguments, photos, stems, console)
    failed = 0
    with progress_bar(console, transient=True) as progress:
        task = progress.add_task("loading the network", total=len(photos))
        reconstructor = _reconstructor(arguments)
        for photo, stem in zip(photos, stems, strict=True):
            progress.update(task, description=photo.name.replace("[", r"\["))
            try:
                _predict_one(reconstructor, photo, stem, arguments, console)
            except (UserError, OSError) as error:
                if len(photos) == 1 and not arguments.photo.is_dir():
                    raise UserError(_naming(photo, error)) from error
                failed += 1
                print(f"tfface predict: {_naming(photo, error)}", file=sys.stderr)
            progress.advance(task)
    if failed:
        print(f"tfface predict: {failed} of {len(photos)} photographs failed; the others are done.", file=sys.stderr)
    return 1 if failed else 0


def _naming(photo: Path, error: Exception) -> str:
    """The error's sentence, beginning with the photograph when it does not name it."""
    return str(error) if photo.name in str(error) else f"{photo}: {error}"


def _photos(arguments: Arguments) -> list[Path]:
    """The photographs to do; checks what can be checked before the network is loaded."""
    from tfface.detect.registry import DETECTORS, load_detector
    from tfface.io.image import list_images, read_image

    if arguments.detector not in DETECTORS:
        load_detector(arguments.detector)
    if arguments.recrop < 0:
        raise UserError(f"--recrop {arguments.recrop} is negative: give 0, 1 or more.")
    if arguments.out.exists() and not arguments.out.is_dir():
        raise UserError(f"--out {arguments.out} is a file: give a folder.")
    if arguments.set and not arguments.photo.is_dir():
        raise UserError(f"--set: {arguments.photo} is no folder; name the folder with one person's photographs.")
    if arguments.set and arguments.refine:
        raise UserError("--set and --refine: python -m tfface.fit fits several photographs of one person together.")
    if arguments.photo.is_dir():
        if arguments.box or arguments.side_photo:
            raise UserError(f"{arguments.photo} is a folder: --box and a side photograph go with one photograph only.")
        return list_images(arguments.photo)
    for path in (arguments.photo, arguments.side_photo):
        if path is not None:
            read_image(path)
    return [arguments.photo]


def _stems(photos: list[Path]) -> list[str]:
    """The results' names: the photographs', with the suffix where two differ in it only."""
    names = [photo.stem for photo in photos]
    return [p.stem if names.count(p.stem) == 1 else p.name.replace(".", "_") for p in photos]


def _reconstructor(arguments: Arguments) -> Reconstructor:
    from tfface.detect.registry import load_detector
    from tfface.inference import Reconstructor

    detector = load_detector(arguments.detector, arguments.min_score)
    return Reconstructor(_saved_model(arguments), detector, arguments.recrop)


def _saved_model(arguments: Arguments) -> Path:
    """A folder as it is; else a preset, exported once into the user's cache."""
    if arguments.model is not None and Path(arguments.model).is_dir():
        return Path(arguments.model)
    from tfface.models import presets

    views, coefficients = 1 if arguments.side_photo is None else 2, arguments.set or arguments.mat
    name = arguments.model if arguments.model is not None else presets.default(views, coefficients)
    return Path(presets.saved_model(name))


def _predict_one(reconstructor: Reconstructor, photo: Path, stem: str, arguments: Arguments, console: Console) -> None:
    from tfface.io.image import read_image

    side = None if arguments.side_photo is None else read_image(arguments.side_photo)
    results = reconstructor(read_image(photo), arguments.box, side, arguments.side_box)
    if arguments.refine:
        from tfface.fitting.person import refine

        results = [refine(result) for result in results]
    for index, result in enumerate(results):
        _save(result, photo, stem if len(results) == 1 else f"{stem}_{index}", arguments, console)


def _save(result: FaceResult, photo: Path, name: str, arguments: Arguments, console: Console) -> None:
    _warn_of_doubt(result, photo)
    result.save(arguments.out, name, arguments.mat)
    yaw, pitch, roll = result.pose.degrees
    took = sum(result.timings_ms.values())
    console.print(
        f"{photo} -> {arguments.out / name}.obj  "
        f"yaw {yaw:.0f}, pitch {pitch:.0f}, roll {roll:.0f} degrees, {took:.0f} ms",
        markup=False,
        soft_wrap=True,
    )


def _warn_of_doubt(result: FaceResult, photo: Path) -> None:
    if result.doubtful:
        ends = " ".join(f"{value:.0f}" for value in result.box)
        print(
            f"tfface predict: {photo}: what was found at {ends} may be no face (score {result.score:.2f}): look at its "
            "overlay; --min-score leaves such out, --box says where the face is.",
            file=sys.stderr,
        )


def _predict_set(arguments: Arguments, photos: list[Path], stems: list[str], console: Console) -> int:
    """All photographs of one person at once; one that fails is told and left out."""
    from tfface.io.image import read_image

    reconstructor = _reconstructor(arguments)
    read, failed = [], 0
    for photo, stem in zip(photos, stems, strict=True):
        try:
            read.append((photo, stem, reconstructor(read_image(photo))[0]))
        except (UserError, OSError) as error:
            failed += 1
            print(f"tfface predict: {_naming(photo, error)}", file=sys.stderr)
    if not read:
        raise UserError(f"None of the {len(photos)} photographs in {arguments.photo} shows a face.")
    together = reconstructor.as_set([result for _, _, result in read])
    for (photo, stem, _), result in zip(read, together, strict=True):
        _save(result, photo, stem, arguments, console)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run(main))
