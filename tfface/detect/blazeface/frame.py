"""From six keypoints to the crop of a face: its centre, its side and which way up.

Points are read as complex numbers (right + i up), so that a rule that is linear in them turns with the head:

    direction of the head's right = sum_j a_j (p_j - m)        centre of the crop = m + sum_j b_j (p_j - m)

with m the mean of the six. The weights were fitted by least squares to synthetic faces of all yaws, tilts and covers,
whose landmarks are known (`python data_tools/fit_face_frame.py` prints them); the mirrored face must give the mirrored
answer, so pairs share a weight. In profile the eyes lie one above the other in any order, and their line alone says
little: ears, nose and mouth do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MIRRORED = (1, 0, 2, 3, 5, 4)
"""Which keypoint each becomes in a mirrored picture."""


class FrameRule(NamedTuple):
    """The fitted numbers: `direction` `[6]` and `centre` `[6]` complex; `side`, of the crop over the box's side."""

    direction: NDArray[np.complex128]
    centre: NDArray[np.complex128]
    side: float


class Frame(NamedTuple):
    """The square to crop: `centre` `[2]` and `side` in the units of the points, `roll_rad` counter-clockwise."""

    centre: NDArray[np.float64]
    side: float
    roll_rad: float


FRAME_RULE = FrameRule(
    direction=np.array([-0.012 - 0.866j, 0.012 - 0.866j, -0.116j, 1.295j, -0.583 + 0.276j, 0.583 + 0.276j]),
    centre=np.array([-0.166 + 0.017j, -0.166 - 0.017j, -0.151, 0.163, 0.16 + 0.13j, 0.16 - 0.13j]),
    side=1.33,
)


def face_frame(box: NDArray[np.float64], keypoints: NDArray[np.float64], rule: FrameRule = FRAME_RULE) -> Frame:
    """The crop of a face as `box_from_landmarks` would give it in an upright picture, and its roll.

    Args:
        box: `[4]` of a candidate.
        keypoints: `[6,2]` of the same.
        rule: other numbers than those that ship.
    """
    middle, points = centred(keypoints)
    centre = middle + points @ rule.centre
    side = float((box[2:] - box[:2]).mean()) * rule.side
    return Frame(np.array([centre.real, -centre.imag]), side, float(np.angle(points @ rule.direction)))


def centred(keypoints: NDArray[np.float64]) -> tuple[complex, NDArray[np.complex128]]:
    """Mean of points `[...,6,2]`, and the points less their mean `[...,6]`, as complex numbers with i up."""
    numbers = keypoints[..., 0] - 1j * keypoints[..., 1]
    middle = numbers.mean(axis=-1, keepdims=True)
    return middle[..., 0], numbers - middle
