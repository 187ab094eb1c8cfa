"""An exact z-buffer for NumPy arrays.

For pictures, UV tables and synthetic faces, where no gradient is needed. Points are `[V,3]` (u right, v down, both in
pixels with centres at +0.5; z larger is nearer). A triangle is seen when it winds counter-clockwise as the camera
sees it, which is clockwise in image coordinates; triangles that turn their back are left out.

Loops compiled by numba are ten times as fast as NumPy, but numba itself takes most of a second and 70 MB to load. So
the first of the work is done by NumPy, and numba is loaded when it would have paid: a photograph does not wait for it,
and a thousand do not wait without it. Both give the same numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.integer]
Paint = Callable[[IntArray, FloatArray], FloatArray]
WORTH_LOADING = 6_000_000
"""Triangles, vertices and pixels: NumPy takes as long for so many as loading numba does."""
RIM_STEP = 4.0
"""In pixels: depths of neighbours that differ by more are of a silhouette, or of a surface that turns away."""
NO_TRIANGLE = 2**31 - 1
_AT_ONCE = 1 << 18
"""Pixels that NumPy looks at together."""
_done = 0


def _loops(work: int) -> ModuleType | None:
    """The compiled loops, once they pay; None until then."""
    global _done
    _done += work
    if _done > WORTH_LOADING or "numba" in sys.modules:
        from tfface.geometry import raster_loops

        return raster_loops
    return None


def rasterize(
    points: FloatArray, triangles: IntArray, height: int, width: int
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Which triangle each pixel sees.

    Args:
        points: `[V,3]` u, v in pixels and z, larger is nearer.
        triangles: `[F,3]` vertex indices, counter-clockwise from outside.
        height, width: size of the picture in pixels.

    Returns:
        triangle_id `[H,W]` int32 (-1 where there is none), barycentric `[H,W,3]`, depth `[H,W]` (-inf where none).
    """
    triangle_id = np.full((height, width), -1, np.int32)
    barycentric = np.zeros((height, width, 3), np.float32)
    depth = np.full((height, width), -np.inf, np.float32)
    loops = _loops(len(triangles) + 2 * height * width)
    points = np.ascontiguousarray(points)
    if loops is None:
        _fill(points, triangles, triangle_id, barycentric, depth)
    else:
        loops.nearest(points, triangles, triangle_id, depth)
        loops.weigh(points, triangles, triangle_id, barycentric)
    return triangle_id, barycentric, depth


def depth_of(points: FloatArray, triangles: IntArray, height: int, width: int) -> NDArray[np.float32]:
    """The depth `[H,W]` of what each pixel sees, as `rasterize` gives it, alone."""
    loops = _loops(len(triangles) + height * width)
    points, depth = np.ascontiguousarray(points), np.full((height, width), -np.inf, np.float32)
    seen = np.empty((height, width), np.int32)
    if loops is None:
        _fill(points, triangles, seen, np.empty((height, width, 3), np.float32), depth)
    else:
        loops.nearest(points, triangles, seen, depth)
    return depth


def _fill(
    points: FloatArray,
    triangles: IntArray,
    triangle_id: NDArray[np.int32],
    barycentric: NDArray[np.float32],
    depth: NDArray[np.float32],
) -> None:
    """`raster_loops.nearest` and `weigh`: all pixels of all triangles' boxes, some at a time."""
    height, width = triangle_id.shape
    ids, weights, nearest = triangle_id.reshape(-1), barycentric.reshape(-1, 3), depth.reshape(-1)
    x0, y0, x1, y1, x2, y2 = (points[triangles[:, corner], axis] for corner in range(3) for axis in range(2))
    with np.errstate(invalid="ignore"):
        shown = np.flatnonzero((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0) < 0)
    x0, y0, x1, y1, x2, y2 = (part[shown] for part in (x0, y0, x1, y1, x2, y2))
    inverse = 1.0 / np.asarray((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0), np.float64)
    z0, z1, z2 = points[triangles[shown], 2].T
    for which, u, v in _boxes(np.stack([x0, x1, x2]), np.stack([y0, y1, y2]), height, width):
        left, top, scale = x0[which], y0[which], inverse[which]
        px, py = (u + 0.5) - left, (v + 0.5) - top
        w1 = (px * (y2[which] - top) - (x2[which] - left) * py) * scale
        w2 = ((x1[which] - left) * py - px * (y1[which] - top)) * scale
        w0 = 1.0 - w1 - w2
        inside = np.flatnonzero((w0 >= 0) & (w1 >= 0) & (w2 >= 0))
        which, place = which[inside], (v * width + u)[inside]
        own = np.stack([w0[inside], w1[inside], w2[inside]], -1)
        z = (own[:, 0] * z0[which] + own[:, 1] * z1[which] + own[:, 2] * z2[which]).astype(np.float32)
        before = nearest[place]
        np.maximum.at(nearest, place, z)
        seen = np.flatnonzero((z == nearest[place]) & (z > before))[::-1]  # of some as near as each other the first is
        ids[place[seen]], weights[place[seen]] = shown[which[seen]], own[seen]


