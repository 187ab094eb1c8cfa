"""HOG first, MTCNN (where it is installed) where that finds nothing, then the picture on its side and upside down."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from tfface.detect.base import Detection, Detector, largest_first
from tfface.detect.dlib_hog import DlibHog


class Auto:
    """The `auto` detector. MTCNN (and TensorFlow) are loaded when first needed.

    Args:
        turned: also look at the picture turned by 90, 270 and 180 degrees (HOG only) when nothing was found.
    """

    def __init__(self, turned: bool = True) -> None:
        self._first: Detector = DlibHog()
        self._second: Detector | None = None
        self.turned = turned

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `Detector`."""
        found = self._first.detect(image) or self._by_mtcnn(image)
        for turns in (1, 3, 2) if self.turned and not found else ():
            upright = np.ascontiguousarray(np.rot90(image, turns))
            found = [turn_back(face, turns, image.shape[:2]) for face in self._first.detect(upright)]
            if found:
                break
        return largest_first(found)

    def _by_mtcnn(self, image: NDArray[np.uint8]) -> list[Detection]:
        """What MTCNN finds; nothing where its package (the extra `detect`) is not installed."""
        if self._second is None and find_spec("mtcnn") is not None:
            from tfface.detect.mtcnn import Mtcnn

            self._second = Mtcnn()
        return [] if self._second is None else self._second.detect(image)


def turn_back(face: Detection, turns: int, image_size: tuple[int, ...]) -> Detection:
    """A face of `np.rot90(image, turns)` as a face of the image.

    Args:
        face: found in the turned picture.
        turns: quarter turns counter-clockwise.
        image_size: height and width of the picture before it was turned.
    """
    height, width = image_size
    points = np.array(face.box).reshape(2, 2)
    for step in range(turns, 0, -1):  # undo one quarter turn: (u', v') = (v, side - u)
        side = width if step % 2 else height
        points = np.stack([side - points[:, 1], points[:, 0]], axis=1)
    low, high = points.min(0), points.max(0)
    roll = float((-np.pi / 2 * turns + np.pi) % (2 * np.pi) - np.pi)
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return replace(face, box=box, points5=None, roll_rad=roll)
