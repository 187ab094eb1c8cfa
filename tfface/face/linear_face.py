"""A linear face model on a mesh of its own: what the readers of other people's models give.

    vertices = mean + identity . id_basis + expression . exp_basis

in millimetres and in our face frame (+x to the picture's right, +y up, +z out of the face). Coefficients stay in the
units that the model's own software uses; `id_std` and `exp_std` say how widely they spread.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class LinearFace:
    """A face model as arrays.

    Attributes:
        name: of the model.
        mean: `[V,3]` float32 millimetres, the mean person's neutral face.
        id_basis: `[I,V,3]` float32 millimetres per unit of an identity coefficient.
        exp_basis: `[E,V,3]` the same of expression.
        triangles: `[F,3]` int32, counter-clockwise from outside.
        landmarks68: `[68]` vertices, iBUG order.
        id_std: `[I]` standard deviation of each identity coefficient.
        exp_std: `[E]` the same of expression.
        expression_names: `[E]` names.
        albedo_mean: `[V,3]` in [0,1], or None for a model without colour.
        albedo_basis: `[A,V,3]` per standard deviation, or None.
        licence: what the owner allows.
    """

    name: str
    mean: NDArray[np.float32]
    id_basis: NDArray[np.float32]
    exp_basis: NDArray[np.float32]
    triangles: NDArray[np.int32]
    landmarks68: NDArray[np.int64]
    id_std: NDArray[np.float32]
    exp_std: NDArray[np.float32]
    expression_names: tuple[str, ...]
    licence: str
    albedo_mean: NDArray[np.float32] | None = None
    albedo_basis: NDArray[np.float32] | None = None
    uv: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 2), np.float32))

    def __post_init__(self) -> None:
        count = len(self.mean)
        for what, basis, std in (
            ("identity", self.id_basis, self.id_std),
            ("expression", self.exp_basis, self.exp_std),
        ):
            if basis.shape[1:] != (count, 3) or std.shape != basis.shape[:1]:
                raise UserError(
                    f"{self.name}: the {what} basis has shape {basis.shape} and {std.shape} deviations, its mean "
                    f"{count} vertices: the files do not belong together."
                )
        numbers = (self.mean, self.id_basis, self.exp_basis, self.id_std, self.exp_std)
        if not all(np.isfinite(array).all() for array in numbers):
            raise UserError(f"{self.name}: some of its numbers are not finite: a wrong file.")
        for what, indices in (("triangles", self.triangles), ("landmarks", self.landmarks68)):
            if not indices.size or indices.min() < 0 or indices.max() >= count:
                raise UserError(f"{self.name}: its {what} name vertices that its {count} do not have: a wrong file.")
        if self.landmarks68.shape != (68,):
            raise UserError(f"{self.name}: {self.landmarks68.size} landmarks where 68 are needed: a wrong file.")

    def vertices(self, identity: FloatArray | None = None, expression: FloatArray | None = None) -> FloatArray:
        """`[V,3]` float32 millimetres of the leading coefficients; None is the mean.

        Raises:
            UserError: when there are more coefficients than components.
        """
        shape = self.mean.copy()
        for what, values, basis in (("identity", identity, self.id_basis), ("expression", expression, self.exp_basis)):
            if values is None:
                continue
            numbers = np.ravel(np.asarray(values, np.float32))
            if len(numbers) > len(basis):
                raise UserError(f"{len(numbers)} {what} coefficients given; {self.name} has {len(basis)}.")
            used = basis[: len(numbers)].reshape(len(numbers), -1)
            shape += (numbers @ used).reshape(shape.shape)
        return shape


def faced_outwards(triangles: NDArray[np.integer], vertices: FloatArray) -> NDArray[np.int32]:
    """Triangles `[F,3]` wound counter-clockwise from outside, for a face that looks along +z: its area's sum does."""
    a, b, c = (np.asarray(vertices, np.float64)[triangles[:, k]] for k in range(3))
    outwards = np.cross(b - a, c - a)[:, 2].sum() >= 0
    return np.ascontiguousarray(triangles if outwards else triangles[:, ::-1], np.int32)


def rows(matrix: FloatArray, scale: float) -> NDArray[np.float32]:
    """A basis as files have it `[3V,K]` (x, y, z of each vertex in turn), scaled, as `[K,V,3]`."""
    array = np.asarray(matrix)
    return np.ascontiguousarray((array.T * scale).reshape(array.shape[1], -1, 3), np.float32)


def natural_key(name: str) -> list[int | str]:
    """Sorts `identity10` behind `identity9`."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
