"""One person's photographs to fitted faces: crop, landmarks, photometry, and back into the photographs' pixels."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.face.position_map import position_tables
from tfface.fitting.coefficients import Coefficients
from tfface.fitting.landmarks import checked, fit_landmarks
from tfface.fitting.maps import fit_vertices
from tfface.fitting.result import FittedFace
from tfface.geometry.align import MAP_SIZE, box_from_landmarks, crop_transform, invert_transform, transform_points
from tfface.geometry.ibug68 import WITHOUT_JAW
from tfface.io.warp import warp_image
from tfface.result import FaceResult

CROP_PX = 224
STEPS = 120
MOST_APART = 0.15
"""Of the face's size. Faces' landmarks, each off by 8 %, lie 0.08 from the nearest face; 68 at random lie 0.3."""
FloatArray = NDArray[np.floating]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Photo:
    """A photograph and its landmarks.

    Attributes:
        image: `[H,W,3]` uint8 RGB.
        landmarks: `[68, 2 or 3]` in its pixels, iBUG order.
        contour: the jaw points lie on the silhouette (as people and dlib draw them), not on the model's own vertices.
        score: of the detection, None where there was none.
    """

    image: NDArray[np.uint8]
    landmarks: FloatArray
    contour: bool = False
    score: float | None = None


def fit_person(photos: Sequence[Photo], steps: int = STEPS, progress: Progress | None = None) -> list[FittedFace]:
    """Fits one person's photographs together: one identity and albedo, else each its own.

    Args:
        photos: one or more.
        steps: of the photometric stage; 0 leaves it out.
        progress: called with the number of steps done since the last call.

    Raises:
        UserError: landmarks that are not a face, or outside the photograph.
    """
    boxes = [box_from_landmarks(checked(photo.landmarks)) for photo in photos]
    matrices = [crop_transform(box, CROP_PX) for box in boxes]
    targets = [transform_points(m, checked(p.landmarks)) for m, p in zip(matrices, photos, strict=True)]
    begin = time.perf_counter()
    first = fit_landmarks(targets, all(photo.contour for photo in photos))
    for number, (target, found) in enumerate(zip(targets, first, strict=True), 1):
        _check_likeness(target, found, f"photograph {number}" if len(photos) > 1 else "the photograph")
    spent = {"landmarks": (time.perf_counter() - begin) * 1000}
    return _photometric(photos, boxes, targets, first, steps, progress, spent)


def _check_likeness(target: NDArray[np.float64], found: Coefficients, what: str) -> None:
    """Sees to it that the landmarks look like a face's: those inside it (the jaw's slide along the outline).

    Raises:
        UserError: the nearest face of the model is far from them.
    """
    points = found.vertices()[load_open_face().landmarks68_2d][WITHOUT_JAW, :2]
    size = float(np.sqrt(np.prod(np.ptp(target, axis=0))))
    apart = float(np.linalg.norm(points - target[WITHOUT_JAW, :2], axis=1).mean()) / size
    if not apart <= MOST_APART:
        raise UserError(
            f"The 68 landmarks of {what} are not a face's: the nearest face lies {100 * apart:.0f} % of its size away. "
            "Give points of one face in pixels, in iBUG's order."
        )


def refine(result: FaceResult, steps: int = STEPS, progress: Progress | None = None) -> FittedFace:
    """Fits one photograph from a network's answer: its map's coefficients, then the photometric stage.

    Args:
        result: of `tfface.inference.Reconstructor`.
        steps, progress: see `fit_person`.
    """
    begin = time.perf_counter()
    box = box_from_landmarks(checked(result.landmarks68))
    matrix = crop_transform(box, CROP_PX)
    first = fit_vertices(transform_points(matrix, result.vertices))
    spent = {**result.timings_ms, "coefficients": (time.perf_counter() - begin) * 1000}
    photo = Photo(result.image, result.landmarks68, score=result.score)
    target = transform_points(matrix, result.landmarks68)[:, :2]
    fitted = _photometric([photo], [box], [target], [first], steps, progress, spent)[0]
    return replace(fitted, model=f"{result.model}, fitted")


def _photometric(
    photos: Sequence[Photo],
    boxes: list[NDArray[np.float64]],
    targets: list[NDArray[np.float64]],
    first: list[Coefficients],
    steps: int,
    progress: Progress | None,
    spent: dict[str, float],
) -> list[FittedFace]:
    """The second stage, and everything brought back into the photographs."""
    matrices = [crop_transform(box, CROP_PX) for box in boxes]
    begin, last = time.perf_counter(), first
    if steps:
        from tfface.fitting.photometric import PhotometricStage

        crops = [warp_image(p.image, matrix, CROP_PX, CROP_PX) for p, matrix in zip(photos, matrices, strict=True)]
        last = PhotometricStage(crops, targets, all(photo.contour for photo in photos))(first, steps, progress)
        spent = {**spent, "photometric": (time.perf_counter() - begin) * 1000}
    backs = [invert_transform(matrix) for matrix in matrices]
    return [
        _face(photo, box, start.seen_through(back), end.seen_through(back), spent)
        for photo, box, start, end, back in zip(photos, boxes, first, last, backs, strict=True)
    ]


def _face(
    photo: Photo, box: NDArray[np.float64], start: Coefficients, end: Coefficients, spent: dict[str, float]
) -> FittedFace:
    position_map = position_tables(MAP_SIZE).from_vertices(end.vertices())
    return FittedFace(
        image=photo.image,
        position_map=position_map,
        box=box,
        model="fit",
        timings_ms=spent,
        score=photo.score,
        coefficients=end,
        first=start,
        seen_landmarks=np.asarray(photo.landmarks, np.float64)[:, :2],
    )
