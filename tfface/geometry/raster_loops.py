"""The z-buffer's loops, compiled by numba; `tfface.geometry.raster` is what calls them."""

from __future__ import annotations

import numpy as np

from tfface.parallel.compiled import compiled

TILE = 8


@compiled(inline="always")
def edge_weights(  # type: ignore[no-untyped-def]
    px, py, x0, y0, x1, y1, x2, y2, inverse
):
    w1 = ((px - x0) * (y2 - y0) - (x2 - x0) * (py - y0)) * inverse
    w2 = ((x1 - x0) * (py - y0) - (px - x0) * (y1 - y0)) * inverse
    return 1.0 - w1 - w2, w1, w2


@compiled(inline="always")
def weights_at(points, triangles, t, px, py):  # type: ignore[no-untyped-def]
    a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
    x0, y0, x1, y1 = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
    x2, y2 = points[c, 0], points[c, 1]
    inverse = 1.0 / ((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0))
    return edge_weights(px, py, x0, y0, x1, y1, x2, y2, inverse)


@compiled(nogil=True)
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


@compiled(nogil=True)
def weigh(points, triangles, triangle_id, barycentric) -> None:  # type: ignore[no-untyped-def]
    for y in range(triangle_id.shape[0]):
        for x in range(triangle_id.shape[1]):
            t = triangle_id[y, x]
            if t >= 0:
                w0, w1, w2 = weights_at(points, triangles, t, x + 0.5, y + 0.5)
                barycentric[y, x, 0], barycentric[y, x, 1], barycentric[y, x, 2] = w0, w1, w2


@compiled(nogil=True)
def rims(triangle_id, depth, first_painted, step):  # type: ignore[no-untyped-def]
    """The pixels that one point says too little of, and those around them: where the mesh ends, where its depth jumps
    by more than `step`, and where a triangle from `first_painted` on is seen. Their numbers `[H,W]`, -1 elsewhere, how
    many they are, and in which tiles of `TILE` pixels a side there are any."""
    height, width = triangle_id.shape
    number = np.full((height, width), -1, np.int32)
    for y in range(height):
        for x in range(width):
            t = triangle_id[y, x]
            rim = t >= first_painted
            for down, right in ((0, 1), (1, 0)):
                if y + down < height and x + right < width:
                    other = triangle_id[y + down, x + right]
                    if (t < 0) != (other < 0) or (t >= 0 and abs(depth[y, x] - depth[y + down, x + right]) > step):
                        rim = True
            if rim:
                number[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = 0
    count, tiles = 0, np.zeros((height // TILE + 1, width // TILE + 1), np.bool_)
    for y in range(height):
        for x in range(width):
            if number[y, x] >= 0:
                number[y, x] = count
                tiles[y // TILE, x // TILE] = True
                count += 1
    return number, count, tiles


@compiled(nogil=True)
def nearest_inside(points, triangles, number, tiles, finer, triangle_id, depth) -> None:  # type: ignore[no-untyped-def]
    """`nearest` at `finer` x `finer` points of each pixel that has a `number`: `[N,finer,finer]`."""
    height, width = number.shape
    part = 1.0 / finer
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1 = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
        x2, y2 = points[c, 0], points[c, 1]
        determinant = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if not determinant < 0:
            continue
        left, right = max(int(np.floor(min(x0, x1, x2))), 0), min(int(np.floor(max(x0, x1, x2))), width - 1)
        top, bottom = max(int(np.floor(min(y0, y1, y2))), 0), min(int(np.floor(max(y0, y1, y2))), height - 1)
        if left > right or top > bottom:
            continue
        near = False
        for y in range(top // TILE, bottom // TILE + 1):
            for x in range(left // TILE, right // TILE + 1):
                near |= tiles[y, x]
        if not near:
            continue
        inverse = 1.0 / determinant
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                n = number[y, x]
                if n < 0:
                    continue
                for row in range(finer):
                    for column in range(finer):
                        px, py = x + (column + 0.5) * part, y + (row + 0.5) * part
                        w0, w1, w2 = edge_weights(px, py, x0, y0, x1, y1, x2, y2, inverse)
                        if w0 < 0 or w1 < 0 or w2 < 0:
                            continue
                        z = w0 * points[a, 2] + w1 * points[b, 2] + w2 * points[c, 2]
                        if z > depth[n, row, column]:
                            depth[n, row, column], triangle_id[n, row, column] = z, t


@compiled(inline="always")
def add_at(points, triangles, t, px, py, attributes, share, out) -> None:  # type: ignore[no-untyped-def]
    w0, w1, w2 = weights_at(points, triangles, t, px, py)
    w0, w1, w2 = share * w0, share * w1, share * w2
    a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
    for j in range(attributes.shape[1]):
        out[j] += w0 * attributes[a, j] + w1 * attributes[b, j] + w2 * attributes[c, j]


@compiled(nogil=True)
def average(  # type: ignore[no-untyped-def]
    points, triangles, triangle_id, number, inside_id, first_painted, attributes, out
) -> None:
    """Attributes at each pixel's middle, or their mean over the points inside where it has a `number`."""
    finer = inside_id.shape[1]
    part, share = 1.0 / finer, 1.0 / (finer * finer)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            n, t = number[y, x], triangle_id[y, x]
            if n < 0:
                if t >= 0:
                    add_at(points, triangles, t, x + 0.5, y + 0.5, attributes, 1.0, out[y, x])
                continue
            for row in range(finer):
                for column in range(finer):
                    t = inside_id[n, row, column]
                    if 0 <= t < first_painted:
                        px, py = x + (column + 0.5) * part, y + (row + 0.5) * part
                        add_at(points, triangles, t, px, py, attributes, share, out[y, x])


@compiled(nogil=True)
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


@compiled(nogil=True)
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
