"""Backgrounds like those of photographs: studio walls, blurred rooms and leaves, lights out of focus, other people.

All are linear RGB `[S,S,3]` float32 in [0,1].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.colour import lab_to_linear, random_colour, srgb_to_linear
from tfface.errors import UserError
from tfface.io.image import read_image, survey

Picture = NDArray[np.float32]


def _ramp(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """A linear or round ramp from 0 to 1 `[S,S,1]`."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        ramp = np.cos(angle) * x + np.sin(angle) * y
    else:
        ramp = np.hypot(x - rng.uniform(-0.5, 0.5), y - rng.uniform(-0.5, 0.5))
    ramp -= ramp.min()
    return (ramp / (ramp.max() + 1e-6))[..., None]


def _studio(rng: np.random.Generator, size: int) -> Picture:
    """White, black, grey or a plain colour, with a soft fall-off."""
    kind = rng.choice(4, p=[0.35, 0.25, 0.2, 0.2])
    colour = (np.full(3, rng.uniform(0.75, 1.0)), np.full(3, rng.uniform(0, 0.03)), np.full(3, rng.uniform(0.05, 0.6)))
    base = random_colour(rng) if kind == 3 else colour[kind].astype(np.float32)
    return base * (1 - rng.uniform(0, 0.5) * (kind > 0) * _ramp(rng, size))


def _noise(rng: np.random.Generator, size: int, slope: float, first: int = 2) -> NDArray[np.float32]:
    """Multi-scale noise in [0,1] `[S,S]` whose octaves fall off by `slope`."""
    total, cells, weight = np.zeros((size, size), np.float32), first, 1.0
    while cells < size:
        grid = rng.standard_normal((cells, cells), dtype=np.float32)
        total += weight * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        cells, weight = cells * 2, weight * slope
    total -= total.min()
    return total / (total.max() + 1e-6)


def _clouds(rng: np.random.Generator, size: int) -> Picture:
    """Two or three colours mixed by multi-scale noise: foliage, stone, cloth, walls."""
    slope, full_size = rng.uniform(0.35, 0.9), size
    size = size // 2
    mix = _noise(rng, size, slope, int(rng.choice([2, 3, 6])))[..., None]
    light = _noise(rng, size, slope)[..., None]
    first: NDArray[np.floating]
    second: NDArray[np.floating]
    if rng.random() < 0.3:
        first, second = (
            rng.uniform([0.02, 0.06, 0.01], [0.12, 0.25, 0.06]),
            rng.uniform([0.1, 0.2, 0.02], [0.6, 0.7, 0.3]),
        )
    else:
        first, second = random_colour(rng), random_colour(rng)
    contrast = np.clip((mix - 0.5) * rng.uniform(1, 4) + 0.5, 0, 1)
    picture = ((first * (1 - contrast) + second * contrast) * (0.4 + 1.2 * light)).astype(np.float32)
    return cv2.resize(picture, (full_size, full_size), interpolation=cv2.INTER_LINEAR)


