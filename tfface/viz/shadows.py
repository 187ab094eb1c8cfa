"""Cast shadows out of an albedo: what one half of the face has, and the other, which has the same skin, has not."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
SIDE, WINDOW = 256, 21
"""The chart's side where it is decided; a median so wide keeps a shadow's edge, and drops spots and moles."""
ALIKE, DARKEST = 0.1, 1.5
"""Logarithms of brightness: halves that differ by less are alike; by so much at most is a shadow lightened."""
DARK = 0.03


def without_shadows(colours: FloatArray) -> NDArray[np.float32]:
    """An albedo `[T,T,3]` in [0,1] in a symmetric chart with its darker half as bright as the other."""
    small = cv2.resize(np.asarray(colours, np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA).mean(-1)
    bright = np.log(small + np.float32(DARK))
    apart = np.clip((bright - bright[:, ::-1]) / 4 + 0.5, 0, 1)
    calm = cv2.medianBlur(np.asarray(apart * 255, np.uint8), WINDOW).astype(np.float32) / 255
    darker = 2 * (calm[:, ::-1] - calm)
    lift = cv2.GaussianBlur(np.clip(darker - np.float32(ALIKE), 0, DARKEST), (0, 0), 1.5)
    factor = np.exp(cv2.resize(lift, np.shape(colours)[1::-1]))[..., None]
    return np.asarray(np.clip((colours + np.float32(DARK)) * factor - np.float32(DARK), 0, 1), np.float32)
