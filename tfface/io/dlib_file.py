"""Reads dlib's serialised networks (`.dat`), in NumPy.

A file is the loss layer's header, one version integer for every layer that wraps another (from the outside in), the
input layer, and then the layers from the input on. Each is a name, its numbers, three flags and the tensors it kept:

- integer: a control byte (bit 7 the sign, low nibble the number of bytes), then the bytes, little endian
- float: mantissa and exponent as two such integers, `m 2^e`
- bool: the character 0 or 1; string: its length, then its bytes
- tensor: version 2, four dimensions, then float32; a view into a tensor: version 1 and four dimensions

Only the layers of dlib's face recognition network are known: `con_4`, `affine_`, `relu_`, `max_pool_2`, `avg_pool_2`,
`add_prev_` and `fc_2`.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfface.io.reading import must_exist, reading

INPUT_LAYER = b"input_rgb_image_sized"
_WINDOW = ("nr", "nc", "sy", "sx", "py", "px")
_ADVICE = "it is not dlib's face recognition network, dlib_face_recognition_resnet_model_v1.dat"
_EMPTY = np.zeros(0, np.float32)


@dataclass(frozen=True)
class DlibLayer:
    """One layer.

    Attributes:
        kind: dlib's name of it.
        numbers: of a convolution `num_filters` and, as of a pooling, `nr nc sy sx py px` (window, stride, padding;
            a window of 0 is the whole picture); of a fully connected layer `num_outputs`, `num_inputs`.
        parameters: float32, all of the layer's in one row.
        filters: shape of the convolution's filters (outputs, inputs, rows, columns).
    """

    kind: str
    numbers: dict[str, int]
    parameters: NDArray[np.float32]
    filters: tuple[int, ...] = ()


@dataclass(frozen=True)
class DlibNetwork:
    """What a file holds: the colour that is subtracted (RGB, 0 to 255), rows and columns of the input, the layers."""

    mean: tuple[float, ...]
    size: tuple[int, int]
    layers: tuple[DlibLayer, ...]


def read_dlib_network(path: str | os.PathLike[str]) -> DlibNetwork:
    """The network in a `.dat` file.

    Raises:
        UserError: when the file is missing, no such network, or broken.
    """
    path = must_exist(path, "give the dlib network file (.dat)")
    with reading(path, "a network of dlib's", _ADVICE):
        return _network(_Reader(path.read_bytes()))


class _Reader:
    """Numbers, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def take(self, count: int) -> bytes:
        part = self.data[self.place : self.place + count]
        if count < 0 or len(part) < count:
            raise ValueError("it ends too early")
        self.place += count
        return part

    def integer(self) -> int:
        control = self.take(1)[0]
        value = int.from_bytes(self.take(control & 0x0F), "little")
        return -value if control & 0x80 else value

    def float(self) -> float:
        mantissa, exponent = self.integer(), self.integer()
        value = float(np.ldexp(float(mantissa), exponent))
        if not np.isfinite(value):
            raise ValueError(f"the number before byte {self.place} is not finite")
        return value

    def string(self) -> str:
        return self.take(self.integer()).decode("latin1")

    def shape(self, version: int) -> tuple[int, ...]:
        if self.integer() != version:
            raise ValueError(f"no tensor at byte {self.place}")
        return tuple(self.integer() for _ in range(4))

    def tensor(self) -> NDArray[np.float32]:
        count = math.prod(self.shape(2))
        return np.frombuffer(self.take(4 * count), "<f4").astype(np.float32)

    def integers(self, names: tuple[str, ...]) -> dict[str, int]:
        return {name: self.integer() for name in names}


def _network(reader: _Reader) -> DlibNetwork:
    if reader.integer() != 1 or reader.string() != "loss_metric_2":
        raise ValueError("it does not begin with a metric loss")
    reader.float(), reader.float()  # the loss' margin and threshold
    start = reader.data.index(INPUT_LAYER) - 2  # before the name, its length in two bytes
    versions = []
    while reader.place < start:
        versions.append(reader.integer())
    reader.string()
    mean = tuple(reader.float() for _ in range(3))
    size = (reader.integer(), reader.integer())
    layers = []
    while reader.place < len(reader.data):
        layers.append(_layer(reader))
        _skip_state(reader, versions[-1] if len(layers) == 1 else None)
    return DlibNetwork(mean, size, tuple(layers))


def _skip_state(reader: _Reader, first_version: int | None) -> None:
    """The flags and gradients that dlib keeps behind each layer; the first one has a little more."""
    reader.take(3)
    for _ in range(3):
        reader.tensor()
    if first_version is not None and first_version >= 3:
        reader.integer()


def _layer(reader: _Reader) -> DlibLayer:
    kind = reader.string()
    if kind == "con_4":
        return _convolution(reader)
    if kind == "fc_2":
        return _fully_connected(reader)
    if kind == "affine_":
        parameters = reader.tensor()
        reader.shape(1), reader.shape(1), reader.integer()
        return DlibLayer(kind, {}, parameters)
    if kind in ("max_pool_2", "avg_pool_2"):
        return DlibLayer(kind, reader.integers(_WINDOW), _EMPTY)
    if kind in ("relu_", "add_prev_"):
        return DlibLayer(kind, {}, _EMPTY)
    raise ValueError(f"the layer {kind[:20]!r} at byte {reader.place} is unknown")


def _convolution(reader: _Reader) -> DlibLayer:
    parameters = reader.tensor()
    numbers = reader.integers(("num_filters", *_WINDOW))
    filters, _ = reader.shape(1), reader.shape(1)
    for _ in range(4):
        reader.float()  # learning rate and decay multipliers
    return DlibLayer("con_4", numbers, parameters, filters)


def _fully_connected(reader: _Reader) -> DlibLayer:
    numbers = reader.integers(("num_outputs", "num_inputs"))
    parameters = reader.tensor()
    reader.shape(1), reader.shape(1), reader.integer()
    for _ in range(4):
        reader.float()
    return DlibLayer("fc_2", numbers, parameters)
