"""From linear radiance to an 8-bit photograph: exposure, white balance, blur, noise, tone curve, JPEG, size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.colour import linear_to_srgb

Picture = NDArray[np.float32]
_CODES = 4096


def _tone_table(rng: np.random.Generator, strength: float) -> NDArray[np.float32]:
    """sRGB values `[4096]` of linear values in [0,1]: shoulder, contrast, gamma and lifted blacks of some camera."""
    linear = np.linspace(0.0, 1.0, _CODES) * 1.6
    shoulder = rng.uniform(0.6, 1.0)
    linear = np.where(
        linear > shoulder, shoulder + (1 - shoulder) * np.tanh((linear - shoulder) / (1.001 - shoulder)), linear
    )
    curve = linear_to_srgb(linear).astype(np.float64) ** np.exp(rng.normal(0, 0.16) * strength)
    contrast = rng.normal(0.12, 0.3) * strength
    curve = curve + contrast * (curve - 0.5) * curve * (1 - curve) * 4 * 0.7
    black = max(0.0, rng.normal(-0.03, 0.05)) * strength
    return (np.clip(black + curve * (1 - black), 0, 1) * 255).astype(np.float32)


def _motion_kernel(rng: np.random.Generator, length: float) -> NDArray[np.float32]:
    size = int(length) | 1
    kernel = np.zeros((size, size), np.float32)
    angle, middle = rng.uniform(0, np.pi), size / 2 - 0.5
    reach = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    ends = [tuple(int(round(v)) for v in middle + sign * reach) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA)
    return kernel / max(kernel.sum(), 1e-6)


def _blur(picture: Picture, rng: np.random.Generator, unit: float) -> Picture:
    """Out of focus, moved, or taken small and enlarged; or sharp. `unit` is pixels per 1/256 of the side."""
    kind = rng.choice(4, p=[0.35, 0.35, 0.08, 0.22])
    if kind == 1:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), unit * rng.gamma(2.0, 0.4) + 0.25), np.float32)
    if kind == 2:
        kernel = _motion_kernel(rng, 3 + unit * rng.gamma(2.0, 2.0))
        return np.asarray(cv2.filter2D(picture, -1, kernel), np.float32)
    if kind == 3:
        size = picture.shape[0]
        small = max(int(size / np.exp(rng.uniform(0.2, 1.5))), 24)
        way_down = int(rng.choice([cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_NEAREST], p=[0.6, 0.3, 0.1]))
        way_up = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
        shrunk = cv2.resize(picture, (small, small), interpolation=way_down)
        return np.asarray(cv2.resize(shrunk, (size, size), interpolation=way_up), np.float32)
    return picture


def _vignette(size: int, strength: float, rng: np.random.Generator) -> NDArray[np.float32]:
    along = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    square = (along - rng.uniform(-0.2, 0.2)) ** 2
    return np.asarray(1 / (1 + strength * (square[:, None] + square[None, ::-1]))[..., None], np.float32)


def _colour_look(picture: Picture, rng: np.random.Generator) -> Picture:
    """Greyscale, sepia, or a change of saturation, on values in [0,255]."""
    grey = picture @ np.array([0.299, 0.587, 0.114], np.float32)
    kind = rng.random()
    if kind < 0.06:
        return np.repeat(grey[..., None], 3, 2)
    if kind < 0.075:
        return grey[..., None] * np.array([1.05, 0.95, 0.75], np.float32)
    saturation = np.float32(np.clip(rng.normal(1.02, 0.22), 0.3, 1.7))
    return grey[..., None] + (picture - grey[..., None]) * saturation


def _cut_border(picture: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Past the photograph's edge the crop is black, in place."""
    size = picture.shape[0]
    for side in range(4):
        if rng.random() < 0.4:
            width = int(size * rng.beta(1.2, 6.0) * 0.6)
            view = np.rot90(picture, side)
            view[:width] = 0


def photograph(radiance: Picture, exposure: float, rng: np.random.Generator, strength: float) -> NDArray[np.uint8]:
    """An 8-bit RGB picture of linear `radiance` `[S,S,3]`; `strength` 0 is an ideal sRGB camera.

    Args:
        radiance: linear RGB; modified.
        exposure: factor that brings it into [0,1] where it should not clip.
        rng: what the camera does by chance.
        strength: 1 for the full range of faults, 0 for none.
    """
    size, picture = radiance.shape[0], radiance
    balance = np.exp(rng.normal(0, [0.09, 0.03, 0.09]) * strength).astype(np.float32)
    picture *= balance * np.float32(exposure)
    if strength > 0:
        if rng.random() < 0.3:
            picture *= _vignette(size, rng.uniform(0, 1.5), rng)
        picture = _blur(picture, rng, size / 256 * strength)
        noise = rng.gamma(1.2, 0.008) * strength if rng.random() < 0.7 else 0.0
        if noise > 0.001:
            grain = rng.standard_normal(picture.shape, dtype=np.float32)
            if rng.random() < 0.5:
                grain = cv2.GaussianBlur(grain, (0, 0), 0.7) * 2.0
            spread = np.float32(noise) * np.sqrt(np.clip(picture, 0.004, 1))
            picture = np.asarray(picture + grain * spread, np.float32)
    table = _tone_table(rng, strength)
    codes = np.clip(picture * ((_CODES - 1) / 1.6), 0, _CODES - 1).astype(np.int32)
    encoded = table[codes]
    if strength > 0:
        encoded = _colour_look(encoded, rng)
    image = np.clip(encoded + 0.5, 0, 255).astype(np.uint8)
    if strength > 0:
        if rng.random() < 0.12:
            _cut_border(image, rng)
        if rng.random() < 0.75:
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(np.clip(100 - rng.gamma(2.0, 12.0), 15, 97))]
            again = cv2.imdecode(cv2.imencode(".jpg", image[..., ::-1], quality)[1], cv2.IMREAD_COLOR)
            assert again is not None
            image = np.asarray(again[..., ::-1], np.uint8)
    return np.ascontiguousarray(image)
