"""Synthetic people, each in several pictures: to calibrate, to train C-Net, to measure what sets of pictures tell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.sample import SyntheticSettings
from tfface.data.synthetic.scene import FaceGenerator, SyntheticView
from tfface.geometry.align import box_from_landmarks
from tfface.geometry.rotation import matrix_to_euler

FloatArray = NDArray[np.floating]
SETS_SEED = (3 << 40) + (1 << 32)
"""Of the people on whom sets are measured: far from the seeds of training, validation and `evaluation.synthetic`."""
CALIBRATION_SEED = SETS_SEED + (1 << 32)
CNET_SEED = SETS_SEED + (4 << 32)
SET_SIZE = 16
STEP = 64
"""Seeds that belong to one person: the person's own, then the occasions'."""


@dataclass(frozen=True)
class Seen:
    """A picture, the square crop of its true landmarks, and its yaw."""

    image: NDArray[np.uint8]
    box: NDArray[np.float64]
    yaw_deg: float

    def with_picture(self, image: NDArray[np.uint8]) -> Seen:
        """Another picture in its place."""
        return replace(self, image=image)


@dataclass(frozen=True)
class SyntheticPerson:
    """One person's pictures and true identity `[I]`."""

    identity: FloatArray
    occasions: list[Seen]
    front: Seen
    side: Seen


class People:
    """Draws people; number n is always the same."""

    def __init__(self, seed: int = SETS_SEED, occasions: int = SET_SIZE) -> None:
        self.seed, self.occasions = seed, occasions
        self._any = FaceGenerator(SyntheticSettings(front_yaw_deg=90.0))
        self._pairs = FaceGenerator(SyntheticSettings(side_yaw_deg=(0.0, 100.0)), self._any.face)

    def __call__(self, number: int) -> SyntheticPerson:
        seed = self.seed + STEP * number
        occasions = self.photographs(number)[1] if self.occasions else []
        pair = self._pairs.pair(seed)
        both = [_seen(view, self._pairs.landmarks(pair, view)) for view in (pair.front, pair.side)]
        return SyntheticPerson(pair.identity, occasions, *both)

    def photographs(self, number: int) -> tuple[FloatArray, list[Seen]]:
        """A person's true identity `[I]` and one or more occasions alone."""
        seed = self.seed + STEP * number
        views = [self._any.photograph(seed, seed + 1 + occasion) for occasion in range(self.occasions)]
        return views[0][1].identity, [_seen(view, view.camera.project(person.landmarks)) for view, person in views]


def _seen(view: SyntheticView, landmarks: FloatArray) -> Seen:
    yaw = float(np.degrees(matrix_to_euler(view.camera.rotation)[0]))
    return Seen(view.image, box_from_landmarks(landmarks), yaw)


def spoilt(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A bad picture: nearly black, blurred beyond recognition, or more than half covered."""
    size = len(image)
    kind = rng.integers(3)
    if kind == 0:
        return np.clip(image * 0.06 + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    if kind == 1:
        small = cv2.resize(image, (10, 10), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR))
    covered, from_px = image.copy(), int(rng.uniform(0.3, 0.45) * size)
    place = [slice(from_px, None), slice(None, size - from_px)][rng.integers(2)]
    covered[(place, slice(None)) if rng.random() < 0.5 else (slice(None), place)] = rng.integers(0, 256, 3)
    return covered


def noise(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture of nothing."""
    return rng.integers(0, 256, image.shape).astype(np.uint8)
