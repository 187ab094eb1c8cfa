"""The UV chart: the face crop laid onto the whole square without a flipped triangle.

A Tutte embedding with mean-value weights (Floater 2003) of the mean face: the border goes round the square by arc
length from the top centre to the bottom centre, both sides alike; the inside solves a sparse linear system. A few
damped stretch-balancing rounds (after Yoshizawa et al. 2004) then give each part of the face its share of texels, and
the chart is made mirror-symmetric.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as sparse_linalg
from numpy.typing import NDArray

from tfface.face.open_model import Surface
from tfface.geometry.align import MAP_SIZE
from tfface.geometry.cut import border_loops

ROUNDS = 6


def build_chart(surface: Surface, vertices: NDArray[np.float64]) -> NDArray[np.float32]:
    """`uv [V,2]` float32 of a symmetric mean face `[V,3]` in millimetres."""
    triangles = surface.triangles.astype(np.int64)
    loop = _border(triangles, vertices)
    border_uv = _border_uv(loop, vertices)
    importance = _importance(surface, vertices)
    weights = _mean_value_weights(vertices, triangles)
    front = importance[triangles].mean(1) > 0.8
    best: tuple[float, NDArray[np.float64]] | None = None
    for _ in range(ROUNDS):
        uv = _solve(weights, loop, border_uv)
        stretch, area_uv, area_mm = _stretch(uv, vertices, triangles)
        coarsest = float(np.percentile((np.sqrt(area_mm / np.abs(area_uv)) / MAP_SIZE)[front], 95))
        if best is None or coarsest < best[0]:
            best = (coarsest, uv)
        weights = weights @ sp.diags(_balance(stretch, area_mm, importance, triangles))
    assert best is not None
    uv = best[1]
    mirrored = np.c_[1 - uv[surface.mirror, 0], uv[surface.mirror, 1]]
    return ((uv + mirrored) / 2).astype(np.float32)


def signed_uv_areas(uv: NDArray[np.floating], triangles: NDArray[np.integer]) -> NDArray[np.float64]:
    """Signed areas `[F]` of the triangles in the chart; one sign everywhere means that none is flipped."""
    a, b, c = (uv[triangles[:, k]].astype(np.float64) for k in range(3))
    return ((b - a)[:, 0] * (c - a)[:, 1] - (c - a)[:, 0] * (b - a)[:, 1]) / 2


def _border(triangles: NDArray[np.int64], vertices: NDArray[np.float64]) -> NDArray[np.int64]:
    """The border loop, starting at the top centre."""
    order = np.array(border_loops(triangles)[0])
    top = np.argmax(vertices[order, 1] - 1e3 * np.abs(vertices[order, 0]))
    return np.roll(order, -int(top))


def _border_uv(loop: NDArray[np.int64], vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Arc length of each half of the border, mapped onto half of the square's rim."""
    bottom = int(np.argmin(vertices[loop, 1] + 1e3 * np.abs(vertices[loop, 0])))
    length = np.linalg.norm(vertices[np.roll(loop, -1)] - vertices[loop], axis=1)
    along = np.zeros(len(loop))
    along[1 : bottom + 1] = 0.5 * np.cumsum(length[:bottom]) / length[:bottom].sum()
    along[bottom + 1 :] = 0.5 + 0.5 * np.cumsum(length[bottom:-1]) / length[bottom:].sum()
    u, v = _rim(along)
    return np.c_[u if vertices[loop[5], 0] > 0 else 1 - u, v]


