"""Photographs in and out: always `[H,W,3]` uint8 RGB, upright as the camera meant it.

Pillow reads the formats in `FORMATS` and no others (left alone, it starts Ghostscript on PostScript that calls itself
.jpg); OpenCV takes what Pillow cannot: 16-bit colour TIFF, and Radiance's HDR. How many pixels a picture has is known,
and `MAX_PIXELS` holds, before any is decoded. Crops are cut with pixel centres at +0.5 and averaged over areas where
they shrink.
"""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.io import picture_header
from tfface.io.files import MARK, atomic_path, written_by_us
from tfface.io.reading import must_exist, reading, reason

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "DIB", "TIFF", "GIF", "PPM", "JPEG2000")
"""Of Pillow. MPO comes with JPEG; AVIF is left out where Pillow is too old for it."""
PLUGINS = ("Jpeg", "Png", "WebP", "Avif", "Bmp", "Tiff", "Gif", "Ppm", "Jpeg2K")
"""Pillow's modules that read them."""
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".jpf", ".avif", ".hdr"}
)
OTHER_SUFFIXES = frozenset(
    {".heic", ".heif", ".hif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".raf", ".orf", ".rw2", ".pef"}
    | {".srw", ".x3f", ".raw", ".psd", ".xcf", ".dds", ".tga", ".eps", ".ps", ".svg", ".ico", ".icns", ".pcx", ".exr"}
    | {".sgi", ".qoi", ".jxr", ".wdp", ".avifs"}
)
"""Pictures too, but none that is read here."""
MIN_SIDE = 32
MAX_PIXELS = 120_000_000
_LIKE = "give a JPEG, PNG, WebP, AVIF, BMP or TIFF file"
PathLike = str | os.PathLike[str]


def read_image(path: PathLike, min_side: int = MIN_SIDE) -> NDArray[np.uint8]:
    """The picture at `path`, `[H,W,3]` uint8 RGB, turned as its EXIF says; transparency over white.

    Raises:
        UserError: when it is missing, no picture, broken, smaller than `min_side` pixels a side, or larger than
            `MAX_PIXELS`.
    """
    path = must_exist(path, "give a photograph")
    image = _read_pillow(path)
    if image is None:
        image = _read_opencv(path)
    if image is None:
        raise UserError(f"{path} is not a picture that can be read: {_LIKE}.")
    if min(image.shape[:2]) < min_side:
        height, width = image.shape[:2]
        raise UserError(
            f"{path} has only {width} x {height} pixels: give a picture of at least {min_side} pixels a side."
        )
    return image


def image_size(path: PathLike) -> tuple[int, int]:
    """Width and height of the picture at `path` as it is stored, without decoding it.

    Raises:
        UserError: it is missing, no picture, or larger than `MAX_PIXELS`.
    """
    path = must_exist(path, "give a picture")
    opened = open_picture(path)
    if opened is None:
        raise UserError(f"{path} is not a picture that can be read: {_LIKE}.")
    with opened:
        return int(opened.size[0]), int(opened.size[1])


def open_picture(path: Path) -> Any:
    """Pillow's image of a file, not decoded yet; None where it is of no format in `FORMATS`.

    Raises:
        UserError: it is larger than `MAX_PIXELS`, or its head is broken.
    """
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a broken header shows by what follows from it
        try:
            opened = Image.open(path, formats=_formats())
        except UnidentifiedImageError:
            return None
        except Image.DecompressionBombError as error:
            raise UserError(_too_large(path)) from error
        except Exception as error:
            raise UserError(_broken(path, error)) from error
    if opened.size[0] * opened.size[1] > MAX_PIXELS:
        opened.close()
        raise UserError(_too_large(path))
    return opened


@lru_cache(maxsize=1)
def _formats() -> tuple[str, ...]:
    from PIL import Image

    for plugin in PLUGINS:  # Image.init() imports thirty more
        with suppress(ImportError):
            import_module(f"PIL.{plugin}ImagePlugin")
    return tuple(name for name in FORMATS if name in Image.OPEN)


@contextmanager
def only_known_formats() -> Iterator[None]:
    """For libraries that open pictures themselves (textures of meshes): no Ghostscript, and the limit of pixels."""
    from PIL import EpsImagePlugin, Image

    before = EpsImagePlugin.gs_binary, Image.MAX_IMAGE_PIXELS
    EpsImagePlugin.gs_binary, Image.MAX_IMAGE_PIXELS = False, MAX_PIXELS // 2  # Pillow refuses twice as many
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        EpsImagePlugin.gs_binary, Image.MAX_IMAGE_PIXELS = before


def _too_large(path: Path) -> str:
    return f"{path} is too large to read: shrink it below {MAX_PIXELS // 10**6} megapixels."


def _broken(path: Path, error: BaseException) -> str:
    return f"{path} cannot be read ({reason(error)}): the file is broken or not yours to read."


def _read_pillow(path: Path) -> NDArray[np.uint8] | None:
    """None when Pillow does not know the format."""
    opened = open_picture(path)
    if opened is None:
        return None
    with opened, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from PIL import ImageOps

            opened.load()
            upright = ImageOps.exif_transpose(opened)
        except Exception as error:  # whatever a decoder throws
            raise UserError(_broken(path, error)) from error
        return _to_rgb(upright)


def _to_rgb(image: Any) -> NDArray[np.uint8]:
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        return _stretch(np.asarray(image))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=image.getchannel("A"))
        image = white
    return np.ascontiguousarray(np.asarray(image.convert("RGB"), np.uint8))


