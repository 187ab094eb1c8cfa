"""The shipped model's topology as a `Cage`, whose pit behind the lips takes the mean of the lip loop."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from tfface.face.build.cage import EYE_LOOP, EYE_RINGS, LEFT_EYE, MOUTH, RIGHT_EYE, SKIN, Cage
from tfface.face.open_model import ASSETS, OpenFace


def small_cage() -> Cage:
    """A cage with every part where `build_cage` puts it."""
    with np.load(ASSETS / "open_face.npz") as arrays:
        faces, part = arrays["quads"].astype(np.int32), arrays["quad_part"]
    loops = {code: _loop(faces[part == code], faces[part == SKIN]) for code in (LEFT_EYE, RIGHT_EYE, MOUTH)}
    count = int(faces.max()) + 1
    weights = sp.identity(count, format="lil")
    pit = np.setdiff1d(faces[part == MOUTH], np.append(loops[MOUTH], -1))
    for vertex in pit:
        weights[vertex, vertex] = 0.0
        weights[vertex, loops[MOUTH]] = 1 / len(loops[MOUTH])
    poles = [int(np.setdiff1d(faces[part == code], loops[code]).max()) for code in (LEFT_EYE, RIGHT_EYE)]
    lids = [_as_first_ring(faces[part == code], loops[code], pole) for code, pole in zip((2, 3), poles, strict=True)]
    unknown = np.full((count, 2), np.nan)
    return Cage(
        weights.tocsr(), np.zeros((count, 3)), faces, part, unknown, (poles[0], poles[1]), (lids[0], lids[1]),
        loops[MOUTH],
    )  # fmt: skip


def _loop(faces: np.ndarray, skin: np.ndarray) -> np.ndarray:
    shared = np.intersect1d(faces, skin)
    return shared[shared >= 0].astype(np.int64)


def _as_first_ring(faces: np.ndarray, loop: np.ndarray, pole: int) -> np.ndarray:
    """The lid loop in the order of the membrane's first ring: a face holds two of each."""
    first = pole - len(EYE_RINGS) * EYE_LOOP
    partner = {}
    for outer_next, outer, inner, inner_next in faces:
        if first <= inner < first + EYE_LOOP and outer in loop:
            partner[int(inner)], partner[int(inner_next)] = outer, outer_next
    return np.array([partner[first + k] for k in range(EYE_LOOP)], np.int64)


def pit_of(cage: Cage, face: OpenFace) -> np.ndarray:
    """The vertices of the pit behind the lips."""
    part = face.head(0).vertex_part
    return np.setdiff1d(np.flatnonzero(part == MOUTH), cage.lip_loop)
