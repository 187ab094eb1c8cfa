"""Pictures as a film: GIF, and MP4 written by the FFmpeg that OpenCV brings along; both carry our mark."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.io.files import MARK, atomic_path, utf8_name

FAST, FOR_BROWSERS = "mp4v", "vp09"
"""MPEG-4 part 2, which takes some milliseconds a frame; VP9, which browsers play, too, and takes twenty times that."""
_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_OFFSETS = {b"stco": ">I", b"co64": ">Q"}
Picture = NDArray[np.uint8]


def write_gif(path: Path, frames: Iterable[Picture], fps: float, mark: str = MARK) -> None:
    """Writes frames `[H,W,3]` as a GIF that goes on for ever, whole or not at all."""
    from PIL import Image

    pictures = [Image.fromarray(frame).quantize(128, dither=Image.Dither.NONE) for frame in frames]
    with atomic_path(path) as beside:
        rest = {"append_images": pictures[1:], "duration": round(1000 / fps), "loop": 0}
        pictures[0].save(beside, "GIF", save_all=True, comment=mark.encode(), **rest)


def write_mp4(path: Path, frames: Iterable[Picture], fps: float, codec: str = FOR_BROWSERS, mark: str = MARK) -> None:
    """Writes frames `[H,W,3]` of one size as an MP4, whole or not at all."""
    with film(path, fps, codec, mark) as add:
        for frame in frames:
            add(frame)


@contextmanager
def film(path: Path, fps: float, codec: str = FAST, mark: str = MARK) -> Iterator[Callable[[Picture], None]]:
    """An MP4 that grows: what it gives takes a frame `[H,W,3]` at a time, all of one size.

    Raises:
        UserError: the codec is not there, or the disk takes no more.
    """
    import cv2

    with atomic_path(path) as beside, utf8_name(beside) as named:
        writer: cv2.VideoWriter | None = None

        def add(frame: Picture) -> None:
            nonlocal writer
            height, width = (side - side % 2 for side in frame.shape[:2])
            if writer is None:
                writer = cv2.VideoWriter(str(named), cv2.VideoWriter.fourcc(*codec), float(fps), (width, height))
                if not writer.isOpened():
                    raise UserError(f"{path} cannot be written: this OpenCV lacks the codec {codec}.")
            writer.write(np.ascontiguousarray(frame[:height, :width, ::-1]))

        try:
            yield add
        finally:
            if writer is not None:
                writer.release()
        if writer is None:
            raise UserError(f"{path} would hold no picture at all.")
        data = beside.read_bytes()
        if not _is_complete(data):  # OpenCV says nothing of a full disk
            raise UserError(f"{path} cannot be written (no space left?): make room, or choose another folder.")
        beside.write_bytes(_marked(data, mark))


def _is_complete(data: bytes) -> bool:
    """Whether an MP4 has its index, and every part as long as it says."""
    place, kinds = 0, []
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if size == 1 and place + 16 <= len(data):
            size = struct.unpack_from(">Q", data, place + 8)[0]
        if size < 8:
            return False
        kinds.append(kind)
        place += size
    return place == len(data) and b"moov" in kinds


def _marked(data: bytes, mark: str) -> bytes:
    """An MP4 with our mark in a box of its own after the first; offsets into the file are moved along."""
    text = mark.encode()
    box = struct.pack(">I4s", 8 + len(text), b"free") + text
    first = struct.unpack_from(">I", data)[0]
    moved = bytearray(data)
    _move_offsets(moved, 0, len(moved), len(box))
    return bytes(moved[:first]) + box + bytes(moved[first:])


def _move_offsets(data: bytearray, start: int, end: int, by: int) -> None:
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, start + 8)[0], 16
        size = size or end - start
        if kind in _CONTAINERS:
            _move_offsets(data, start + head, start + size, by)
        elif kind in _OFFSETS:
            form = _OFFSETS[kind]
            count = struct.unpack_from(">I", data, start + head + 4)[0]
            for place in range(
                start + head + 8, start + head + 8 + count * struct.calcsize(form), struct.calcsize(form)
            ):
                struct.pack_into(form, data, place, struct.unpack_from(form, data, place)[0] + by)
        start += max(size, 8)
