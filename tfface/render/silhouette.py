"""Antialiasing along silhouettes, which gives a picture its gradient there.

Where depth jumps between two neighbouring pixels, the nearer surface ends somewhere between their centres. From the
nearer pixel's triangle the mesh is walked towards the farther pixel, triangle by triangle, up to the edge where the
surface ends or folds back. If that edge crosses the line between the centres at a share x of the way (0 at the first
pixel's centre), the border between the two pixels' squares lies at 0.5, so the second pixel's colour covers 0.5 - x of
the first pixel, or the first one's x - 0.5 of the second. x is differentiable in the two vertices of the edge.

The idea is nvdiffrast's (Laine et al. 2020); the walk is what dense meshes need, whose visible triangle seldom owns the
silhouette's edge. An edge counts for the pairs that it crosses more steeply than it runs along, so that no piece of the
silhouette is counted along both axes. Against supersampled finite differences the gradient is off by 1 to 2 %.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfface.render.framebuffer import Framebuffer

MAX_STEPS = 24  # triangles walked between two neighbouring pixels
_FAR = 1e30
_NEAR_W = 1e-6


class Pairs(NamedTuple):
    """Neighbouring pixels with a jump of depth: `[B,K]` each, K the same for every picture."""

    valid: tf.Tensor
    vertical: tf.Tensor  # the second pixel lies below the first, else to its right
    first: tf.Tensor  # index into the picture's pixels
    second: tf.Tensor
    along: tf.Tensor  # the first pixel's centre on the axis of the pair
    across: tf.Tensor  # and on the other one


class Edges(NamedTuple):
    """The mesh edge that ends the nearer surface between the pixels of a pair."""

    found: tf.Tensor  # [B,K]
    start: tf.Tensor  # [B,K] vertex index
    end: tf.Tensor


def edge_neighbours(triangles: NDArray[np.integer]) -> NDArray[np.int32]:
    """The triangle `[T,3]` across the edge opposite to each corner; -1 at borders and where three or more meet."""
    edges = np.stack([triangles[:, [1, 2]], triangles[:, [2, 0]], triangles[:, [0, 1]]], axis=1).reshape(-1, 2)
    edges = np.sort(edges, axis=1).astype(np.int64)
    keys = edges[:, 0] * (int(triangles.max()) + 1) + edges[:, 1]
    order = np.argsort(keys, kind="stable")
    _, starts, counts = np.unique(keys[order], return_index=True, return_counts=True)
    first, second = order[starts[counts == 2]], order[starts[counts == 2] + 1]
    neighbours = np.full(len(keys), -1, np.int32)
    neighbours[first], neighbours[second] = second // 3, first // 3
    return neighbours.reshape(-1, 3)


def _rows(values: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """`values[b, index[b]]` for values `[B,N,...]` and indices `[B,...]`, as one gather over the flattened batch."""
    count = tf.shape(values)[1]
    offset = tf.reshape(tf.range(tf.shape(values)[0]) * count, [-1] + [1] * (index.shape.rank - 1))
    return tf.gather(tf.reshape(values, tf.concat([[-1], tf.shape(values)[2:]], axis=0)), index + offset)


def screen_points(points: tf.Tensor) -> tf.Tensor:
    """Pixels `[B,V,2]` (u, v) of homogeneous pixels `[B,V,4]`; points behind the camera give no sensible number."""
    weight = points[..., 3:]
    return points[..., :2] / tf.where(weight > _NEAR_W, weight, 1.0)


def _jumps(depth: tf.Tensor, least: tf.Tensor) -> tf.Tensor:
    """Which pairs `[B, 2*H*W]` (all to the right, then all downwards) differ by more than `least` `[B]` in depth."""
    least = tf.reshape(least, [-1, 1, 1])
    right = tf.pad(tf.abs(depth[:, :, 1:] - depth[:, :, :-1]) > least, [[0, 0], [0, 0], [0, 1]])
    down = tf.pad(tf.abs(depth[:, 1:] - depth[:, :-1]) > least, [[0, 0], [0, 1], [0, 0]])
    size = depth.shape[1] * depth.shape[2]
    return tf.concat([tf.reshape(right, [-1, size]), tf.reshape(down, [-1, size])], axis=1)


def find_pairs(depth: tf.Tensor, least: tf.Tensor, capacity: int) -> Pairs:
    """The first `capacity` pairs of neighbouring pixels of depth `[B,H,W]` that differ by more than `least` (`[B]`)."""
    height, width = depth.shape[1:]
    size = height * width
    jumps = _jumps(depth, least)
    batch = tf.shape(jumps)[0]
    order = tf.cumsum(tf.cast(jumps, tf.int32), axis=1)
    slots = order - 1 + (tf.range(batch) * capacity)[:, None]
    slots = tf.where(jumps & (order <= capacity), slots, -1)
    index = tf.broadcast_to(tf.range(2 * size), tf.shape(jumps))
    pair = tf.math.unsorted_segment_max(tf.reshape(index, [-1]), tf.reshape(slots, [-1]), batch * capacity)
    pair = tf.reshape(pair, [-1, capacity])
    valid, pair = pair >= 0, tf.maximum(pair, 0)
    vertical = pair >= size
    first = tf.where(vertical, pair - size, pair)
    second = tf.minimum(first + tf.where(vertical, width, 1), size - 1)
    row, column = (tf.cast(x, tf.float32) + 0.5 for x in (first // width, first % width))
    return Pairs(valid, vertical, first, second, tf.where(vertical, row, column), tf.where(vertical, column, row))


def _pair_axes(pairs: Pairs, points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Coordinates of screen points `[B,K,n,2]` along and across the pair, the first pixel's centre at 0."""
    vertical = pairs.vertical[..., None]
    along = tf.where(vertical, points[..., 1], points[..., 0]) - pairs.along[..., None]
    across = tf.where(vertical, points[..., 0], points[..., 1]) - pairs.across[..., None]
    return along, across


