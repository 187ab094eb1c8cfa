"""A photographed face turned in depth, the way 300W-LP was made (Zhu et al. 2016, "face profiling").

The photograph becomes a mesh: the fitted face with its own depth, and round it a grid of anchors. Turned by more yaw,

    V' = s R' (V - c) + s R c + t,   R' = R of the new yaw, the same pitch and roll, c the head's middle,

the face moves as a body. The anchors follow like rubber: their displacement and depth solve Laplace's equation
between the face's outline, where they move with the face, and the rim of a wide window, where they stay, so that
the background closes up behind. What one pixel sees is decided by a z-buffer. The face is coloured by its texture,
whose hidden parts are filled, the rest from where the anchors were in the photograph. A face is best turned further to
the side to which it already looks, so that what the photograph did not show stays hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from tfface.face.open_model import Surface
from tfface.geometry.align import Pose, box_from_landmarks, square_box, transform_points
from tfface.geometry.raster import interpolate, rasterize
from tfface.geometry.rotation import euler_to_matrix, matrix_to_euler
from tfface.io.warp import sample_image

FloatArray = NDArray[np.floating]
WINDOW = 2.6
GRID = 97
BEHIND_PX_PER_SIDE = 0.02
"""How far the anchors stay behind the face's outline, and the rim's depth, in sides of the face's box."""
RIM_DEPTH_PER_SIDE = -1.0


@dataclass(frozen=True)
class Turn:
    """A rigid turn of a face in its photograph, in pixels (u, v, depth)."""

    pose: Pose
    rotation: NDArray[np.float64]
    pivot_mm: NDArray[np.float64]

    def __call__(self, points: FloatArray) -> NDArray[np.float64]:
        """Points `[...,3]` in pixels of the photograph, turned."""
        millimetres = self.pose.to_face_frame(points).astype(np.float64) - self.pivot_mm
        scale = self.pose.scale_px_per_mm
        middle = scale * self.pose.rotation @ self.pivot_mm + self.pose.translation_px
        return np.asarray((scale * millimetres @ self.rotation.T + middle) * [1.0, -1.0, 1.0])


def turn_to(pose: Pose, yaw_deg: float, pivot_mm: FloatArray) -> Turn:
    """The turn that gives a face of this pose another yaw, about `pivot_mm` `[3]` of the face frame."""
    _, pitch, roll = matrix_to_euler(pose.rotation)
    return Turn(pose, euler_to_matrix(np.deg2rad(yaw_deg), pitch, roll), np.asarray(pivot_mm, np.float64))


class MeshedPhoto:
    """A photograph as a mesh that can be turned.

    Args:
        image: `[H,W,3]` uint8 RGB.
        vertices: `[V,3]` the fitted face, u, v and depth in pixels.
        surface: the face's triangles `[F,3]` and chart `[V,2]`.
        landmarks: `[68,3]` of it.
        texture: `[T,T,3]` uint8 RGB on the chart.
    """

    def __init__(
        self,
        image: NDArray[np.uint8],
        vertices: FloatArray,
        surface: Surface,
        landmarks: FloatArray,
        texture: NDArray[np.uint8],
    ) -> None:
        self.image, self.texture = image, texture
        self.vertices = np.asarray(vertices, np.float64)
        self.triangles, self.uv = surface.triangles, surface.uv
        box = box_from_landmarks(landmarks)
        self.side = float(box[2] - box[0])
        self.window = square_box((box[:2] + box[2:]) / 2, self.side * WINDOW)

    def picture(self, turn: Turn, matrix: FloatArray, size: int) -> NDArray[np.uint8]:
        """The turned photograph `[size,size,3]` through a crop's matrix `[2,3]`."""
        grid, inside = self._grid
        points = np.concatenate([turn(self.vertices), self._anchors(turn)])
        texels = self.uv * (len(self.texture) - 1) + 0.5
        triangles = np.concatenate([self.triangles, self._grid_triangles(inside) + len(self.vertices)])
        seen, weights, _ = rasterize(transform_points(matrix, points), triangles.astype(np.int32), size, size)
        where = interpolate(seen, weights, triangles, np.concatenate([texels, grid[:, :2]]))
        where[seen < 0] = self._unmoved(matrix, size)[seen < 0]
        on_face = (seen >= 0) & (seen < len(self.triangles))
        return np.where(on_face[..., None], sample_image(self.texture, where), sample_image(self.image, where))

    def _anchors(self, turn: Turn) -> NDArray[np.float64]:
        """Where the grid's points go `[N,3]`."""
        grid, inside = self._grid
        known = np.flatnonzero(inside)
        change = turn(grid[known]) - grid[known]
        change[:, 2] = turn(grid[known])[:, 2] - BEHIND_PX_PER_SIDE * self.side
        rim_depth = float(change[:, 2].min()) + RIM_DEPTH_PER_SIDE * self.side
        values = np.zeros((len(grid), 3))
        values[self._rim, 2] = rim_depth
        values[known] = change
        free = ~(inside | self._rim)
        values[free] = self._laplace.solve(-(self._coupling @ values[~free]))
        return np.concatenate([grid[:, :2] + values[:, :2], values[:, 2:]], axis=1)

    @cached_property
    def _grid(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The window's anchors `[N,3]`, with the face's depth where `inside` says that they lie on it."""
        left, top, right, bottom = self.window
        line_u, line_v = np.linspace(left, right, GRID), np.linspace(top, bottom, GRID)
        u, v = (axis.ravel() for axis in np.meshgrid(line_u, line_v))
        step = (right - left) / (GRID - 1)
        local = (self.vertices - [left, top, 0.0]) / [step, step, 1.0] + [0.5, 0.5, 0.0]
        depth = rasterize(local, self.triangles, GRID, GRID)[2].ravel().astype(np.float64)
        inside = np.isfinite(depth)
        return np.stack([u, v, np.where(inside, depth, 0.0)], axis=1), inside

    @cached_property
    def _rim(self) -> NDArray[np.bool_]:
        rim = np.zeros((GRID, GRID), bool)
        rim[[0, -1]] = rim[:, [0, -1]] = True
        return rim.ravel() & ~self._grid[1]

    @cached_property
    def _system(self) -> sp.csr_matrix:
        line = sp.diags([np.ones(GRID - 1), np.ones(GRID - 1)], [-1, 1])
        neighbours = sp.kron(sp.identity(GRID), line) + sp.kron(line, sp.identity(GRID))
        return (neighbours - sp.diags(np.asarray(neighbours.sum(1)).ravel())).tocsr()

    @cached_property
    def _laplace(self):  # type: ignore[no-untyped-def]
        free = ~(self._grid[1] | self._rim)
        return splu(self._system[free][:, free].tocsc())

    @cached_property
    def _coupling(self) -> sp.csr_matrix:
        free = ~(self._grid[1] | self._rim)
        return self._system[free][:, ~free]

    def _grid_triangles(self, inside: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Two a cell, counter-clockwise as the camera sees it; without those wholly on the face."""
        first = (np.arange(GRID - 1)[:, None] * GRID + np.arange(GRID - 1)).ravel()
        a, b, c, d = first, first + 1, first + GRID, first + GRID + 1
        triangles = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
        return triangles[~inside[triangles].all(axis=1)]

    def _unmoved(self, matrix: FloatArray, size: int) -> NDArray[np.float32]:
        """Where each pixel of the crop lies in the photograph: behind what the mesh leaves open."""
        line = np.arange(size) + 0.5
        pixels = np.stack(np.meshgrid(line, line), axis=-1)
        return np.asarray((pixels - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T, np.float32)
