"""A second look at a candidate, upright and in the middle: is it a face, which way up, and where exactly.

Anchors find faces of any roll, but say of all of them that they stand upright: the keypoints of a head on its side are
up to 90 degrees wrong, those of one upside down are always upside down. Seen upright a face scores more than seen in
any other way. So roll, place and size are followed until the keypoints agree with them, in two squares by the quick
network. Where that ends in doubt, six turns are tried in three squares, the roll being the direction of the sum of
their scores; where that contradicts, the finer network is asked as well, which also has a say in the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfface.detect.blazeface.frame import Frame, face_frame
from tfface.detect.blazeface.network import BlazeFaceNetwork, Candidates
from tfface.detect.blazeface.search import look
from tfface.detect.blazeface.suppress import strongest
from tfface.geometry.align import square_box
from tfface.geometry.upright import angle_between

WIDTHS = (1.45, 2.5)
"""Sides of the two squares that are looked at, over the side of the face's crop."""
WIDTHS_OF_TURNS = (2.5, 1.45, 3.5)
"""Of the squares in which a face is turned all round: the first says most, the others are asked in doubt."""
WIDTH_OF_FINE = 3.0
TURNS_RAD = 2 * np.pi * np.arange(6) / 6
UPRIGHT_LOGIT = 0.3
"""What photographs being mostly upright counts, in the sum over turns; faces that can be seen at all make it 2 to 6."""
CLEAR = 1.5
"""A sum over turns that needs no more looks: all looks nearly always say the same (`docs/detection.md`)."""
TRUST_IN_TURNS = 0.5
SURE_LOGIT = 1.5
"""A score of 0.82, which upside down no face of 200 reaches in the mean of two squares (`docs/detection.md`)."""
HOPELESS_LOGIT = -1.2
"""A score of 0.23, which few faces have, whichever way up they are looked at."""
AGREEING_RAD = 0.6
SETTLED_RAD = 0.3
SETTLED_SHARE = 0.25
MOST_STEPS = 3
LEAST_SCORE = 0.02
NO_LOGIT = -4.0


class Seen(NamedTuple):
    """What looks say: `logit`, the mean of their scores as log-odds, `box` `[4]`, `keypoints` `[6,2]`, and the `frame`
    that follows from them; pixels of the photograph. `settled`: the frame is that of the square looked at."""

    logit: float
    box: NDArray[np.float64]
    keypoints: NDArray[np.float64]
    frame: Frame
    settled: bool

    @property
    def score(self) -> float:
        """0 to 1."""
        return float(1 / (1 + np.exp(-self.logit)))


class SecondLook:
    """Looks again.

    Args:
        quick, fine: the networks short range and back camera.
    """

    def __init__(self, quick: BlazeFaceNetwork, fine: BlazeFaceNetwork) -> None:
        self._quick, self._fine = quick, fine

    def __call__(self, image: NDArray[np.uint8], frame: Frame, least_logit: float = HOPELESS_LOGIT) -> Seen | None:
        """The face at a candidate, or None where nothing like a face is left there.

        Args:
            image: `[H,W,3]` uint8 RGB.
            frame: of the candidate.
            least_logit: what the first look must reach for others to follow.
        """
        seen = self._settle(image, frame)
        if seen is None or seen.logit < least_logit:
            return None
        if seen.settled and seen.logit >= SURE_LOGIT:
            return seen
        roll = self._roll_by_turns(image, seen)
        if seen.settled and abs(angle_between(roll, seen.frame.roll_rad)) < AGREEING_RAD:
            return self._with_fine(image, seen)
        again = self._settle(image, seen.frame._replace(roll_rad=roll))
        better = seen if again is None or again.logit < seen.logit - TRUST_IN_TURNS else again
        return self._with_fine(image, better)

    def _settle(self, image: NDArray[np.uint8], frame: Frame) -> Seen | None:
        """Looks, follows what the keypoints say, and looks again until they agree; the surest look."""
        best: Seen | None = None
        for _ in range(MOST_STEPS):
            seen = look_twice(self._quick, image, frame)
            if seen is None:
                break
            if best is None or seen.logit > best.logit:
                best = seen
            if seen.settled:
                break
            frame = seen.frame
        return best

    def _roll_by_turns(self, image: NDArray[np.uint8], seen: Seen) -> float:
        """Which way up the face is, by turning it all round until one direction is clear or all looks are taken."""
        stages = (
            (self._quick, WIDTHS_OF_TURNS[:1]),
            (self._quick, WIDTHS_OF_TURNS[1:]),
            (self._fine, (WIDTH_OF_FINE,)),
        )
        logits, looks = np.zeros(len(TURNS_RAD)), 0
        for network, widths in stages:
            logits += len(widths) * self._turn_logits(network, image, seen.frame, widths)
            looks += len(widths)
            direction = _direction(seen.frame, logits / looks)
            if abs(direction) >= CLEAR:
                break
            if network is self._quick and looks == len(WIDTHS_OF_TURNS) and seen.settled and _agrees(direction, seen):
                break
        return float(np.angle(direction))

    def _turn_logits(
        self, network: BlazeFaceNetwork, image: NDArray[np.uint8], frame: Frame, widths: Sequence[float]
    ) -> NDArray[np.float64]:
        """The mean log-odds `[6]` of a face in looks at it turned all round, from its frame's roll on."""
        turned = [frame._replace(roll_rad=frame.roll_rad + turn) for turn in TURNS_RAD]
        return np.array([_mean_logit([_look_once(network, image, each, width) for width in widths]) for each in turned])

    def _with_fine(self, image: NDArray[np.uint8], seen: Seen) -> Seen:
        """The score as the mean of both networks', by number of looks, where it is not sure."""
        if seen.logit >= SURE_LOGIT:
            return seen
        logit = _mean_logit([_look_once(self._fine, image, seen.frame, WIDTH_OF_FINE)])
        return seen._replace(logit=(len(WIDTHS) * seen.logit + logit) / (len(WIDTHS) + 1))


