"""Bringing one surface onto another: least-squares similarity, nearest points on a mesh, iterated closest
points.

`fit_similarity` minimises `sum_i w_i |s R a_i + t - b_i|^2` in closed form (Umeyama 1991; s = 1 for rigid).
`icp` alternates such steps with the nearest point of the moving surface for each fixed point. The fixed
points are the ones that look for a partner, so the moving surface cannot shrink into a patch of the fixed
one, and what it has beyond them pulls nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError

FloatArray = NDArray[np.floating]
_CANDIDATES = 12


@dataclass(frozen=True)
class Similarity:
    """`x -> scale * rotation @ x + translation`, rotation `[3,3]` without reflection, translation `[3]`."""

    scale: float
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]

    def apply(self, points: FloatArray) -> NDArray[np.float64]:
        """Points `[...,3]`, moved."""
        return self.scale * np.asarray(points, np.float64) @ self.rotation.T + self.translation

    def inverse(self) -> Similarity:
        """The similarity that undoes this one."""
        rotation = self.rotation.T
        return Similarity(1.0 / self.scale, rotation, -rotation @ self.translation / self.scale)


def fit_similarity(
    source: FloatArray, target: FloatArray, with_scale: bool = True, weights: FloatArray | None = None
) -> Similarity:
    """The similarity (or rigid motion) that takes `source` `[N,3]` nearest to `target` `[N,3]`, in least
    squares.

    Raises:
        UserError: fewer than three points, points of which a rotation cannot be told (all on one line), NaN.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    share = np.full(len(source), 1.0) if weights is None else np.asarray(weights, np.float64)
    if (
        len(source) < 3
        or source.shape != target.shape
        or not np.isfinite(source).all() & np.isfinite(target).all()
    ):
        raise UserError(
            "aligning needs two equal lists of at least 3 finite points, "
            f"got {source.shape} and {target.shape}; check the landmarks"
        )
    share = share / share.sum()
    source_mean, target_mean = share @ source, share @ target
    a, b = source - source_mean, target - target_mean
    left, values, right = np.linalg.svd((b * share[:, None]).T @ a)
    if values[1] <= 1e-12 * max(values[0], 1e-300):
        raise UserError("aligning needs points that do not lie on one line; check the landmarks")
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = (left * signs) @ right
    scale = float((values * signs).sum() / (share @ (a**2).sum(-1))) if with_scale else 1.0
    return Similarity(scale, rotation, target_mean - scale * rotation @ source_mean)


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
    iterations: int = 50,
    tolerance: float = 1e-5,
    sample: int = 4000,
) -> Similarity:
    """The motion of the mesh `moving` that brings it nearest to the points `fixed` `[N,3]`.

    Args:
        initial: where to start, from landmarks (ICP finds the nearest valley only).
        with_scale: similarity, or else rigid with the scale of `initial` kept.
        tolerance: stops when the root mean square distance falls by less than this share.
        sample: at most so many of `fixed`, evenly taken, look for partners.
    """
    points = np.asarray(fixed, np.float64)[:: max(1, -(-len(fixed) // sample))]
    motion, best, last, fast = initial, initial, np.inf, True
    nearest = normals = points
    for _ in range(iterations):
        found, triangle = moving(motion.inverse().apply(points))
        rms = float(np.sqrt(((motion.apply(found) - points) ** 2).sum(-1).mean()))
        if rms < last:
            best, nearest, normals, gain, last = motion, found, moving.normals[triangle], last - rms, rms
            if gain <= tolerance * rms or rms < 1e-9 * np.ptp(points):
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
    moved = motion.apply(nearest)
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
