"""The z-buffer's loops, compiled by numba; `tfface.geometry.raster` is what calls them."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, inline="always")
def edge_weights(  # type: ignore[no-untyped-def]
    px, py, x0, y0, x1, y1, x2, y2, inverse
):
    w1 = ((px - x0) * (y2 - y0) - (x2 - x0) * (py - y0)) * inverse
    w2 = ((x1 - x0) * (py - y0) - (px - x0) * (y1 - y0)) * inverse
    return 1.0 - w1 - w2, w1, w2


@numba.njit(cache=True, inline="always")
def weights_at(points, triangles, t, px, py):  # type: ignore[no-untyped-def]
    a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
    x0, y0, x1, y1 = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
    x2, y2 = points[c, 0], points[c, 1]
    inverse = 1.0 / ((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0))
    return edge_weights(px, py, x0, y0, x1, y1, x2, y2, inverse)


@numba.njit(cache=True, nogil=True)
def nearest(points, triangles, triangle_id, depth) -> None:  # type: ignore[no-untyped-def]
    height, width = triangle_id.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1 = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
        x2, y2 = points[c, 0], points[c, 1]
        determinant = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if not determinant < 0:
            continue
        left = max(int(np.ceil(min(x0, x1, x2) - 0.5)), 0)
        right = min(int(np.floor(max(x0, x1, x2) - 0.5)), width - 1)
        top = max(int(np.ceil(min(y0, y1, y2) - 0.5)), 0)
        bottom = min(int(np.floor(max(y0, y1, y2) - 0.5)), height - 1)
        inverse = 1.0 / determinant
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                w0, w1, w2 = edge_weights(x + 0.5, y + 0.5, x0, y0, x1, y1, x2, y2, inverse)
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = w0 * points[a, 2] + w1 * points[b, 2] + w2 * points[c, 2]
                if z > depth[y, x]:
                    depth[y, x], triangle_id[y, x] = z, t


@numba.njit(cache=True, nogil=True)
def weigh(points, triangles, triangle_id, barycentric) -> None:  # type: ignore[no-untyped-def]
    for y in range(triangle_id.shape[0]):
        for x in range(triangle_id.shape[1]):
            t = triangle_id[y, x]
            if t >= 0:
                w0, w1, w2 = weights_at(points, triangles, t, x + 0.5, y + 0.5)
                barycentric[y, x, 0], barycentric[y, x, 1], barycentric[y, x, 2] = w0, w1, w2


@numba.njit(cache=True, nogil=True)
def average(points, triangles, triangle_id, attributes, finer, out) -> None:  # type: ignore[no-untyped-def]
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            for y in range(row * finer, (row + 1) * finer):
                for x in range(column * finer, (column + 1) * finer):
                    t = triangle_id[y, x]
                    if t < 0:
                        continue
                    w0, w1, w2 = weights_at(points, triangles, t, x + 0.5, y + 0.5)
                    a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                    for k in range(attributes.shape[1]):
                        value = w0 * attributes[a, k] + w1 * attributes[b, k] + w2 * attributes[c, k]
                        out[row, column, k] += value / (finer * finer)


@numba.njit(cache=True, nogil=True)
def blend(triangle_id, barycentric, triangles, attributes, out) -> None:  # type: ignore[no-untyped-def]
    for y in range(triangle_id.shape[0]):
        for x in range(triangle_id.shape[1]):
            t = triangle_id[y, x]
            if t < 0:
                continue
            for k in range(attributes.shape[1]):
                out[y, x, k] = (
                    barycentric[y, x, 0] * attributes[triangles[t, 0], k]
                    + barycentric[y, x, 1] * attributes[triangles[t, 1], k]
                    + barycentric[y, x, 2] * attributes[triangles[t, 2], k]
                )


@numba.njit(cache=True, nogil=True)
def normals_of(vertices, triangles, sums) -> None:  # type: ignore[no-untyped-def]
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1]
        uz, vx = vertices[b, 2] - vertices[a, 2], vertices[c, 0] - vertices[a, 0]
        vy, vz = vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for i in (a, b, c):
            sums[i, 0] += nx
            sums[i, 1] += ny
            sums[i, 2] += nz
