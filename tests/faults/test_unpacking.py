"""Small files that would fill the memory, or say that they are huge."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from tests.faults.test_readers import Read
from tfface import config as configuration
from tfface.errors import UserError
from tfface.io.onnx_file import open_onnx
from tfface.io.reading import read_arrays, read_matlab
from tfface.models.weights import presets


def _zeros_npz(path: Path) -> None:
    np.savez_compressed(path, landmarks=np.zeros((300_000, 8)))


def _zeros_mat(path: Path) -> None:
    scipy.io.savemat(path, {"pt3d_68": np.zeros((300_000, 8))}, do_compression=True)


def _matlab(path: Path, content: bytes) -> None:
    """A MATLAB file of one compressed variable; the tag of `content` may say anything."""
    head, packed = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x100) + b"IM", zlib.compress(content)
    path.write_bytes(head + struct.pack("<II", 15, len(packed)) + packed)


def _matrix(kind: int, rows: int, rest: bytes = b"", says: int | None = None) -> bytes:
    """A matrix of MATLAB's, of one column, that says it has `says` bytes."""
    head = struct.pack("<IIII", 6, 8, kind, 0) + struct.pack("<IIii", 5, 8, rows, 1) + struct.pack("<II", 1, 0)
    return struct.pack("<II", 14, len(head + rest) if says is None else says) + head + rest


def _lying_mat(path: Path) -> None:
    _matlab(path, _matrix(6, 2_400_000, struct.pack("<II", 9, 19_200_000) + bytes(19_200_000), says=200))


def _cells_mat(path: Path) -> None:
    _matlab(path, _matrix(1, 200_000_000))


def _letters_mat(path: Path) -> None:
    _matlab(path, _matrix(4, 2_000_000_000, struct.pack("<II", 16, 0)))


def _nested_mat(path: Path) -> None:
    content = b""
    for _ in range(60):
        content = _matrix(1, 1, content)
    _matlab(path, content)


def _zeros_keras(path: Path) -> None:
    weights = path.with_name("weights.h5")
    _zeros_h5(weights)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("metadata.json", "{}")
        file.write(weights, "model.weights.h5")


def _zip_keras(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", bytes(20_000_000))


def _into_resnet(path: Path) -> None:
    import keras

    from tfface.models.weights import imagenet

    picture = keras.Input((32, 32, 3))
    first = keras.layers.Conv2D(4, 3, name=imagenet.FIRST)(picture)
    last = keras.layers.Conv2D(4, 3, name=imagenet.LAST)(first)
    imagenet.load_resnet50(keras.Model(picture, last), path)


def _load_keras(path: Path) -> None:
    from tfface.models.exports.folder import load_keras

    load_keras(path.parent)


def _zeros_graph(path: Path) -> None:
    path.write_bytes(zlib.compress(bytes(20_000_000)))


def _zeros_h5(path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/a", data=np.zeros((300_000, 8)), compression="gzip")


def _into_two_layers(path: Path) -> None:
    from tests.few_layers import two_layers

    presets.load_weights(two_layers(configuration.ModelConfig()), path)


@pytest.mark.parametrize(
    ("name", "write", "read"),
    [
        ("a.npz", _zeros_npz, lambda path: read_arrays(path, "landmarks")),
        ("a.mat", _zeros_mat, read_matlab),
        ("a.onnx.zz", _zeros_graph, open_onnx),
        ("a.weights.h5", _zeros_h5, _into_two_layers),
        ("a.h5", _zeros_h5, _into_resnet),
        ("model.keras", _zeros_keras, _load_keras),
        ("model.keras", _zip_keras, _load_keras),
        ("lying.mat", _lying_mat, read_matlab),
    ],
)
def test_a_small_file_does_not_fill_the_memory(
    name: str, write: Callable[[Path], None], read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it unpacks to is known before it is unpacked; here a gigabyte is ten megabytes."""
    monkeypatch.setattr("tfface.io.unpacking.MOST_UNPACKED", 10_000_000)
    write(tmp_path / name)
    assert (tmp_path / name).stat().st_size < 100_000
    with pytest.raises(UserError, match="would unpack to"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("write", "says"),
    [(_cells_mat, "200,000,000 cells"), (_letters_mat, "2,000,000,000 cells"), (_nested_mat, "nested too deeply")],
)
def test_a_matlab_file_of_few_bytes_that_says_it_is_huge(
    write: Callable[[Path], None], says: str, tmp_path: Path
) -> None:
    """SciPy makes room for as many cells and letters as a file says, and a stack that is too high ends the process."""
    write(tmp_path / "a.mat")
    with pytest.raises(UserError, match=says):
        read_matlab(tmp_path / "a.mat")


def test_matlab_files_read_as_scipy_reads_them(tmp_path: Path) -> None:
    cells = np.array([[1.0, "two"], [np.eye(2), np.zeros((0, 0))]], object)
    inside = {"cells": cells, "text": "words", "parts": {"a": 1, "b": {"c": [1, 2]}}, "few": np.int8([1, -2])}
    for packed in (False, True):
        scipy.io.savemat(tmp_path / "a.mat", inside, do_compression=packed)
        theirs, ours = scipy.io.loadmat(tmp_path / "a.mat"), read_matlab(tmp_path / "a.mat")
        assert sorted(ours) == sorted(inside)
        assert all(repr(ours[name]) == repr(theirs[name]) for name in inside)


def test_weights_that_lie_in_another_file_are_not_read(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.weights.h5"
    (tmp_path / "secret").write_bytes(bytes(800))
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/a", (100,), "f8", external=[(str(tmp_path / "secret"), 0, 800)])
    with pytest.raises(UserError, match="layers/a lies in another file"):
        _into_two_layers(path)
    with h5py.File(path, "w") as file:
        file["layers"] = h5py.ExternalLink("secret", "/")
    with pytest.raises(UserError, match="layers lies in another file"):
        _into_two_layers(path)
