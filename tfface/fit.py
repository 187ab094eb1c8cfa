"""`python -m tfface.fit PHOTO [PHOTO ...]`: fits the face model to one person's photographs, without training."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from tfface.cli import progress_bar, run
from tfface.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from tfface.fitting.person import Photo

Source = Callable[["NDArray[np.uint8]"], "tuple[NDArray[np.floating], float | None]"]


@dataclass(frozen=True)
class Arguments:
    """Fits shape, expression, albedo, light and camera of the face model to photographs of one person.

    68 landmarks come first, then the colour of every visible vertex. They are those of the network that ships, unless
    a file says better. Writes what predict writes, and a picture of the stages, for each photograph.
    """

    photos: tyro.conf.Positional[Annotated[tuple[Path, ...], tyro.conf.arg(metavar="PHOTO [PHOTO ...]")]]
    """Photographs of one person: shape and albedo are shared, all else is each one's own."""
    out: Path = Path("out")
    """Folder for the results; made when it is missing."""
    landmarks: tuple[Path, ...] = ()
    """For each photograph a file of its 68 points in pixels (iBUG order; pixel centres at 0.5): .npy or .json."""
    landmarks_file: Path | None = None
    """dlib's shape_predictor_68_face_landmarks.dat (trained on non-commercial data), instead of the network."""
    jaw: Literal["auto", "contour", "mesh"] = "auto"
    """Where jaw points lie: on the outline that is seen (as dlib draws them), or on the mesh, hidden or not (as our
    networks do). auto: contour with a file of either kind."""
    model: str | None = None
    """The network that finds landmarks: a preset's name or the folder of an exported model."""
    detector: Annotated[str, tyro.conf.arg(metavar="{auto,blazeface,dlib,mtcnn}")] = "auto"
    """auto: blazeface, the best by measurement (docs/detection.md)."""
    box: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom of the face in pixels, instead of detection (one photograph only)."""
    steps: int = 120
    """Steps of the photometric stage; 0: landmarks only."""


def main(argv: list[str] | None = None) -> int:
    """Fits as `argv` says; 0.

    Raises:
        UserError: wrong input.
    """
    from rich.console import Console

    arguments = tyro.cli(Arguments, args=sys.argv[1:] if argv is None else argv, prog="tfface fit")
    _check(arguments)
    _fit(arguments, Console(highlight=False))
    return 0


def _check(arguments: Arguments) -> None:
    """What can be checked before anything is loaded."""
    given, points = len(arguments.photos), len(arguments.landmarks)
    if not given:
        raise UserError("No photograph was given: name one, or several of one person.")
    if points and arguments.landmarks_file:
        raise UserError("--landmarks and --landmarks-file exclude each other: give one of them.")
    if points not in (0, given):
        raise UserError(f"{given} photographs but {points} files of --landmarks: give one for each photograph.")
    if arguments.box and given > 1:
        raise UserError("--box goes with one photograph only: leave it out.")
    if arguments.steps < 0:
        raise UserError(f"--steps {arguments.steps} is negative: give 0 or more.")
    if arguments.out.exists() and not arguments.out.is_dir():
        raise UserError(f"--out {arguments.out} is a file: give a folder.")
    for path in arguments.landmarks:
        read_landmarks(path)


def _fit(arguments: Arguments, console: Console) -> None:
    with progress_bar(console, transient=True) as progress:
        task = progress.add_task("landmarks", total=None)
        found = _photos(arguments)
        from tfface.fitting.person import fit_person

        progress.update(task, description="fit", total=max(arguments.steps, 1), completed=0)
        faces = fit_person(found, arguments.steps, lambda done: progress.advance(task, done))
        progress.update(task, description="writing", total=len(faces), completed=0)
        for stem, face in zip(_stems(arguments.photos), faces, strict=True):
            face.save(arguments.out, stem)
            progress.advance(task)
            yaw, pitch, roll = face.pose.degrees
            took = sum(face.timings_ms.values()) / 1000
            line = (
                f"{arguments.out / stem}.obj  yaw {yaw:.0f}, pitch {pitch:.0f}, roll {roll:.0f} degrees, {took:.1f} s"
            )
            progress.console.print(line, markup=False, soft_wrap=True)


def _photos(arguments: Arguments) -> list[Photo]:
    """The photographs with their landmarks.

    Raises:
        UserError: one cannot be read or shows no face.
    """
    from tfface.fitting.person import Photo
    from tfface.io.image import read_image

    images = [read_image(path) for path in arguments.photos]
    if arguments.landmarks:
        contour = arguments.jaw != "mesh"
        return [
            Photo(image, read_landmarks(path), contour) for image, path in zip(images, arguments.landmarks, strict=True)
        ]
    source, found = landmark_source(arguments), []
    for path, image in zip(arguments.photos, images, strict=True):
        try:
            found.append(photo_of(image, source, arguments))
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
    return found


def landmark_source(arguments: Arguments) -> Source:
    """What finds the landmarks `[68, 2 or 3]` of a picture's largest face and the detection's score."""
    return _network_source(arguments) if arguments.landmarks_file is None else _file_source(arguments)


def photo_of(image: NDArray[np.uint8], source: Source, arguments: Arguments) -> Photo:
    """A picture with its landmarks.

    Raises:
        UserError: it shows no face.
    """
    from tfface.fitting.person import Photo

    points, score = source(image)
    return Photo(image, points, _contour(arguments), score)


def _contour(arguments: Arguments) -> bool:
    """Whether the jaw's points lie on the silhouette."""
    return arguments.jaw == "contour" or (arguments.jaw == "auto" and arguments.landmarks_file is not None)