def _direction(frame: Frame, logits: NDArray[np.float64]) -> complex:
    """The direction in which a face scores most, as long as it is clear; upright where all directions score alike."""
    return complex(logits @ np.exp(1j * (frame.roll_rad + TURNS_RAD)) + UPRIGHT_LOGIT)


def _agrees(direction: complex, seen: Seen) -> bool:
    return bool(abs(angle_between(float(np.angle(direction)), seen.frame.roll_rad)) < AGREEING_RAD)


class _Look(NamedTuple):
    score: float
    box: NDArray[np.float64]
    keypoints: NDArray[np.float64]


def look_twice(network: BlazeFaceNetwork, image: NDArray[np.uint8], frame: Frame) -> Seen | None:
    """The mean of what is seen in a narrow and in a wide square; None where nothing is seen.

    Args:
        network: short range.
        image: `[H,W,3]` uint8 RGB.
        frame: the face as far as it is known.
    """
    found = [_look_once(network, image, frame, width) for width in WIDTHS]
    there = [each for each in found if each is not None]
    if not there:
        return None
    box, points = np.mean([each.box for each in there], axis=0), np.mean([each.keypoints for each in there], axis=0)
    after = face_frame(box, points)
    return Seen(_mean_logit(found), box, points, after, _agree(after, frame))


def _agree(first: Frame, second: Frame) -> bool:
    turned = abs(angle_between(first.roll_rad, second.roll_rad))
    moved = max(np.linalg.norm(first.centre - second.centre) / second.side, abs(np.log(first.side / second.side)))
    return bool(turned < SETTLED_RAD and moved < SETTLED_SHARE)


def _look_once(network: BlazeFaceNetwork, image: NDArray[np.uint8], frame: Frame, width: float) -> _Look | None:
    """The face in the middle of a square `width` times the crop; None where there is none."""
    square = square_box(frame.centre, width * frame.side)
    found = look(network, image, square, frame.roll_rad, LEAST_SCORE)
    away = np.abs((found.boxes[:, :2] + found.boxes[:, 2:]) / 2 - frame.centre).max(axis=1, initial=0)
    sides = (found.boxes[:, 2:] - found.boxes[:, :2]).mean(1) / frame.side
    here = (away < 0.4 * frame.side) & (sides > 0.4) & (sides < 1.3)
    best = strongest(Candidates(*(values[here] for values in found)))
    return _Look(float(best.scores[0]), best.boxes[0], best.keypoints[0]) if len(best.scores) else None


def _mean_logit(looks: Sequence[_Look | None]) -> float:
    """The mean of the log-odds, each between those of 0.018 and 0.999."""
    scores = np.clip([0.0 if each is None else each.score for each in looks], 1 / (1 + np.exp(-NO_LOGIT)), 0.999)
    return float(np.mean(np.log(scores / (1 - scores))))
