"""Spectacles: a frame of tubes in three dimensions round the eyes, and lenses blended over the picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.colour import random_colour
from tfface.data.synthetic.head.mesh import FRAME, Piece, grid_triangles, plain_attributes
from tfface.geometry.camera import Camera
from tfface.geometry.ibug68 import JAW_ENDS, LEFT_EYE, NOSE_BRIDGE, RIGHT_EYE

FloatArray = NDArray[np.floating]
_SIDES = 4


def _tube(path: FloatArray, radius: float, closed: bool) -> tuple[FloatArray, NDArray[np.int32]]:
    """A square tube along `path` `[N,3]`."""
    ahead = np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0)
    ahead = ahead / (np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-9)
    helper = np.where(np.abs(ahead[:, 2:]) > 0.9, [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]])
    across = np.cross(ahead, helper)
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    up = np.cross(ahead, across)
    angles = np.arange(_SIDES) * 2 * np.pi / _SIDES + np.pi / 4
    ring = np.cos(angles)[None, :, None] * across[:, None] + np.sin(angles)[None, :, None] * up[:, None]
    points = path[:, None] + radius * ring
    loop = np.concatenate([points, points[:1]]) if closed else points
    return loop.reshape(-1, 3), grid_triangles(len(loop), _SIDES, closed=True)


@dataclass(frozen=True)
class Spectacles:
    """A frame, and for each lens its outline `[N,3]` mm, its colour and how much it hides."""

    frame: Piece
    outlines: tuple[NDArray[np.float32], ...]
    colour: NDArray[np.float32]
    opacity: float
    glare: float

    def draw_lenses(self, picture: FloatArray, camera: Camera, depth: FloatArray) -> None:
        """Blend the lenses over linear `picture` `[S,S,3]`, in place, where nothing of the head is in front."""
        size = picture.shape[0]
        fine = depth.shape[0] // size
        nearest = depth[::fine, ::fine] / fine
        if self.opacity < 0.03 and self.glare == 0.0:
            return
        for outline in self.outlines:
            points = camera.project(outline)
            mask = np.zeros((size, size), np.float32)
            cv2.fillPoly(mask, [np.round(points[:, :2] * 8).astype(np.int32)], 1.0, cv2.LINE_AA, 3)
            mask *= nearest < points[:, 2].mean() + 8 * camera.pixels_per_mm
            rows = np.arange(size, dtype=np.float32)[:, None] + np.arange(size, dtype=np.float32)[None] * 0.6
            sheen = self.glare * np.clip(np.sin((rows - points[:, 1].min()) / (0.11 * size)), 0, 1) ** 3
            weight = (mask * self.opacity)[..., None]
            picture *= 1 - weight
            picture += weight * self.colour + (mask * sheen)[..., None]


def sample(rng: np.random.Generator, landmarks: FloatArray) -> Spectacles:
    """Random spectacles on 68 landmarks `[68,3]` in millimetres."""
    centres = [landmarks[LEFT_EYE].mean(0), landmarks[RIGHT_EYE].mean(0)]
    bridge = landmarks[NOSE_BRIDGE : NOSE_BRIDGE + 2].mean(0)
    half_gap = 0.5 * (centres[1][0] - centres[0][0])
    wide, tall = half_gap * rng.uniform(0.68, 0.9), half_gap * rng.uniform(0.42, 0.75)
    power, drop = rng.uniform(2.0, 5.0), rng.uniform(-1, 5)
    front = max(bridge[2] + 2.0, max(c[2] for c in centres) + rng.uniform(9, 14))
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    cos, sin = np.cos(turn), np.sin(turn)
    parts, outlines = [], []
    radius = rng.uniform(0.5, 1.9)
    for side, centre in zip((-1, 1), centres, strict=True):
        shape = np.stack(
            [np.sign(cos) * np.abs(cos) ** (2 / power) * wide, np.sign(sin) * np.abs(sin) ** (2 / power) * tall], -1
        )
        x = centre[0] + side * 1.5 + shape[:, 0]
        z = front - 0.004 * (x - bridge[0]) ** 2
        outline = np.stack([x, centre[1] - drop + shape[:, 1], z], -1)
        outlines.append(outline.astype(np.float32))
        parts.append(_tube(outline, radius if rng.random() < 0.9 else 0.2, closed=True))
        outer = outline[np.argmax(side * outline[:, 0])] + [0, tall * 0.4, 0]
        ear = landmarks[JAW_ENDS[0 if side < 0 else 1]] + [side * 6.0, 6.0, -8.0]
        middle = outer * 0.5 + ear * 0.5 + [side * 5.0, 1.0, 0.0]
        parts.append(_tube(np.stack([outer, outer * 0.75 + ear * 0.25 + [side * 6, 1, 0], middle, ear]), radius, False))
    inner = [outlines[0][np.argmax(outlines[0][:, 0])], outlines[1][np.argmin(outlines[1][:, 0])]]
    arch = (inner[0] + inner[1]) / 2 + [0, 3.0, 1.0]
    parts.append(_tube(np.stack([inner[0], arch, inner[1]]), radius, closed=False))
    offset, points, triangles = 0, [], []
    for vertices, faces in parts:
        points.append(vertices)
        triangles.append(faces + offset)
        offset += len(vertices)
    frame = Piece(
        np.concatenate(points).astype(np.float32),
        np.concatenate(triangles).astype(np.int32),
        FRAME,
        plain_attributes(offset),
    )
    dark = rng.random() < 0.3
    colour = random_colour(rng, 0.6) * (0.15 if dark else 1.0)
    opacity = rng.uniform(0.6, 0.98) if dark else rng.uniform(0.0, 0.12)
    glare = rng.uniform(0.05, 0.6) if rng.random() < 0.4 else 0.0
    return Spectacles(frame, tuple(outlines), colour, float(opacity), float(glare))
