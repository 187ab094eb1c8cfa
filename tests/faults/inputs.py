"""Bad inputs, made here: pictures, MATLAB files, meshes and so on, good ones and what becomes of them on the way."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from tests.toy_network import disc_photo

HTML = b"<!DOCTYPE html><html><body>Sign in to download this file</body></html>" * 3
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234\n"
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\n(started) print flush\nshowpage\n"


def damages(data: bytes) -> dict[str, bytes]:
    """What becomes of a file: downloads that fail, disks that err."""
    rng = np.random.default_rng(len(data))
    found = {
        "empty": b"",
        "html": HTML,
        "lfs": LFS,
        "nulls": bytes(len(data)),
        "cut at a tenth": data[: len(data) // 10],
        "cut in half": data[: len(data) // 2],
        "cut at the end": data[:-3],
    }
    for number in range(6):
        changed = np.frombuffer(data, np.uint8).copy()
        where = rng.integers(0, min(len(changed), 300 if number % 2 else len(changed)), 1 + 4 * (number // 2))
        changed[where] ^= rng.integers(1, 256, len(where)).astype(np.uint8)
        found[f"bytes changed {number}"] = changed.tobytes()
    return found


def picture(kind: str, **options: object) -> bytes:
    """A photograph of a red disc in one of Pillow's formats."""
    stream = io.BytesIO()
    Image.fromarray(disc_photo(96, 120, (60, 50), 20)).save(stream, kind, **options)
    return stream.getvalue()


def png_of_size(width: int, height: int, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG that says it is this large; its rows of zeros take a few kilobytes however many they are."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = 1 + (width * depth * {0: 1, 2: 3, 6: 4}[colour] + 7) // 8
    packer = zlib.compressobj(9)
    block = bytes(row * 64)
    rows = b"".join(packer.compress(block) for _ in range(min(height, 640) // 64)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def radiance(width: int, height: int, body: bytes = b"") -> bytes:
    """A Radiance HDR of this size."""
    return b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n" + f"-Y {height} +X {width}\n".encode() + body


def tiff_of_size(width: int, height: int) -> bytes:
    """The head of a TIFF of three times 16 bits, which Pillow does not read."""
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 2)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 1, 10), (339, 3, 1, 6)]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4)


def bad_pictures() -> dict[str, bytes]:
    """Files that say they are pictures, by their names."""
    found = {
        "text.jpg": b"hello",
        "postscript.jpg": POSTSCRIPT,
        "postscript.png": b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 30, len(POSTSCRIPT), 0, 0, 0, 0) + POSTSCRIPT,
        "huge.png": png_of_size(200_000, 200_000),
        "large.png": png_of_size(16_000, 10_000, 16),
        "huge.hdr": radiance(60_000, 60_000, bytes(4000)),
        "garbage.hdr": radiance(100, 100, b"\1\2\3"),
        "headless.hdr": b"#?RADIANCE\n\nno size here\n",
        "huge.tif": tiff_of_size(100_000, 100_000),
        "directory.tif": b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 9000),
        "icon.jpg": b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0",
        "surface.jpg": b"DDS " + struct.pack("<31I", 124, 0x1007, 64, 64, *([0] * 27)),
        "layers.png": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 64, 64, 8, 3),
        "magic.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        "magic.gif": b"GIF89a" + bytes(40),
        "magic.bmp": b"BM" + struct.pack("<IHHI", 99, 0, 0, 54) + struct.pack("<IiiHHI", 40, 2**30, 2**30, 1, 24, 0),
        "magic.webp": b"RIFF\x30\0\0\0WEBPVP8 " + bytes(30),
        "magic.jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
        "magic.avif": b"\0\0\0\x1cftypavif\0\0\0\0mif1avif" + bytes(60),
        "magic.ppm": b"P6 99999999 99999999 255\n",
        "tiny.png": _saved(np.zeros((5, 5, 3), np.uint8)),
    }
    for kind, suffix in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("TIFF", "tif"), ("GIF", "gif")):
        data = picture(kind)
        found[f"cut.{suffix}"] = data[: len(data) // 3]
        found[f"empty.{suffix}"] = b""
    return found


def _saved(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def landmark_circle() -> np.ndarray:
    """68 points `[3,68]` in pixels counted from 1."""
    turn = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    return np.stack([100 + 40 * np.cos(turn), 100 + 50 * np.sin(turn), 15 * np.cos(turn)])


def write_aflw_item(folder: Path, name: str, **changes: object) -> Path:
    """A picture of noise with a `.mat` as AFLW2000-3D has it; gives the `.mat`."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(3).integers(0, 255, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(folder / f"{name}.jpg")
    fields = {"pt3d_68": landmark_circle(), "Pose_Para": np.array([[0.1, 0.2, 0.0, 90, 100, -40, 1e-3]])}
    fields.update(changes)
    scipy.io.savemat(folder / f"{name}.mat", fields, do_compression=True)
    return folder / f"{name}.mat"


MAT_DAMAGES: dict[str, Callable[[Path], object]] = {
    "html": lambda mat: mat.write_bytes(HTML),
    "empty": lambda mat: mat.write_bytes(b""),
    "version 7.3": lambda mat: mat.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(400)),
    "flipped": lambda mat: _flip(mat, 200),
    "cut": lambda mat: os.truncate(mat, 180),
    "pose of six": lambda mat: scipy.io.savemat(mat, {"pt3d_68": landmark_circle(), "Pose_Para": np.ones((1, 6))}),
    "pose of texts": lambda mat: scipy.io.savemat(mat, {"pt3d_68": landmark_circle(), "Pose_Para": "no"}),
    "no pose": lambda mat: scipy.io.savemat(mat, {"pt3d_68": landmark_circle()}),
    "no points": lambda mat: scipy.io.savemat(mat, {"Pose_Para": np.ones((1, 7))}),
}


def _flip(path: Path, where: int) -> None:
    data = bytearray(path.read_bytes())
    data[where] ^= 0xFF
    path.write_bytes(bytes(data))
