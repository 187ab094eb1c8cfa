"""Detectors by name."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable

from tfface.detect.base import Detector
from tfface.errors import UserError


def _blazeface(min_score: float | None) -> Detector:
    from tfface.detect.blazeface.detector import BlazeFace

    return BlazeFace() if min_score is None else BlazeFace(min_score)


def _dlib(min_score: float | None) -> Detector:
    from tfface.detect.dlib_hog import DlibHog

    return DlibHog() if min_score is None else DlibHog(min_score)


def _mtcnn(min_score: float | None) -> Detector:
    from tfface.detect.mtcnn import Mtcnn

    return Mtcnn() if min_score is None else Mtcnn(min_score)


DETECTORS: dict[str, Callable[[float | None], Detector]] = {
    "auto": _blazeface,  # alone: what it misses, the others miss as well, or find at the price of false faces
    "blazeface": _blazeface,
    "dlib": _dlib,
    "mtcnn": _mtcnn,
}


def check_detector(name: str) -> None:
    """Sees to it, at once, that there is a detector of this name.

    Raises:
        UserError: there is none; it tells the right ones.
    """
    if name not in DETECTORS:
        near = difflib.get_close_matches(name, DETECTORS, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise UserError(f"There is no detector {name!r}: choose from {', '.join(DETECTORS)}{hint}")


def load_detector(name: str, min_score: float | None = None) -> Detector:
    """The detector of this name, ready to use.

    Args:
        name: `auto` is the best by measurement (`docs/detection.md`), today `blazeface`.
        min_score: least score of a face, on the detector's own scale; None for its own.

    Raises:
        UserError: when there is none of this name (tells the right ones), its package is not installed, or the score is
            not a number.
    """
    check_detector(name)
    if min_score is not None and not math.isfinite(min_score):
        raise UserError(f"The least score {min_score} is not a number: give one on the detector's scale.")
    try:
        return DETECTORS[name](min_score)
    except ImportError as error:
        raise UserError(
            f"The detector {name!r} needs a package that is missing ({error}): install it with "
            f"`pip install {name}`, or choose another detector."
        ) from error
