"""What lies round the eyes and is not skin: frames of glasses, tinted lenses, their shadows.

Round each eye, off lids and brows, skin changes slowly. What is much brighter or darker than its surroundings there, or
than the cheeks, is left out, whether it is glasses or not: on synthetic faces without any the colours come nearer
to the true ones, too.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.geometry.ibug68 import LEFT_BROW, LEFT_EYE, RIGHT_BROW, RIGHT_EYE
from tfface.viz.cover import chart_hull

FloatArray = NDArray[np.floating]
Mask = NDArray[np.bool_]
SIDE = 256
UNLIKE, UNLIKE_CHEEKS = 0.2, 0.5
"""Logarithms of brightness that differ by so much from what is around, and from the cheeks."""
AROUND, GROWN, LEAST_TEXELS = 31, 7, 40
GLASSES = 0.15
"""Where so much of it is unlike, glasses are worn, and what lies on the lids is left out, too."""
ORBIT = (0.17, 0.14)
"""Of the chart's side: half of the width and of the height of what is looked at round an eye."""


def skin_round_eyes(colours: FloatArray) -> NDArray[np.float32]:
    """How far each texel of the face's chart may be skin, `[R,R]` in [0,1]; 1 away from the eyes.

    Args:
        colours: `[R,R,3]` in [0,1], the photograph's with the light divided out.
    """
    small = cv2.resize(np.asarray(colours, np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    bright = np.log(np.clip(small @ np.full(3, 1 / 3, np.float32), 0, 1) + np.float32(0.05))
    levels = 255 / (np.log(1.05) - np.log(0.05))
    as_level = np.asarray(np.round((bright - np.log(0.05)) * levels), np.uint8)
    apart = np.abs(as_level - cv2.medianBlur(as_level, AROUND).astype(np.float32)) / levels
    orbit, lids, cheeks = _zones()
    unlike = (apart > UNLIKE) | (np.abs(bright - np.median(bright[cheeks])) > UNLIKE_CHEEKS)
    unlike &= orbit | lids if np.count_nonzero(unlike & orbit) > GLASSES * np.count_nonzero(orbit) else orbit
    _, labels, about, _ = cv2.connectedComponentsWithStats(unlike.astype(np.uint8))
    large = (about[:, cv2.CC_STAT_AREA] >= LEAST_TEXELS)[labels] & unlike
    grown = cv2.dilate(large.astype(np.float32), np.ones((GROWN, GROWN)))
    soft = np.clip(1 - 1.3 * cv2.GaussianBlur(grown, (0, 0), 1.5), 0, 1)
    return np.asarray(cv2.resize(soft, np.shape(colours)[1::-1]), np.float32)


@lru_cache(maxsize=1)
def _zones() -> tuple[Mask, Mask, Mask]:
    """What is looked at, eyes and lids, and the cheeks, `[SIDE,SIDE]`."""
    cheeks = [chart_hull(each, size=SIDE) for each in ([40, 41, 31, 48], [46, 47, 35, 54])]
    eyes = [chart_hull(eye, 13, SIDE) for eye in (LEFT_EYE, RIGHT_EYE)]
    brows = [chart_hull(brow, 11, SIDE) for brow in (LEFT_BROW, RIGHT_BROW)]
    around = np.zeros((SIDE, SIDE), np.uint8)
    half = round(ORBIT[0] * SIDE), round(ORBIT[1] * SIDE)
    for eye in eyes:
        row, column = np.argwhere(eye).mean(0).astype(int).tolist()
        cv2.ellipse(around, (column, row + half[1] // 6), half, 0, 0, 360, 1, -1)
    bridge, nose = chart_hull([21, 22, 42, 39, 28], 5, SIDE), chart_hull([30, 31, 33, 35], 9, SIDE)
    others = np.any([*brows, nose], axis=0)
    lids = (eyes[0] | eyes[1]) & ~others
    return ((around > 0) | bridge) & ~others & ~lids, lids, cheeks[0] | cheeks[1]
