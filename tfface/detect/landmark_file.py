"""68 or 81 landmarks from dlib's shape predictor (Kazemi and Sullivan 2014), whose file the user brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.geometry.align import DETECTOR_BOXES
from tfface.io.reading import must_exist, reading

POINT_COUNTS = (68, 81)


class LandmarkFile:
    """A shape predictor.

    Args:
        path: its `.dat` file.

    Raises:
        UserError: it cannot be read, or has neither 68 nor 81 points.
    """

    def __init__(self, path: Path) -> None:
        import dlib

        path = must_exist(path, "give dlib's shape_predictor_68_face_landmarks.dat")
        with reading(path, "dlib's shape predictor", "give its .dat file"):
            self._predictor = dlib.shape_predictor(str(path))
            count = self._predictor(np.zeros((10, 10, 3), np.uint8), dlib.rectangle(0, 0, 9, 9)).num_parts
        if count not in POINT_COUNTS:
            raise UserError(f"{path} finds {count} points: give one of 68 or 81.")

    def __call__(self, image: NDArray[np.uint8], box: NDArray[np.floating]) -> NDArray[np.float64]:
        """Points `[68 or 81, 2]` in pixels of the picture.

        Args:
            image: `[H,W,3]` uint8 RGB.
            box: `[4]` the square crop of a face (`Detection.crop_box`).
        """
        shape = self._predictor(image, _hog_rectangle(box))
        return np.array([[part.x, part.y] for part in shape.parts()], np.float64) + 0.5


def _hog_rectangle(box: NDArray[np.floating]) -> Any:
    """The rectangle that dlib's own detector would draw for a face with this crop box; its predictors know no other."""
    import dlib

    factor, shift = DETECTOR_BOXES["dlib"]
    side = float(box[2] - box[0]) / factor
    left, top = (box[:2] + box[2:]) / 2 - side / 2 - [0.0, shift * side]
    return dlib.rectangle(*(round(float(value)) for value in (left, top, left + side, top + side)))
