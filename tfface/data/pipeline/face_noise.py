"""Zhou's noise inside the face (its section 3.2.3): one to three kinds of Gaussian, random pixels, and a patch.

The face is the ellipse about its map: the texels' mean, and twice their standard deviations for half-axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.data.pipeline.augment import add_noise, random_subset
from tfface.geometry.align import CROP_SIZE

GAUSSIAN_SIGMA = (0.02, 0.1)
RANDOM_SHARE = (0.01, 0.1)
PATCH_SIDE = (0.15, 0.4)
"""Of the face's half-axes."""


def face_ellipse(
    position_map: NDArray[np.floating], size: int
) -> tuple[NDArray[np.bool_], NDArray[np.floating], NDArray[np.floating]]:
    """Mask `[size,size]`, centre and half-axes `[2]` (u, v) in shares of the crop's side, of a map `[R,R,3]`."""
    points = position_map[..., :2].reshape(-1, 2) / CROP_SIZE
    centre, axes = points.mean(0), 2 * points.std(0) + 1e-6
    grid = (np.arange(size) + 0.5) / size
    across, down = (np.square((grid - centre[axis]) / axes[axis]) for axis in (0, 1))
    return (down[:, None] + across[None]) < 1.0, centre, axes


def add_face_noise(pictures: NDArray[np.uint8], maps: NDArray[np.floating], rng: np.random.Generator) -> None:
    """Noise inside the faces whose maps `[B,R,R,3]` are given, on pictures `[B,S,S,3]` uint8, in place."""
    kinds = random_subset(len(pictures), 3, rng)
    for picture, position_map, (gaussian, random, patch) in zip(pictures, maps, kinds, strict=True):
        inside, centre, axes = face_ellipse(position_map, len(picture))
        if gaussian:
            noisy = picture.copy()
            add_noise(noisy, rng.uniform(*GAUSSIAN_SIGMA), rng)
            picture[inside] = noisy[inside]
        if random:
            hit = inside & (rng.random(inside.shape) < rng.uniform(*RANDOM_SHARE))
            picture[hit] = rng.integers(0, 256, (int(hit.sum()), 3))
        if patch:
            picture[inside & _patch(len(picture), centre, axes, rng)] = rng.integers(0, 256, 3)


def _patch(
    size: int, centre: NDArray[np.floating], axes: NDArray[np.floating], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """A box somewhere in the face, `[size,size]`."""
    middle = centre + axes * rng.uniform(-0.7, 0.7, 2)
    half = axes * rng.uniform(*PATCH_SIDE, 2)
    grid = (np.arange(size) + 0.5) / size
    across, down = (np.abs(grid - middle[axis]) < half[axis] for axis in (0, 1))
    return down[:, None] & across[None]
