"""Which way up a face is, from what a network says of the same crop turned in several ways.

A network that sees a face as it learnt to see faces says the same of it when the crop is turned a little, and when the
crop is taken again from its own landmarks; of a face on its side it says something else each time. So every quarter
turn is tried, and the least restless one wins. Landmarks are `[68, 2 or 3]` in pixels of the photograph.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tfface.geometry.align import (
    CROP_SIZE,
    box_from_landmarks,
    crop_transform,
    refined_box,
    roll_from_landmarks,
    transform_points,
)

FloatArray = NDArray[np.floating]
QUARTER_TURNS_RAD = (0.0, np.pi / 2, np.pi, -np.pi / 2)
WIGGLE_RAD = 0.35
LARGEST_ROLL_RAD = np.pi / 3
"""More than this a network cannot say of a head that stands upright in its crop: it has seen no face."""


def next_crop(
    points: FloatArray, box: FloatArray, roll_rad: float, turn: bool = True
) -> tuple[NDArray[np.float64], float]:
    """Box and roll of the crop in which these landmarks stand upright and fill it as `box_from_landmarks` says.

    Args:
        points: landmarks in the photograph.
        box, roll_rad: of the crop that they were found in; a roll beyond `LARGEST_ROLL_RAD` from it is not believed.
        turn: False keeps the roll.
    """
    more = angle_between(roll_from_landmarks(points), roll_rad)
    if turn and abs(more) < LARGEST_ROLL_RAD:
        roll_rad += more
    matrix = crop_transform(box, CROP_SIZE, roll_rad)
    return refined_box(transform_points(matrix, points), matrix), roll_rad


def angle_between(first_rad: float, second_rad: float) -> float:
    """`first - second` in [-pi, pi)."""
    return float((first_rad - second_rad + np.pi) % (2 * np.pi) - np.pi)


def landmark_instability(points: FloatArray, others: Sequence[FloatArray], box: FloatArray, roll_rad: float) -> float:
    """How little a network knows of a face: 0.2 where it does, 0.5 and more where it does not.

    The sum of the mean distances from `points` to the same landmarks found in other crops, over the face's size; of how
    far the face's size in its crop is from what crops should show (as a logarithm); and of how far it is off the
    crop's centre, in sides of the crop.

    Args:
        points: found in the crop (`box`, `roll_rad`).
        others: found in that crop a little turned, and taken again.
    """
    size = np.sqrt(np.prod(np.ptp(points[:, :2], axis=0)))
    moved = sum(np.linalg.norm(points - other, axis=-1).mean() for other in others)
    matrix = crop_transform(box, 1, roll_rad)
    found = box_from_landmarks(transform_points(matrix, points))
    offset = np.linalg.norm((found[:2] + found[2:]) / 2 - 0.5)
    return float(moved / max(size, 1e-9) + abs(np.log(max(found[2] - found[0], 1e-9))) + offset)