def _facing(screen: tf.Tensor, triangles: tf.Tensor) -> tf.Tensor:
    """Whether triangles `[B,T]` turn clockwise in the picture."""
    a, b, c = (tf.gather(screen, triangles[:, k], axis=1) for k in range(3))
    return (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) > (c[..., 0] - a[..., 0]) * (b[..., 1] - a[..., 1])


def _exit(along: tf.Tensor, across: tf.Tensor, entered: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the line across = 0 leaves triangles `[B,K,3]`: how far along (-1e30: it misses), by which edge.

    Not by the edges `entered` through `[B,K,3]`: of a triangle seen edge-on, entry and exit coincide.
    """
    best, side = tf.fill(tf.shape(along)[:2], -_FAR), tf.zeros(tf.shape(along)[:2], tf.int32)
    for k, (i, j) in enumerate(((1, 2), (2, 0), (0, 1))):
        crosses = (across[..., i] > 0) != (across[..., j] > 0)
        span = tf.where(crosses, across[..., j] - across[..., i], 1.0)
        at = (along[..., i] * across[..., j] - along[..., j] * across[..., i]) / span
        farther = crosses & (at > best) & ~entered[..., k]
        best, side = tf.where(farther, at, best), tf.where(farther, k, side)
    return best, side


def find_edges(
    pairs: Pairs,
    screen: tf.Tensor,
    depth: tf.Tensor,
    triangle_id: tf.Tensor,
    triangles: tf.Tensor,
    neighbours: tf.Tensor,
) -> Edges:
    """Walk from each pair's nearer pixel towards the farther one, up to the edge where the surface ends or folds.

    Args:
        pairs: from `find_pairs`.
        screen: `[B,V,2]` vertices in pixels.
        depth: `[B,H*W]`, triangle_id `[B,H*W]`: of the picture.
        triangles: `[T,3]`, neighbours `[T,3]` from `edge_neighbours`.
    """
    facing = tf.cast(_facing(screen, triangles), tf.int32)
    from_first = _rows(depth, pairs.first) < _rows(depth, pairs.second)
    origin, direction = tf.where(from_first, 0.0, 1.0)[..., None], tf.where(from_first, 1.0, -1.0)[..., None]
    triangle = _rows(triangle_id, tf.where(from_first, pairs.first, pairs.second))
    side_seen = _rows(facing, triangle)

    def body(step, triangle, previous, walking, edges):  # type: ignore[no-untyped-def]
        corners = tf.gather(triangles, triangle)
        along, across = _pair_axes(pairs, _rows(screen, corners))
        around = tf.gather(neighbours, triangle)
        at, side = _exit((along - origin) * direction, across, around == previous[..., None])
        beyond = tf.gather(around, side, batch_dims=2)
        folds = (beyond < 0) | (_rows(facing, tf.maximum(beyond, 0)) != side_seen)
        here = walking & (at > -_FAR) & (at < 1.0)
        hit = here & folds
        ends = [tf.gather(corners, (side + k) % 3, batch_dims=2) for k in (1, 2)]
        edges = Edges(edges.found | hit, *(tf.where(hit, new, old) for new, old in zip(ends, edges[1:], strict=True)))
        walking = here & ~folds
        return step + 1, tf.where(walking, tf.maximum(beyond, 0), triangle), triangle, walking, edges

    nothing = Edges(tf.zeros_like(pairs.valid), tf.zeros_like(triangle), tf.zeros_like(triangle))
    start = (tf.constant(0), triangle, tf.fill(tf.shape(triangle), -2), pairs.valid, nothing)
    done = tf.while_loop(lambda step, *state: (step < MAX_STEPS) & tf.reduce_any(state[2]), body, start)
    return done[-1]


def blend(image: tf.Tensor, pairs: Pairs, edges: Edges, screen: tf.Tensor) -> tf.Tensor:
    """The picture `[B,H,W,C]` with each pair's pixels mixed by where its edge crosses; differentiable in the edges."""
    shape, size = tf.shape(image), image.shape[1] * image.shape[2]
    pixels = tf.reshape(image, [-1, size, image.shape[-1]])
    ends = tf.where(edges.found[..., None, None], _rows(screen, tf.stack([edges.start, edges.end], axis=-1)), 0.0)
    along, across = _pair_axes(pairs, ends)
    span = across[..., 1] - across[..., 0]
    steep = tf.abs(along[..., 1] - along[..., 0]) <= tf.abs(span)
    used = edges.found & steep & (tf.abs(span) > 1e-9)
    at = along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0]
    at = tf.clip_by_value(tf.where(used, at / tf.where(used, span, 1.0), 0.5), 0.0, 1.0)[..., None]
    first, second = _rows(pixels, pairs.first), _rows(pixels, pairs.second)
    change = [tf.maximum(0.5 - at, 0.0) * (second - first), tf.maximum(at - 0.5, 0.0) * (first - second)]
    offset = (tf.range(shape[0]) * size)[:, None]
    where = [tf.where(used, index + offset, -1) for index in (pairs.first, pairs.second)]
    values, where = tf.concat(change, axis=1), tf.concat(where, axis=1)
    total = tf.math.unsorted_segment_sum(
        tf.reshape(values, [-1, image.shape[-1]]), tf.reshape(where, [-1]), shape[0] * size
    )
    return image + tf.reshape(total, shape)


