"""The whole head in a photograph: the face where the network saw it, the rest as the fitted model has it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

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


def posed_head(vertices: FloatArray, model: FloatArray) -> FloatArray:
    """The whole head `[61129,3]` in the photograph (u, v, depth in pixels).

    What the network and the model differ by just inside the crop's border is spread over the cage by a Gaussian kernel
    and fades away; subdivision makes it as smooth as the head itself, so no light shows where the crop ends.

    Args:
        vertices: `[53833,3]` the face crop in the photograph.
        model: `[61129,3]` where the camera sees the model that was fitted to it (`modelled_head`).
    """
    tables, points = _tables(), np.array(model, np.float64)
    beside = vertices - points.take(tables.crop, axis=0)
    mean = beside[:, 2].mean()
    points[:, 2] += mean
    beside[:, 2] -= mean
    points[tables.crop] = vertices
    points[tables.crop[tables.rim]] -= tables.lost * beside[tables.rim]
    points[tables.rest] += tables.left * (tables.matrix @ (tables.kernel @ beside[tables.ring]))
    return points


def modelled_head(identity: FloatArray, expression: FloatArray, camera: Camera) -> NDArray[np.float32]:
    """Where a camera sees the face model's head `[61129,3]` (u, v, depth in pixels)."""
    face = load_open_face()
    return camera.project(face.head(MAX_LEVEL).matrix @ face.cage(identity, expression))


class _Tables(NamedTuple):
    """The crop's vertices in the head `[53833]`, of these some of a ring `[R]`, and what each of the ring adds to each
    point of the cage `[C,R]`; those of the crop that are not the network's alone `[M]`, and how far they are not
    `[M,1]`; the same of all of the head's `[N]`, `[N,1]`, and what the cage makes them of."""

    crop: NDArray[np.int64]
    ring: NDArray[np.int64]
    kernel: FloatArray
    rim: NDArray[np.int64]
    lost: FloatArray
    rest: NDArray[np.int64]
    left: FloatArray
    matrix: Any


@lru_cache(maxsize=1)
def _tables() -> _Tables:
    face = load_open_face()
    crop, (ring, share, kernel) = crop_in_head(face), kept("posed_head", face.checksum, _find_tables)
    matrix = face.head(MAX_LEVEL).matrix
    lost, left = 1.0 - share, np.ones((matrix.shape[0], 1))
    left[crop] = lost
    rim, rest = np.flatnonzero(lost), np.flatnonzero(left)
    return _Tables(crop, ring, kernel, rim, lost[rim], rest, left[rest], matrix[rest])


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