def _rim(along: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Once round the unit square from the middle of its top side, clockwise; `along` in [0,1)."""
    corners = np.array([0.0, 0.5, 1.5, 2.5, 3.5, 4.0])
    u = np.interp(4 * along, corners, [0.5, 1, 1, 0, 0, 0.5])
    v = np.interp(4 * along, corners, [0, 0, 1, 1, 0, 0])
    return u, v


def _importance(surface: Surface, vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many texels a vertex's surroundings deserve: ears, neck and mouth pit less than the front."""
    across, height, depth = np.abs(vertices[:, 0]), vertices[:, 1], vertices[:, 2]
    importance = np.where(across > 66, 0.65, 1.0) * np.where(height < 612, 0.5, 1.0) * np.where(depth < 70, 0.7, 1.0)
    importance[surface.vertex_part == 4] = 0.3
    eyes = (surface.vertex_part == 2) | (surface.vertex_part == 3)
    importance[eyes] = np.minimum(importance[eyes], 0.6)
    return importance


def _mean_value_weights(vertices: NDArray[np.float64], triangles: NDArray[np.int64]) -> sp.csr_matrix:
    rows, columns, values = [], [], []
    for k in range(3):
        a, b, c = triangles[:, k], triangles[:, (k + 1) % 3], triangles[:, (k + 2) % 3]
        first, second = vertices[b] - vertices[a], vertices[c] - vertices[a]
        first_length, second_length = np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1)
        cosine = (first * second).sum(1) / (first_length * second_length + 1e-20)
        half = np.tan(np.arccos(np.clip(cosine, -1 + 1e-9, 1 - 1e-9)) / 2)
        rows += [a, a]
        columns += [b, c]
        values += [half / np.maximum(first_length, 1e-6), half / np.maximum(second_length, 1e-6)]
    shape = (len(vertices),) * 2
    return sp.csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape)


def _solve(weights: sp.csr_matrix, loop: NDArray[np.int64], border_uv: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each inner vertex is the weighted mean of its neighbours."""
    count = weights.shape[0]
    normalised = sp.diags(1 / np.asarray(weights.sum(1)).ravel()) @ weights
    laplacian = (sp.eye(count, format="csr") - normalised).tocsr()
    inner = np.setdiff1d(np.arange(count), loop)
    solve: Callable[[NDArray[np.float64]], NDArray[np.float64]] = sparse_linalg.splu(
        laplacian[inner][:, inner].tocsc()
    ).solve
    uv = np.zeros((count, 2))
    uv[loop] = border_uv
    uv[inner] = solve(-(laplacian[inner][:, loop] @ border_uv))
    return uv


def _stretch(
    uv: NDArray[np.float64], vertices: NDArray[np.float64], triangles: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Squared L2 stretch (Sander et al. 2001), signed chart area and surface area of each triangle."""
    a, b, c = uv[triangles[:, 0]], uv[triangles[:, 1]], uv[triangles[:, 2]]
    p, q, r = (vertices[triangles[:, k]] for k in range(3))
    area_uv = signed_uv_areas(uv, triangles)
    double = 2 * np.abs(area_uv)[:, None] + 1e-16
    along_u = p * (b - c)[:, 1:] + q * (c - a)[:, 1:] + r * (a - b)[:, 1:]
    along_v = p * (c - b)[:, :1] + q * (a - c)[:, :1] + r * (b - a)[:, :1]
    stretch = (((along_u / double) ** 2).sum(1) + ((along_v / double) ** 2).sum(1)) / 2
    return stretch, area_uv, np.linalg.norm(np.cross(q - p, r - p), axis=1) / 2


def _balance(
    stretch: NDArray[np.float64],
    area: NDArray[np.float64],
    importance: NDArray[np.float64],
    triangles: NDArray[np.int64],
) -> NDArray[np.float64]:
    """A factor per vertex that draws texels to where the surface is stretched, by the square root of the stretch."""
    share = area * importance[triangles].mean(1)
    above, below = np.zeros(len(importance)), np.zeros(len(importance))
    for k in range(3):
        np.add.at(above, triangles[:, k], share * stretch)
        np.add.at(below, triangles[:, k], share)
    local = np.sqrt(above / np.maximum(below, 1e-12)) * importance
    return 1 / np.sqrt(np.clip(local / np.median(local), 0.05, 20))
