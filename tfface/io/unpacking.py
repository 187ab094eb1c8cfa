"""To how much a file unpacks, known before the memory is gone: each format says it somewhere, and may lie.

All of this is called within `tfface.io.reading.reading`, which makes a sentence of what is raised here.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

MOST_UNPACKED, MOST_RATIO = 2**30, 20
"""A compressed file may unpack to so many bytes, or to so many times its own."""
MOST_VALUES = 1_000_000
"""Of a YAML file, each reference counted as what it refers to; of a MATLAB file, cells, fields and letters."""
MOST_NESTED = 20
"""Cells within cells of a MATLAB file: SciPy's reader ends the process where they are too many for its stack."""
_COMPRESSED, _MATRIX = 15, 14
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE, _FUNCTION, _OPAQUE = 1, 2, 3, 4, 5, 16, 17
_COMPLEX = 1 << 11


def most_unpacked(path: Path) -> int:
    """How many bytes a file may unpack to."""
    return max(MOST_UNPACKED, MOST_RATIO * path.stat().st_size)


def check_unpacked(path: Path, size: int) -> None:
    """Sees to it that a file may be unpacked to `size` bytes.

    Raises:
        ValueError: a small file would fill the memory.
    """
    if size > most_unpacked(path):
        raise ValueError(f"it would unpack to {size / 2**30:.1f} GB")


def unpacked(path: Path) -> bytes:
    """What a file holds that zlib has compressed.

    Raises:
        ValueError: it is damaged, or would fill the memory.
    """
    unpack = zlib.decompressobj()
    data = unpack.decompress(path.read_bytes(), MOST_UNPACKED)
    if not unpack.eof:
        raise ValueError("it is cut short, or would unpack to a gigabyte and more")
    return data


def check_hdf5(path: Path, file: BinaryIO | None = None) -> None:
    """Sees to it that an HDF5 file may be read.

    Args:
        file: what is read, where that is a part of the file at `path`.

    Raises:
        ValueError: its arrays would fill the memory, or lie in other files, which may be anything.
    """
    import h5py

    sizes: list[int] = []

    def elsewhere(name: str, link: Any) -> str | None:
        """Notes an array's size; gives its name, which ends the search, where it lies in another file."""
        if isinstance(link, h5py.ExternalLink):
            return name
        entry = opened.get(name)
        if isinstance(entry, h5py.Dataset):
            if entry.external or entry.is_virtual:
                return name
            sizes.append(entry.nbytes)
        return None

    with h5py.File(path if file is None else file, "r") as opened:
        found = opened.visititems_links(elsewhere)
    if found is not None:
        raise ValueError(f"its {found} lies in another file")
    check_unpacked(path, sum(sizes))


def check_keras(path: Path) -> None:
    """Sees to it that a network in Keras' own format, a zip file with an HDF5 file in it, may be read.

    Raises:
        ValueError: it would fill the memory.
    """
    with zipfile.ZipFile(path) as opened:
        check_unpacked(path, sum(entry.file_size for entry in opened.infolist()))
        for name in opened.namelist():
            if name.endswith(".h5"):
                with opened.open(name) as weights:
                    check_hdf5(path, io.BytesIO(weights.read()))


def matlab(path: Path) -> BinaryIO:
    """A MATLAB file with its variables unpacked, for SciPy's reader, which makes room for whatever sizes a file says.

    Raises:
        ValueError: it would fill the memory, or nests its cells too deeply.
    """
    with path.open("rb") as file:
        head, plain = file.read(128), io.BytesIO()
        version_5 = len(head) == 128 and 0 not in head[:4] and 1 in head[124:126] and head[126:] in (b"IM", b"MI")
        if not version_5:  # nothing is compressed in those of version 4, and no other can be read
            plain.write(head + file.read())
            plain.seek(0)
            return plain
        order = "<" if head[126:] == b"IM" else ">"
        plain.write(head)
        while len(tag := file.read(8)) == 8:
            kind, size = struct.unpack(f"{order}II", tag)
            content = file.read(size)
            if kind == _COMPRESSED:
                left = most_unpacked(path) - plain.tell()
                unpack = zlib.decompressobj()
                content = unpack.decompress(content, max(left, 0) + 9)
                check_unpacked(path, plain.tell() + len(content))
                if not unpack.eof:
                    raise ValueError("it is cut short")
                kind, content = struct.unpack(f"{order}I", content[:4])[0], content[8:]
            if kind == _MATRIX and content:
                _Matlab(content, order).matrix()
            plain.write(struct.pack(f"{order}II", kind, len(content)))
            plain.write(content)
    plain.seek(0)
    return plain


class _Matlab:
    """Goes through a variable as SciPy does, one part after the other, whatever sizes matrices say of themselves."""

    def __init__(self, data: bytes, order: str) -> None:
        self.data, self.order, self.place, self.parts = memoryview(data), order, 0, 0

    def matrix(self, depth: int = 0) -> None:
        if depth > MOST_NESTED:
            raise ValueError("it is nested too deeply")
        flags = self._numbers("I")
        kind, pairs = (flags[0] & 255, bool(flags[0] & _COMPLEX)) if flags else (0, False)
        if kind == _OPAQUE:
            return
        shape, _ = self._numbers("i"), self._element()
        count = math.prod(shape)
        if kind in (_CELL, _CHAR):
            self._count(count)
        if kind == _CELL:
            self._matrices(count, depth)
        elif kind == _FUNCTION:
            self._matrices(1, depth)
        elif kind in (_STRUCT, _OBJECT):
            if kind == _OBJECT:
                self._element()
            longest, names = self._numbers("i"), self._element()
            fields = len(names) // max(longest[0], 1) if longest else 0
            self._count(count * max(fields, 1))
            self._matrices(count * fields, depth)
        else:
            for _ in range((3 if kind == _SPARSE else 1) + pairs):
                self._element()

    def _matrices(self, count: int, depth: int) -> None:
        for _ in range(count):
            _, size = struct.unpack(f"{self.order}II", self._bytes(8))
            if size:
                self.matrix(depth + 1)

    def _count(self, parts: int) -> None:
        self.parts += parts
        if not 0 <= parts <= MOST_VALUES or self.parts > MOST_VALUES:
            raise ValueError(f"it says that it has {parts:,} cells, fields or letters")

    def _numbers(self, kind: str) -> tuple[int, ...]:
        content = self._element()
        return struct.unpack(f"{self.order}{len(content) // 4}{kind}", content[: len(content) // 4 * 4])

    def _element(self) -> memoryview:
        """The content of the next element; small ones have it in their tag."""
        kind, size = struct.unpack(f"{self.order}II", self._bytes(8))
        if kind >> 16:
            return self.data[self.place - 4 : self.place - 4 + min(kind >> 16, 4)]
        content = self._bytes(size)
        self.place += -size % 8
        return content

    def _bytes(self, count: int) -> memoryview:
        found = self.data[self.place : self.place + count]
        if len(found) < count:
            raise ValueError("it is cut short")
        self.place += count
        return found
