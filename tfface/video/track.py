"""Whose face is whose from frame to frame: by where it is, looked for anew every few frames and where it is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfface.detect.base import Detection, Detector
from tfface.geometry.align import overlap
from tfface.geometry.upright import next_crop
from tfface.result import FaceResult

MOST_FOLLOWED = 8
LOOK_EVERY = 5
"""Frames between two searches for faces while all are followed."""
SAME_FACE = 0.25
"""Boxes that share so much of their union are of the same face."""
BACK_WITHIN_SECONDS = 2.0
"""A face that was lost, and is found again within this time where it was, is the same person's."""
LEAST_PIXELS = 8.0
"""Faces that seem smaller are gone."""
UNSURE = 0.06
"""Of the face's size: a network that errs by so much, as it says itself, sees no face any more."""


@dataclass
class Track:
    """A face that is followed.

    Attributes:
        number: of the person, counted from 0.
        found: where to look for it in the next frame.
        seen_seconds: when it was seen last.
        missed: in how many searches one after the other no detector saw it.
    """

    number: int
    found: Detection
    seen_seconds: float
    missed: int = 0


class Tracker:
    """Follows the faces of a video.

    Args:
        detector: finds faces.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._live: list[Track] = []
        self._lost: list[Track] = []
        self._count = self._since = 0

    def faces(self, image: NDArray[np.uint8], seconds: float) -> list[Track]:
        """The faces to look at in a frame, each with the crop to look into."""
        self._since += 1
        if not self._live or self._since >= LOOK_EVERY:
            self._search(image, seconds)
        return list(self._live)

    def seen(self, tracks: Sequence[Track], results: Sequence[FaceResult], seconds: float) -> list[bool]:
        """What came of it: whether each still is a face. The next frame's crops are those of its landmarks."""
        sure = []
        for track, result in zip(tracks, results, strict=True):
            sure.append(_is_face(result))
            if sure[-1]:
                box, roll = next_crop(result.landmarks68_2d, result.box, float(np.radians(result.crop_roll_deg)))
                left, top, right, bottom = box.tolist()
                track.found = Detection((left, top, right, bottom), track.found.score, "blazeface", roll_rad=roll)
                track.seen_seconds = seconds
            else:
                self._lose(track)
        return sure

    def _search(self, image: NDArray[np.uint8], seconds: float) -> None:
        self._since = 0
        found = self._detector.detect(image)[:MOST_FOLLOWED]
        boxes = [each.crop_box() for each in found]
        free = set(range(len(found)))
        for track in list(self._live):
            own = track.found.crop_box()
            best = max(free, key=lambda k: overlap(own, boxes[k]), default=None)
            if best is not None and overlap(own, boxes[best]) >= SAME_FACE:
                free.discard(best)
                track.missed = 0
                continue
            track.missed += 1
            if track.missed > 1:
                self._lose(track)
        self._lost = [track for track in self._lost if seconds - track.seen_seconds <= BACK_WITHIN_SECONDS]
        for k in sorted(free):
            if len(self._live) < MOST_FOLLOWED:
                self._begin(found[k], boxes[k], seconds)

    def _begin(self, found: Detection, box: NDArray[np.float64], seconds: float) -> None:
        for track in self._lost:
            if overlap(track.found.crop_box(), box) >= SAME_FACE:
                self._lost.remove(track)
                track.found, track.missed = found, 0
                self._live.append(track)
                return
        self._live.append(Track(self._count, found, seconds))
        self._count += 1

    def _lose(self, track: Track) -> None:
        self._live.remove(track)
        self._lost.append(track)


def _is_face(result: FaceResult) -> bool:
    """Whether the network seems to see a face: in the picture, and as sure as of faces."""
    points = result.landmarks68_2d[:, :2]
    middle, size = points.mean(0), float(np.sqrt(np.prod(np.ptp(points, axis=0))))
    height, width = result.image.shape[:2]
    if size < LEAST_PIXELS or not (0 <= middle[0] <= width and 0 <= middle[1] <= height):
        return False
    known = result.landmark_deviations_px
    return known is None or float(known.mean()) < UNSURE * size
