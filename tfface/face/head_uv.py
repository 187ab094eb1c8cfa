"""A chart of the whole head: the face's own in the middle of a square, the rest of skull and neck in a frame round it.

The face's chart fills a square, so what is left of the head is a ring between that square and the neck's border. It is
laid out by averaging (Tutte 1963) in the two coordinates of a ring: how far out, and which way from the middle. So the
cage is laid out; where its quads fold, at the square's corners, they are unfolded. Finer levels lie within the cage's
quads, so that every level has the same colours at the same places.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tfface.face.open_model import MAX_LEVEL, OpenFace
from tfface.geometry.cut import edges_of
from tfface.io.kept import kept

FloatArray = NDArray[np.floating]
FRAME = 0.14
"""Of the square's side: as wide is the ring on each side of the face's chart."""

ON_LINE_MM = 1e-2
CROWN = 0.6
"""Averaging alone crowds the crown at the inner border of the ring; this power of the way outwards spreads it."""
LEAST_CORNER, FOLD_COST = 0.25, 1e-2
"""Of the usual corner's area: no quad of the ring shall have a smaller one; and what the lack of one costs, where an
edge that moves by the square's side costs 1."""


@lru_cache(maxsize=2)
def head_uv(face: OpenFace) -> NDArray[np.float32]:
    """`[V,2]` places of `face.head(2)`'s vertices, origin top-left; lower levels' are the first rows; read-only."""
    result = np.asarray(kept("head_uv", face.checksum, lambda: (_head_uv(face),))[0], np.float32)
    result.setflags(write=False)
    return result


def _head_uv(face: OpenFace) -> NDArray[np.float32]:
    crop = crop_in_head(face)
    own = np.full((len(face.head(MAX_LEVEL).vertex_part), 2), np.nan)
    own[crop] = from_face_chart(face.face(MAX_LEVEL).uv)
    uv = _cage_uv(face, own[: len(face.mean)])
    for level in range(MAX_LEVEL):
        quads = face.head(level).quads
        ends = np.take(uv, undirected(quads), axis=0).mean(1)
        corners = np.where(quads[..., None] >= 0, uv[quads], np.nan)
        uv = np.concatenate([uv, ends, np.nanmean(corners, axis=1)])
        known = own[: len(uv)]
        uv = np.where(np.isnan(known), uv, known)
    return uv.astype(np.float32)


def _cage_uv(face: OpenFace, known: FloatArray) -> NDArray[np.float64]:
    """Places `[C,2]` of the cage's points, of which those of the crop are `known` `[C,2]`, the others NaN."""
    quads, points = face.head(0).quads, np.asarray(face.mean, np.float64)
    edges, uv = edges_of(quads), np.array(known)
    neck = border_of(edges)
    middle = points[neck].mean(0)
    uv[neck] = on_square(np.arctan2(points[neck, 0] - middle[0], points[neck, 2] - middle[2]), np.ones(len(neck)))
    free = np.isnan(uv[:, 0])
    outwards = np.abs(2 * uv - 1).max(1)
    angle = np.abs(np.arctan2(uv[:, 0] - 0.5, uv[:, 1] - 0.5))  # 0 below, pi above; the same on both sides
    on_line = free & (np.abs(points[:, 0]) < ON_LINE_MM)
    angle[on_line] = np.where(points[on_line, 2] > middle[2], 0.0, np.pi)  # the throat, crown and nape
    angle[on_line & (points[:, 1] > face.centre[1])] = np.pi
    share = (averaged(edges, outwards) - (1 - 2 * FRAME)) / (2 * FRAME)
    outwards = (1 - 2 * FRAME) + 2 * FRAME * np.clip(share, 0, 1) ** CROWN
    angle = averaged(edges, angle)
    uv[free] = on_square(np.copysign(angle, points[:, 0]), outwards)[free]
    ring = np.setdiff1d(np.arange(len(quads)), face.crop_quads)
    unfolded = _unfolded(uv, quads[ring], np.flatnonzero(free))
    return np.where(free[:, None], (unfolded + [1, 0] + unfolded[face.head(0).mirror] * [-1, 1]) / 2, uv)


