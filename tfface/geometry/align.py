"""Crops, similarities and poses, in NumPy.

A crop is a square of the photograph, possibly turned: with centre c, side a and roll phi (counter-clockwise, as heads
roll), the crop's right and down axes are r = (cos phi, -sin phi) and d = (sin phi, cos phi) in the photograph, and

    u' = size / 2 + size / a * (p - c) . r        v' = size / 2 + size / a * (p - c) . d

Coordinates have pixel centres at +0.5, so the matrices act on positions, not on array indices.

A similarity `y = s R x + t` in least squares is Umeyama's (1991, IEEE PAMI 13(4), equations 39 to 42): with the
covariance `U D V^T` of targets and sources, `R = U S V^T` and `s = tr(D S) / var(x)`, where S flips the last axis when
`det(U) det(V) < 0`, so that R is never a reflection. The pose of a face is the similarity that takes the mean face to
the predicted vertices once v (down) is turned into y (up).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.geometry.ibug68 import CHIN, EYES, LEFT_EYE, NOSE_BRIDGE, RIGHT_EYE
from tfface.geometry.rotation import matrix_to_euler

FloatArray = NDArray[np.floating]
Box = Sequence[float] | NDArray[np.floating]

CROP_SIZE = 256
"""Side of the crop, in pixels, in which maps and coefficients speak, whatever the size that a network sees."""
MAP_SIZE = 256
"""Side of the position map, in texels, that every network gives in the end."""

# Side of 3DDFA's landmark box over the side of the detector's box, and how far its centre lies below the detector's,
# in detector sides (the mean of width and height). Medians over the near-frontal (|yaw| < 25 degrees) photographs of
# AFLW2000-3D; standard deviations: dlib 0.13 and 0.06, mtcnn 0.10 and 0.05.
DETECTOR_BOXES = {"dlib": (1.387, 0.08), "mtcnn": (1.3, 0.14)}


class Similarity(NamedTuple):
    """`y = scale * rotation @ x + translation`."""

    scale: float
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]


LEAST_BOX_PX, MOST_BOX_PX = 1.0, 1e8
MOST_RECROPS = 10


def check_recrop(recrop: int) -> int:
    """How often a network looks at a face again.

    Raises:
        UserError: when it is negative, or more than can be of use.
    """
    if not 0 <= recrop <= MOST_RECROPS:
        raise UserError(f"`recrop={recrop}` is negative or too many: give 0, 1 or up to {MOST_RECROPS}.")
    return recrop


def check_box(box: Box) -> NDArray[np.float64]:
    """The box `(left, top, right, bottom)` as four floats.

    Raises:
        UserError: when it has no area, is not finite, or is smaller or larger than any face in a picture.
    """
    values = np.asarray(box, np.float64)
    if values.shape == (4,):
        left, top, right, bottom = values.tolist()  # a tenth of the time that arrays so small take
        least, most = min(right - left, bottom - top), max(abs(left), abs(top), abs(right), abs(bottom))
        if math.isfinite(left + top + right + bottom) and least >= LEAST_BOX_PX - 1e-6 and most <= MOST_BOX_PX:
            return values
    if values.shape != (4,) or not np.isfinite(values).all() or (values[2:] <= values[:2]).any():
        raise UserError(
            f"The box {values.tolist()} is not a valid box: give left top right bottom in pixels, left < right, "
            "top < bottom."
        )
    raise UserError(
        f"The box {values.tolist()} is not a face's: give left top right bottom in pixels of the picture, at least "
        f"{LEAST_BOX_PX:g} pixel wide and high and at most {MOST_BOX_PX:g} from its corner."
    )


def square_box(centre: FloatArray, side: float) -> NDArray[np.float64]:
    """The square `(left, top, right, bottom)` with this centre `[2]` and side."""
    return np.concatenate([np.asarray(centre) - side / 2, np.asarray(centre) + side / 2])


def overlap(first: FloatArray, second: FloatArray) -> float:
    """Of two boxes `[4]`, the shared area over the union's."""
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    shared = float(np.prod(np.maximum(high - low, 0.0)))
    return shared / max(float(np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2])) - shared, 1e-9)