def _network_source(arguments: Arguments) -> Source:
    """Landmarks of the largest face by a network's map."""
    from tfface.inference import Reconstructor
    from tfface.models import presets

    given = arguments.model
    folder = given if given and Path(given).is_dir() else presets.saved_model(given or presets.default(1))
    reconstruct = Reconstructor(folder, arguments.detector)

    def source(image: NDArray[np.uint8]) -> tuple[NDArray[np.floating], float | None]:
        face = reconstruct(image, arguments.box)[0]
        return face.landmarks68_2d if _contour(arguments) else face.landmarks68, face.score

    return source


def _file_source(arguments: Arguments) -> Source:
    """Landmarks of the largest face by dlib's shape predictor."""
    import numpy as np

    from tfface.detect.base import Detection
    from tfface.detect.landmark_file import LandmarkFile
    from tfface.detect.registry import load_detector
    from tfface.geometry.align import box_from_landmarks

    assert arguments.landmarks_file is not None
    predictor = LandmarkFile(arguments.landmarks_file)
    detector = None if arguments.box else load_detector(arguments.detector)

    def source(image: NDArray[np.uint8]) -> tuple[NDArray[np.floating], float | None]:
        given = [] if arguments.box is None else [Detection(arguments.box, 1.0, "given")]
        faces = given or (detector.detect(image) if detector else [])
        if not faces:
            raise UserError("no face was found: give --box left top right bottom, or a clearer picture.")
        points = predictor(image, np.asarray(faces[0].crop_box()))[:68]
        points = predictor(image, box_from_landmarks(points))[:68]  # once more from the box of its own landmarks
        return points, None if given else faces[0].score

    return source


def read_landmarks(path: Path) -> NDArray[np.float64]:
    """68 points `[68,2]` from a `.npy` or `.json` file (a list of pairs, or predict's JSON).

    Raises:
        UserError: it cannot be read or holds something else.
    """
    import json

    import numpy as np

    from tfface.fitting.landmarks import checked

    if not path.is_file():
        raise UserError(f"{path} does not exist: give a file of 68 landmarks.")
    try:
        if path.suffix.lower() == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            content = json.loads(path.read_text(encoding="utf-8"))
            values = np.array(content["landmarks68_px"] if isinstance(content, dict) else content, np.float64)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(f"{path} holds no landmarks ({error}): give 68 points as .npy or .json.") from error
    try:
        return checked(values)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _stems(photos: tuple[Path, ...]) -> list[str]:
    """The results' names: the photographs', numbered where two are the same."""
    names = [photo.stem for photo in photos]
    return [name if names.count(name) == 1 else f"{name}_{index}" for index, name in enumerate(names)]


if __name__ == "__main__":
    sys.exit(run(main))
