"""Our own detection in place of a benchmark's boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.detect.registry import load_detector
from tfface.evaluation.columns import FindBox, Found
from tfface.geometry.align import overlap

FloatArray = NDArray[np.floating]
LEAST_OVERLAP = 0.1


def box_finder(name: str) -> FindBox:
    """A function from an RGB image and the benchmark's box `[4]` to our own square box and the head's roll, or None for
    a missed face.

    A picture may hold several faces: the detection that overlaps the benchmark's box most is meant. One that
    overlaps it by less than a tenth (intersection over union) is somebody else, and the face is missed.
    """
    detector = load_detector(name)

    def find(image: NDArray[np.uint8], box: FloatArray) -> Found | None:
        faces = [Found(face.crop_box(), face.roll_rad) for face in detector.detect(image)]
        overlaps = [overlap(face.box, box) for face in faces]
        if not faces or max(overlaps) < LEAST_OVERLAP:
            return None
        return faces[int(np.argmax(overlaps))]

    return find
