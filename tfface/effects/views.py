"""The head by itself: seen from the front, going round, or with another face's expression and pose."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tfface.face.head_mesh import head_mesh
from tfface.geometry.rotation import euler_to_matrix
from tfface.io.model import Model
from tfface.result import FaceResult
from tfface.viz.head_model import head_model, iris_colour
from tfface.viz.model_view import turned_model
from tfface.viz.skin import SkinTexture

SPAN_MM = {"face": 270.0, "head": 290.0, "full": 560.0}
"""What a picture shows, so that a head fits that turns about its centre."""


def model_with(
    result: FaceResult,
    expression: NDArray[np.floating] | None = None,
    skin: SkinTexture | None = None,
    kind: str = "head",
    level: int = 2,
    blend_shapes: bool = False,
) -> Model:
    """The head of a result, with another expression `[52]` or another texture where they are given."""
    identity, own = result.shape
    iris = iris_colour(result.image, identity, own, result.camera, result.head_points)
    shown = own if expression is None else np.asarray(expression, np.float32)
    return head_model(head_mesh(kind, level), identity, shown, skin or result.skin(), iris, blend_shapes)


def seen_from(model: Model, turn: NDArray[np.floating], size: int, kind: str = "head") -> NDArray[np.uint8]:
    """The model `[size,size,3]` after a turn `[3,3]` about its origin, always at the same scale."""
    return turned_model(model, turn, size, SPAN_MM[kind])


def frontal(result: FaceResult, size: int, kind: str = "head") -> NDArray[np.uint8]:
    """The head looking straight ahead, `[size,size,3]`: rigidly turned, what the photograph hides completed."""
    return seen_from(model_with(result, kind=kind), np.eye(3), size, kind)


def turntable(model: Model, count: int, size: int, kind: str = "head") -> Iterator[NDArray[np.uint8]]:
    """Pictures `[size,size,3]` of a whole turn about the vertical axis, seen a little from above."""
    tip = euler_to_matrix(0.0, np.radians(8.0), 0.0)
    for number in range(count):
        yield seen_from(model, tip @ euler_to_matrix(2 * np.pi * number / count, 0.0, 0.0), size, kind)
