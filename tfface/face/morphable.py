"""The morphable model in TensorFlow: coefficients to meshes, batched and differentiable.

`shape = S (mean + id_basis a + exp_basis b)` with `S` the subdivision to the full mesh (53,833 vertices, millimetres,
face frame); `albedo = mean + basis c` as sRGB values in [0,1] Blanz and Vetter 1999, on a subdivision surface.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.open_model import OpenFace, load_albedo_basis


def _sparse(matrix: object) -> tf.SparseTensor:
    """A scipy matrix as a float32 SparseTensor in row order."""
    coo = matrix.tocsr().tocoo()  # type: ignore[attr-defined]
    indices = np.stack([coo.row, coo.col], axis=1).astype(np.int64)
    return tf.sparse.reorder(tf.SparseTensor(indices, coo.data.astype(np.float32), coo.shape))


class MorphableModel:
    """A linear face model as TensorFlow functions.

    Args:
        face: the model's arrays (`tfface.face.open_model.load_open_face()`).
        level: subdivision level of the mesh: 2 is the full mesh (53,833 vertices), 1 has 13,507.
    """

    def __init__(self, face: OpenFace, level: int = 2) -> None:
        self.face = face
        self.level = level
        surface = face.face(level)
        cage = face.face_cage
        self.triangles: NDArray[np.int32] = surface.triangles
        self.uv = surface.uv
        self.num_identity, self.num_expression = face.num_identity, len(face.expression_names)
        self._subdivide = _sparse(surface.matrix[:, cage])
        basis = np.concatenate([face.id_basis, face.exp_basis])[:, cage]
        self._mean = tf.constant(face.mean[cage].reshape(-1))
        self._basis = tf.constant(basis.reshape(len(basis), -1))
        self._landmarks = {count: tf.constant(face.landmarks(level, count), tf.int32) for count in (68, 81)}

    @property
    def num_vertices(self) -> int:
        """Vertices of the mesh."""
        return int(self._subdivide.shape[0])

    @tf.function(reduce_retracing=True)
    def shape(self, identity: tf.Tensor, expression: tf.Tensor) -> tf.Tensor:
        """Vertices `[B,V,3]` float32 in millimetres, face frame.

        Args:
            identity: `[B,150]` coefficients in standard deviations.
            expression: `[B,52]` ARKit weights, usually in [0,1].
        """
        cage = self._mean + tf.concat([identity, expression], axis=-1) @ self._basis
        batch = tf.shape(cage)[0]
        columns = tf.reshape(tf.transpose(tf.reshape(cage, [batch, -1, 3]), [1, 0, 2]), [-1, batch * 3])
        vertices = tf.sparse.sparse_dense_matmul(self._subdivide, columns)
        return tf.transpose(tf.reshape(vertices, [-1, batch, 3]), [1, 0, 2])

    @property
    def num_albedo(self) -> int:
        """How many albedo components there are."""
        return int(self._albedo_tables[1].shape[0])

    @tf.function(reduce_retracing=True)
    def albedo(self, coefficients: tf.Tensor) -> tf.Tensor:
        """Albedo per vertex `[B,V,3]`, sRGB values clipped to [0,1], of coefficients `[B,A]` in standard deviations."""
        mean, basis = self._albedo_tables
        values = mean + tf.tensordot(coefficients, basis[: coefficients.shape[-1]], axes=1)
        return tf.clip_by_value(values, 0.0, 1.0)

    def landmarks(self, vertices: tf.Tensor, count: int = 68) -> tf.Tensor:
        """The 68 or 81 landmarks `[B,count,3]` of `shape`'s vertices `[B,V,3]`."""
        if count not in self._landmarks:
            raise UserError(f"There is no set of {count} landmarks; choose 68 or 81.")
        return tf.gather(vertices, self._landmarks[count], axis=1)

    @cached_property
    def _albedo_tables(self) -> tuple[tf.Tensor, tf.Tensor]:
        """The albedo maps sampled once at each vertex: mean `[V,3]`, basis `[A,V,3]`."""
        with tf.init_scope():
            uv = tf.constant(self.uv)
            albedo = load_albedo_basis()
            mean = sample_map(tf.constant(albedo.mean)[None], uv)[0]
            return mean, sample_map(tf.constant(albedo.basis), uv)


def sample_map(maps: tf.Tensor, uv: tf.Tensor) -> tf.Tensor:
    """Maps `[B,R,R,C]` sampled bilinearly at uv `[N,2]` (texel (i, j) stands for (j, i) / (R-1)): `[B,N,C]`."""
    resolution = maps.shape[1]
    position = uv * (resolution - 1)
    corner = tf.clip_by_value(tf.floor(position), 0.0, resolution - 2.0)
    weight = position - corner
    base = tf.cast(corner[:, 1] * resolution + corner[:, 0], tf.int32)
    flat = tf.reshape(maps, [tf.shape(maps)[0], resolution * resolution, maps.shape[-1]])
    right, down = weight[:, :1], weight[:, 1:]
    top = tf.gather(flat, base, axis=1) * (1 - right) + tf.gather(flat, base + 1, axis=1) * right
    below = base + resolution
    bottom = tf.gather(flat, below, axis=1) * (1 - right) + tf.gather(flat, below + 1, axis=1) * right
    return top * (1 - down) + bottom * down
