"""What a detector is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tfface.geometry.align import box_from_detection

CROPS = ("given", "blazeface")
"""Detectors whose box is the crop itself."""
DOUBTFUL_SCORES = {"blazeface": 0.75, "dlib": 0.3, "mtcnn": 0.95}
"""Below this a detection is more often no face than usual (`docs/detection.md`)."""


def shrunk(image: NDArray[np.uint8], largest_side: int) -> NDArray[np.uint8]:
    """A picture that is no larger."""
    import cv2

    zoom = min(largest_side / max(image.shape[:2]), 1.0)
    if zoom == 1.0:
        return image
    return np.asarray(cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA))


@dataclass(frozen=True)
class Detection:
    """A face found in a picture.

    Attributes:
        box: `(left, top, right, bottom)` in image pixels, as the detector draws it.
        score: the larger the surer; comparable within one detector only.
        detector: which one drew it ("blazeface", "dlib", "mtcnn"), or "given" for a box that is the crop itself.
        points5: `[5,2]` eyes, nose, mouth corners in image pixels (picture's left first), or None.
        roll_rad: how the head is turned in the picture, counter-clockwise; of dlib a multiple of 90 degrees.
        keypoints6: `[6,2]` eyes, nose, mouth, ears in image pixels (the head's right first), or None.
    """

    box: tuple[float, float, float, float]
    score: float
    detector: str
    points5: NDArray[np.float64] | None = None
    roll_rad: float = 0.0
    keypoints6: NDArray[np.float64] | None = None

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])

    @property
    def doubtful(self) -> bool:
        """Whether few faces score so little."""
        return self.score < DOUBTFUL_SCORES.get(self.detector, -np.inf)

    def crop_box(self) -> NDArray[np.float64]:
        """The square to crop, as `box_from_landmarks` would give it for an average frontal face."""
        if self.detector in CROPS:
            left, top, right, bottom = self.box
            half = max(right - left, bottom - top) / 2
            u, v = (left + right) / 2, (top + bottom) / 2
            return np.array([u - half, v - half, u + half, v + half])
        return box_from_detection(self.box, self.detector, self.roll_rad)


class Detector(Protocol):
    """Finds faces; several threads may ask at once."""

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Faces in `[H,W,3]` uint8 RGB, the largest first; an empty list when there is none."""
        ...


def largest_first(detections: list[Detection]) -> list[Detection]:
    """By area, then by place, so that the order is always the same."""
    return sorted(detections, key=lambda found: (-found.area, found.box))
