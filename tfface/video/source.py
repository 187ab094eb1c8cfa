"""Frames of a video file or a camera, through OpenCV."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.io.files import utf8_name
from tfface.io.image import MAX_PIXELS
from tfface.io.reading import must_exist, reading

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".mts", ".3gp", ".ogv"}
)
_BEGINNINGS = (
    (4, b"ftyp"),
    (4, b"moov"),
    (4, b"mdat"),
    (4, b"free"),
    (4, b"skip"),
    (4, b"wide"),
    (4, b"pnot"),
    (0, b"RIFF"),
    (0, b"\x1aE\xdf\xa3"),
    (0, b"\0\0\1"),
    (0, b"G"),
    (4, b"G"),
    (0, b"\x30\x26\xb2\x75"),
    (0, b"OggS"),
)
"""Where which bytes stand in MP4 and MOV, AVI, Matroska and WebM, MPEG's streams, WMV, Ogg. FFmpeg goes by content: of
a text that is called `.mp4` it would open other files, or addresses, that the text names."""
_LIKE = "give an MP4, MOV, AVI, MKV or WebM file, or another camera's number"
MOST_BROKEN = 30
"""So many frames one after the other that cannot be read end a video."""
USUAL_FPS = 30.0


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture of a video.

    Attributes:
        number: counted from 0.
        seconds: since the first one.
        image: `[H,W,3]` uint8 RGB; None where it is broken.
    """

    number: int
    seconds: float
    image: NDArray[np.uint8] | None


@dataclass(frozen=True, eq=False)
class Video:
    """What is open.

    Attributes:
        name: for people, and for results.
        fps: frames a second, as it says itself.
        count: of frames, as it says itself; 0 of cameras.
        camera: whether it never ends.
    """

    name: str
    fps: float
    count: int
    camera: bool
    _reader: Any

    def frames(self) -> Iterator[Frame]:
        """The frames in their order, broken ones among them."""
        broken: list[Frame] = []
        start, number = time.perf_counter(), 0
        while True:
            there, picture = self._reader.read()
            seconds = time.perf_counter() - start if self.camera else number / self.fps
            if there and picture is not None:
                yield from broken
                broken = []
                yield Frame(number, seconds, np.ascontiguousarray(picture[..., ::-1]))
            else:
                ended = not self.camera and number >= self.count
                if ended or len(broken) >= MOST_BROKEN:
                    yield from (broken if not ended and not self.camera else broken[: max(self.count - number, 0)])
                    return
                broken.append(Frame(number, seconds, None))
            number += 1


def is_video(path: Path) -> bool:
    """Whether this names a video file or, by its number, a camera."""
    return path.suffix.lower() in VIDEO_SUFFIXES or _camera(path) is not None


def _camera(path: Path) -> int | None:
    return int(str(path)) if str(path).isdecimal() and not path.exists() else None


@contextmanager
def open_video(path: Path) -> Iterator[Video]:
    """Opens a video file or a camera.

    Raises:
        UserError: it is missing or cannot be read, or its pictures are too large.
    """
    import cv2

    number = _camera(path)
    if number is None:
        must_exist(path, "give a video file, or a camera's number")
        with reading(path, "a video", _LIKE), path.open("rb") as file:
            head = file.read(8)
        if not any(head[place:].startswith(sign) for place, sign in _BEGINNINGS):
            raise UserError(f"{path} cannot be read as a video: {_LIKE}.")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: what is wrong is reported in our words
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    # No other reader: one would take a % in a name for the number of a picture.
    with utf8_name(path) as named:
        reader = cv2.VideoCapture(number) if number is not None else cv2.VideoCapture(str(named), cv2.CAP_FFMPEG)
    try:
        width, height = (int(reader.get(each)) for each in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if not reader.isOpened() or width * height == 0:
            what = f"{path} cannot be read as a video" if number is None else f"Camera {number} cannot be opened"
            raise UserError(f"{what}: {_LIKE}.")
        if width * height > MAX_PIXELS:
            raise UserError(f"{path} has {width} x {height} pixels a frame: give a smaller video.")
        fps, count = float(reader.get(cv2.CAP_PROP_FPS)), int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
        name = path.stem if number is None else f"camera_{number}"
        usable = fps if 0 < fps <= 1000 else USUAL_FPS
        yield Video(name, usable, max(count, 0) if number is None else 0, number is not None, reader)
    finally:
        reader.release()
        cv2.utils.logging.setLogLevel(before)
