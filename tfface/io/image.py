"""Photographs in and out: always `[H,W,3]` uint8 RGB, upright as the camera meant it.

Pillow reads (EXIF orientation, grey, palette, alpha, CMYK, 16 bits); OpenCV takes what Pillow cannot (16-bit colour
TIFF, some EXR and HDR). Crops are cut with pixel centres at +0.5 and averaged over areas where they shrink.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.geometry.align import transform_scale
from tfface.io.files import atomic_path

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jfif"})
MIN_SIDE = 32
PathLike = str | os.PathLike[str]


def read_image(path: PathLike, min_side: int = MIN_SIDE) -> NDArray[np.uint8]:
    """The picture at `path`, `[H,W,3]` uint8 RGB, turned as its EXIF says; transparency over white.

    Raises:
        UserError: when it is missing, no picture, broken, or smaller than `min_side` pixels.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder: give a photograph.")
    if not path.exists():
        raise UserError(f"{path} does not exist: check the name of the photograph.")
    image = _read_pillow(path)
    if image is None:
        image = _read_opencv(path)
    if image is None:
        raise UserError(f"{path} is not a picture that can be read: give a JPEG, PNG, WebP, BMP or TIFF file.")
    if min(image.shape[:2]) < min_side:
        height, width = image.shape[:2]
        raise UserError(
            f"{path} has only {width} x {height} pixels: give a picture of at least {min_side} pixels a side."
        )
    return image


def _read_pillow(path: Path) -> NDArray[np.uint8] | None:
    """None when Pillow does not know the format."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                return _to_rgb(ImageOps.exif_transpose(opened))
    except UnidentifiedImageError:
        return None
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} is too large to read: shrink it below 170 megapixels.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): the file is broken or not yours to read.") from error


def _to_rgb(image: Any) -> NDArray[np.uint8]:
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        return _stretch(np.asarray(image))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.ascontiguousarray(np.asarray(image.convert("RGB"), np.uint8))


def _stretch(grey: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey values of 16 bits, or floats in [0,1], as 8-bit RGB."""
    whole = 1.0 if grey.dtype.kind == "f" and np.nanmax(grey, initial=0) <= 1.0 else 255.0
    if grey.dtype.kind != "f" and grey.max(initial=0) > 255:
        whole = 65535.0
    values = np.nan_to_num(grey.astype(np.float64) / whole)
    return _to_uint8(np.repeat(values[..., None], 3, axis=-1))


def _to_uint8(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(values, 0.0, 1.0) * 255.0 + 0.5, np.uint8)


def _read_opencv(path: Path) -> NDArray[np.uint8] | None:
    import cv2

    data = np.fromfile(path, np.uint8)
    if not len(data):
        return None
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error:
        return None
    if image is None:
        return None
    if image.dtype != np.uint8:
        whole = 65535.0 if image.dtype == np.uint16 else 1.0
        image = _to_uint8(image.astype(np.float64) / whole)
    return np.ascontiguousarray(image[..., ::-1])


def write_image(path: PathLike, image: NDArray[Any]) -> None:
    """Writes `[H,W,3]` or `[H,W,4]` uint8 RGB(A), or `[H,W]` uint8 or uint16 grey, whole or not at all.

    The suffix of `path` names the format; JPEG is written with quality 95.
    """
    from PIL import Image

    options: dict[str, Any] = {"quality": 95} if Path(path).suffix.lower() in (".jpg", ".jpeg") else {}
    with atomic_path(path) as beside:
        Image.fromarray(np.ascontiguousarray(image)).save(beside, **options)


def list_images(folder: PathLike) -> list[Path]:
    """The pictures of a folder by name (hidden files left out).

    Raises:
        UserError: when it is no folder or holds no picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: give one that holds photographs.")
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not found:
        raise UserError(f"{folder} holds no pictures: put JPEG, PNG, WebP, BMP or TIFF files into it.")
    return found


def warp_image(image: NDArray[Any], matrix: NDArray[np.floating], width: int, height: int) -> NDArray[Any]:
    """The picture moved by an affine map, bilinear, averaged over areas first where it shrinks.

    Args:
        image: `[H,W,C]`; its border is repeated outwards.
        matrix: `[2,3]`, positions in `image` to positions in the result (pixel centres at +0.5).
        width, height: of the result.

    Raises:
        UserError: when the result would lie wholly outside the picture.
    """
    import cv2

    left, top, right, bottom = _region(image, matrix, width, height)
    part = image[top:bottom, left:right]
    linear = np.array(matrix[:, :2], np.float64)
    offset = matrix[:, 2] + linear @ [left, top]
    zoom = transform_scale(matrix)
    if zoom < 1.0:
        shrunk = [max(round(side * zoom), 1) for side in (right - left, bottom - top)]
        linear = linear * [(right - left) / shrunk[0], (bottom - top) / shrunk[1]]
        part = cv2.resize(part, shrunk, interpolation=cv2.INTER_AREA)
    indices = np.concatenate([linear, (offset + linear @ [0.5, 0.5] - 0.5)[:, None]], axis=1)
    return np.asarray(
        cv2.warpAffine(part, indices, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def sample_image(image: NDArray[Any], positions: NDArray[np.floating]) -> NDArray[Any]:
    """The picture at positions `[H,W, 2 or 3]` (u, v; pixel centres at +0.5), bilinear; the border is repeated."""
    import cv2

    u, v = (np.ascontiguousarray(positions[..., k] - 0.5, np.float32) for k in range(2))
    return np.asarray(cv2.remap(image, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _region(image: NDArray[Any], matrix: NDArray[np.floating], width: int, height: int) -> tuple[int, int, int, int]:
    """The part of the picture that the result can see, with a margin for interpolation and area averages."""
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    seen = np.linalg.solve(matrix[:, :2], (corners - matrix[:, 2]).T).T
    margin = 2.0 + 2.0 / min(transform_scale(matrix), 1.0)
    low = np.floor(seen.min(0) - margin)
    high = np.ceil(seen.max(0) + margin)
    size = np.array([image.shape[1], image.shape[0]])
    if (seen.max(0) <= 0).any() or (seen.min(0) >= size).any():
        raise UserError(f"The box lies outside the picture of {size[0]} x {size[1]} pixels: give one that touches it.")
    left, top = np.maximum(low, 0).astype(int)
    right, bottom = np.minimum(high, size).astype(int)
    return int(left), int(top), int(right), int(bottom)
