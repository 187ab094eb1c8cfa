"""Detectors by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from tfface.detect.base import Detector
from tfface.errors import UserError


def _auto() -> Detector:
    from tfface.detect.auto import Auto

    return Auto()


def _dlib() -> Detector:
    from tfface.detect.dlib_hog import DlibHog

    return DlibHog()


def _mtcnn() -> Detector:
    from tfface.detect.mtcnn import Mtcnn

    return Mtcnn()


DETECTORS: dict[str, Callable[[], Detector]] = {"auto": _auto, "dlib": _dlib, "mtcnn": _mtcnn}


def load_detector(name: str) -> Detector:
    """The detector of this name, ready to use.

    Raises:
        UserError: when there is none of this name (tells the right ones) or its package is not installed.
    """
    if name not in DETECTORS:
        near = difflib.get_close_matches(name, DETECTORS, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise UserError(f"There is no detector {name!r}: choose from {', '.join(DETECTORS)}{hint}")
    try:
        return DETECTORS[name]()
    except ImportError as error:
        raise UserError(
            f"The detector {name!r} needs a package that is missing ({error}): install it with pip."
        ) from error
