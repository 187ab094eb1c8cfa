"""`tfface fit PHOTO [PHOTO ...]`: fits the face model to one person's photographs, without training."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from tfface.cli import check_out, progress_bar, run
from tfface.errors import UserError
from tfface.io.formats import FileOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from tfface.fitting.person import Photo
    from tfface.fitting.result import FittedFace

MOST_STEPS = 100_000
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
    """For each photograph a file of its 68 points in pixels (iBUG order): .npy, .npz, .json or .txt (pixel centres at
    0.5), or 300-W's .pts (pixels counted from 1)."""
    landmarks_file: Path | None = None
    """dlib's shape_predictor_68_face_landmarks.dat (trained on non-commercial data), instead of the network."""
    jaw: Literal["auto", "contour", "mesh"] = "auto"
    """Where jaw points lie: on the outline that is seen (as dlib draws them), or on the mesh, hidden or not (as our
    networks do). auto: contour with a file of either kind."""
    model: str | None = None
    """The network that finds landmarks: a preset's name, or the folder of an exported model or of a training run."""
    detector: Annotated[str, tyro.conf.arg(metavar="{auto,blazeface,dlib,mtcnn}")] = "auto"
    """auto: blazeface, the best by measurement (docs/detection.md)."""
    box: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom of the face in pixels, instead of detection (one photograph only)."""
    steps: int = 120
    """Steps of the photometric stage; 0: landmarks only."""
    overwrite: bool = False
    """Overwrite files in --out that tfface did not write, and results of other photographs."""
    files: tyro.conf.OmitArgPrefixes[FileOptions] = field(default_factory=FileOptions)


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
    from tfface import weights
    from tfface.detect.registry import check_detector
    from tfface.geometry.align import check_box
    from tfface.io.reading import must_exist

    given, points = len(arguments.photos), len(arguments.landmarks)
    if not given:
        raise UserError("No photograph was given: name one, or several of one person.")
    arguments.files.check()
    if "mat" in arguments.files.formats:
        raise UserError("--formats mat is of networks with coefficients: ask tfface predict --mat for it.")
    if points and arguments.landmarks_file:
        raise UserError("--landmarks and --landmarks-file exclude each other: give one of them.")
    if points not in (0, given):
        raise UserError(f"{given} photographs but {points} files of --landmarks: give one for each photograph.")
    if arguments.box and given > 1:
        raise UserError("--box goes with one photograph only: leave it out.")
    if not 0 <= arguments.steps <= MOST_STEPS:
        raise UserError(f"--steps {arguments.steps} is out of range: give 0 to {MOST_STEPS}.")
    check_out(arguments.out)
    check_detector(arguments.detector)
    if arguments.model is not None:
        weights.find(arguments.model)
    if arguments.landmarks_file is not None:
        must_exist(arguments.landmarks_file, "give dlib's shape_predictor_68_face_landmarks.dat")
    if arguments.box:
        check_box(arguments.box)
    for path in arguments.landmarks:
        read_landmarks(path)
    for path in arguments.photos:
        must_exist(path, "give a photograph")


def _fit(arguments: Arguments, console: Console) -> None:
    with progress_bar(console, transient=True) as progress:
        task = progress.add_task("landmarks", total=None)
        found = _photos(arguments)
        from tfface.fitting.person import fit_person
        from tfface.io.results import about, free_names, photograph, stems
        from tfface.saver import Saved, print_results

        progress.update(task, description="fit", total=max(arguments.steps, 1), completed=0)
        faces = fit_person(found, arguments.steps, lambda done: progress.advance(task, done))
        progress.update(task, description="writing", total=len(faces), completed=0)
        made_with = {"steps": arguments.steps, "photographs": len(faces), "files": asdict(arguments.files)}
        for photo, base, face in zip(arguments.photos, stems(arguments.photos), faces, strict=True):
            source = photograph(photo)
            (stem,) = free_names(arguments.out, base, 1, source, arguments.overwrite)
            origin = about(source, 0, 1, made_with)
            face.save(arguments.out, stem, overwrite=arguments.overwrite, about=origin, files=arguments.files)
            progress.advance(task)
            print_results([Saved.of(photo, arguments.out / stem, face)], progress.console)


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


def fit_photograph(
    image: NDArray[np.uint8],
    landmarks: NDArray[np.floating] | None = None,
    *,
    box: tuple[float, float, float, float] | None = None,
    model: str | None = None,
    detector: str = "auto",
    steps: int = 120,
) -> FittedFace:
    """Fits shape, expression, albedo, light and camera of the face model to one photograph.

    `tfface.fitting.person.fit_person` fits several photographs of one person together.

    Args:
        image: `[H,W,3]` uint8 RGB.
        landmarks: `[68, 2 or 3]` in its pixels, iBUG order, jaw points on the outline that is seen; None: those of
            `model` for the largest face.
        box: `(left, top, right, bottom)` in pixels around the face, instead of detection.
        model: the network that finds landmarks, as `tfface.Reconstructor` takes it.
        detector: a name of `tfface.detect.registry`.
        steps: of the photometric stage; 0: landmarks only.

    Raises:
        UserError: there is no face, or landmarks that are not a face.
    """
    from tfface.fitting.person import Photo, fit_person

    if landmarks is not None:
        return fit_person([Photo(image, landmarks, contour=True)], steps)[0]
    asked = Arguments(photos=(), model=model, detector=detector, box=box)
    return fit_person([photo_of(image, landmark_source(asked), asked)], steps)[0]


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

    reconstruct = Reconstructor(arguments.model, arguments.detector)

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
    """68 points `[68,2]` in pixels, centres at 0.5, of any form of `tfface.io.landmarks`.

    Raises:
        UserError: it cannot be read or holds something else.
    """
    from tfface.fitting.landmarks import checked
    from tfface.io.landmarks import COUNTED_FROM_ONE, read_points

    values = read_points(path)
    try:
        points = checked(values)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return points - 0.5 if path.suffix.lower() in COUNTED_FROM_ONE else points


if __name__ == "__main__":
    sys.exit(run(main))
