"""The topology of position maps: which triangle each texel of the UV square lies in, and with which weights.

A position map holds, at texel (row i, column j), the position of the surface point whose uv is (j, i) / (R - 1). With
barycentric weights known once and for all, `map = sum_k w_k vertices[triangle_k]` is a gather, and the way back,
`vertices = map sampled bilinearly at uv`, is another. Both are linear, so they commute with any affine augmentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tfface.face.open_model import REGION_NAMES, OpenFace, load_open_face
from tfface.geometry.align import MAP_SIZE
from tfface.geometry.raster import rasterize
from tfface.geometry.uv import bilinear_weights
from tfface.io.kept import kept

DEFAULT_WEIGHTS = (16.0, 4.0, 3.0, 0.0)


class PositionMap:
    """Gather tables between the face crop at level 2 and square maps of `resolution` texels."""

    def __init__(self, face: OpenFace, resolution: int = MAP_SIZE) -> None:
        self.face = face
        self.resolution = resolution
        self.surface = face.face(2)
        self.triangle_id, self.barycentric, coverage = kept(
            f"texels{resolution}",
            face.checksum,
            lambda: texel_tables(self.surface.uv, self.surface.triangles, resolution),
        )
        self.coverage = float(coverage)

    @cached_property
    def texel_vertices(self) -> NDArray[np.int32]:
        """`[R,R,3]` the vertices that each texel blends, with the weights `barycentric` `[R,R,3]`."""
        return self.surface.triangles[self.triangle_id]

    @cached_property
    def _vertex_samples(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return bilinear_weights(self.surface.uv, self.resolution)

    def from_vertices(self, vertices: NDArray[np.floating]) -> NDArray[np.float32]:
        """`[..., 53833, 3]` to `[..., R, R, 3]`."""
        return _applied(self._from_vertices_matrix, vertices, (self.resolution, self.resolution))

    @cached_property
    def _from_vertices_matrix(self) -> sp.csr_array:
        return blending(self.texel_vertices, self.barycentric, len(self.surface.uv))

    @cached_property
    def _to_vertices_matrix(self) -> sp.csr_array:
        return blending(*self._vertex_samples, self.resolution**2)

    def to_vertices(self, position_map: NDArray[np.floating]) -> NDArray[np.float32]:
        """`[..., R, R, 3]` sampled bilinearly at each vertex's uv: `[..., 53833, 3]`."""
        flat = position_map.reshape(*position_map.shape[:-3], -1, position_map.shape[-1])
        return _applied(self._to_vertices_matrix, flat, (len(self.surface.uv),))

    def landmarks(self, position_map: NDArray[np.floating], count: int = 68) -> NDArray[np.float32]:
        """The 68 or 81 landmarks of `[..., R, R, 3]`: `[..., count, 3]`."""
        return self._sample(position_map, self.face.landmarks_of(count))

    def _sample(self, position_map: NDArray[np.floating], which: NDArray[np.int64]) -> NDArray[np.float32]:
        texels, weights = self._vertex_samples
        texels, weights = texels[which], weights[which]
        flat = position_map.reshape(*position_map.shape[:-3], -1, position_map.shape[-1])
        out = sum(flat[..., texels[:, k], :] * weights[:, k, None] for k in range(4))
        return np.asarray(out, np.float32)

    def landmark_samples(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The four texels `[68,4]` of the flattened map that each landmark blends, and their weights `[68,4]`."""
        texels, weights = self._vertex_samples
        which = self.face.landmarks68
        return texels[which].astype(np.int32), weights[which].astype(np.float32)

    def landmark_matrix(self) -> NDArray[np.float32]:
        """Dense `[68, R*R]`: landmarks = matrix @ flattened map. For losses and metrics inside a network's graph."""
        texels, weights = self._vertex_samples
        which = self.face.landmarks68
        rows = np.repeat(np.arange(len(which)), 4)
        matrix = np.zeros((len(which), self.resolution**2), np.float32)
        np.add.at(matrix, (rows, texels[which].ravel()), weights[which].ravel())
        return matrix

    @cached_property
    def cage_matrix(self) -> sp.csr_matrix:
        """Sparse `[R*R, cage vertices]`: flattened map = matrix @ cage, for maps straight from coefficients."""
        size = self.resolution**2
        rows = np.repeat(np.arange(size), 3)
        blend = sp.csr_matrix(
            (self.barycentric.ravel(), (rows, self.texel_vertices.ravel())), shape=(size, len(self.surface.uv))
        )
        return (blend @ self.surface.matrix).tocsr()

    @cached_property
    def regions(self) -> NDArray[np.uint8]:
        """`[R,R]` the region (`REGION_NAMES`) of each texel: that of its nearest corner."""
        corner = self.barycentric.argmax(-1)
        nearest = np.take_along_axis(self.texel_vertices, corner[..., None], axis=-1)[..., 0]
        return self.face.regions[nearest]

    def weight_mask(self, ratios: Sequence[float] = DEFAULT_WEIGHTS) -> NDArray[np.float32]:
        """The training weights `[R,R]` of PRN and Lium 2020.

        Args:
            ratios: of the 68 landmarks' texels, of eyes, nose and mouth, of the rest of the face, and of everything
                else (neck, back of the ears, empty). Texels beyond the edge of the face from which its vertices and
                landmarks are blended count as face: a network that never learnt them would spoil the edge.
        """
        landmark, feature, face, other = ratios
        table = np.array([other if n == "none" else face if n == "face" else feature for n in REGION_NAMES])
        mask = table[self.regions].astype(np.float32)
        inner = np.union1d(np.flatnonzero(self.face.regions), self.face.landmarks68)
        texels, weights = (sample[inner] for sample in self._vertex_samples)
        rim = np.unique(texels[weights > 0])
        flat = mask.reshape(-1)
        flat[rim] = np.maximum(flat[rim], face)
        return np.where(self.nearest_texels(self.face.landmarks68), landmark, mask)

    def nearest_texels(self, vertices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.bool_]:
        """`[R,R]` the texels nearest to some vertices and to their mirror images."""
        marked = np.zeros((self.resolution, self.resolution), bool)
        column, row = np.round(self.surface.uv[np.asarray(vertices)] * (self.resolution - 1)).astype(int).T
        marked[row, column] = True
        return marked | marked[:, ::-1]  # the middle line lies between two texels


@lru_cache(maxsize=6)
def position_tables(resolution: int) -> PositionMap:
    """The open face's position-map tables, built once per resolution."""
    return PositionMap(load_open_face(), resolution)


def blending(which: NDArray[np.integer], weights: NDArray[np.floating], columns: int) -> sp.csr_array:
    """The matrix `[N,columns]` whose rows blend `which` `[...,K]` with `weights` `[...,K]`."""
    starts = np.arange(0, which.size + 1, which.shape[-1], dtype=np.int32)
    values = np.asarray(weights, np.float32).ravel()
    return sp.csr_array((values, which.ravel(), starts), shape=(len(starts) - 1, columns))


def _applied(matrix: sp.csr_array, points: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """`[..., columns, C]` to `[..., *shape, C]`, by sparse products: several times as fast as gathers."""
    kept = np.asarray(points, np.float32)
    out = [matrix @ part for part in kept.reshape(-1, *kept.shape[-2:])]
    return np.stack(out).reshape(*kept.shape[:-2], *shape, kept.shape[-1])


def texel_tables(
    uv: NDArray[np.float32], triangles: NDArray[np.int32], resolution: int
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float64]]:
    """Triangle `[R,R]` and weights `[R,R,3]` of each texel, and the share that triangles cover.

    Texels that no triangle covers take their nearest neighbour's.
    """
    points = np.concatenate([uv.astype(np.float64) * (resolution - 1) + 0.5, np.zeros((len(uv), 1))], axis=1)
    triangle_id, barycentric, _ = rasterize(points, triangles, resolution, resolution)
    empty = triangle_id < 0
    if empty.any():
        from scipy.ndimage import distance_transform_edt

        nearest = distance_transform_edt(empty, return_distances=False, return_indices=True)
        triangle_id, barycentric = triangle_id[tuple(nearest)], barycentric[tuple(nearest)]
    return triangle_id, barycentric, np.array(1 - empty.mean())
