"""TFRecord files of `tf.train.Example`s without TensorFlow, and the few bytes of Protocol Buffers that they need.

A TFRecord file is a row of records: length (uint64), its checksum, the bytes, their checksum. Checksums are CRC-32C,
turned and shifted ("masked"). An Example is a map from names to lists of bytes, floats or integers. Numbers follow
developers' documents of TensorFlow and of Protocol Buffers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfface.io.files import atomic_path
from tfface.parallel.compiled import compiled

Value = bytes | NDArray[np.float32] | NDArray[np.int64]
_HEADER, _FOOTER = 12, 4
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3


class Place(NamedTuple):
    """Where a record lies: its file, its first byte and how many there are."""

    path: Path
    start: int
    length: int


def write_record(file: BinaryIO, data: bytes) -> None:
    """Appends one record."""
    length = struct.pack("<Q", len(data))
    file.write(length + _checksum(length) + data + _checksum(data))


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Writes a file of records, whole or not at all."""
    with atomic_path(path) as beside, beside.open("wb") as file:
        for data in records:
            write_record(file, data)


def read_records(path: Path) -> Iterator[bytes]:
    """The records of a file, each checked.

    Raises:
        ValueError: the file is cut short or damaged.
    """
    with path.open("rb") as file:
        while header := file.read(_HEADER):
            length = _length(header)
            yield _checked(file.read(length + _FOOTER), length)


def record_places(path: Path) -> list[Place]:
    """Where the records of a file lie; what they hold is not read.

    Raises:
        ValueError: the file is cut short or damaged.
    """
    places, size = [], path.stat().st_size
    with path.open("rb") as file:
        while header := file.read(_HEADER):
            place = Place(path, file.tell(), _length(header))
            end = place.start + place.length + _FOOTER
            if end > size:
                raise ValueError("it is cut short")
            places.append(place)
            file.seek(end)
    return places


def read_place(place: Place) -> bytes:
    """One record, checked.

    Raises:
        ValueError: it is cut short or damaged.
    """
    with place.path.open("rb", buffering=0) as file:
        file.seek(place.start)
        return _checked(file.read(place.length + _FOOTER), place.length)


def encode_example(features: Mapping[str, Value]) -> bytes:
    """An Example, names in order, so that equal features are equal bytes. Numbers are flattened.

    Args:
        features: bytes, float arrays or integer arrays by name.
    """
    entries = (field(1, text.encode()) + field(2, _feature(features[text])) for text in sorted(features))
    return field(1, b"".join(field(1, entry) for entry in entries))


def decode_example(data: bytes) -> dict[str, Value]:
    """The features of an Example by name: bytes (of lists the first), float32 `[N]` or int64 `[N]`.

    Raises:
        ValueError: these bytes are not an Example.
    """
    features: dict[str, Value] = {}
    for features_number, all_of_them in fields(data):
        if features_number != 1 or not isinstance(all_of_them, bytes):
            raise ValueError("a record of another kind")
        for _, entry in fields(all_of_them):
            name, value = b"", b""
            for number, part in fields(_bytes(entry)):
                name, value = (_bytes(part), value) if number == 1 else (name, _bytes(part))
            features[name.decode()] = _value(value)
    return features


def field(number: int, value: bytes | int | float) -> bytes:
    """One field of a message: bytes, an integer as varint, or a float in four bytes."""
    if isinstance(value, bytes):
        return varint(number << 3 | _BYTES) + varint(len(value)) + value
    if isinstance(value, float):
        return varint(number << 3 | _FOUR_BYTES) + struct.pack("<f", value)
    return varint(number << 3 | _VARINT) + varint(value)


def varint(value: int) -> bytes:
    """An integer in as few bytes as it takes, seven bits each."""
    value &= (1 << 64) - 1
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes([*data, value])


def fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Numbers and values of a message's fields.

    Raises:
        ValueError: it is not a message.
    """
    place = 0
    while place < len(data):
        key, place = _read_varint(data, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _read_varint(data, place)
            yield key >> 3, value
            continue
        length = 8 if kind == _EIGHT_BYTES else 4
        if kind == _BYTES:
            length, place = _read_varint(data, place)
        elif kind not in (_EIGHT_BYTES, _FOUR_BYTES):
            raise ValueError("a record of another kind")
        if place + length > len(data):
            raise ValueError("a record that is cut short")
        yield key >> 3, data[place : place + length]
        place += length


def _feature(value: Value) -> bytes:
    if isinstance(value, bytes):
        return field(_BYTES_LIST, field(1, value))
    numbers = np.ravel(value)
    if numbers.dtype.kind == "f":
        return field(_FLOAT_LIST, field(1, numbers.astype("<f4").tobytes()))
    return field(_INT64_LIST, field(1, b"".join(varint(int(number)) for number in numbers)))


def _value(feature: bytes) -> Value:
    """The one list of a feature; numbers may be packed or one by one."""
    for kind, content in fields(feature):
        items = [item for _, item in fields(_bytes(content))]
        if kind == _BYTES_LIST:
            return _bytes(items[0]) if items else b""
        if kind == _FLOAT_LIST:
            return np.frombuffer(b"".join(map(_bytes, items)), "<f4")
        return np.array([_signed(number) for item in items for number in _integers(item)], np.int64)
    return b""


def _integers(item: bytes | int) -> Iterator[int]:
    if isinstance(item, int):
        yield item
        return
    place = 0
    while place < len(item):
        number, place = _read_varint(item, place)
        yield number


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _bytes(value: bytes | int) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a record of another kind")
    return value


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data) and shift < 64:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
    raise ValueError("a record that is cut short")


def _length(header: bytes) -> int:
    if len(header) < _HEADER:
        raise ValueError("it is cut short")
    if header[8:] != _checksum(header[:8]):
        raise ValueError("a checksum is wrong")
    return int(struct.unpack("<Q", header[:8])[0])


def _checked(data: bytes, length: int) -> bytes:
    """The record in `data`, whose checksum follows it."""
    if len(data) < length + _FOOTER:
        raise ValueError("it is cut short")
    if data[length:] != _checksum(data[:length]):
        raise ValueError("a checksum is wrong")
    return data[:length]


def _checksum(data: bytes) -> bytes:
    crc = int(_crc(np.frombuffer(data, np.uint8), _TABLE))
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _table() -> NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(0x82F63B78), table >> 1)
    return table.astype(np.uint32)


_TABLE = _table()


@compiled(nogil=True)
def _crc(data, table):  # type: ignore[no-untyped-def]
    """CRC-32C (Castagnoli 1993)."""
    crc = np.uint32(0xFFFFFFFF)
    for byte in data:
        crc = table[(crc ^ byte) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return crc ^ np.uint32(0xFFFFFFFF)