def _stretch(grey: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey values of 16 bits, or floats in [0,1], as 8-bit RGB."""
    full_scale = 1.0 if grey.dtype.kind == "f" and np.nanmax(grey, initial=0) <= 1.0 else 255.0
    if grey.dtype.kind != "f" and grey.max(initial=0) > 255:
        full_scale = 65535.0
    return np.repeat(_to_uint8(grey, full_scale)[..., None], 3, axis=-1)


def _to_uint8(values: NDArray[Any], full_scale: float) -> NDArray[np.uint8]:
    """Values from 0 to `full_scale` as 0 to 255, some rows at a time: a large picture is in memory once."""
    result = np.empty(values.shape, np.uint8)
    rows = max(2**20 // max(int(np.prod(values.shape[1:])), 1), 1)
    for start in range(0, len(values), rows):
        part = np.nan_to_num(values[start : start + rows].astype(np.float64) / full_scale, posinf=1.0, neginf=0.0)
        result[start : start + rows] = np.clip(part, 0.0, 1.0) * 255.0 + 0.5
    return result


def _read_opencv(path: Path) -> NDArray[np.uint8] | None:
    """A TIFF or Radiance HDR that Pillow cannot read; None for anything else."""
    import cv2

    with reading(path, "a picture", _LIKE):
        size = picture_header.size_of(path)
    if size is None:
        return None
    if size[0] * size[1] > MAX_PIXELS:
        raise UserError(_too_large(path))
    with reading(path, "a picture", _LIKE):
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if image is None:
        return None
    if image.dtype != np.uint8:
        image = _to_uint8(image, 65535.0 if image.dtype == np.uint16 else 1.0)
    return np.ascontiguousarray(image[..., ::-1])


def write_image(path: PathLike, image: NDArray[Any], result: bool = False, mark: str = MARK) -> None:
    """Writes `[H,W,3]` or `[H,W,4]` uint8 RGB(A), `[H,W,3]` uint16 RGB (PNG), or `[H,W]` uint8 or uint16 grey, whole
    or not at all.

    The suffix of `path` names the format; JPEG is written with quality 95.

    Args:
        result: the picture is made, not a photograph: it carries `mark`, so that no command takes it for one.
        mark: ours, or `tfface.io.files.mark_of`.
    """
    suffix = Path(path).suffix.lower()
    with atomic_path(path) as beside:
        if suffix == ".png":
            beside.write_bytes(_png(image, mark if result else None))
            return
        from PIL import Image

        options: dict[str, Any] = {}
        if suffix in (".jpg", ".jpeg"):
            options = {"quality": 95, **({"comment": mark} if result else {})}
        Image.fromarray(np.ascontiguousarray(image)).save(beside, **options)


def _png(image: NDArray[Any], mark: str | None) -> bytes:
    """A PNG, by OpenCV: half of Pillow's time, and 16 bits a channel; the mark behind its head.

    Each row is stored as what it differs by from the one above: a seventh fewer bytes, and less time, than from the
    pixel before.
    """
    import cv2

    turned = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    image = np.ascontiguousarray(image)
    blue_first = cv2.cvtColor(image, turned[image.shape[2]]) if image.ndim == 3 else image
    data = cv2.imencode(".png", blue_first, [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP])[1].tobytes()
    if mark is None:
        return data
    body = b"tEXtSoftware\0" + mark.encode()
    return data[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]


def read_layer(path: PathLike) -> NDArray[np.uint8]:
    """A picture with its transparency, `[H,W,4]` uint8 RGBA; `[H,W,3]` where it has none.

    Raises:
        UserError: as `read_image`.
    """
    opened = open_picture(must_exist(path, "give a picture"))
    if opened is None or not (opened.mode in ("RGBA", "LA", "PA") or "transparency" in opened.info):
        return read_image(path)
    with opened, reading(path, "a picture", _LIKE):
        return np.asarray(opened.convert("RGBA"), np.uint8)


@dataclass(frozen=True)
class FolderPictures:
    """The pictures of a folder by name, hidden files left out.

    Attributes:
        photographs: what can be looked at.
        ours: results of tfface, which are not photographs.
        unreadable: pictures of formats that are not read here (HEIC, camera raw, ...), links to nothing, pipes.
    """

    photographs: list[Path]
    ours: list[Path]
    unreadable: list[Path]


def survey(folder: PathLike, deep: bool = False) -> FolderPictures:
    """The pictures of a folder, and with `deep` of the folders in it.

    Raises:
        UserError: it is not a folder, or not yours to read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: give one that holds photographs.")
    with reading(folder, "a folder", "it is not yours to read"):
        there = sorted(folder.rglob("*") if deep else folder.iterdir())
    files = [path for path in there if not path.name.startswith(".") and not path.is_dir()]
    named = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    pictures = [path for path in named if path.is_file()]
    lost = set(named).difference(pictures)
    ours = {path for path in pictures if written_by_us(path)}
    return FolderPictures(
        [path for path in pictures if path not in ours],
        sorted(ours),
        [path for path in files if path in lost or path.suffix.lower() in OTHER_SUFFIXES],
    )


def unreadable_format(path: Path) -> str:
    """What to say of a picture whose format is not read, or that is not a file."""
    if not path.is_file():
        what = "a link to nothing" if path.is_symlink() else "not an ordinary file (a pipe or a device)"
        return f"{path} is {what}: put the photograph itself there."
    return f"{path} is a {path.suffix[1:].upper()} file, which is not read: convert it to JPEG or PNG."


def photographs_in(folder: PathLike, deep: bool = False) -> FolderPictures:
    """`survey` of a folder that holds photographs.

    Raises:
        UserError: when it is not a folder or holds none.
    """
    found = survey(folder, deep)
    if not found.photographs:
        raise UserError(_no_pictures(Path(folder), found))
    return found


def list_images(folder: PathLike) -> list[Path]:
    """The photographs of a folder by name (hidden files and results of tfface left out).

    Raises:
        UserError: when it is not a folder or holds no picture.
    """
    return photographs_in(folder).photographs


def _no_pictures(folder: Path, found: FolderPictures) -> str:
    """What to say of a folder without photographs."""
    besides = f" (but {len(found.ours)} results of tfface)" if found.ours else ""
    if found.unreadable:
        besides = f" that can be read ({unreadable_format(found.unreadable[0]).rstrip('.')})"
    return f"{folder} holds no pictures{besides}: put JPEG, PNG, WebP, BMP or TIFF files into it."