def crop_transform(box: Box, size: int, roll_rad: float = 0.0) -> NDArray[np.float64]:
    """The matrix `[2,3]` that takes image positions to positions in a crop of `size` x `size` pixels.

    Args:
        box: `(left, top, right, bottom)` in image pixels; when it is not a square, the crop stretches it.
        size: side of the crop in pixels.
        roll_rad: the crop turned about the box's centre so that a head with this roll stands upright in it.
    """
    left, top, right, bottom = check_box(box).tolist()
    cos, sin = math.cos(roll_rad), math.sin(roll_rad)
    across, down = size / (right - left), size / (bottom - top)
    u, v = (left + right) / 2, (top + bottom) / 2
    rows = (across * cos, -across * sin), (down * sin, down * cos)
    return np.array([(x, y, size / 2 - (x * u + y * v)) for x, y in rows])


def invert_transform(matrix: FloatArray) -> NDArray[np.float64]:
    """The inverse `[2,3]` of an affine map `[2,3]`."""
    (a, b, x), (c, d, y) = np.asarray(matrix, np.float64).tolist()
    determinant = a * d - b * c
    return np.array([(d, -b, b * y - d * x), (-c, a, c * x - a * y)]) / determinant


def transform_scale(matrix: FloatArray) -> float:
    """The length scale of an affine map `[2,3]`: the square root of its area scale."""
    (a, b, *_), (c, d, *_) = matrix.tolist()
    return math.sqrt(abs(a * d - b * c))


def transform_points(matrix: FloatArray, points: FloatArray) -> NDArray[np.float64]:
    """Points `[...,2]` or `[...,3]` mapped by `[2,3]`; a third coordinate (depth in pixels) takes the length scale."""
    points = np.asarray(points, np.float64)
    moved = points[..., :2] @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([moved, points[..., 2:] * transform_scale(matrix)], axis=-1)


def transform_map(matrix: FloatArray, position_map: NDArray[np.float32]) -> NDArray[np.float32]:
    """As `transform_points` of a map `[...,3]`, in 32 bits, as maps are: a sixth of the time."""
    linear = np.diag([0.0, 0.0, transform_scale(matrix)])
    linear[:2, :2] = matrix[:, :2]
    moved = position_map.reshape(-1, 3) @ linear.T.astype(np.float32)  # rows of a map one by one take twice as long
    moved += np.array([*matrix[:, 2], 0.0], np.float32)
    return np.asarray(moved.reshape(position_map.shape))


def box_from_landmarks(points: FloatArray) -> NDArray[np.float64]:
    """3DDFA's square crop (Zhu et al. 2016, and its AFLW2000-3D protocol): the landmark box's centre, sqrt(2) times
    its longer side.

    Args:
        points: `[68, 2 or 3]` in image pixels.
    """
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    return square_box((low + high) / 2, float(np.sqrt(2) * (high - low).max()))


def refined_box(points: FloatArray, matrix: FloatArray) -> NDArray[np.float64]:
    """`box_from_landmarks` measured in a turned crop: the square of the image, before it is turned by the same roll.

    Args:
        points: `[68, 2 or 3]` in the crop's pixels.
        matrix: `[2,3]` image to crop.
    """
    inside = box_from_landmarks(points)
    back = invert_transform(matrix)
    centre = transform_points(back, (inside[:2] + inside[2:]) / 2)
    return square_box(centre, float(inside[2] - inside[0]) * transform_scale(back))


def box_from_detection(box: Box, detector: str, roll_rad: float = 0.0) -> NDArray[np.float64]:
    """The square crop that an average frontal face gets from its landmarks, guessed from a detector's box.

    dlib's HOG box spans the brows to the chin; mtcnn's is a taller rectangle from the forehead to the chin. Measured on
    the near-frontal photographs of 200 of AFLW2000-3D (side over the detector's mean side, shift down over the same).
    """
    left, top, right, bottom = check_box(box)
    if detector not in DETECTOR_BOXES:
        raise UserError(f"No crop is known for the detector {detector!r}: choose from {', '.join(DETECTOR_BOXES)}.")
    factor, shift = DETECTOR_BOXES[detector]
    side = (right - left + bottom - top) / 2
    down = np.array([np.sin(roll_rad), np.cos(roll_rad)])
    return square_box(np.array([left + right, top + bottom]) / 2 + shift * side * down, factor * side)