def antialias(
    image: tf.Tensor,
    points: tf.Tensor,
    framebuffer: Framebuffer,
    depth: tf.Tensor,
    least_jump: tf.Tensor,
    triangles: tf.Tensor,
    neighbours: tf.Tensor,
) -> tf.Tensor:
    """Smooth a picture's silhouettes, with gradients to the colours and to the vertices on the silhouette.

    Args:
        image: `[B,H,W,C]`, background included.
        points: `[B,V,4]` homogeneous pixels.
        framebuffer: what `rasterize` made of them.
        depth: `[B,H,W,1]` distance from the camera; the background's value does not matter.
        least_jump: `[B]` or scalar: a larger step of depth between neighbouring pixels may be a silhouette. A few times
            the size of a pixel on the subject.
        triangles: `[T,3]` int32; neighbours: `[T,3]` int32 from `edge_neighbours`.

    At most `8 (H + W)` pairs of pixels a picture are looked at, far beyond a head's outline; the rest stays as it is.
    """
    height, width = image.shape[1:3]
    depth = tf.stop_gradient(tf.where(framebuffer.foreground_mask > 0, depth, _FAR))[..., 0]
    pairs = find_pairs(depth, tf.cast(least_jump, tf.float32), 8 * (height + width))
    screen = screen_points(points)
    size = height * width
    flat = (tf.reshape(depth, [-1, size]), tf.reshape(framebuffer.triangle_id, [-1, size]))
    edges = find_edges(pairs, tf.stop_gradient(screen), *flat, triangles, neighbours)
    return blend(image, pairs, edges, screen)
