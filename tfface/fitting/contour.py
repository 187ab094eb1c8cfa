"""Jaw points on the silhouette.

People and most detectors draw the jaw where the face ends in the picture. On a turned face that is not a fixed vertex:
the outline slides over the cheek. Each jaw point therefore has a row of vertices, from its own place inwards to the
cheek, on the half plane that the point and the base of the nose span with the line of sight of a frontal camera; of its
row the vertex counts that reaches farthest outwards in the picture (landmark marching: Zhu et al. 2015, "High-fidelity
pose and expression normalization", section 3.1).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tfface.face.open_model import OpenFace, load_open_face
from tfface.geometry.ibug68 import NOSE_BASE, NUM_JAW

FloatArray = NDArray[np.floating]
ROW_LENGTH = 24
INNER_END = 0.55  # where a row ends, as a part of the way from the base of the nose to the jaw
ROW_WIDTH_MM = 2.0
BEHIND_MM = 15.0  # how far behind its jaw point a row may lie: the neck does not belong to it


@lru_cache(maxsize=1)
def jaw_rows() -> NDArray[np.int64]:
    """`[17, 24]` vertices of the face crop at level 2: the rows of the jaw points, each its own vertex first."""
    face = load_open_face()
    mean = np.asarray(face.face(2).vertices(face.mean), np.float64)
    centre = mean[face.landmarks68_2d[NOSE_BASE], :2] * [0.0, 1.0]
    skin = np.flatnonzero(face.face(2).vertex_part == 0)
    return np.stack([_row(face, mean, skin, centre, jaw) for jaw in range(NUM_JAW)])


def _row(face: OpenFace, mean: FloatArray, skin: NDArray[np.int64], centre: FloatArray, jaw: int) -> NDArray[np.int64]:
    own = face.landmarks68_2d[jaw]
    reach = mean[own, :2] - centre
    length = np.linalg.norm(reach)
    out = reach / length
    offset = mean[skin, :2] - centre
    along, beside = offset @ out, np.abs(offset @ [-out[1], out[0]])
    near = (beside < ROW_WIDTH_MM) & (along > INNER_END * length) & (along <= length)
    near &= mean[skin, 2] > mean[own, 2] - BEHIND_MM
    row = np.concatenate([[own], skin[near][np.argsort(-along[near])]])
    return row[np.linspace(0, len(row) - 1, ROW_LENGTH).astype(int)]


def marched(points: FloatArray, centre: FloatArray, targets: FloatArray) -> NDArray[np.int64]:
    """Which vertex of each row is the outline, `[17]` indices into the rows.

    Args:
        points: `[17, 24, 2 or 3]` the rows' vertices in the picture.
        centre: `[2]` the base of the nose in the picture.
        targets: `[17,2]` the jaw points that were seen: they say which way is outwards.
    """
    out = targets - centre
    out = out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)
    return np.asarray(np.argmax(np.einsum("jrd,jd->jr", points[..., :2] - centre, out), axis=1))
