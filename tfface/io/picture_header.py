"""Width and height out of the heads of the two formats that OpenCV reads for us, before it decodes anything."""

from __future__ import annotations

import re
import struct
from pathlib import Path

_RADIANCE = (b"#?RADIANCE", b"#?RGBE")
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_HEAD = 65536
_WIDTH, _HEIGHT = 256, 257
_TYPES = {3: "H", 4: "I"}


def size_of(path: Path) -> tuple[int, int] | None:
    """Width and height of a Radiance HDR or a TIFF file; None for any other.

    Raises:
        ValueError, struct.error: its head is broken.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if head.startswith(_RADIANCE):
            return _radiance(head)
        order = _TIFF.get(head[:4])
        if order is None:
            return None
        (start,) = struct.unpack_from(f"{order}I", head, 4)
        file.seek(start)
        return _tiff(file.read(_HEAD), order)


def _radiance(head: bytes) -> tuple[int, int]:
    """The first line after the empty one says `-Y height +X width`, in either order."""
    found = re.search(rb"\n\s*\n?[-+]([XY])\s+(\d+)\s+[-+]([XY])\s+(\d+)\s*\n", head)
    if found is None:
        raise ValueError("its head does not say how large it is")
    sides = {found[1]: int(found[2]), found[3]: int(found[4])}
    return sides[b"X"], sides[b"Y"]


def _tiff(directory: bytes, order: str) -> tuple[int, int]:
    """The entries 256 and 257 of the first directory."""
    (count,) = struct.unpack_from(f"{order}H", directory)
    sides = {}
    for entry in range(min(count, (len(directory) - 2) // 12)):
        tag, kind, _ = struct.unpack_from(f"{order}HHI", directory, 2 + 12 * entry)
        if tag in (_WIDTH, _HEIGHT) and kind in _TYPES:
            (sides[tag],) = struct.unpack_from(order + _TYPES[kind], directory, 2 + 12 * entry + 8)
    if len(sides) != 2:
        raise ValueError("its head does not say how large it is")
    return sides[_WIDTH], sides[_HEIGHT]
