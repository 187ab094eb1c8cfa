"""Our cage laid onto a scanned mesh: non-rigid iterated closest points with landmarks.

The unknowns are displacements of the cage. Each round looks, from points of the subdivided surface, for the nearest
points of the scan (those too far, or facing elsewhere, do not count), and solves one sparse linear system: points meet
the planes of their partners and, a little, the partners themselves; landmarks meet theirs; displacements bend as
little as may be (the Laplacian of the cage's own graph). Stiff at first, soft at last (Amberg et al. 2007). Both sides
of the face are made alike after each round, so what comes out is symmetric where the scan is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as sparse_linalg
from numpy.typing import NDArray

from tfface.face.open_model import Surface
from tfface.geometry.align import Similarity, fit_similarity
from tfface.geometry.icp import NearestOnMesh
from tfface.geometry.raster import vertex_normals

FloatArray = NDArray[np.floating]
STAGES = ((30.0, 2.0, 15.0), (10.0, 2.0, 10.0), (4.0, 1.5, 8.0), (2.0, 1.0, 6.0))
"""Stiffness, weight of landmarks, and from which distance in mm partners do not count."""
ROUNDS = 3
MAX_SEARCHERS = 18_000
POINT_SHARE = 0.1
DOUBT_MM = 4.0
MIN_COSINE, SURE_COSINE, SURE_MM = 0.5, 0.6, 1.5
SKIN = 0


@dataclass(frozen=True)
class Partners:
    """Where on a scan each vertex of our surface lies.

    Attributes:
        rotation: `[3,3]` turns the scan's offsets into our frame.
        corners: `[V,3]` vertices of the scan, weights: `[V,3]` barycentric, per vertex of the surface.
        distance_mm: `[V]` from the surface to the scan.
        sure: `[V]` whether the partner means something: skin, near, facing the same way.
    """

    rotation: NDArray[np.float64]
    corners: NDArray[np.int64]
    weights: NDArray[np.float64]
    distance_mm: NDArray[np.float64]
    sure: NDArray[np.bool_]

    def offsets(self, offsets: FloatArray) -> NDArray[np.float32]:
        """The scan's offsets `[...,N,3]` at our vertices `[...,V,3]`, in our frame."""
        found = np.zeros((*offsets.shape[:-2], len(self.corners), 3), np.float32)
        for corner in range(3):
            found += offsets[..., self.corners[:, corner], :] * self.weights[:, corner, None].astype(np.float32)
        return found @ self.rotation.T.astype(np.float32)


def place(
    scan: FloatArray, scan_landmarks: NDArray[np.integer], surface: Surface, cage: FloatArray, ours: NDArray[np.integer]
) -> Similarity:
    """The rigid motion that lays the scan's landmarks `[L]` over ours (vertices of the surface)."""
    return fit_similarity(scan[scan_landmarks], (surface.matrix @ cage)[ours], with_scale=False)


def register(
    surface: Surface,
    quads: NDArray[np.integer],
    cage: FloatArray,
    cage_mirror: NDArray[np.integer],
    nearest: NearestOnMesh,
    landmarks: NDArray[np.integer],
    targets: FloatArray,
) -> NDArray[np.float64]:
    """The cage `[C,3]` brought onto a scan.

    Args:
        surface: of the cage, subdivided; quads: `[Q,4]` the cage's own faces.
        cage: `[C,3]` where it begins, mm, near the scan.
        cage_mirror: `[C]` the vertex on the other side.
        nearest: on the skin of the scan, in the cage's frame.
        landmarks: `[L]` vertices of the surface that belong at `targets` `[L,3]`.
    """
    begin = np.asarray(cage, np.float64)
    problem = _Problem(surface, quads, begin, landmarks, targets)
    moved = np.zeros_like(begin)
    for stage in STAGES:
        for _ in range(ROUNDS):
            moved = problem.solve(nearest, moved, *stage)
            moved = (moved + moved[cage_mirror] * [-1, 1, 1]) / 2
    return begin + moved


