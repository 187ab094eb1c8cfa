"""What an open mouth shows: teeth, gums, tongue and the cavity behind the lips, as the face model's parts have them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.head.mesh import GUM, MOUTH, TEETH, TONGUE, Piece, plain_attributes
from tfface.face.parts import MATERIALS, PART_NAMES, FaceParts
from tfface.geometry.ibug68 import INNER_LIPS

FloatArray = NDArray[np.floating]
_DRAWN = {"tooth": TEETH, "gum": GUM, "tongue": TONGUE, "flesh": MOUTH}
_JAWS = ("upper teeth", "lower teeth")
DARK_MM = 28.0
"""So deep behind the foremost lip hardly any light falls."""


class MouthParts:
    """The parts of the mouth, a piece a material; eyeballs stay the head's own membranes."""

    def __init__(self, parts: FaceParts) -> None:
        self.parts = parts
        kind, triangles = parts.material[parts.triangle_quad], parts.triangles
        self.triangles = {
            material: triangles[kind == MATERIALS.index(name)].astype(np.int32) for name, material in _DRAWN.items()
        }
        self.jaw = [np.unique(self._corners(name)) for name in _JAWS]

    def _corners(self, part: str) -> NDArray[np.int32]:
        quads = self.parts.quads[self.parts.part == PART_NAMES.index(part)]
        return quads[quads >= 0]

    def build(
        self, identity: FloatArray, expression: FloatArray, landmarks: FloatArray, rng: np.random.Generator
    ) -> list[Piece]:
        """The pieces for a person's coefficients and 68 `landmarks` `[68,3]` mm."""
        show, back = rng.normal(0.0, 1.0, 2), rng.uniform(0.0, 1.5)
        vertices = self.parts.vertices(identity, expression)
        for corners, up in zip(self.jaw, show, strict=True):  # people's teeth are longer and shorter
            vertices[corners] += np.array([0.0, up, -back], np.float32)
        deep = np.clip((landmarks[INNER_LIPS, 2].max() - vertices[:, 2]) / DARK_MM, 0.0, 1.0)
        pieces = []
        for material, triangles in self.triangles.items():
            used, numbers = np.unique(triangles, return_inverse=True)
            attributes = plain_attributes(len(used))
            attributes[:, 1] = 1.0 - 0.85 * deep[used]
            pieces.append(Piece(vertices[used], numbers.reshape(-1, 3).astype(np.int32), material, attributes))
        return pieces
