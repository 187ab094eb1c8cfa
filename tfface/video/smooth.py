"""The one-euro filter (Casiez, Roussel and Vogel 2012): still where things stand, quick where they move."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
SPEED_CUTOFF_HZ = 1.0


class OneEuro:
    """Smooths vectors that come at moments.

    Args:
        cutoff_hz: of the low pass where nothing moves.
        beta: by how much the cutoff rises with the speed (Hz a unit a second).
        strength: 0 passes everything, 1 is as the other two say, more is smoother.
        together: one cutoff for all numbers, by the speed of all; else each its own.
    """

    def __init__(self, cutoff_hz: float, beta: float, strength: float = 1.0, together: bool = False) -> None:
        self.cutoff_hz, self.beta, self.strength, self.together = cutoff_hz, beta, strength, together
        self._value: FloatArray | None = None
        self._speed: FloatArray = np.zeros(1)
        self._seconds = 0.0

    def __call__(self, value: FloatArray, seconds: float) -> FloatArray:
        """The smoothed vector `[N]` at a moment; moments rise."""
        value = np.asarray(value, np.float64)
        step = seconds - self._seconds
        if self._value is None or self.strength <= 0 or step <= 0:
            self._value, self._speed, self._seconds = value, np.zeros_like(value), seconds
            return value
        speed = (value - self._value) / step
        self._speed = self._speed + _share(SPEED_CUTOFF_HZ, step) * (speed - self._speed)
        pace = np.linalg.norm(self._speed) if self.together else np.abs(self._speed)
        share = _share((self.cutoff_hz + self.beta * pace) / self.strength, step)
        self._value, self._seconds = self._value + share * (value - self._value), seconds
        return self._value


class OneEuroTurn:
    """The same for rotations, as unit quaternions x, y, z, w."""

    def __init__(self, cutoff_hz: float, beta: float, strength: float = 1.0) -> None:
        self._filter = OneEuro(cutoff_hz, beta, strength, together=True)
        self._last: FloatArray | None = None

    def __call__(self, quaternion: FloatArray, seconds: float) -> FloatArray:
        """The smoothed quaternion `[4]`, on the same side as the one before."""
        given = np.asarray(quaternion, np.float64)
        if self._last is not None and given @ self._last < 0:
            given = -given
        smooth = self._filter(given, seconds)
        self._last = smooth / np.linalg.norm(smooth)
        return self._last


def _share(cutoff_hz, step):  # type: ignore[no-untyped-def]
    """How much of what is new a low pass takes in a step of seconds."""
    rate = 2 * np.pi * cutoff_hz * step
    return rate / (rate + 1)
