"""The face crop without its ragged rim, to be drawn over photographs.

The crop's border follows its quads, and runs in waves over hair and neck. Pictures show what lies inside a smooth
curve: under an arch over the forehead, before a plane behind the ears, which stay whole, and above a plane that rises
from the throat to the back. Meshes that people take away are cut elsewhere (`tfface.face.head_mesh`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tfface.face.open_model import MAX_LEVEL, OpenFace, load_open_face
from tfface.geometry.cut import cut, soft_minimum
from tfface.geometry.ibug68 import CHIN
from tfface.geometry.subdivide import triangulate
from tfface.io.kept import kept

TOP_MM, ARCH_PER_MM, BACK_MM = 195.0, 0.003, -96.0
"""The arch over the forehead, over the chin, and the plane behind the ears, behind it."""
THROAT_MM, THROAT_BACK_MM, THROAT_RISE = 43.0, -86.0, 1.56
"""A point of the third plane, over and behind the chin, and by how much it rises to the back."""
EAR_SIDE_MM, EAR_TOP_MM = 76.0, 141.0
"""Ears are farther from the middle than the head is there, and not higher over the chin."""
ROUND_MM, ROUND_ABOVE_MM, ROUND_EAR_MM = 20.0, 45.0, 8.0


class Trimmed(NamedTuple):
    """What is left of the crop at level 2.

    Attributes:
        matrix: sparse `[N,53833]`: its vertices (or their colours) = matrix @ the crop's.
        triangles: `[T,3]` int32.
    """

    matrix: sp.csr_matrix
    triangles: NDArray[np.int32]


@lru_cache(maxsize=1)
def trimmed_face() -> Trimmed:
    """The crop of the open model inside the curve."""
    face = load_open_face()
    *entries, triangles, width = kept("trimmed_face", face.checksum, lambda: _trim(face))
    data, indices, indptr = entries
    return Trimmed(sp.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, int(width[0]))), triangles)


def _trim(face: OpenFace) -> tuple[NDArray[Any], ...]:
    surface, mean = face.face(MAX_LEVEL), face.mean_face()
    done = cut(surface.quads, _inside(mean, mean[face.landmarks68[CHIN]]))
    matrix = done.matrix.astype(np.float32)
    return matrix.data, matrix.indices, matrix.indptr, triangulate(done.quads), np.array([len(mean)])


def _inside(mean: NDArray[np.floating], chin: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of each vertex, how far inside the curve it lies (mm); negative outside."""
    side, height, depth = np.abs(mean[:, 0]), mean[:, 1] - chin[1], mean[:, 2] - chin[2]
    ear = np.minimum(side - EAR_SIDE_MM, EAR_TOP_MM - height)
    before = -soft_minimum(BACK_MM - depth, -ear, ROUND_EAR_MM)
    above = (height - THROAT_MM + THROAT_RISE * (depth - THROAT_BACK_MM)) / np.hypot(1.0, THROAT_RISE)
    return soft_minimum(soft_minimum(TOP_MM - ARCH_PER_MM * side**2 - height, before, ROUND_ABOVE_MM), above, ROUND_MM)