def fit_similarity(
    source: FloatArray, target: FloatArray, weights: FloatArray | None = None, with_scale: bool = True
) -> Similarity:
    """The similarity (or rigid motion) of least squared error from `source` to `target`, never a reflection.

    Args:
        source, target: `[N,D]` corresponding points, D = 2 or 3.
        weights: `[N]` non-negative.
        with_scale: False keeps the scale at 1.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    share = np.ones(len(source)) if weights is None else np.asarray(weights, np.float64)
    share = share / share.sum()
    mean_source, mean_target = share @ source, share @ target
    centred = source - mean_source
    weighted = share[:, None] * centred
    u, singular, vt = np.linalg.svd(target.T @ weighted)
    sign = np.ones(source.shape[1])
    sign[-1] = np.copysign(1.0, np.linalg.det(u) * np.linalg.det(vt))
    rotation = (u * sign) @ vt
    variance = float(np.vdot(weighted, centred))
    scale = float(singular @ sign) / max(variance, 1e-300) if with_scale else 1.0
    return Similarity(scale, rotation, mean_target - scale * rotation @ mean_source)


@dataclass(frozen=True)
class Pose:
    """Where a face stands in a photograph: `(u, -v, depth) = scale * rotation @ V + translation`.

    Attributes:
        rotation: `[3,3]`, face frame to the picture (y up).
        scale_px_per_mm: pixels per millimetre of the face frame.
        translation_px: `[3]`, y up.
    """

    rotation: NDArray[np.float64]
    scale_px_per_mm: float
    translation_px: NDArray[np.float64]

    @property
    def degrees(self) -> tuple[float, float, float]:
        """Yaw, pitch, roll in degrees (`docs/conventions.md`)."""
        yaw, pitch, roll = np.degrees(matrix_to_euler(self.rotation))
        return float(yaw), float(pitch), float(roll)

    def to_face_frame(self, points: FloatArray) -> NDArray[np.float32]:
        """Millimetres `[...,3]` of positions (u, v, depth) in pixels `[...,3]`."""
        upright = np.asarray(points, np.float64) * [1.0, -1.0, 1.0] - self.translation_px
        return np.asarray(upright @ self.rotation / self.scale_px_per_mm, np.float32)

    def to_image(self, vertices: FloatArray) -> NDArray[np.float32]:
        """Pixels (u, v, depth) `[...,3]` of points in millimetres `[...,3]`."""
        placed = self.scale_px_per_mm * np.asarray(vertices, np.float64) @ self.rotation.T + self.translation_px
        return np.asarray(placed * [1.0, -1.0, 1.0], np.float32)


def fit_pose(points: FloatArray, reference: FloatArray, weights: FloatArray | None = None) -> Pose:
    """The pose of predicted vertices.

    Args:
        points: `[N,3]` u, v, depth in pixels.
        reference: `[N,3]` the mean face's vertices in millimetres.
        weights: `[N]`, to leave out what moves with the expression.
    """
    fit = fit_similarity(reference, np.asarray(points, np.float64) * [1.0, -1.0, 1.0], weights)
    return Pose(fit.rotation, fit.scale, fit.translation)


def roll_from_landmarks(points: FloatArray) -> float:
    """The head's roll in radians from 68 points `[68, 2 or 3]` (counter-clockwise positive), in (-pi, pi].

    Zhou 2021: a line is fitted to the 12 points of the eyes and to the pair (bridge of the nose, chin) turned by 90
    degrees. The line is fitted by total least squares, which any roll suits. Which way it points is said by the eyes'
    order and by the way from bridge to chin together: in profile the eyes lie one above the other, and their order
    alone, Zhou's rule, turned such heads upside down.
    """
    points = np.asarray(points, np.float64)[:, :2]
    eyes = points[EYES] - points[EYES].mean(0)
    half = (points[CHIN] - points[NOSE_BRIDGE]) / 2
    across = np.array([half[1], -half[0]])
    samples = np.concatenate([eyes, [across, -across]])
    direction = np.linalg.svd(samples, full_matrices=False)[2][0]
    if direction @ (points[RIGHT_EYE].mean(0) - points[LEFT_EYE].mean(0) + across) < 0:
        direction = -direction
    return float(np.arctan2(-direction[1], direction[0]))
