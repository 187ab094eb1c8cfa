"""The mean face as a map, and where a map shows the face: what pose-free shapes are measured from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap

SHAPE_UNIT_MM = 100.0
"""A shape unit: 10 cm, so that a face's coordinates are numbers about 1."""


def mean_shape(resolution: int) -> NDArray[np.float32]:
    """The mean face `[R,R,3]` in shape units about its centre; axes as in pictures (u right, v down, depth)."""
    face = load_open_face()
    mean = PositionMap(face, resolution).from_vertices(face.face(2).vertices(face.cage()) - face.centre)
    return np.asarray(mean * [1, -1, 1] / SHAPE_UNIT_MM, np.float32)


def face_texels(resolution: int) -> NDArray[np.float32]:
    """1 in texels `[R,R]` of the face, 0 in those of the neck and of nothing."""
    return np.asarray(PositionMap(load_open_face(), resolution).weight_mask((1, 1, 1, 0)) > 0, np.float32)