def _boxes(
    us: FloatArray, vs: FloatArray, height: int, width: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """The pixels in the boxes of triangles with corners `[3,F]`: each one's triangle, column and row."""
    left, top = (np.maximum(np.ceil(part.min(0) - 0.5), 0).astype(np.int64) for part in (us, vs))
    right, bottom = (
        np.minimum(np.floor(part.max(0) - 0.5), size - 1).astype(np.int64) for part, size in ((us, width), (vs, height))
    )
    wide, high = np.maximum(right - left + 1, 0), np.maximum(bottom - top + 1, 0)
    filled = np.flatnonzero(wide * high)
    left, top, wide = left[filled], top[filled], wide[filled]
    ends = np.cumsum(wide * high[filled])
    first = 0
    while first < len(ends):
        before = ends[first - 1] if first else 0
        last = max(int(np.searchsorted(ends, before + _AT_ONCE, side="right")), first + 1)
        count = np.diff(ends[first:last], prepend=before)
        owner = np.repeat(np.arange(first, last), count)
        place = np.arange(before, ends[last - 1]) - np.repeat(ends[first:last] - count, count)
        row = place // wide[owner]
        yield filled[owner], left[owner] + place - row * wide[owner], top[owner] + row
        first = last


def interpolate(
    triangle_id: IntArray, barycentric: FloatArray, triangles: IntArray, attributes: FloatArray
) -> NDArray[np.float32]:
    """Attributes `[V,C]` interpolated over the pixels of `rasterize`: `[H,W,C]` float32, 0 where there is none."""
    out = np.zeros((*triangle_id.shape, attributes.shape[1]), np.float32)
    loops = _loops(triangle_id.size)
    if loops is not None:
        loops.blend(triangle_id, barycentric, triangles, np.ascontiguousarray(attributes), out)
        return out
    seen = triangle_id >= 0
    corners, weights = triangles[triangle_id[seen]], barycentric[seen]
    out[seen] = sum(weights[:, k, None] * attributes[corners[:, k]] for k in range(3))
    return out


def averaged(
    points: FloatArray,
    triangles: IntArray,
    attributes: FloatArray,
    height: int,
    width: int,
    finer: int,
    paint: Paint | None = None,
    first_painted: int = NO_TRIANGLE,
) -> NDArray[np.float32]:
    """Attributes `[V,C]` as the mesh shows them in a picture `[H,W,C]`, times how much of each pixel the mesh takes.

    The mean over `finer` x `finer` points of each pixel. The compiled loops look at that many where the mesh ends or
    its depth jumps; elsewhere attributes change smoothly, and the pixel's middle has their mean.

    Args:
        points: `[V,3]` as `rasterize` has them, in pixels of the picture itself.
        paint: gives the attributes `[N,C]` of points of triangles from `first_painted` on, by triangle `[N]` and
            weights of its corners `[N,3]`; theirs are not interpolated then.
    """
    loops = _loops(len(triangles) + 3 * height * width * finer**2)
    triangles, points = np.ascontiguousarray(triangles), np.ascontiguousarray(points, np.float32)
    if loops is None:
        seen, weights, _ = rasterize(points * np.float32(finer), triangles, height * finer, width * finer)
        drawn = interpolate(seen, weights, triangles, attributes)
        painted = seen >= first_painted
        if paint is not None and painted.any():
            drawn[painted] = paint(seen[painted], weights[painted])
        parts = [drawn[row::finer, column::finer] for row in range(finer) for column in range(finer)]
        return np.asarray(sum(parts) / np.float32(finer**2), np.float32)
    seen, depth = np.full((height, width), -1, np.int32), np.full((height, width), -np.inf, np.float32)
    loops.nearest(points, triangles, seen, depth)
    number, count, tiles = loops.rims(seen, depth, first_painted, RIM_STEP)
    inside = np.full((count, finer, finer), -1, np.int32)
    loops.nearest_inside(points, triangles, number, tiles, finer, inside, np.full(inside.shape, -np.inf, np.float32))
    out = np.zeros((height, width, attributes.shape[1]), np.float32)
    values = np.ascontiguousarray(attributes, np.float32)
    loops.average(points, triangles, seen, number, inside, first_painted, values, out)
    if paint is not None:
        _add_painted(out, points, triangles, number, inside, paint, first_painted)
    return out


def _add_painted(
    out: NDArray[np.float32],
    points: NDArray[np.float32],
    triangles: IntArray,
    number: NDArray[np.int32],
    inside: NDArray[np.int32],
    paint: Paint,
    first_painted: int,
) -> None:
    """Adds what is painted at points inside pixels `[N,finer,finer]` to the picture `[H,W,C]`."""
    which, down, right = np.nonzero(inside >= first_painted)
    if not len(which):
        return
    finer = inside.shape[1]
    row, column = (part[which] for part in np.nonzero(number >= 0))
    seen = inside[which, down, right]
    (x0, y0), (x1, y1), (x2, y2) = (points[triangles[seen, corner], :2].T.astype(np.float64) for corner in range(3))
    u, v = column + (right + 0.5) / finer - x0, row + (down + 0.5) / finer - y0
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    second, third = (u * (y2 - y0) - (x2 - x0) * v) / area, ((x1 - x0) * v - u * (y1 - y0)) / area
    weights = np.stack([1 - second - third, second, third], axis=-1)
    np.add.at(out, (row, column), paint(seen, weights.astype(np.float32)) / np.float32(finer**2))


def vertex_normals(vertices: FloatArray, triangles: IntArray) -> NDArray[np.float32]:
    """Unit normals `[V,3]` float32, area-weighted over the triangles `[F,3]` round each of `vertices` `[V,3]`."""
    points, sums = np.ascontiguousarray(vertices, np.float64), np.zeros(vertices.shape)
    loops = _loops(len(triangles))
    if loops is not None:
        loops.normals_of(points, triangles, sums)
    else:
        corners, which = points[triangles], triangles.ravel()
        (ux, uy, uz), (vx, vy, vz) = ((corners[:, k] - corners[:, 0]).T for k in (1, 2))
        for axis, part in enumerate((uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)):
            sums[:, axis] = np.bincount(which, np.repeat(part, 3), len(sums))
    length = np.sqrt(np.einsum("vi,vi->v", sums, sums))  # a fifth of norm's time
    return np.asarray(sums / (length[:, None] + 1e-30), np.float32)


def vertex_tangents(
    vertices: FloatArray, triangles: IntArray, uv: FloatArray, normals: FloatArray
) -> NDArray[np.float32]:
    """Unit tangents `[V,4]` float32 as glTF has them: along +u, at right angles to `normals` `[V,3]`, and the sign that
    makes `cross(normal, tangent) * sign` point up in the picture (to smaller v).

    Args:
        vertices: `[V,3]`; triangles: `[F,3]`; uv: `[V,2]` origin top-left.
    """
    corners, places = vertices[triangles].astype(np.float64), uv[triangles].astype(np.float64)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    (u1, v1), (u2, v2) = ((places[:, k] - places[:, 0]).T for k in (1, 2))
    turn = np.sign(u1 * v2 - u2 * v1)[:, None]
    right = (first * v2[:, None] - second * v1[:, None]) * turn
    up = (first * u2[:, None] - second * u1[:, None]) * turn
    which = triangles.ravel()
    summed = [np.stack([np.bincount(which, np.repeat(c, 3), len(uv)) for c in part.T], axis=1) for part in (right, up)]
    tangent = summed[0] - normals * np.sum(summed[0] * normals, axis=1, keepdims=True)
    lone = np.linalg.norm(tangent, axis=1) < 1e-12  # on no triangle: anything at right angles will do
    tangent[lone] = np.cross(normals[lone], np.eye(3)[np.abs(normals[lone]).argmin(axis=1)])
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    sign = np.where(np.sum(np.cross(normals, tangent) * summed[1], axis=1) < 0, -1.0, 1.0)
    return np.concatenate([tangent, sign[:, None]], axis=1).astype(np.float32)
