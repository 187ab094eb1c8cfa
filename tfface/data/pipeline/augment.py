"""Augmentation of pictures on the processor, in bytes: geometry and pictures move together, exactly.

Geometry is one similarity a sample, from pixels of the stored picture to pixels of the network's 256-pixel crop: the
picture is resampled by its inverse, the position map is transformed by it (`tfface.data.pipeline.maps`). Colour and
damage touch the picture alone. Lium 2020: rotation +-45 degrees, each channel x 0.9 to 1.2, dropped boxes; Zhou 2021:
scale, shift, some channels, and noise inside the face (`tfface.data.pipeline.face_noise`).

All that is random is drawn from one generator for a whole batch; OpenCV then changes picture by picture, which leaves
other threads free to run.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.config import AugmentConfig
from tfface.geometry.align import CROP_SIZE

BLUR_RADIUS = 4
Pictures = NDArray[np.uint8]
Matrices = NDArray[np.float64]


def crop_transform(picture_size: int, margin: float) -> Matrices:
    """`[2,3]` from a stored square picture to the crop, without augmentation.

    The generator's pictures show `margin` times the crop's box, so that rotated crops do not run out of pixels.
    """
    scale = CROP_SIZE * margin / picture_size
    shift = (CROP_SIZE - scale * picture_size) / 2
    return np.array([[scale, 0.0, shift], [0.0, scale, shift]])


def random_similarities(count: int, config: AugmentConfig, rng: np.random.Generator) -> Matrices:
    """`[B,2,3]` random rotations, scales and shifts about the middle of the crop."""
    angle = rng.uniform(-1, 1, count) * np.deg2rad(config.rotation_deg)
    low, high = np.log(config.scale)
    scale = np.exp(rng.uniform(low, high, count))
    shift = rng.uniform(-1, 1, (count, 2)) * config.shift * CROP_SIZE
    return similarities(angle, scale, shift)


def similarities(
    angle: NDArray[np.floating], scale: NDArray[np.floating] | float = 1.0, shift: NDArray[np.floating] | float = 0.0
) -> Matrices:
    """`[B,2,3]` that turn the crop about its middle by angles `[B]` in radians, scale it, and shift it by `[B,2]`."""
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([cosine, -sine, sine, cosine], axis=1).reshape(-1, 2, 2)
    centre = np.full(2, CROP_SIZE / 2)
    return np.concatenate([linear, (centre - linear @ centre + shift)[:, :, None]], axis=2)


def compose(second: Matrices, first: Matrices) -> Matrices:
    """The transforms `[...,2,3]` that do `first`, then `second`."""
    joined = second[..., :2] @ first
    joined[..., 2] += second[..., 2]
    return joined


def mirrored(transforms: Matrices) -> Matrices:
    """The same `[...,2,3]`, followed by turning the crop's left to its right."""
    return compose(np.array([[-1.0, 0.0, CROP_SIZE], [0.0, 1.0, 0.0]]), transforms)


