"""Pictures of a model of several meshes, with its textures, from any side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfface.geometry.raster import averaged, vertex_normals
from tfface.geometry.rotation import euler_to_matrix
from tfface.io.model import Model
from tfface.viz.overlay import BACKGROUND, CLAY, LIGHTS, SUPERSAMPLE
from tfface.viz.texture import sample_photo

FILL = 0.92
"""Of the picture's side, as large as the model is drawn."""
MOST_POINTS = 30000
"""That OpenCV samples at once: it takes no rows of more than 32,767."""


def model_view(
    model: Model, size: int, yaw_deg: float = 0.0, pitch_deg: float = 0.0, skin_as_clay: bool = False
) -> NDArray[np.uint8]:
    """The model `[size,size,3]` from afar: turned about the vertical axis, then tipped towards us (pitch > 0).

    Textures hold the photograph's light, so no more is put on them; plain materials are lit a little.

    Args:
        skin_as_clay: the first mesh in one colour and lit, to see its shape.
    """
    turn = euler_to_matrix(0.0, np.radians(pitch_deg), 0.0) @ euler_to_matrix(np.radians(yaw_deg), 0.0, 0.0)
    return turned_model(model, turn, size, skin_as_clay=skin_as_clay)


def turned_model(
    model: Model,
    turn: NDArray[np.floating],
    size: int,
    span_mm: float | None = None,
    skin_as_clay: bool = False,
) -> NDArray[np.uint8]:
    """The model `[size,size,3]` from afar after a turn `[3,3]`, as `model_view` draws it.

    Args:
        span_mm: so much round the origin fills the picture, the same for all pictures of a film; None: what the turned
            model takes.
    """
    turned = [mesh.vertices @ turn.T for mesh in model.meshes]
    joined = np.concatenate(turned)
    ends = np.stack([(part.min(), part.max()) for part in joined.T[:2]])
    if span_mm is None:
        middle, zoom = ends.mean(1), FILL * size / float(np.ptp(ends, axis=1).max())
    else:
        middle, zoom = np.zeros(2), size / span_mm
    points = np.asarray((joined - [*middle, 0.0]) * [zoom, -zoom, zoom] + [size / 2, size / 2, 0.0], np.float32)
    ends = (ends - middle[:, None]) * [[zoom], [-zoom]] + size / 2
    low, high = np.clip(np.floor(ends.min(1)), 0, size).astype(int), np.clip(np.ceil(ends.max(1)), 0, size).astype(int)
    points[:, :2] -= low.astype(np.float32)
    picture = np.tile(np.tile((np.array(BACKGROUND) * 255 + 0.5).astype(np.uint8), (1, size, 1)), (size, 1, 1))
    if (high > low).all():
        drawn = _drawn(model, turned, points, high - low, skin_as_clay)
        within = picture[low[1] : high[1], low[0] : high[0]]
        rest = 1 - drawn[..., 3]
        for channel, below in enumerate(BACKGROUND):
            shown = np.clip(drawn[..., channel] + rest * np.float32(below), 0, 1)
            within[..., channel] = shown * np.float32(255) + np.float32(0.5)
    return picture


def _drawn(
    model: Model,
    turned: Sequence[NDArray[np.floating]],
    points: NDArray[np.float32],
    size: NDArray[np.int64],
    skin_as_clay: bool,
) -> NDArray[np.float32]:
    """All meshes, `turned` `[V,3]` each and at `points` of a picture of `size` (width, height): `[H,W,4]`, colour times
    how much of each pixel they take, and that."""
    colours, first = np.ones((len(points), 4), np.float32), 0
    plain, painted = [], []
    for number, (mesh, vertices) in enumerate(zip(model.meshes, turned, strict=True)):
        rows = slice(first, first + len(vertices))
        triangles = _facing_us(mesh.triangles, points[rows], mesh.material.double_sided)
        clay = skin_as_clay and number == 0
        if mesh.material.texture is not None and mesh.uv is not None and not clay:
            painted.append(_Painted(triangles, first, mesh.uv, mesh.material.texture))
        else:
            normals = vertex_normals(np.asarray(vertices, np.float32), mesh.triangles)
            colours[rows, :3] = _light(normals)[:, None] * np.array(CLAY if clay else mesh.material.color, np.float32)
            plain.append(triangles + first)
        first = rows.stop
    joined = np.concatenate([*plain, *(each.triangles + each.first for each in painted)])
    ends = len(joined) - np.cumsum([0, *(len(each.triangles) for each in painted[::-1])])[::-1]

    def paint(seen: NDArray[np.integer], weights: NDArray[np.floating]) -> NDArray[np.float32]:
        result = np.ones((len(seen), 4), np.float32)
        for each, begin, end in zip(painted, ends, ends[1:], strict=False):
            own = np.flatnonzero((seen >= begin) & (seen < end))
            if len(own):
                result[own, :3] = each.colours(seen[own] - begin, weights[own])
        return result

    return averaged(points, joined, colours, int(size[1]), int(size[0]), SUPERSAMPLE, paint, int(ends[0]))


class _Painted(NamedTuple):
    """A mesh with a texture: its triangles `[F,3]`, the first of its vertices among all, uv `[V,2]`, texture."""

    triangles: NDArray[np.int32]
    first: int
    uv: NDArray[np.float32]
    texture: NDArray[np.uint8]

    def colours(self, seen: NDArray[np.integer], weights: NDArray[np.floating]) -> NDArray[np.float32]:
        """`[N,3]` in [0,1] at points of its triangles `[N]`, with weights of the corners `[N,3]`."""
        corners = self.uv[self.triangles[seen]]
        places = sum(weights[:, k, None] * corners[:, k] for k in range(3)) * np.array(self.texture.shape[1::-1])
        parts = np.array_split(np.asarray(places, np.float32)[None], len(seen) // MOST_POINTS + 1, axis=1)
        return np.concatenate([sample_photo(self.texture, part)[0] for part in parts])


def _facing_us(triangles: NDArray[np.int32], points: NDArray[np.float32], both: bool) -> NDArray[np.int32]:
    """Triangles `[F,3]`; with `both` sides to be seen, those that turn their back the other way round."""
    if not both:
        return triangles
    u, v = np.ascontiguousarray(points[:, :2].T)
    (ax, bx, cx), (ay, by, cy) = ((axis[triangles[:, corner]] for corner in range(3)) for axis in (u, v))
    back = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay) > 0
    turned = triangles.copy()
    turned[back] = triangles[back][:, ::-1]
    return turned


def _light(normals: NDArray[np.float32]) -> NDArray[np.float64]:
    light = np.full(len(normals), 0.18)
    for direction, strength in LIGHTS:
        unit = np.array(direction) / np.linalg.norm(direction)
        light += strength * np.clip(normals @ unit, 0, None) ** 1.1
    return np.minimum(light, 1.0)