def _unfolded(uv: FloatArray, quads: NDArray[np.integer], free: NDArray[np.int64]) -> NDArray[np.float64]:
    """The places `[C,2]` with those of `free` moved until no quad `[Q,4]` is folded, or hardly any, and edges are
    as they were as far as they can be."""
    from scipy.optimize import minimize

    edges = np.unique(np.sort(edges_of(quads), axis=1), axis=0)
    corner, after, before = (np.roll(quads, shift, axis=1).ravel() for shift in (0, -1, 1))
    turn = np.sign(np.median(_cross(uv[after] - uv[corner], uv[before] - uv[corner])))
    least = LEAST_CORNER * np.median(turn * _cross(uv[after] - uv[corner], uv[before] - uv[corner]))
    rows = np.concatenate([edges[:, 0], edges[:, 1], after, before, corner])

    def cost(moved: FloatArray) -> tuple[float, FloatArray]:
        now = np.array(uv)
        now[free] = moved.reshape(-1, 2)
        apart = (now - uv)[edges[:, 0]] - (now - uv)[edges[:, 1]]
        one, other = now[after] - now[corner], now[before] - now[corner]
        short = np.maximum(1 - turn * _cross(one, other) / least, 0)
        pull = (-2 * FOLD_COST * turn / least) * short[:, None]
        by_one, by_other = pull * other[:, ::-1] * [1, -1], pull * one[:, ::-1] * [-1, 1]
        slopes = np.concatenate([2 * apart, -2 * apart, by_one, by_other, -by_one - by_other])
        gradient = np.stack([np.bincount(rows, slopes[:, k], len(uv)) for k in range(2)], 1)
        value = float(np.square(apart).sum() + FOLD_COST * np.square(short).sum())
        return value, np.asarray(gradient[free].ravel(), np.float64)

    result = np.array(uv, np.float64)
    found = minimize(cost, uv[free].ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    result[free] = found.x.reshape(-1, 2)
    return result


def _cross(one: FloatArray, other: FloatArray) -> FloatArray:
    return np.asarray(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])


def averaged(edges: NDArray[np.int64], values: FloatArray) -> NDArray[np.float64]:
    """The values `[V]` with each that is NaN made the mean of its neighbours'."""
    from scipy.sparse.linalg import spsolve

    size, free = len(values), np.isnan(values)
    both = np.concatenate([edges, edges[:, ::-1]])
    links = sp.csr_matrix((np.ones(len(both)), tuple(both.T)), shape=(size, size))
    links.data[:] = 1.0
    laplace = (sp.diags(np.asarray(links.sum(1)).ravel()) - links).tocsr()[free]
    result = np.array(values, np.float64)
    result[free] = spsolve(laplace[:, free].tocsc(), -(laplace[:, ~free] @ result[~free]))
    return result


@lru_cache(maxsize=2)
def crop_in_head(face: OpenFace) -> NDArray[np.int64]:
    """For each vertex of `face.face(2)` the vertex of `face.head(2)` that is the same corner, edge or quad of the cage.

    Along the crop's border the two lie apart: there subdivision sees a border in one, and none in the other.
    """
    return np.asarray(kept("crop_in_head", face.checksum, lambda: (_crop_in_head(face),))[0], np.int64)


def _crop_in_head(face: OpenFace) -> NDArray[np.int64]:
    small, large = ([each(level).quads for level in range(MAX_LEVEL)] for each in (face.face, face.head))
    return refined_numbers(small, large, face.face_cage, face.crop_quads)


def refined_numbers(
    smalls: Sequence[NDArray[np.integer]],
    larges: Sequence[NDArray[np.integer]],
    numbers: NDArray[np.integer],
    quads: NDArray[np.integer],
) -> NDArray[np.int64]:
    """Which vertex of a larger mesh each of a smaller one that is part of it is after subdivision.

    Args:
        smalls, larges: the quads of both meshes before each step.
        numbers: of the coarsest mesh's vertices in the larger one's; quads: of its quads.
    """
    numbers = np.asarray(numbers, np.int64)
    for small, large in zip(smalls, larges, strict=True):
        own, all_edges = undirected(small), undirected(large)
        size = int(all_edges.max()) + 1
        edge = np.searchsorted(all_edges @ [size, 1], np.sort(numbers[own], axis=1) @ [size, 1])
        count = (large >= 0).sum(1)
        first = np.cumsum(count) - count
        numbers = np.concatenate([numbers, size + edge, size + len(all_edges) + quads])
        quads = np.concatenate([np.arange(first[quad], first[quad] + count[quad]) for quad in quads])
    return np.asarray(numbers, np.int64)


def undirected(quads: NDArray[np.integer]) -> NDArray[np.int64]:
    """`[E,2]` edges in the order in which subdivision makes their points."""
    return np.unique(np.sort(edges_of(quads), axis=1), axis=0)


def from_face_chart(uv: FloatArray) -> NDArray[np.float64]:
    """Where places of the face's chart lie in the head's."""
    return FRAME + (1 - 2 * FRAME) * np.asarray(uv, np.float64)


def to_face_chart(uv: FloatArray) -> NDArray[np.float64]:
    """The way back; what lies outside [0,1] is not of the face's chart."""
    return (np.asarray(uv, np.float64) - FRAME) / (1 - 2 * FRAME)


def border_of(edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """The vertices of edges that have a face on one side only."""
    size = int(edges.max()) + 1
    return np.unique(edges[~np.isin(edges @ [size, 1], edges[:, ::-1] @ [size, 1])])


def on_square(angle: FloatArray, outwards: FloatArray) -> NDArray[np.float64]:
    """Places in the square: `angle` from below towards the right, `outwards` 0 in the middle and 1 on its border."""
    direction = np.stack([np.sin(angle), np.cos(angle)], -1)
    return np.asarray(0.5 + 0.5 * outwards[:, None] * direction / np.abs(direction).max(-1, keepdims=True))