def warp_picture(picture: Pictures, transform: Matrices, size: int, border: int = cv2.BORDER_REFLECT) -> Pictures:
    """Resample `[H,W,C]` through `[2,3]` (picture to 256-pixel crop) into `[size,size,C]`; borders are mirrored."""
    matrix = transform * (size / CROP_SIZE)
    # OpenCV's pixel j has its centre at j, ours at j + 0.5.
    matrix[:, 2] += 0.5 * (matrix[:, 0] + matrix[:, 1]) - 0.5
    warped = cv2.warpAffine(picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(warped, picture.dtype).reshape(size, size, -1)


def damage_pictures(pictures: Pictures, config: AugmentConfig, rng: np.random.Generator) -> None:
    """Colour, tones, blur, greyscale, noise, dropped boxes and borders on `[B,S,S,3]` uint8, in place."""
    count = len(pictures)
    for picture, table in zip(pictures, tone_tables(count, config, rng), strict=True):
        cv2.LUT(picture, table[:, None], dst=picture)
    blur_some(pictures, config, rng)
    for index in _some(count, config.greyscale_probability, rng):
        pictures[index] = cv2.cvtColor(pictures[index], cv2.COLOR_RGB2GRAY)[..., None]
    add_noise_to_some(pictures, config, rng)
    for _ in range(config.dropout_boxes):
        for index in _some(count, 0.25, rng):
            _drop_box(pictures[index], config.dropout_size, rng)
    for index in _some(count, config.border_probability, rng):
        _cut_border(pictures[index], rng)


def blur_some(pictures: Pictures, config: AugmentConfig, rng: np.random.Generator) -> None:
    """Some of `[B,S,S,3]` uint8, in place."""
    for index in _some(len(pictures), config.blur_probability, rng):
        sigma_px = float(rng.uniform(*config.blur_sigma_px))
        cv2.GaussianBlur(pictures[index], (2 * BLUR_RADIUS + 1,) * 2, sigma_px, dst=pictures[index])


def add_noise_to_some(pictures: Pictures, config: AugmentConfig, rng: np.random.Generator) -> None:
    """Some of `[B,S,S,3]` uint8, in place."""
    for index in _some(len(pictures), config.noise_probability, rng):
        add_noise(pictures[index], float(rng.uniform(*config.noise_sigma)), rng)


def random_subset(batch: int, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """`[B,count]` booleans: one to `count` of them true, every number and every choice equally likely."""
    order = rng.random((batch, count)).argsort(axis=1).argsort(axis=1)
    return order < rng.integers(1, count + 1, (batch, 1))


def _some(count: int, probability: float, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.flatnonzero(rng.random(count) < probability)


def tone_tables(count: int, config: AugmentConfig, rng: np.random.Generator) -> Pictures:
    """What each level of each channel becomes, `[B,256,3]`: a factor on the channel, then an exponent."""
    factor = rng.uniform(*config.colour, (count, 1, 3))
    if config.some_channels:
        factor = np.where(random_subset(count, 3, rng)[:, None], factor, 1.0)
    low, high = np.log(config.gamma)
    exponent = np.exp(rng.uniform(low, high, (count, 1, 1)))
    exponent = np.where(rng.random((count, 1, 1)) < config.gamma_probability, exponent, 1.0)
    level = np.linspace(0.0, 1.0, 256)[None, :, None] * factor
    bent = np.where(exponent == 1.0, level, np.maximum(level, 1e-4) ** exponent)
    return np.asarray(np.clip(255.0 * bent + 0.5, 0, 255), np.uint8)


def add_noise(picture: Pictures, sigma: float, rng: np.random.Generator) -> None:
    """Gaussian noise of standard deviation `sigma` (pictures lie in [0,1]) on `[S,S,3]` uint8, in place."""
    noise = _normal_numbers(picture.size)
    first = int(rng.integers(len(noise) - picture.size))
    noise = noise[first : first + picture.size].reshape(picture.shape)
    cv2.addWeighted(picture, 1.0, noise, 255.0 * sigma, 0.0, dst=picture, dtype=cv2.CV_8U)


@lru_cache
def _normal_numbers(count: int) -> NDArray[np.float32]:
    """Many more than `count`, from which stretches are cut: to draw them anew takes 30 times as long."""
    return np.random.default_rng(0).standard_normal(5 * count, np.float32)


def _drop_box(picture: Pictures, sides: tuple[float, float], rng: np.random.Generator) -> None:
    """A box of one colour over the pixels whose centres it covers."""
    side = rng.uniform(*sides, 2)
    corner = rng.random(2) * (1 - side)
    top, left = np.ceil(corner * len(picture) - 0.5).astype(int)
    bottom, right = np.ceil((corner + side) * len(picture) - 0.5).astype(int)
    picture[top:bottom, left:right] = rng.integers(0, 256, 3)


def _cut_border(picture: Pictures, rng: np.random.Generator) -> None:
    """Black beyond one side, as where a crop leaves its photograph."""
    depth = int(np.ceil(rng.uniform(0, 0.25 * len(picture))))
    side = int(rng.integers(4))
    rows = np.rot90(picture, side)  # a view of the same pixels
    rows[:depth] = 0
