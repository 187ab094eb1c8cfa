"""MTCNN (Zhang et al. 2016) of the package `mtcnn`, whose weights lie in its wheel; runs on TensorFlow."""

from __future__ import annotations

import contextlib
import io
import threading

import numpy as np
from numpy.typing import NDArray

from tfface.detect.base import Detection, largest_first, shrunk
from tfface.quiet import quiet_tensorflow

LARGEST_SIDE = 1000
POINT_NAMES = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


class Mtcnn:
    """The `mtcnn` detector: finds turned and profile faces that the HOG detector misses.

    Args:
        threshold: least probability.
    """

    def __init__(self, threshold: float = 0.9) -> None:
        quiet_tensorflow()
        from mtcnn import MTCNN

        self._detector = MTCNN()
        self._alone = threading.Lock()  # standard output is the whole process's
        self.threshold = threshold

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `Detector`."""
        small = shrunk(image, LARGEST_SIDE)
        with self._alone, contextlib.redirect_stdout(io.StringIO()):
            faces = self._detector.detect_faces(small, fit_to_image=False)
        back = np.array([image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]])
        return largest_first([_detection(face, back) for face in faces if face["confidence"] >= self.threshold])


def _detection(face: dict, back: NDArray[np.float64]) -> Detection:  # type: ignore[type-arg]
    left, top, width, height = (float(value) for value in np.array(face["box"], np.float64) * np.tile(back, 2))
    points = np.array([face["keypoints"][name] for name in POINT_NAMES], np.float64) + 0.5
    return Detection((left, top, left + width, top + height), float(face["confidence"]), "mtcnn", points * back)
