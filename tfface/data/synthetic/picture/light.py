"""Light: an environment of nine spherical harmonics and one hard key light with shadows, in the camera's frame.

Irradiance of the environment is `E(n) = sum_k L_k Y_k(n)` with the clamped cosine already folded in (Ramamoorthi and
Hanrahan 2001); radiance is in units where a white card under `E = pi` is 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_COSINE = np.array([np.pi] + [2 * np.pi / 3] * 3 + [np.pi / 4] * 5)


@dataclass(frozen=True)
class Light:
    """The light of a scene.

    Attributes:
        harmonics: `[9,3]` irradiance coefficients over pi.
        key_direction: `[3]` unit vector towards the key light (x right, y up, z towards the camera).
        key_colour: `[3]` its strength.
        softness: 0 casts hard shadows, 1 very soft ones.
        exposure: mean linear brightness that the face is exposed to, in units of its usual one.
        hollow: how dark the environment leaves hollows (the neck below the chin), 0 not at all to 1.
    """

    harmonics: NDArray[np.float32]
    key_direction: NDArray[np.float32]
    key_colour: NDArray[np.float32]
    softness: float
    exposure: float
    hollow: float


def harmonic_basis(direction: NDArray[np.floating]) -> NDArray[np.float64]:
    """The nine real spherical harmonics of unit vectors `[..,3]`."""
    x, y, z = np.moveaxis(np.asarray(direction, np.float64), -1, 0)
    one = np.ones_like(x)
    parts = [0.282095 * one, 0.488603 * y, 0.488603 * z, 0.488603 * x, 1.092548 * x * y, 1.092548 * y * z]
    parts += [0.315392 * (3 * z * z - 1), 1.092548 * x * z, 0.546274 * (x * x - y * y)]
    return np.stack(parts, axis=-1)


def _tint(rng: np.random.Generator, spread: float) -> NDArray[np.float64]:
    """A colour of light: warm to cold mostly, a little green or magenta."""
    warmth, green = rng.normal(0.0, spread), rng.normal(0.0, spread / 3)
    return np.exp([warmth, green, -warmth])


def _unit(vector: NDArray[np.floating]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)


def sample_light(rng: np.random.Generator) -> Light:
    """Overcast, indoor, studio, sun, side and back light, flash and dark rooms, in about the shares of snapshots."""
    coloured = 0.35 if rng.random() < 0.06 else 0.08
    harmonics = np.zeros((9, 3))
    harmonics[0] = rng.uniform(0.25, 0.6) * _tint(rng, coloured) / 0.282095 / np.pi
    sky = _unit(np.array([rng.normal(0, 0.3), 1.0, rng.normal(0.2, 0.4)]))
    harmonics += harmonic_basis(sky)[:, None] * rng.uniform(-0.05, 0.4) * _tint(rng, coloured)
    for _ in range(rng.integers(0, 3)):
        direction = _unit(np.array([rng.normal(0, 0.9), rng.normal(0.3, 0.5), rng.uniform(-0.5, 1.2)]))
        harmonics += harmonic_basis(direction)[:, None] * rng.uniform(0.1, 0.6) * _tint(rng, coloured)
    kind = rng.choice(4, p=[0.45, 0.25, 0.2, 0.1])
    direction = (
        np.array([rng.normal(0, 0.6), rng.normal(0.5, 0.4), rng.uniform(0.4, 1.2)]),  # key light
        np.array([rng.choice([-1, 1]) * rng.uniform(0.7, 1.5), rng.normal(0.4, 0.4), rng.uniform(-0.1, 0.7)]),
        np.array([rng.normal(0, 0.5), rng.uniform(0.7, 1.4), rng.uniform(0.1, 0.8)]),  # sun, lamp above
        np.array([rng.normal(0, 0.1), rng.normal(0.1, 0.1), 1.0]),  # flash
    )[kind]
    strength = rng.choice([0.0, 1.0], p=[0.2, 0.8]) * rng.gamma(2.0, 0.3)
    exposure = rng.normal(0.0, 0.32)
    if rng.random() < 0.1:  # a lamp in the dark
        harmonics *= rng.uniform(0.03, 0.4)
        strength = max(strength, 0.3)
        exposure -= rng.uniform(0.0, 1.6)
    elif rng.random() < 0.06:  # taken against the light, or too briefly
        exposure -= rng.uniform(0.5, 2.0)
    return Light(
        (harmonics * _COSINE[:, None] / np.pi).astype(np.float32),
        _unit(direction).astype(np.float32),
        (strength * _tint(rng, coloured)).astype(np.float32),
        float(rng.beta(1.2, 1.2)),
        float(np.exp(exposure)),
        float(rng.uniform(0.2, 0.8)),
    )
