"""Catmull-Clark subdivision of meshes of quads and triangles as a sparse matrix.

One level is linear in the vertices: `new = M @ old`. The old vertices stay first (moved), then come the edge points,
then the face points, so a level's vertices are a prefix of the next level's numbering. Borders follow the cubic
B-spline of the border edges (Catmull and Clark 1978; border rule of Hoppe et al. 1994).
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

FaceArray = NDArray[np.integer]


class _Corners:
    """The corners of all faces in a row: their face, vertex, next vertex, and the corner before them."""

    def __init__(self, faces: FaceArray) -> None:
        used = faces >= 0
        count = used.sum(1)
        self.face = np.repeat(np.arange(len(faces)), count)
        self.vertex = faces[used]
        first = np.cumsum(count) - count
        place = np.arange(len(self.face)) - first[self.face]
        self.next = self.vertex[first[self.face] + (place + 1) % count[self.face]]
        self.before = first[self.face] + (place - 1) % count[self.face]


def _averaging(rows: NDArray[np.integer], columns: NDArray[np.integer], shape: tuple[int, int]) -> sp.csr_matrix:
    """A matrix whose rows average the columns named for them."""
    matrix = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
    return sp.diags(1.0 / np.maximum(np.asarray(matrix.sum(1)).ravel(), 1)) @ matrix


def catmull_clark(num_vertices: int, faces: FaceArray) -> tuple[sp.csr_matrix, NDArray[np.int32], NDArray[np.int64]]:
    """One level of subdivision.

    Args:
        num_vertices: of the mesh before.
        faces: `[Q,4]` vertex indices; a triangle has -1 in its last place.

    Returns:
        the matrix `[V + E + Q, V]`, the new quads (one per corner of the old faces, in their order), and the old face
        that each new quad lies in.
    """
    corners = _Corners(faces)
    num_faces, num_corners = len(faces), len(corners.face)
    edges, edge_of = np.unique(
        np.sort(np.stack([corners.vertex, corners.next], axis=1), axis=1), axis=0, return_inverse=True
    )
    edge_of = edge_of.reshape(num_corners)
    num_edges = len(edges)
    face_points = _averaging(corners.face, corners.vertex, (num_faces, num_vertices))
    mid_points = _averaging(np.repeat(np.arange(num_edges), 2), edges.ravel(), (num_edges, num_vertices))
    edge_faces = _averaging(edge_of, corners.face, (num_edges, num_faces))
    border = np.bincount(edge_of, minlength=num_edges) == 1
    edge_points = sp.diags(np.where(border, 1.0, 0.5)) @ mid_points
    edge_points = edge_points + sp.diags(np.where(border, 0.0, 0.5)) @ (edge_faces @ face_points)
    vertex_faces = _averaging(corners.vertex, corners.face, (num_vertices, num_faces))
    vertex_points = _vertex_rule(num_vertices, edges, border, vertex_faces @ face_points, mid_points)
    matrix = sp.vstack([vertex_points, edge_points, face_points]).tocsr()
    edge_index = num_vertices + edge_of
    centre = num_vertices + num_edges + corners.face
    quads = np.stack([corners.vertex, edge_index, centre, edge_index[corners.before]], axis=1)
    return matrix, quads.astype(np.int32), corners.face


def subdivided(
    matrix: sp.csr_matrix, faces: NDArray[np.int32], level: int
) -> tuple[sp.csr_matrix, NDArray[np.int32], NDArray[np.int64]]:
    """`level` times `catmull_clark`: `matrix` `[V,N]` with the new vertices' rows, the faces, and which of the given
    faces each comes from."""
    origin = np.arange(len(faces))
    for _ in range(level):
        step, faces, parent = catmull_clark(matrix.shape[0], faces)
        matrix, origin = (step @ matrix).tocsr(), origin[parent]
    return matrix, faces, origin


def _vertex_rule(
    num_vertices: int,
    edges: NDArray[np.int64],
    border: NDArray[np.bool_],
    mean_face_points: sp.csr_matrix,
    mid_points: sp.csr_matrix,
) -> sp.csr_matrix:
    """Where the old vertices move: (F + 2 M + (n - 3) P) / n inside, (1, 6, 1) / 8 on the border."""
    valence = np.maximum(np.bincount(edges.ravel(), minlength=num_vertices), 1)
    mids = _averaging(edges.ravel(), np.repeat(np.arange(len(edges)), 2), (num_vertices, len(edges)))
    inside = sp.diags(1 / valence) @ mean_face_points + sp.diags(2 / valence) @ (mids @ mid_points)
    inside = inside + sp.diags((valence - 3) / valence)
    ends = edges[border]
    rows, columns = np.concatenate([ends, ends[:, ::-1]]).T
    neighbours = sp.csr_matrix((np.full(len(rows), 0.125), (rows, columns)), shape=(num_vertices, num_vertices))
    on_border = np.zeros(num_vertices)
    on_border[ends.ravel()] = 1.0
    outside = sp.diags(np.full(num_vertices, 0.75)) + neighbours
    return sp.diags(1 - on_border) @ inside + sp.diags(on_border) @ outside


def triangulate(faces: FaceArray) -> NDArray[np.int32]:
    """Triangles `[F,3]` of faces `[Q,4]` (-1 ends a triangle); the first halves of all faces come first."""
    is_quad = faces[:, 3] >= 0
    second = faces if is_quad.all() else faces[is_quad]
    return np.concatenate([faces[:, [0, 1, 2]], second[:, [0, 2, 3]]]).astype(np.int32, copy=False)


def triangle_quad(faces: FaceArray) -> NDArray[np.int64]:
    """`[F]` the face `[Q,4]` that each triangle of `triangulate` is of."""
    return np.concatenate([np.arange(len(faces)), np.flatnonzero(faces[:, 3] >= 0)])
