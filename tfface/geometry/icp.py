"""Bringing one surface onto another: nearest points on a mesh, iterated closest points (ICP).

`icp` alternates a step of the motion with the nearest point of the moving surface for each fixed point. The
fixed points are the ones that look for a partner, so the moving surface cannot shrink into a patch of the
fixed one, and what it has beyond them pulls nowhere. Steps are Gauss-Newton on the distances themselves, so
partners slide along the surface; where such a step makes it worse, the least-squares fit of all partners is
taken instead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.geometry.align import Similarity, fit_similarity

FloatArray = NDArray[np.floating]
_CANDIDATES = 12
ITERATIONS, SAMPLE = 50, 4000
TOLERANCE = 1e-5
"""It stops when the root mean square distance falls by less than this share."""


def move(motion: Similarity, points: FloatArray) -> NDArray[np.float64]:
    """Points `[...,3]`, moved."""
    return motion.scale * np.asarray(points, np.float64) @ motion.rotation.T + motion.translation


def inverse(motion: Similarity) -> Similarity:
    """The similarity that undoes `motion`."""
    rotation = motion.rotation.T
    return Similarity(1.0 / motion.scale, rotation, -rotation @ motion.translation / motion.scale)


class NearestOnMesh:
    """Nearest points on a triangle mesh.

    For each query the triangles round the nearest vertex and the twelve with the nearest centres are searched
    exactly. That is exact on meshes of even triangles, and never farther than the nearest vertex on any.
    """

    def __init__(self, vertices: FloatArray, triangles: NDArray[np.integer]) -> None:
        """`vertices` `[V,3]` and `triangles` `[F,3]`; vertices that no triangle uses are left out."""
        from scipy.spatial import cKDTree

        self.corners = np.asarray(vertices, np.float64)[triangles]
        cross = np.cross(self.corners[:, 1] - self.corners[:, 0], self.corners[:, 2] - self.corners[:, 0])
        self.normals = cross / np.maximum(np.linalg.norm(cross, axis=-1, keepdims=True), 1e-300)
        self._centres = cKDTree(self.corners.mean(axis=1))
        self._used = np.unique(triangles)
        self._vertices = cKDTree(np.asarray(vertices, np.float64)[self._used])
        order = np.argsort(triangles, axis=None, kind="stable")
        self._owner = order // 3
        self._start = np.searchsorted(np.asarray(triangles).ravel()[order], self._used)
        self._valence = np.diff(np.append(self._start, order.size))

    def __call__(self, points: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The nearest points `[N,3]` and the triangles `[N]` they lie on, for `points` `[N,3]`."""
        from trimesh.triangles import closest_point

        candidates = self._candidates(points)
        repeated = np.repeat(np.asarray(points, np.float64), candidates.shape[1], axis=0)
        found = closest_point(self.corners[candidates.ravel()], repeated)
        squares = ((found - repeated) ** 2).sum(-1).reshape(candidates.shape)
        rows, best = np.arange(len(candidates)), squares.argmin(axis=1)
        return found.reshape(*candidates.shape, 3)[rows, best], candidates[rows, best]

    def _candidates(self, points: FloatArray) -> NDArray[np.int64]:
        _, nearest = self._vertices.query(points)
        steps = np.arange(min(int(self._valence.max()), _CANDIDATES))
        fan = self._owner[self._start[nearest][:, None] + steps % self._valence[nearest][:, None]]
        _, centres = self._centres.query(points, k=min(_CANDIDATES, len(self.corners)))
        return np.concatenate([fan, np.asarray(centres).reshape(len(fan), -1)], axis=1)


def icp(
    moving: NearestOnMesh,
    fixed: FloatArray,
    initial: Similarity,
    with_scale: bool = True,
) -> Similarity:
    """The motion of the mesh `moving` that brings it nearest to the points `fixed` `[N,3]`.

    Args:
        initial: where to start, from landmarks (ICP finds the nearest valley only).
        with_scale: similarity, or else rigid with the scale of `initial` kept.
    """
    points = np.asarray(fixed, np.float64)[:: max(1, -(-len(fixed) // SAMPLE))]
    motion, best, last, fast = initial, initial, np.inf, True
    nearest = normals = points
    for _ in range(ITERATIONS):
        found, triangle = moving(move(inverse(motion), points))
        rms = float(np.sqrt(((move(motion, found) - points) ** 2).sum(-1).mean()))
        if rms < last:
            best, nearest, normals, gain, last = motion, found, moving.normals[triangle], last - rms, rms
            if gain <= TOLERANCE * rms or rms < 1e-9 * np.ptp(points):
                break
            fast = True
        elif fast:
            fast = False
        else:
            break
        step = _tangent_step if fast else _point_step
        motion = step(best, nearest, normals, points, with_scale)
    return best


def _point_step(
    motion: Similarity, nearest: FloatArray, normals: FloatArray, points: FloatArray, with_scale: bool
) -> Similarity:
    """The best fit of all partners: never worse, but slow to slide along the surface."""
    if with_scale:
        return fit_similarity(nearest, points)
    step = fit_similarity(nearest * motion.scale, points, with_scale=False)
    return Similarity(motion.scale, step.rotation, step.translation)


def _tangent_step(
    motion: Similarity, nearest: FloatArray, normals: FloatArray, points: FloatArray, with_scale: bool
) -> Similarity:
    """Gauss-Newton on the distances themselves, `n . (p - q - w x q - t - s q)`: partners slide freely."""
    moved = move(motion, nearest)
    residual = points - moved
    length = np.linalg.norm(residual, axis=-1, keepdims=True)
    touching = length < 1e-6 * np.ptp(points)
    direction = np.where(touching, normals @ motion.rotation.T, residual / np.where(touching, 1.0, length))
    centre = moved.mean(axis=0)
    arm = moved - centre
    columns = [np.cross(arm, direction), direction]
    if with_scale:
        columns.append((arm * direction).sum(-1, keepdims=True))
    solution = np.linalg.lstsq(np.hstack(columns), (residual * direction).sum(-1), rcond=None)[0]
    turn = _rotation_of(solution[:3])
    scale = 1.0 + float(solution[6]) if with_scale else 1.0
    shift = centre + solution[3:6] + scale * turn @ (motion.translation - centre)
    return Similarity(scale * motion.scale, turn @ motion.rotation, shift)


def _rotation_of(vector: FloatArray) -> NDArray[np.float64]:
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_rotvec(vector).as_matrix())
