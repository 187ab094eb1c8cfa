"""Position maps straight from coefficients and a camera, for NumPy arrays and for tensors of any Keras backend.

A map is linear in the coefficients, so one matrix product gives it in millimetres; the camera then projects each texel
(`docs/conventions.md`). Augmentation is a 2x3 similarity of the picture that moves the projected texels exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfface.face.open_model import OpenFace
from tfface.face.position_map import PositionMap
from tfface.geometry.pinhole import projected


class MapProjector:
    """Coefficients and cameras to position maps `[B,R,R,3]`.

    Args:
        face: the face model.
        resolution: R, the map's side.
    """

    def __init__(self, face: OpenFace, resolution: int) -> None:
        self.resolution = resolution
        maps = face.linear_at(PositionMap(face, resolution).cage_matrix)
        self._linear: Any = np.ascontiguousarray(maps.reshape(len(maps), -1), np.float32)

    def into_graph(self) -> MapProjector:
        """Keeps the matrix (160 MB where R is 256) as one tensor, of which every graph that calls this has no copy."""
        from keras import ops

        self._linear = ops.convert_to_tensor(self._linear)
        return self

    def __call__(self, identity: Any, expression: Any, camera: Any) -> Any:
        """Maps `[B,R,R,3]`: u, v and depth in pixels of the record's image; depth is not shifted yet.

        Args:
            identity: `[B,150]`. expression: `[B,52]`. camera: `[B,13]` as in `tfface.data.shards.faces`.
        """
        ops = library(identity)
        coefficients = ops.concatenate([ops.ones_like(identity[:, :1]), identity, expression], axis=1)
        points = ops.reshape(ops.matmul(coefficients, self._linear), (-1, self.resolution**2, 3))
        turned = ops.matmul(points, ops.swapaxes(ops.reshape(camera[:, :9], (-1, 3, 3)), 1, 2))
        x, y, z = (turned[..., axis] for axis in range(3))
        focal, distance, *centre = (camera[:, index, None] for index in range(9, 13))
        u, v, _ = projected(x, y, z, focal, distance, tuple(centre))
        maps = ops.stack([u, v, focal / distance * z], axis=-1)
        return ops.reshape(maps, (-1, self.resolution, self.resolution, 3))


def transform_maps(maps: Any, transforms: Any) -> Any:
    """Position maps `[B,R,R,3+]` under similarities of their pictures `[B,2,3]`; depth scales along, least depth 0.

    What follows the third channel (the texels' weights) stays.
    """
    ops = library(maps)
    a, b, c, d = (transforms[:, row, column] for row in (0, 1) for column in (0, 1))
    linear, shift = transforms[:, None, :, :2], transforms[:, None, None, :, 2]
    moved = ops.matmul(maps[..., :2], ops.swapaxes(linear, 2, 3)) + shift
    depth = maps[..., 2:3] * ops.sqrt(ops.abs(a * d - b * c))[:, None, None, None]
    depth = depth - ops.min(depth, axis=(1, 2, 3), keepdims=True)
    return ops.concatenate([moved, depth, maps[..., 3:]], axis=-1)


def mirror_maps(maps: Any, width_px: float) -> Any:
    """The maps of the mirrored pictures: the chart is symmetric, so columns swap and u turns round."""
    ops = library(maps)
    flipped = ops.flip(maps, axis=2)
    return ops.concatenate([width_px - flipped[..., :1], flipped[..., 1:]], axis=-1)


def library(array: Any) -> Any:
    """NumPy for its arrays, `keras.ops` (the same names) for tensors."""
    if isinstance(array, np.ndarray):
        return np
    from keras import ops

    return ops
