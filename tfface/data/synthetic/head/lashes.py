"""Upper eyelashes: a strip along the edge of each upper lid, cut into strands as hair is.

A shut eye differs from a downcast one by the dark line where the lids meet, which skin and eyeball alone do not show.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.head.mesh import LASH, NUM_ATTRIBUTES, HeadMesh, Piece, grid_triangles

FloatArray = NDArray[np.floating]
_COLUMNS = 15
_ROWS = 3
_UPPER_LIDS = ((36, 37, 38, 39), (42, 43, 44, 45))
"""Landmarks along the upper lids' edges, from corner to corner."""


class LashRoots:
    """Which of the head's vertices lie along the edges of the upper lids."""

    def __init__(self, head: HeadMesh) -> None:
        from scipy.spatial import cKDTree

        skin = np.flatnonzero(head.surface.vertex_part == 0)
        tree = cKDTree(head.mean[skin])
        landmarks = head.landmark_matrix @ head.face.mean
        at = np.linspace(0, 3, _COLUMNS)
        self.roots = []
        for lid in _UPPER_LIDS:
            edge = np.stack([np.interp(at, range(4), axis) for axis in landmarks[list(lid)].T], -1)
            edge[:, 1] += 0.25 * np.sin(np.pi * at / 3)  # the lid is an arch, not a polygon
            self.roots.append(skin[tree.query(edge)[1]])
        self.triangles = grid_triangles(_ROWS, _COLUMNS, closed=False)

    def build(self, vertices: FloatArray, landmarks: FloatArray, length_mm: float, lift: float) -> list[Piece]:
        """The lashes of a head `[V,3]` with 68 `landmarks` `[68,3]`, both in millimetres.

        Args:
            vertices: of the head with its expression.
            landmarks: likewise; they say where each eye's corners are.
            length_mm: of the longest lashes.
            lift: how far they curl up, 0 to 1.
        """
        return [
            self._strip(vertices[roots], (landmarks[lid[0]] + landmarks[lid[3]]) / 2, length_mm, lift)
            for roots, lid in zip(self.roots, _UPPER_LIDS, strict=True)
        ]

    def _strip(self, roots: FloatArray, corners: FloatArray, length_mm: float, lift: float) -> Piece:
        """Lashes point away from the middle of the eyeball, which lies some 9 mm behind the corners."""
        out = roots - (corners - [0.0, 0.0, 9.0])
        out = out / np.linalg.norm(out, axis=1, keepdims=True)
        fan = np.linspace(-1.0, 1.0, len(roots))
        long = length_mm * (1 - 0.55 * fan**2)[:, None]
        rows = [roots + share * long * (out + [0.0, lift * share, 0.0]) for share in np.linspace(0, 1, _ROWS)]
        attributes = np.zeros((_ROWS, len(roots), NUM_ATTRIBUTES), np.float32)
        attributes[..., 1] = 0.8
        attributes[..., 3] = np.linspace(7.0, -7.0, _ROWS)[:, None]
        attributes[..., 4] = np.linspace(0.0, 0.06, len(roots))
        attributes[..., 5] = np.linspace(0.0, 0.1, _ROWS)[:, None]
        flat = attributes.reshape(-1, NUM_ATTRIBUTES)
        return Piece(np.concatenate(rows).astype(np.float32), self.triangles, LASH, flat)
