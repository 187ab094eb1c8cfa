"""Things in front of the face, drawn over the linear picture: hands, boxes, sticks, blobs, bands of cloth."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.colour import random_colour
from tfface.data.synthetic.picture.background import _noise
from tfface.data.synthetic.sample import SyntheticSettings

FloatArray = NDArray[np.floating]


def _blend(picture: FloatArray, mask: FloatArray, colour: FloatArray, rng: np.random.Generator, relief: float) -> None:
    """Paint `colour` where `mask` is 1, with light falling on it from one side and some texture."""
    size = picture.shape[0]
    soft = cv2.GaussianBlur(mask, (0, 0), size / 40)
    slope = np.roll(soft, 3, 0) - np.roll(soft, -3, 0) + rng.normal() * (np.roll(soft, 3, 1) - np.roll(soft, -3, 1))
    light = np.clip(0.85 - relief * slope + 0.3 * (_noise(rng, size, 0.7) - 0.5), 0.1, 2.0)
    alpha = cv2.GaussianBlur(mask, (0, 0), size / 400)[..., None]
    edge = cv2.GaussianBlur(mask, (0, 0), size / 50)[..., None]
    picture *= (1 - alpha) * (1 - 0.35 * edge)
    picture += alpha * light[..., None] * np.asarray(colour, np.float32)


def _hand(mask: FloatArray, at: FloatArray, unit: float, rng: np.random.Generator) -> None:
    """A palm and some fingers that point about the way to the face's middle."""
    angle = rng.uniform(0, 2 * np.pi)
    towards = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-towards[1], towards[0]])
    width = unit * rng.uniform(0.09, 0.12)
    palm = at - towards * unit * 0.55
    spread = rng.uniform(0.9, 1.4)
    for index in range(rng.integers(2, 5)):
        base = palm + across * (index - 1.5) * width * spread + towards * unit * 0.1
        tip = base + towards * unit * rng.uniform(0.4, 0.65) + across * (index - 1.5) * width * rng.uniform(-0.3, 0.5)
        cv2.line(mask, tuple(map(int, base)), tuple(map(int, tip)), 1.0, max(int(width), 2), cv2.LINE_AA)
    axes = (max(int(unit * 0.3), 1), max(int(width * 2.2), 1))
    cv2.ellipse(mask, tuple(map(int, palm)), axes, np.rad2deg(angle), 0, 360, 1.0, -1, cv2.LINE_AA)
    arm = palm - towards * unit * 3
    cv2.line(mask, tuple(map(int, palm)), tuple(map(int, arm)), 1.0, max(int(unit * 0.36), 2), cv2.LINE_AA)


def _thing(mask: FloatArray, at: FloatArray, unit: float, rng: np.random.Generator) -> None:
    """A box, a stick with a ball (a microphone), or an ellipse."""
    kind, middle = rng.integers(3), tuple(map(float, at))
    if kind == 0:
        sides = unit * rng.uniform(0.2, 0.9, 2)
        cv2.fillConvexPoly(
            mask, cv2.boxPoints((middle, tuple(sides), rng.uniform(0, 90))).astype(np.int32), 1.0, cv2.LINE_AA
        )
    elif kind == 1:
        end = at + unit * np.array([rng.normal(), 2.0])
        start = tuple(map(int, at))
        cv2.line(mask, start, tuple(map(int, end)), 1.0, max(int(unit * rng.uniform(0.05, 0.16)), 1), cv2.LINE_AA)
        cv2.circle(mask, start, max(int(unit * rng.uniform(0.08, 0.2)), 1), 1.0, -1, cv2.LINE_AA)
    else:
        axes = tuple(max(int(v), 1) for v in unit * rng.uniform(0.1, 0.5, 2))
        cv2.ellipse(mask, tuple(map(int, at)), axes, rng.uniform(0, 180), 0, 360, 1.0, -1, cv2.LINE_AA)


def cover(
    picture: FloatArray, landmarks: FloatArray, settings: SyntheticSettings, rng: np.random.Generator, skin: FloatArray
) -> None:
    """Perhaps put something before the face in linear `picture` `[S,S,3]`, in place; `landmarks` `[68,3]` in pixels."""
    points = landmarks[:, :2]
    unit = float(np.ptp(points, axis=0).max())
    size = picture.shape[0]
    if rng.random() < settings.covered_mouth:
        mask = np.zeros((size, size), np.float32)
        outline = points[[1, 3, 5, 7, 8, 9, 11, 13, 15, 29]]
        cv2.fillConvexPoly(mask, cv2.convexHull(outline.astype(np.float32)).astype(np.int32), 1.0, cv2.LINE_AA)
        _blend(picture, mask, random_colour(rng), rng, 1.5)
    if rng.random() >= settings.occluder:
        return
    for _ in range(rng.integers(1, 3)):
        mask = np.zeros((size, size), np.float32)
        edge = points[rng.choice([0, 3, 5, 8, 11, 13, 16, 19, 24, 48, 57])]
        at = edge + rng.normal(0, 0.16, 2) * unit
        if rng.random() < 0.5:
            _hand(mask, at, unit, rng)
            _blend(picture, mask, skin * rng.uniform(0.6, 1.2), rng, 3.0)
        else:
            _thing(mask, at, unit, rng)
            _blend(picture, mask, random_colour(rng, 0.7), rng, 1.0)
