"""TensorBoard's files without TensorFlow: numbers and pictures by step.

A file of events is a TFRecord file (`tfface.io.examples`) of messages `Event` {1: time, 2: step, 3: version of the
format or 5: summary}; a summary is values {1: tag, 2: number or 4: picture {1: height, 2: width, 3: channels, 4: PNG}}.
"""

from __future__ import annotations

import os
import platform
import struct
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.io.examples import field, write_record
from tfface.io.files import writing

_VERSION = b"brain.Event:2"


class EventLog:
    """A new file of events in a folder.

    Args:
        folder: is made where it is missing.

    Raises:
        UserError: it cannot be written, here and in every method.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            name = f"events.out.tfevents.{time.time():.6f}.{platform.node()}.{os.getpid()}.v2"
            self._file = (folder / name).open("xb")
        self._write(field(3, _VERSION))

    def number(self, tag: str, value: float, step: int) -> None:
        """A number, to be drawn over the steps."""
        self._value(field(1, tag.encode()) + field(2, float(value)), step)

    def picture(self, tag: str, image: NDArray[np.uint8], step: int) -> None:
        """A picture `[H,W,3]` uint8 RGB."""
        data = bytes(cv2.imencode(".png", image[..., ::-1])[1])
        shape = b"".join(field(key, size) for key, size in zip((1, 2, 3), image.shape, strict=True))
        self._value(field(1, tag.encode()) + field(4, shape + field(4, data)), step)

    def flush(self) -> None:
        """What was said is in the file now."""
        with writing(self.folder):
            self._file.flush()

    def _value(self, value: bytes, step: int) -> None:
        self._write(field(2, step) + field(5, field(1, value)))

    def _write(self, event: bytes) -> None:
        now = b"\x09" + struct.pack("<d", time.time())  # field 1, eight bytes
        with writing(self.folder):
            write_record(self._file, now + event)
