"""The `blazeface` detector: a search for candidates, a second look at each, and what is a face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.detect.base import Detection, largest_first
from tfface.detect.blazeface.frame import Frame, face_frame
from tfface.detect.blazeface.network import BlazeFaceNetwork, Candidates
from tfface.detect.blazeface.search import look, parts, whole
from tfface.detect.blazeface.second_look import SecondLook, Seen
from tfface.detect.blazeface.suppress import merge, overlaps
from tfface.geometry.align import square_box

CANDIDATE_SCORE = 0.3
LEAST_SCORE = 0.5
SURE_SCORE = 0.8
PORTRAIT_SHARE = 0.25
SAME_FACE = 0.3


class BlazeFace:
    """Finds faces of any roll, and says which way up they are.

    The picture is searched small by the quick network; then, unless a sure face spans a quarter of it (a portrait), by
    the finer one, whole and in parts, for faces that are small in it; then, when nothing was found, turned by quarters.
    Every candidate is looked at again (`SecondLook`); the score is that of the second look.

    Args:
        min_score: least score of a face; 0 to 1.
        smallest_px: side of the smallest face that is looked for, in pixels of the picture.
        smallest_share: the same as a share of the picture's longer side, where that is more: the search of a large
            picture costs no more than that of one of `smallest_px / smallest_share` pixels.
        portraits: stop at a sure face that spans a quarter of the picture.
    """

    def __init__(
        self,
        min_score: float = LEAST_SCORE,
        smallest_px: float = 32.0,
        smallest_share: float = 0.02,
        portraits: bool = True,
    ) -> None:
        self.min_score, self.portraits = min_score, portraits
        self.smallest_px, self.smallest_share = smallest_px, smallest_share
        self._quick, self._fine = BlazeFaceNetwork("short_range"), BlazeFaceNetwork("back")
        self._look_again = SecondLook(self._quick, self._fine)

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `Detector`."""
        faces: list[Seen] = []
        square = whole(image)
        self._add(faces, image, look(self._quick, image, square, 0.0, CANDIDATE_SCORE))
        if not self._portrait(faces, square):
            self._add(faces, image, look(self._fine, image, square, 0.0, CANDIDATE_SCORE))
            smallest = max(self.smallest_px, self.smallest_share * (square[2] - square[0]))
            for part in parts(image, self._fine.size, smallest):
                self._add(faces, image, look(self._fine, image, part, 0.0, CANDIDATE_SCORE))
        for roll in () if faces else (np.pi / 2, -np.pi / 2, np.pi):
            for network in (self._quick, self._fine):
                self._add(faces, image, look(network, image, square, roll, CANDIDATE_SCORE))
        return largest_first([_detection(face) for face in faces])

    def _portrait(self, faces: list[Seen], square: NDArray[np.float64]) -> bool:
        largest = max((face.frame.side for face in faces if face.score >= SURE_SCORE), default=0.0)
        return self.portraits and largest >= PORTRAIT_SHARE * (square[2] - square[0])

    def _add(self, faces: list[Seen], image: NDArray[np.uint8], found: Candidates) -> None:
        """Takes what the second look says is a face, unless it is there already."""
        found = merge(found)
        for box, points in zip(found.boxes, found.keypoints, strict=True):
            frame = face_frame(box, points)
            if _known(frame, faces):
                continue
            seen = self._look_again(image, frame)
            if seen is not None and seen.score >= self.min_score and not _known(seen.frame, faces):
                faces.append(seen)


def _known(frame: Frame, faces: list[Seen]) -> bool:
    if not faces:
        return False
    squares = np.array([square_box(face.frame.centre, face.frame.side) for face in faces])
    return bool((overlaps(square_box(frame.centre, frame.side), squares) >= SAME_FACE).any())


def _detection(face: Seen) -> Detection:
    left, top, right, bottom = (float(value) for value in square_box(face.frame.centre, face.frame.side))
    return Detection(
        (left, top, right, bottom), face.score, "blazeface", roll_rad=face.frame.roll_rad, keypoints6=face.keypoints
    )
