"""The face's texture, taken from the photograph.

Each texel of the UV square has a position in the photograph and is sampled there bilinearly. What the photograph does
not show (z-buffer, and surfaces that turn away) comes from the mirrored texel where that one is seen, and from the
neighbourhood by pull and push over a pyramid (Gortler et al. 1996, section 3.3) elsewhere. The weights fall off
smoothly towards the silhouette, so no seam shows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.face.open_model import OpenFace
from tfface.face.position_map import PositionMap
from tfface.geometry.raster import depth_of, vertex_normals
from tfface.io.warp import sample_image

FACING = (0.12, 0.45)  # how much a surface faces the camera (normal's z) where its texels begin to count, and fully do
BUFFER_PIXELS = 512
DEPTH_TOLERANCE = 0.015  # of the face's size


def visibility(vertices: NDArray[np.floating], triangles: NDArray[np.int32]) -> NDArray[np.float32]:
    """How well the camera sees each vertex, `[V]` in [0,1]: 0 behind something or turned away, 1 facing it.

    Args:
        vertices: `[V,3]` u, v, depth in pixels.
        triangles: `[F,3]`.
    """
    low = vertices[:, :2].min(0)
    zoom = (BUFFER_PIXELS - 4) / max(float((vertices[:, :2].max(0) - low).max()), 1e-6)
    points = np.asarray((vertices - [*low, 0.0]) * zoom + [2.0, 2.0, 0.0], np.float32)
    depth = depth_of(points, triangles, BUFFER_PIXELS, BUFFER_PIXELS)
    column, row = np.clip(points[:, :2].astype(int), 0, BUFFER_PIXELS - 1).T
    seen = points[:, 2] >= depth[row, column] - DEPTH_TOLERANCE * BUFFER_PIXELS
    facing = vertex_normals(points * np.array([1, -1, 1], np.float32), triangles)[:, 2]
    ramp = np.clip((facing - FACING[0]) / (FACING[1] - FACING[0]), 0, 1)
    return np.asarray(seen * ramp * ramp * (3 - 2 * ramp), np.float32)


def within(image: NDArray[np.uint8], places: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which places `[H,W,2+]` (u, v) lie in the photograph."""
    u, v = places[..., 0], places[..., 1]
    return (u >= 0) & (v >= 0) & (u <= image.shape[1]) & (v <= image.shape[0])


def sample_photo(image: NDArray[np.uint8], positions: NDArray[np.floating]) -> NDArray[np.float32]:
    """Colours in [0,1] at positions `[H,W, 2 or 3]` (pixel centres at +0.5), bilinear; the border is repeated."""
    return np.asarray(sample_image(image, positions), np.float32) / np.float32(255)


def vertex_colors(texture: NDArray[np.uint8], face: OpenFace) -> NDArray[np.uint8]:
    """`[V,3]` uint8: the texture at each vertex (so hidden vertices have plausible colours)."""
    positions = face.face(2).uv[None] * (np.array(texture.shape[1::-1]) - 1) + 0.5
    sampled = [sample_photo(texture, part)[0] for part in np.array_split(positions, 4, axis=1)]
    return np.asarray(np.concatenate(sampled) * 255 + 0.5, np.uint8)


def face_texture(image: NDArray[np.uint8], vertices: NDArray[np.floating], tables: PositionMap) -> NDArray[np.uint8]:
    """The texture `[R,R,3]` uint8 RGB of a face in a photograph.

    Args:
        image: `[H,W,3]` uint8 RGB.
        vertices: `[53833,3]` u, v, depth in its pixels.
        tables: of the texture's resolution R, a power of two.
    """
    return _filled(*_from_photo(image, vertices, tables))


def _from_photo(
    image: NDArray[np.uint8], vertices: NDArray[np.floating], tables: PositionMap
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colours `[R,R,3]` in [0,1] of a photograph, and how well it shows each texel `[R,R,1]`."""
    triangles = tables.surface.triangles
    packed = np.concatenate([vertices, visibility(vertices, triangles)[:, None]], axis=1).astype(np.float32)
    texels = tables.from_vertices(packed)
    seen = np.asarray(texels[..., 3] * within(image, texels), np.float32)[..., None]
    return sample_photo(image, texels[..., :2]), seen


def _filled(colors: NDArray[np.floating], seen: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The texture, what nothing shows taken from the mirrored texel or the neighbourhood."""
    from_mirror = (1 - seen) * seen[:, ::-1]
    filled = pull_push(seen * colors + from_mirror * colors[:, ::-1], seen + from_mirror)
    filled *= 1 - seen
    filled += seen * colors
    return np.asarray(np.clip(filled, 0, 1) * np.float32(255) + np.float32(0.5), np.uint8)


def pull_push(weighted: NDArray[np.floating], weight: NDArray[np.floating]) -> NDArray[np.float32]:
    """Fills a picture `[N,N,C]` (premultiplied) whose weights `[N,N,1]` are 0 in places, from coarser and coarser ones.

    Sides must be powers of two.
    """
    import cv2

    size, largest = len(weighted), float(weight.max())
    if size == 1:
        return np.asarray(weighted / np.maximum(weight, 1e-6), np.float32)
    if largest > 1:  # weights of more than one texel count as one
        total = np.minimum(weight, 1)
        weighted, weight = weighted * (total / np.maximum(weight, 1e-6)), total
    coarse, share = (
        np.asarray(4 * cv2.resize(part, (size // 2,) * 2, interpolation=cv2.INTER_AREA), part.dtype)
        for part in (weighted, weight)
    )
    below = pull_push(coarse, share.reshape(size // 2, size // 2, 1))
    larger = np.asarray(cv2.resize(below, (size,) * 2, interpolation=cv2.INTER_LINEAR), np.float32)
    larger = larger.reshape(weighted.shape)
    larger *= 1 - weight
    larger += weighted
    return larger
