"""Smoothness of a mesh: the cosine between the normals of neighbouring triangles (Zhou's measure).

1 is flat, 0 a right-angled crease, -1 folded back. Creases show in the lower tail: read `share_within` beside
the mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


def dihedral_cosines(vertices: FloatArray, triangles: NDArray[np.integer]) -> NDArray[np.float64]:
    """`[E]` cosines, one for each edge that two triangles of `[F,3]` share; `vertices` `[V,3]`, any unit.

    Edges of triangles without area are left out.
    """
    from trimesh.graph import face_adjacency

    pairs = face_adjacency(triangles)
    corners = np.asarray(vertices, np.float64)[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=-1)
    pairs = pairs[(lengths[pairs] > 0).all(axis=-1)]
    product = (normals[pairs[:, 0]] * normals[pairs[:, 1]]).sum(-1)
    return np.clip(product / lengths[pairs].prod(-1), -1.0, 1.0)


def share_within(cosines: FloatArray) -> float:
    """The share of edges whose triangles differ by less than 15 degrees (Zhou 2021)."""
    return float((cosines > np.cos(np.deg2rad(15.0))).mean())
