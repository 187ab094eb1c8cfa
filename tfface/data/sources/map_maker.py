"""Whole position maps on our chart from another model's mesh, or from 68 landmarks alone.

**Dense** truth: another mesh's vertices in a picture, carried to our vertices by a `FaceCorrespondence`. **Landmarks**:
68 points, in 3D or in 2D. Either leaves parts of our face unknown. Those are filled by our own model, fitted to what is
known (identity, expression and place; `tfface.face.fit`), plus what the fit misses nearby, fading with the
distance: so the map is whole and smooth, its least depth means what it means for synthetic faces, and the mask says
which texels are truth. With 2D points the depth is the fitted model's, found by turns with the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfface.face.correspondence import FaceCorrespondence, correspond
from tfface.face.fit import CoefficientFit, Fit, open_face_fit
from tfface.face.linear_face import LinearFace
from tfface.face.open_model import OpenFace, load_open_face
from tfface.face.position_map import PositionMap
from tfface.face.readers import bfm_300wlp
from tfface.geometry.align import Pose
from tfface.geometry.icp import move

FloatArray = NDArray[np.floating]
UPRIGHT = np.array([1.0, -1.0, 1.0])
MAP_EXPRESSION_STD = 0.4
DENSE_NOISE_MM, LANDMARK_NOISE_MM = 6.0, 1.5
FADE_MM = 15.0
NEIGHBOURS = 8
KERNEL_UV = 0.03
DISC_TEXELS = (3.0, 6.0)
LIFT_ROUNDS = 8


class MapMaker:
    """Maps `[256,256,3]` in pixels and masks `[256,256]` uint8.

    Args:
        face: our face model.
        correspondence: our vertices on the other mesh; None when there are landmarks only.
    """

    def __init__(self, face: OpenFace, correspondence: FaceCorrespondence | None = None) -> None:
        self.face, self.correspondence = face, correspondence
        self.topology = PositionMap(face)
        self.surface = face.face(2)

    def dense(self, vertices: FloatArray) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """The map and mask of another mesh's vertices `[V,3]` (u, v, depth in pixels of a picture)."""
        assert self.correspondence is not None
        ours = self.correspondence(vertices)
        chosen = self.correspondence.coarse
        fitted = self._place(self._dense_fit(ours[chosen] * UPRIGHT))
        sure, neighbours, weights = self._fade
        residual = ours - fitted
        ours[~sure] = fitted[~sure] + (residual[neighbours] * weights[..., None]).sum(1)
        mask = self.topology.from_vertices(sure[:, None].astype(np.float32))[..., 0]
        return self.topology.from_vertices(ours), np.asarray(mask * 255 + 0.5, np.uint8)

    def landmarks(self, points: FloatArray, pose: Pose | None = None) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """The map and mask of 68 points `[68,3]` (u, v, depth) or `[68,2]`.

        Args:
            points: in pixels of a picture.
            pose: of the face, which 2D points need for a start.
        """
        upright = np.asarray(points, np.float64) * UPRIGHT[: points.shape[1]]
        fit = self._landmark_fit(upright) if points.shape[1] == 3 else self._lifted(upright, pose)
        vertices = self._place(fit)
        residual = np.zeros((68, 3))
        residual[:, : points.shape[1]] = points - vertices[self.face.landmarks68][:, : points.shape[1]]
        position_map = self.topology.from_vertices(vertices)
        kernel, system = self._kernel
        position_map += (kernel @ np.linalg.solve(system, residual)).reshape(position_map.shape)
        return np.asarray(position_map, np.float32), self._discs

    def _lifted(self, points: NDArray[np.float64], pose: Pose | None) -> Fit:
        """The fit of 2D points `[68,2]`, y up: depth and fit by turns."""
        assert pose is not None
        depth: FloatArray = pose.to_image(self._landmark_fit.mean)[:, 2:]
        for _ in range(LIFT_ROUNDS):
            fit = self._landmark_fit(np.concatenate([points, depth], axis=1), iterations=2)
            depth = move(fit.motion, self._landmark_fit.shape(fit.coefficients))[:, 2:]
        return fit

    def _place(self, fit: Fit) -> NDArray[np.float64]:
        """Our whole face of a fit, `[53833,3]` in pixels with v down."""
        split = self.face.num_identity
        cage = self.face.cage(fit.coefficients[:split], fit.coefficients[split:])
        return move(fit.motion, self.surface.vertices(cage)) * UPRIGHT

    def _fit_of(self, vertices: NDArray[np.integer], noise_mm: float) -> CoefficientFit:
        return open_face_fit(self.face, vertices, MAP_EXPRESSION_STD, noise_mm)

    @cached_property
    def _dense_fit(self) -> CoefficientFit:
        assert self.correspondence is not None
        # Thousands of points whose errors hang together are as certain as a few hundred: hence the large noise.
        return self._fit_of(self.correspondence.coarse, DENSE_NOISE_MM)

    @cached_property
    def _landmark_fit(self) -> CoefficientFit:
        return self._fit_of(self.face.landmarks68, LANDMARK_NOISE_MM)

    @cached_property
    def _fade(self) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]:
        """Sure vertices; for each of the others its nearest sure ones `[M,8]` and their fading weights."""
        from scipy.spatial import cKDTree

        assert self.correspondence is not None
        sure = self.correspondence.sure
        mean = self.surface.vertices(self.face.mean)
        known = np.flatnonzero(sure)
        distance, nearest = cKDTree(mean[known]).query(mean[~sure], k=NEIGHBOURS)
        weights = 1.0 / np.maximum(distance, 1e-3)
        weights /= weights.sum(1, keepdims=True)
        return sure, known[nearest], weights * np.exp(-distance[:, :1] / FADE_MM)

    @cached_property
    def _kernel(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A Gaussian of the distance on the chart: texels to landmarks `[R*R,68]`, and among landmarks."""
        uv = self.surface.uv[self.face.landmarks68].astype(np.float64)
        size = self.topology.resolution
        grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).reshape(-1, 2) / (size - 1)

        def gaussian(points: NDArray[np.float64]) -> NDArray[np.float64]:
            square = ((points[:, None] - uv[None]) ** 2).sum(-1)
            return np.asarray(np.exp(-square / (2 * KERNEL_UV**2)))

        return gaussian(grid), gaussian(uv) + 1e-3 * np.eye(68)

    @cached_property
    def _discs(self) -> NDArray[np.uint8]:
        """Discs round the landmarks, soft at the rim."""
        size = self.topology.resolution
        uv = self.surface.uv[self.face.landmarks68] * (size - 1)
        y, x = np.mgrid[0:size, 0:size]
        distance = np.min([np.hypot(x - u, y - v) for u, v in uv], axis=0)
        inner, outer = DISC_TEXELS
        return np.asarray(np.clip((outer - distance) / (outer - inner), 0, 1) * 255, np.uint8)


@dataclass(frozen=True)
class BaselMaps:
    """What makes maps of meshes that have the vertices of the Basel model, as 300W-LP has it; picklable, its tables are
    made where it first works.

    Attributes:
        bfm: the user's model, or None for landmarks alone.
        image_size: side of the stored pictures.
    """

    bfm: Path | None = None
    image_size: int = 320

    @cached_property
    def model(self) -> LinearFace:
        """The user's model."""
        assert self.bfm is not None
        return bfm_300wlp.read(self.bfm)

    @cached_property
    def correspondence(self) -> FaceCorrespondence | None:
        """Our vertices on it."""
        return correspond(load_open_face(), self.model) if self.bfm else None

    @cached_property
    def maker(self) -> MapMaker:
        """Of maps on our chart."""
        return MapMaker(load_open_face(), self.correspondence)
