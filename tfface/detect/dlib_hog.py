"""dlib's frontal face detector (HOG and a linear SVM, Dalal and Triggs 2005; built into dlib, no file needed).

It slides an 80-pixel window, so small pictures are enlarged, and very large ones shrunk to keep it quick.
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from tfface.detect.base import Detection, largest_first, shrunk

LARGEST_SIDE = 1600
SMALL_SIDE = 900
BESIDE_SCORE = 0.3
"""Least score beside a face that reaches it; what is weaker there is mostly a pattern in the background."""


class DlibHog:
    """The `dlib` detector.

    Args:
        threshold: least score; 0 is dlib's own.
    """

    def __init__(self, threshold: float = 0.0) -> None:
        import dlib

        self._detector = dlib.get_frontal_face_detector()
        self._alone = threading.Lock()  # two threads at once end the process with a segmentation fault
        self.threshold = threshold

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `Detector`."""
        small = shrunk(image, LARGEST_SIDE)
        upsample = 1 if max(small.shape[:2]) <= SMALL_SIDE else 0
        with self._alone:
            rectangles, scores, _ = self._detector.run(np.ascontiguousarray(small), upsample, self.threshold)
        height, width = image.shape[:2]
        back = np.array([width / small.shape[1], height / small.shape[0]] * 2)
        found = []
        for rectangle, score in zip(rectangles, scores, strict=True):
            ends = [rectangle.left(), rectangle.top(), rectangle.right() + 1, rectangle.bottom() + 1]
            left, top, right, bottom = (float(value) for value in ends * back)
            found.append(Detection((left, top, right, bottom), float(score), "dlib"))
        sure = [face for face in found if face.score >= BESIDE_SCORE]
        return largest_first(sure or found)
