"""The whole head in a photograph: the face where the network saw it, the rest as the fitted model has it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tfface.face.head_uv import crop_in_head
from tfface.face.open_model import MAX_LEVEL, load_open_face
from tfface.geometry.camera import Camera
from tfface.io.kept import kept

FloatArray = NDArray[np.floating]
RING = (0.84, 0.97)
"""Of the crop's half side from its middle: what lies inside is where the network saw it, what lies outside goes with
the smooth field. Networks know the outermost ring least, and fold it."""
RING_POINTS = 120
WIDTH_MM, FADE_MM = 20.0, 50.0
"""How wide the field's kernel is, and how far from the crop it reaches."""


def posed_head(vertices: FloatArray, identity: FloatArray, expression: FloatArray, camera: Camera) -> FloatArray:
    """The whole head `[61129,3]` in the photograph (u, v, depth in pixels).

    What the network and the model differ by just inside the crop's border is spread over the cage by a Gaussian kernel
    and fades away; subdivision makes it as smooth as the head itself, so no light shows where the crop ends.

    Args:
        vertices: `[53833,3]` the face crop in the photograph.
        identity, expression, camera: of the model that was fitted to it.
    """
    face, (crop, ring, share, kernel) = load_open_face(), _tables()
    matrix = face.head(MAX_LEVEL).matrix
    points = np.asarray(camera.project(matrix @ face.cage(identity, expression)), np.float64)
    beside = np.asarray(vertices, np.float64) - points[crop]
    mean = beside[:, 2].mean()
    points[:, 2] += mean
    beside[:, 2] -= mean
    own = share * beside
    points += matrix @ (kernel @ beside[ring]) * _rest(share, crop, len(points))
    points[crop] += own
    return points


def _rest(share: FloatArray, crop: NDArray[np.int64], size: int) -> FloatArray:
    rest = np.ones((size, 1))
    rest[crop] -= share
    return rest


@lru_cache(maxsize=1)
def _tables() -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray, FloatArray]:
    """The crop's vertices in the head `[53833]`, of these some of a ring `[R]`, how far each is the network's
    `[53833,1]`, and what each of the ring adds to each point of the cage `[C,R]`."""
    ring, share, kernel = kept("posed_head", load_open_face().checksum, _find_tables)
    return crop_in_head(load_open_face()), ring, share, kernel


def _find_tables() -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    from scipy.spatial import cKDTree

    face = load_open_face()
    mean = face.head(MAX_LEVEL).vertices(face.mean)[crop_in_head(face)]
    radius = np.abs(2 * face.face(MAX_LEVEL).uv - 1).max(1)
    band = np.flatnonzero((radius > RING[0] - 0.02) & (radius < RING[0] + 0.02))
    ring = band[np.linspace(0, len(band) - 1, RING_POINTS).astype(int)]
    squares = np.square(face.mean[:, None] - mean[ring][None]).sum(-1)
    weights = np.exp((squares.min(1, keepdims=True) - squares) / (2 * WIDTH_MM**2))
    away = np.clip(cKDTree(mean).query(face.mean)[0] / FADE_MM, 0, 1)[:, None]
    fade = 1 - away * away * (3 - 2 * away)
    inner = np.clip((radius - RING[0]) / (RING[1] - RING[0]), 0, 1)[:, None]
    share = 1 - inner * inner * (3 - 2 * inner)
    kernel = fade * weights / weights.sum(1, keepdims=True)
    return ring, share.astype(np.float32), kernel.astype(np.float32)