def _clutter(rng: np.random.Generator, size: int) -> Picture:
    """Boxes, lines, discs and letters, as a room or a street has."""
    picture = np.ascontiguousarray(_studio(rng, size) * np.ones((size, size, 3), np.float32))
    for _ in range(rng.integers(4, 26)):
        colour = tuple(float(v) for v in random_colour(rng))
        p, q = rng.integers(-size // 4, size * 5 // 4, (2, 2))
        kind = rng.integers(5)
        if kind <= 1:
            box = cv2.boxPoints(((float(p[0]), float(p[1])), tuple(rng.uniform(4, size, 2)), rng.normal(0, 12)))
            cv2.fillConvexPoly(picture, box.astype(np.int32), colour, cv2.LINE_AA)
        elif kind == 2:
            cv2.line(picture, tuple(map(int, p)), tuple(map(int, q)), colour, int(rng.integers(1, 14)), cv2.LINE_AA)
        elif kind == 3:
            cv2.circle(picture, tuple(map(int, p)), int(rng.integers(3, size // 4)), colour, -1, cv2.LINE_AA)
        else:
            text = "".join(chr(rng.integers(48, 91)) for _ in range(rng.integers(2, 8)))
            ink = np.zeros((size, size), np.uint8)
            cv2.putText(ink, text, tuple(map(int, p)), 0, rng.uniform(0.4, 3), 255, int(rng.integers(1, 6)))
            picture[ink > 0] = colour
    shade = cv2.resize(_noise(rng, size // 4, 0.7), (size, size), interpolation=cv2.INTER_LINEAR)
    return picture * (0.7 + 0.6 * shade[..., None])


def _people(rng: np.random.Generator, size: int) -> Picture:
    """Somebody behind: an oval of skin with hair, eyes and a shirt."""
    picture = np.ascontiguousarray(_clouds(rng, size))
    for _ in range(rng.integers(1, 4)):
        x, y = rng.uniform(0, size), rng.uniform(0.1, 0.9) * size
        r = rng.uniform(0.06, 0.22) * size
        skin = lab_to_linear(rng.uniform(30, 75), 12, 16) * rng.uniform(0.5, 1.2)
        parts = (
            ((x, y + 2.4 * r), (1.9 * r, 1.5 * r), random_colour(rng)),
            ((x, y - 0.3 * r), (1.05 * r, 1.25 * r), random_colour(rng) * 0.15),
            ((x, y), (0.8 * r, 1.1 * r), skin),
            ((x - 0.3 * r, y - 0.15 * r), (0.13 * r, 0.07 * r), skin * 0.15),
            ((x + 0.3 * r, y - 0.15 * r), (0.13 * r, 0.07 * r), skin * 0.15),
            ((x, y + 0.55 * r), (0.3 * r, 0.08 * r), skin * [0.8, 0.4, 0.4]),
        )
        for middle, axes, colour in parts:
            ellipse = tuple(int(v) for v in middle), tuple(max(int(v), 1) for v in axes)
            cv2.ellipse(picture, *ellipse, 0, 0, 360, tuple(float(v) for v in colour), -1, cv2.LINE_AA)
    return picture


def _lights(rng: np.random.Generator, size: int) -> Picture:
    """Lights out of focus on a dark or dull ground."""
    picture = np.ascontiguousarray(_clouds(rng, size) * rng.uniform(0.1, 0.7))
    for _ in range(rng.integers(5, 40)):
        colour = tuple(float(v) for v in random_colour(rng, 0.8) * rng.uniform(0.5, 1.5))
        place = tuple(int(v) for v in rng.integers(0, size, 2))
        cv2.circle(picture, place, int(rng.uniform(0.01, 0.07) * size) + 1, colour, -1, cv2.LINE_AA)
    return picture


_KINDS: tuple[tuple[Callable[[np.random.Generator, int], Picture], float], ...] = (
    (_studio, 0.3),
    (_clouds, 0.25),
    (_clutter, 0.25),
    (_people, 0.08),
    (_lights, 0.12),
)


@lru_cache(maxsize=4)
def _folder_files(folder: str) -> tuple[Path, ...]:
    files = tuple(survey(folder, deep=True).photographs)
    if not files:
        raise UserError(f"No pictures lie in the background folder {folder}: name a folder with JPEG or PNG files.")
    return files


def _photograph(rng: np.random.Generator, size: int, folder: str) -> Picture:
    """A random square of a random picture of the folder."""
    files = _folder_files(folder)
    path = files[rng.integers(len(files))]
    image = read_image(path, min_side=2)
    side = int(min(image.shape[:2]) * rng.uniform(0.4, 1.0))
    top, left = (int(rng.integers(0, length - side + 1)) for length in image.shape[:2])
    part = cv2.resize(image[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_AREA)
    return srgb_to_linear(part.astype(np.float32) / 255)


def sample_background(rng: np.random.Generator, size: int, folder: str = "") -> Picture:
    """A background `[size,size,3]`, out of focus by a random amount; from `folder` two times out of three if given.

    Raises:
        UserError: when the folder has no pictures or one cannot be read.
    """
    if folder and rng.random() < 0.67:
        picture = _photograph(rng, size, folder)
    else:
        share = np.array([weight for _, weight in _KINDS])
        picture = _KINDS[rng.choice(len(_KINDS), p=share / share.sum())][0](rng, size)
    blur = rng.choice([0.0, rng.uniform(0.5, 2.5), rng.uniform(2.5, 9.0)], p=[0.3, 0.35, 0.35]) * size / 256
    if blur > 0.3:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), blur), np.float32)
    return np.clip(picture, 0.0, 1.5).astype(np.float32)
