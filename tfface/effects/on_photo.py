"""Which point of the head each pixel of a photograph shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfface.face.head_uv import head_uv
from tfface.face.open_model import MAX_LEVEL, load_open_face
from tfface.geometry.raster import interpolate, rasterize
from tfface.result import FaceResult
from tfface.viz.texture import sample_photo

FloatArray = NDArray[np.floating]

MARGIN = 0.25
"""Of the head's size: so much of its surroundings belongs to the window."""


@dataclass(frozen=True, eq=False)
class HeadOnPhoto:
    """The whole head's surface, eyes and lips closed by membranes, in a window of a photograph.

    Attributes:
        left, top: the window's corner in the photograph.
        triangle_id, weights: `[h,w]` (-1: none) and `[h,w,3]` of each of its pixels.
        triangles: `[F,3]` of the 61,129 vertices.
        size_px: of the head, its longer side.
    """

    left: int
    top: int
    triangle_id: NDArray[np.int32]
    weights: NDArray[np.float32]
    triangles: NDArray[np.int32]
    size_px: float

    @property
    def shows(self) -> NDArray[np.bool_]:
        """`[h,w]` whether the pixel shows the head."""
        return np.asarray(self.triangle_id >= 0)

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the photograph."""
        height, width = self.triangle_id.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def changed(self, image: NDArray[np.uint8], change: Callable[[FloatArray], FloatArray]) -> NDArray[np.uint8]:
        """The photograph with a change of its window's colours `[h,w,3]` in [0,1]."""
        picture = image.copy()
        colours = change(picture[self.window] / np.float32(255))
        picture[self.window] = np.asarray(np.clip(colours, 0, 1) * 255 + 0.5, np.uint8)
        return picture

    def values(self, of_vertices: NDArray[np.floating]) -> NDArray[np.float32]:
        """`[61129,C]` to `[h,w,C]`, 0 beside the head."""
        return interpolate(self.triangle_id, self.weights, self.triangles, np.asarray(of_vertices, np.float32))

    def texture(self, texture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """A picture in the head's chart `[T,T,3]` laid on the head, `[h,w,3]` in [0,1]."""
        places = self.values(head_uv(load_open_face())) * (len(texture) - 1) + 0.5
        return sample_photo(texture, places)


def head_on_photo(result: FaceResult) -> HeadOnPhoto:
    """The head of a result in its photograph."""
    points, triangles = result.head_points, load_open_face().head(MAX_LEVEL).triangles
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    size = float((high - low).max())
    edge = np.array([result.image.shape[1], result.image.shape[0]])
    left, top = np.clip(np.floor(low - MARGIN * size), 0, edge - 1).astype(int)
    right, bottom = np.clip(np.ceil(high + MARGIN * size), [left + 1, top + 1], edge).astype(int)
    placed = np.asarray(points - [left, top, 0], np.float32)
    triangle_id, weights, _ = rasterize(placed, triangles, int(bottom - top), int(right - left))
    return HeadOnPhoto(int(left), int(top), triangle_id, weights, triangles, size)
