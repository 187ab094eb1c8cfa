"""Meshes cut along a smooth curve: where a function of the surface is zero, whatever its quads look like there.

The border's vertices are blends of two old ones, so the cut mesh is a linear function of the old one's vertices, and
one cut serves every shape of a linear model.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
NEAREST = 0.03
"""Border vertices stay this part of an edge away from old ones, so that no triangle is nearly a line."""


class Cut(NamedTuple):
    """What is left of a mesh.

    Attributes:
        matrix: sparse `[N,V]`: new vertices = matrix @ old ones.
        quads: `[P,4]` int32, -1 ends a triangle; quads away from the cut stay as they were.
        parent: `[P]` the old quad of each.
        border: `[B]` the new vertices that lie on the curve.
    """

    matrix: sp.csr_matrix
    quads: NDArray[np.int32]
    parent: NDArray[np.int64]
    border: NDArray[np.int64]


def only_largest_removed(values: FloatArray, quads: NDArray[np.integer]) -> NDArray[np.float64]:
    """The function `[V]` with only its largest connected negative piece left negative; the other pieces are kept.

    A plane behind the ears meets the ears' own rims too: those should stay.
    """
    edges = edges_of(quads)
    from scipy.sparse.csgraph import connected_components

    below = values < 0
    inside = edges[below[edges].all(1)]
    graph = sp.coo_matrix((np.ones(len(inside)), tuple(inside.T)), shape=(len(values), len(values)))
    label = connected_components(graph, directed=False)[1]
    island = below & (label != np.bincount(label[below], minlength=1).argmax())
    return np.where(island, 1e-3, values).astype(np.float64)


def soft_minimum(first: FloatArray, second: FloatArray, blend: float) -> NDArray[np.float64]:
    """The smaller of both functions, rounded where they differ by less than `blend`: their curves meet in no corner."""
    overlap = np.maximum(1 - np.abs(first - second) / blend, 0)
    return np.asarray(np.minimum(first, second) - overlap**2 * blend / 4, np.float64)


def edges_of(quads: NDArray[np.integer]) -> NDArray[np.int64]:
    """`[E,2]` the directed edges of faces `[Q,4]` (-1 ends a triangle)."""
    after = np.roll(quads, -1, axis=1)
    short = quads[:, 3] < 0
    after[short, 2] = quads[short, 0]
    return np.stack([quads, after], -1)[quads >= 0].astype(np.int64)


def cut(quads: NDArray[np.integer], values: FloatArray) -> Cut:
    """The part of a mesh where `values` `[V]` is not negative; `quads` `[Q,4]`, -1 ends a triangle."""
    inside = (values[quads] >= 0) | (quads < 0)
    some = ((values[quads] >= 0) & (quads >= 0)).any(1)
    uncut = inside.all(1)
    faces, parent = quads[uncut].tolist(), np.flatnonzero(uncut).tolist()
    crossings: dict[tuple[int, int], int] = {}
    for index in np.flatnonzero(some & ~uncut).tolist():
        for face in _in_quads(_clip([corner for corner in quads[index].tolist() if corner >= 0], values, crossings)):
            faces.append(face)
            parent.append(index)
    return _numbered(np.array(faces, np.int64), np.array(parent, np.int64), values, crossings)


def _clip(corners: list[int], values: FloatArray, crossings: dict[tuple[int, int], int]) -> list[int]:
    """The polygon's part inside; the k-th crossing that was ever met is called V + k."""
    polygon = []
    for here, there in zip(corners, corners[1:] + corners[:1], strict=True):
        if values[here] >= 0:
            polygon.append(here)
        if (values[here] >= 0) != (values[there] >= 0):
            edge = (min(here, there), max(here, there))
            polygon.append(len(values) + crossings.setdefault(edge, len(crossings)))
    return polygon


def _in_quads(polygon: list[int]) -> list[list[int]]:
    """A polygon of three to six corners as quads and triangles, a fan round its first corner."""
    starts = range(1, len(polygon) - 1, 2)
    return [[polygon[0], *polygon[start : start + 3], -1][:4] for start in starts]


def _numbered(
    faces: NDArray[np.int64], parent: NDArray[np.int64], values: FloatArray, crossings: dict[tuple[int, int], int]
) -> Cut:
    count = len(values)
    ends = np.array(list(crossings), np.int64).reshape(-1, 2)
    low, high = np.abs(values[ends]).T
    share = np.clip(low / np.maximum(low + high, 1e-30), NEAREST, 1 - NEAREST)
    rows = np.repeat(np.arange(len(ends)), 2)
    blend = sp.csr_matrix((np.stack([1 - share, share], 1).ravel(), (rows, ends.ravel())), shape=(len(ends), count))
    used = np.unique(faces[faces >= 0])
    numbers = np.full(count + len(ends) + 1, -1, np.int32)  # the last entry keeps -1
    numbers[used] = np.arange(len(used))
    matrix = sp.vstack([sp.identity(count, format="csr"), blend]).tocsr()[used]
    return Cut(matrix, numbers[faces], parent, np.flatnonzero(used >= count))


def border_loops(faces: NDArray[np.integer]) -> list[list[int]]:
    """The closed borders of faces `[F,3 or 4]` (no -1), each a list of vertices in the faces' own direction."""
    sides = faces.shape[1]
    edges = np.concatenate([faces[:, [i, (i + 1) % sides]] for i in range(sides)]).astype(np.int64)
    key = edges.min(1) * (edges.max() + 1) + edges.max(1)
    _, inverse, count = np.unique(key, return_inverse=True, return_counts=True)
    following: dict[int, int] = dict(edges[count[inverse] == 1].tolist())
    loops: list[list[int]] = []
    seen: set[int] = set()
    for start in following:
        loop: list[int] = []
        vertex = start
        while vertex in following and vertex not in seen:
            seen.add(vertex)
            loop.append(vertex)
            vertex = following[vertex]
        if loop:
            loops.append(loop)
    return loops
