"""The morphable model in TensorFlow: coefficients to meshes, batched and differentiable.

`shape = S (mean + id_basis a + exp_basis b)` with `S` the subdivision to the full mesh (53,833 vertices, millimetres,
face frame); `albedo = mean + basis c` as sRGB values in [0,1]: Blanz and Vetter 1999, on a subdivision surface.
Models that people own (`tfface.face.readers`) are meshes as they come: there S is the identity.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.linear_face import LinearFace
from tfface.face.open_model import PART_MATERIALS, PART_NAMES, OpenFace, load_albedo_basis
from tfface.geometry.uv import bilinear_weights


def _sparse(matrix: object) -> tf.SparseTensor:
    """A scipy matrix as a float32 SparseTensor in row order."""
    coo = matrix.tocsr().tocoo()  # type: ignore[attr-defined]
    indices = np.stack([coo.row, coo.col], axis=1).astype(np.int64)
    return tf.sparse.reorder(tf.SparseTensor(indices, coo.data.astype(np.float32), coo.shape))


class MorphableModel:
    """A linear face model as TensorFlow functions.

    Args:
        face: the model's arrays: `tfface.face.open_model.load_open_face()`, or what a reader of
            `tfface.face.readers` gives.
        level: subdivision level of the open model's mesh: 2 is the full mesh (53,833 vertices), 1 has 13,507.

    Attributes:
        triangles: `[F,3]`; uv: `[V,2]` or None.
        triangle_part: `[F]` which of `part_names` each triangle is, of the material `part_materials` says; a model that
            people own is all skin. Eyeballs, teeth and tongue themselves: `tfface.face.head_mesh`.
    """

    def __init__(self, face: OpenFace | LinearFace, level: int = 2) -> None:
        self.face = face
        self.level = level
        self._subdivide: tf.SparseTensor | None = None
        if isinstance(face, LinearFace):
            self.triangles, self.uv = face.triangles, face.uv
            self.triangle_part = np.zeros(len(face.triangles), np.uint8)
            self.part_names: tuple[str, ...] = PART_NAMES[:1]
            mean, identity, expression = face.mean, face.id_basis, face.exp_basis
            landmarks = {68: face.landmarks68}
        else:
            surface, cage = face.face(level), face.face_cage
            self.triangles, self.uv = surface.triangles, surface.uv
            self.triangle_part, self.part_names = surface.triangle_part, PART_NAMES
            self._subdivide = _sparse(surface.matrix[:, cage])
            mean, identity, expression = face.mean[cage], face.id_basis[:, cage], face.exp_basis[:, cage]
            landmarks = {count: face.landmarks(level, count) for count in (68, 81)}
        self.part_materials = PART_MATERIALS[: len(self.part_names)]
        self.num_identity, self.num_expression = len(identity), len(expression)
        basis = np.concatenate([identity, expression])
        self._mean = tf.constant(mean.reshape(-1))
        self._basis = tf.constant(basis.reshape(len(basis), -1))
        self._landmarks = {count: tf.constant(chosen, tf.int32) for count, chosen in landmarks.items()}

    @property
    def num_vertices(self) -> int:
        """Vertices of the mesh."""
        return int(self._mean.shape[0]) // 3 if self._subdivide is None else int(self._subdivide.shape[0])

    @tf.function(reduce_retracing=True)
    def shape(self, identity: tf.Tensor, expression: tf.Tensor) -> tf.Tensor:
        """Vertices `[B,V,3]` float32 in millimetres, face frame.

        Args:
            identity: `[B,150]` coefficients in standard deviations (`[B,I]` of another model, in its unit).
            expression: `[B,52]` ARKit weights, usually in [0,1] (`[B,E]` of another model, in its unit).
        """
        cage = self._mean + tf.concat([identity, expression], axis=-1) @ self._basis
        batch = tf.shape(cage)[0]
        if self._subdivide is None:
            return tf.reshape(cage, [batch, -1, 3])
        columns = tf.reshape(tf.transpose(tf.reshape(cage, [batch, -1, 3]), [1, 0, 2]), [-1, batch * 3])
        vertices = tf.sparse.sparse_dense_matmul(self._subdivide, columns)
        return tf.transpose(tf.reshape(vertices, [-1, batch, 3]), [1, 0, 2])

    @tf.function(reduce_retracing=True)
    def albedo(self, coefficients: tf.Tensor) -> tf.Tensor:
        """Albedo per vertex `[B,V,3]`, sRGB values clipped to [0,1], of coefficients `[B,A]` in standard deviations."""
        mean, basis = self._albedo_tables
        values = mean + tf.tensordot(coefficients, basis[: coefficients.shape[-1]], axes=1)
        return tf.clip_by_value(values, 0.0, 1.0)

    def landmarks(self, vertices: tf.Tensor, count: int = 68) -> tf.Tensor:
        """The 68 or 81 landmarks `[B,count,3]` of `shape`'s vertices `[B,V,3]`."""
        if count not in self._landmarks:
            choices = " or ".join(map(str, self._landmarks))
            raise UserError(f"There is no set of {count} landmarks; choose {choices}.")
        return tf.gather(vertices, self._landmarks[count], axis=1)

    @cached_property
    def _albedo_tables(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Albedo at each vertex: mean `[V,3]`, basis `[A,V,3]`; the open model's maps are sampled once."""
        with tf.init_scope():
            if isinstance(self.face, LinearFace):
                if self.face.albedo_mean is None or self.face.albedo_basis is None:
                    raise UserError(f"{self.face.name} has no colours: its meshes have shape only.")
                return tf.constant(self.face.albedo_mean), tf.constant(self.face.albedo_basis)
            albedo = load_albedo_basis()
            mean = sample_map(tf.constant(albedo.mean)[None], self.uv)[0]
            return mean, sample_map(tf.constant(albedo.basis), self.uv)


def sample_map(maps: tf.Tensor, uv: NDArray[np.floating]) -> tf.Tensor:
    """Maps `[B,R,R,C]` sampled bilinearly at uv `[N,2]` (texel (i, j) stands for (j, i) / (R-1)): `[B,N,C]`."""
    resolution = maps.shape[1]
    flat = tf.reshape(maps, [tf.shape(maps)[0], resolution * resolution, maps.shape[-1]])
    corners = zip(*(array.T for array in bilinear_weights(uv, resolution)), strict=True)
    return tf.add_n([tf.gather(flat, texels, axis=1) * weights[:, None] for texels, weights in corners])
