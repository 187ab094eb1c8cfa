"""The `blazeface` detector: a search for candidates, a second look at each, and what is a face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.detect.base import Detection, largest_first
from tfface.detect.blazeface.frame import Frame, face_frame
from tfface.detect.blazeface.network import BlazeFaceNetwork, Candidates
from tfface.detect.blazeface.search import covering_square, look, parts
from tfface.detect.blazeface.second_look import HOPELESS_LOGIT, SecondLook, Seen
from tfface.detect.blazeface.suppress import merge, overlaps, shares_inside
from tfface.errors import UserError
from tfface.geometry.align import square_box

CANDIDATE_SCORE = 0.3
LEAST_SCORE = 0.55
"""Of a face. Measured on the 200 photographs of development (`docs/detection.md`), as the next two."""
BESIDE_SCORE = 0.7
"""Of a face in a picture with a surer one: what is weaker there is mostly a pattern."""
BESIDE_LOGIT = 0.0
"""What a face beside a sure one must have at the first look, so that patterns in a portrait cost little time."""
SURE_SCORE = 0.8
PORTRAIT_SHARE = 0.25
SMALLEST_PX, SMALLEST_SHARE = 32.0, 0.02
"""Side of the smallest face that is looked for, and the same as a share of the picture's longer side, where that is
more: a large picture costs no more than one of 1600 pixels."""
SAME_FACE = 0.3
WITHIN = 0.6


class BlazeFace:
    """Finds faces of any roll, and says which way up they are.

    The picture is searched small by the quick network; then, unless a sure face spans a quarter of it (a portrait), by
    the finer one, whole and in parts, for faces that are small in it; then, when nothing was found, turned by quarters.
    Every candidate is looked at again (`SecondLook`); the score is that of the second look.

    Args:
        min_score: least score of a face; 0 to 1.
    """

    def __init__(self, min_score: float = LEAST_SCORE) -> None:
        if not 0 <= min_score <= 1:
            raise UserError(f"The least score {min_score:g} is out of BlazeFace's range: give 0 to 1.")
        self.min_score = min_score
        self._quick, self._fine = BlazeFaceNetwork("short_range"), BlazeFaceNetwork("back")
        self._look_again = SecondLook(self._quick, self._fine)

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `Detector`."""
        faces: list[Seen] = []
        square = covering_square(image)
        self._add(faces, image, look(self._quick, image, square, 0.0, CANDIDATE_SCORE))
        if not self._portrait(faces, square):
            self._add(faces, image, look(self._fine, image, square, 0.0, CANDIDATE_SCORE))
            smallest = max(SMALLEST_PX, SMALLEST_SHARE * (square[2] - square[0]))
            for part in parts(image, self._fine.size, smallest):
                self._add(faces, image, look(self._fine, image, part, 0.0, CANDIDATE_SCORE))
        found = self._faces(faces)
        for roll in () if found else (np.pi / 2, -np.pi / 2, np.pi):
            for network in (self._quick, self._fine):
                self._add(faces, image, look(network, image, square, roll, CANDIDATE_SCORE))
        return largest_first([_detection(face) for face in found or self._faces(faces)])

    def _portrait(self, faces: list[Seen], square: NDArray[np.float64]) -> bool:
        largest = max((face.frame.side for face in faces if face.score >= SURE_SCORE), default=0.0)
        return largest >= PORTRAIT_SHARE * (square[2] - square[0])

    def _add(self, faces: list[Seen], image: NDArray[np.uint8], found: Candidates) -> None:
        """Takes a second look at each candidate that is not known yet."""
        found = merge(found)
        for box, points in zip(found.boxes, found.keypoints, strict=True):
            frame = face_frame(box, points)
            if not (overlaps(_square(frame), _squares(faces)) >= SAME_FACE).any():
                beside_sure = any(face.score >= SURE_SCORE for face in faces)
                seen = self._look_again(image, frame, BESIDE_LOGIT if beside_sure else HOPELESS_LOGIT)
                faces += [] if seen is None else [seen]

    def _faces(self, seen: list[Seen]) -> list[Seen]:
        """Those that are faces: each sure enough, beside a surer one more so, and none within another."""
        faces: list[Seen] = []
        for face in sorted(seen, key=lambda each: -each.score):
            if face.score < (max(self.min_score, BESIDE_SCORE) if faces else self.min_score):
                break
            if not (shares_inside(_square(face.frame), _squares(faces)) >= WITHIN).any():
                faces.append(face)
        return faces


def _square(frame: Frame) -> NDArray[np.float64]:
    return square_box(frame.centre, frame.side)


def _squares(faces: list[Seen]) -> NDArray[np.float64]:
    return np.reshape([_square(face.frame) for face in faces], (-1, 4))


def _detection(face: Seen) -> Detection:
    left, top, right, bottom = (float(value) for value in _square(face.frame))
    return Detection(
        (left, top, right, bottom), face.score, "blazeface", roll_rad=face.frame.roll_rad, keypoints6=face.keypoints
    )