def find_partners(
    surface: Surface, cage: FloatArray, nearest: NearestOnMesh, triangles: NDArray[np.integer], rotation: FloatArray
) -> Partners:
    """The nearest points of the scan (`nearest` on its `triangles` `[F,3]`) for a cage that lies on it."""
    from trimesh.triangles import points_to_barycentric

    points = surface.matrix @ np.asarray(cage, np.float64)
    found, triangle = nearest(points)
    distance = np.linalg.norm(found - points, axis=1)
    facing = (vertex_normals(points.astype(np.float32), surface.triangles) * nearest.normals[triangle]).sum(1)
    sure = (surface.vertex_part == SKIN) & (distance < SURE_MM) & (facing > SURE_COSINE)
    weights = np.nan_to_num(points_to_barycentric(nearest.corners[triangle], found))
    corners = np.asarray(triangles, np.int64)[triangle]
    return Partners(np.asarray(rotation), corners, weights, distance, sure)


def graph_laplacian(quads: NDArray[np.integer], count: int) -> sp.csr_matrix:
    """What each of `count` vertices differs by from the mean of its neighbours: `[count,count]`; 0 for lone ones."""
    first = np.concatenate([quads[:, i] for i in range(4)])
    following = np.where(quads[:, 3] >= 0, quads[:, 3], quads[:, 0])
    second = np.concatenate([quads[:, 1], quads[:, 2], following, quads[:, 0]])
    used = (first >= 0) & (first != second)
    first, second = first[used], second[used]
    links = sp.coo_matrix((np.ones(2 * len(first)), (np.r_[first, second], np.r_[second, first])), shape=(count,) * 2)
    links = (links.tocsr() > 0).astype(float)
    degree = np.asarray(links.sum(1)).ravel()
    share = sp.diags(1 / np.maximum(degree, 1))
    return (sp.diags((degree > 0).astype(float)) - share @ links).tocsr()


class _Problem:
    """The linear system of one round."""

    def __init__(
        self,
        surface: Surface,
        quads: NDArray[np.integer],
        cage: FloatArray,
        landmarks: NDArray[np.integer],
        targets: FloatArray,
    ) -> None:
        self.surface, self.base = surface, surface.matrix @ cage
        skin = np.flatnonzero(surface.vertex_part == SKIN)
        self.searchers = skin[:: max(1, len(skin) // MAX_SEARCHERS)]
        self.rows = surface.matrix[self.searchers]
        self.landmark_rows, self.landmark_gap = surface.matrix[landmarks], targets - self.base[landmarks]
        count = len(cage)
        laplacian = graph_laplacian(quads, count)
        self.bending = (laplacian.T @ laplacian).tocsr()
        self.rest = 1e-6 * sp.identity(count)

    def solve(
        self, nearest: NearestOnMesh, moved: FloatArray, stiffness: float, landmark_weight: float, reach_mm: float
    ) -> NDArray[np.float64]:
        """Displacements `[C,3]` after those of the round before."""
        points = self.base + self.surface.matrix @ moved
        normals = vertex_normals(points.astype(np.float32), self.surface.triangles)[self.searchers]
        points = points[self.searchers]
        found, triangle = nearest(points)
        facing = nearest.normals[triangle]
        distance = np.linalg.norm(found - points, axis=1)
        counts = (distance < reach_mm) & ((facing * normals).sum(1) > MIN_COSINE)
        trust = counts / (1 + np.square(distance / DOUBT_MM))
        gap = found - self.base[self.searchers]
        along = (gap * facing).sum(1)
        weak, count = POINT_SHARE**2 * trust, self.rows.shape[1]
        common = stiffness**2 * self.bending + landmark_weight**2 * self.landmark_rows.T @ self.landmark_rows
        common = common + self.rows.T @ sp.diags(weak) @ self.rows + self.rest
        blocks = [[self.rows.T @ sp.diags(trust * facing[:, i] * facing[:, j]) @ self.rows for j in range(3)]
                  for i in range(3)]  # fmt: skip
        for axis in range(3):
            blocks[axis][axis] = blocks[axis][axis] + common
        right = [
            self.rows.T @ (trust * facing[:, axis] * along + weak * gap[:, axis])
            + landmark_weight**2 * (self.landmark_rows.T @ self.landmark_gap[:, axis])
            for axis in range(3)
        ]
        solution = sparse_linalg.spsolve(sp.bmat(blocks, format="csc"), np.concatenate(right))
        return np.asarray(solution.reshape(3, count).T)
