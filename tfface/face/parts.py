"""What lies behind the skin: eyeballs that turn, teeth, gums, tongue, the mouth's cavity; a linear model like the skin.

    vertices = mean + identity . id_basis + expression . exp_basis

with the coefficients of the open face model that the parts were built with. Eyeballs stand in for the membranes of
the skin's mesh (parts "left eye" and "right eye" of `Surface.vertex_part`), the cavity for its mouth: draw one or the
other.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.open_model import linear_sum, load_asset
from tfface.geometry.subdivide import triangle_quad, triangulate

PART_NAMES = ("left eyeball", "right eyeball", "upper teeth", "lower teeth", "tongue", "mouth cavity")
MATERIALS = ("sclera", "iris", "pupil", "tooth", "gum", "tongue", "flesh")


class LinearMesh:
    """A mesh that goes with the face model.

    Attributes:
        mean: `[P,3]` mm, face frame.
        id_basis: `[K,P,3]`, exp_basis: `[E,P,3]` mm per unit of the face model's coefficients.
        quads: `[Q,4]` counter-clockwise from outside; -1 ends a triangle.
        face_model: checksum of that face model.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], face_model: str) -> None:
        self.mean: NDArray[np.float32] = arrays["mean"].astype(np.float32)
        self.id_basis: NDArray[np.float32] = arrays["id_basis"].astype(np.float32)
        self.exp_basis: NDArray[np.float32] = arrays["exp_basis"].astype(np.float32)
        self.quads: NDArray[np.int32] = arrays["quads"].astype(np.int32)
        self.face_model = face_model

    def vertices(self, identity: NDArray[np.floating], expression: NDArray[np.floating]) -> NDArray[np.float32]:
        """`[P,3]` in millimetres of up to K identity coefficients and up to E expression weights."""
        return linear_sum(self.mean, (identity, self.id_basis), (expression, self.exp_basis))


class FaceParts(LinearMesh):
    """Eyeballs, teeth, tongue and the mouth's cavity (whose quads are seen from within).

    Attributes:
        part, material: `[Q]` indices into `PART_NAMES` and `MATERIALS`.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], face_model: str) -> None:
        super().__init__(arrays, face_model)
        self.part: NDArray[np.uint8] = arrays["part"]
        self.material: NDArray[np.uint8] = arrays["material"]

    @property
    def triangles(self) -> NDArray[np.int32]:
        """`[F,3]`: the first halves of all quads come first."""
        return triangulate(self.quads)

    @property
    def triangle_quad(self) -> NDArray[np.int64]:
        """`[F]` the quad of each triangle."""
        return triangle_quad(self.quads)


def load_parts(folder: Path | None = None, face_model: str | None = None) -> FaceParts:
    """The parts in a folder (by default what ships).

    Args:
        face_model: the checksum of the face model that they should go with.

    Raises:
        UserError: a file is missing, damaged, or belongs to another face model.
    """
    arrays, card, _ = load_asset("open_face_parts", folder)
    if face_model not in (None, card["face_model"]):
        raise UserError(
            "The parts (eyes, teeth, tongue) belong to another face model: build both anew with "
            "`python data_tools/build_face_model.py --ict DIR`."
        )
    return FaceParts(arrays, card["face_model"])
