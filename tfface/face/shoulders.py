"""Shoulders below the head: a linear model of the face model's coefficients whose mesh goes on where the neck's ends.

    vertices = mean + identity . id_basis + expression . exp_basis

Its quads name the head's cage and, after it, its own vertices, so that head and shoulders are subdivided as one
surface. They have a chart of their own, a disc seen from above with the neck for a hole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.head_uv import averaged, border_of, head_uv, refined_numbers, undirected
from tfface.face.open_model import OpenFace, load_asset
from tfface.face.parts import LinearMesh
from tfface.geometry.cut import edges_of
from tfface.geometry.subdivide import catmull_clark

FloatArray = NDArray[np.floating]
ASSET = "open_face_shoulders"
HOLE = 0.3
"""Of the chart's half side: as large is the hole where the neck stands."""


class Shoulders(LinearMesh):
    """The shoulders, whose quads are of the head's cage and the vertices after it.

    Attributes:
        checksum: their own.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], face_model: str, checksum: str = "") -> None:
        super().__init__(arrays, face_model)
        self.checksum = checksum


@lru_cache(maxsize=2)
def load_shoulders(folder: Path | None = None, face_model: str | None = None) -> Shoulders:
    """The shoulders in a folder (by default what ships).

    Args:
        face_model: the checksum of the face model that they should go with.

    Raises:
        UserError: a file is missing, damaged, or belongs to another face model.
    """
    arrays, card, checksum = load_asset(ASSET, folder)
    if face_model not in (None, card["face_model"]):
        raise UserError(
            "The shoulders belong to another face model: build them anew with "
            "`python data_tools/build_face_model.py --shoulders`."
        )
    return Shoulders(arrays, card["face_model"], checksum)


@dataclass(frozen=True, eq=False)
class Bust:
    """Head and shoulders as one surface.

    Attributes:
        matrix: `[V, cage and shoulders]`: its vertices out of those of the head's cage and, after them, the shoulders'.
        quads: `[Q,4]`, the head's first; -1 ends a triangle.
        of_shoulders: `[Q]` which quads are the shoulders'; part: `[Q]` of the others, as `Surface.quad_part`.
        head_uv: `[V,2]` places in the head's chart, NaN below the neck; uv: `[V,2]` in the shoulders', NaN above.
    """

    matrix: sp.csr_matrix
    quads: NDArray[np.int32]
    of_shoulders: NDArray[np.bool_]
    part: NDArray[np.uint8]
    head_uv: NDArray[np.float64]
    uv: NDArray[np.float64]


def bust(face: OpenFace, shoulders: Shoulders, level: int) -> Bust:
    """Head and shoulders, subdivided `level` times."""
    head = face.head(0)
    quads = np.concatenate([head.quads, shoulders.quads])
    count = len(face.mean) + len(shoulders.mean)
    matrix, origin, larges = sp.identity(count, format="csr"), np.arange(len(quads)), []
    uv = _cage_uv(face, shoulders)
    for _ in range(level):
        larges.append(quads)
        middles = uv[np.where(quads >= 0, quads, quads[:, :1])].mean(1)
        uv = np.concatenate([uv, uv[undirected(quads)].mean(1), middles])
        step, quads, parent = catmull_clark(matrix.shape[0], quads)
        matrix, origin = (step @ matrix).tocsr(), origin[parent]
    smalls = [face.head(step).quads for step in range(level)]
    numbers = refined_numbers(smalls, larges, np.arange(len(face.mean)), np.arange(len(head.quads)))
    own = np.full((matrix.shape[0], 2), np.nan)
    own[numbers] = head_uv(face)[: len(numbers)]
    added = origin >= len(head.quads)
    part = np.concatenate([head.quad_part, np.zeros(len(shoulders.quads), np.uint8)])[origin]
    return Bust(matrix, quads, added, part, own, uv)


def _cage_uv(face: OpenFace, shoulders: Shoulders) -> NDArray[np.float64]:
    """Places `[cage and shoulders,2]` in the shoulders' chart; NaN where only the head is.

    The way from the middle is that from the neck's, as in the head's chart; how far out it lies is the mean of the
    neighbours', 0 at the neck and 1 at the other borders.
    """
    points = np.concatenate([face.mean, shoulders.mean]).astype(np.float64)
    size, edges = len(face.mean), edges_of(shoulders.quads)
    used, border = np.unique(edges), border_of(edges)
    outwards = np.full(len(points), np.nan)
    outwards[border] = np.where(border < size, 0.0, 1.0)
    outwards[np.setdiff1d(np.arange(len(points)), used)] = 0.0
    outwards = averaged(edges, outwards)
    middle = points[border[border < size]].mean(0)
    turn = np.arctan2(points[:, 0] - middle[0], points[:, 2] - middle[2])
    result = on_disc(turn, HOLE + (1 - HOLE) * outwards)
    result[np.setdiff1d(np.arange(len(points)), used)] = np.nan
    return result


def on_disc(turn: FloatArray, radius: FloatArray) -> NDArray[np.float64]:
    """Places in the shoulders' chart: `turn` from below towards the right, `radius` 0 in the middle, 1 at the rim."""
    direction = np.stack([np.sin(turn), np.cos(turn)], -1)
    return np.asarray(0.5 + 0.5 * np.asarray(radius)[..., None] * direction)
