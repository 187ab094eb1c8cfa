"""What each pixel of a photograph, and each texel of a face, is: depth, normals, PNCC, visibility, positions.

PNCC, the projected normalised coordinate code, colours each point of the face by where it lies on the mean face (Zhu et
al. 2016, section 3.2.1). All are 16-bit pictures whose levels stand for `offset + scale * level`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.face.open_model import load_open_face
from tfface.face.position_map import position_tables
from tfface.geometry.raster import interpolate, rasterize, vertex_normals
from tfface.result import FaceResult
from tfface.viz.texture import visibility

LEVELS = 65535
FloatArray = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class FaceMap:
    """A 16-bit picture and what its levels mean.

    Attributes:
        levels: `[H,W]` or `[H,W,3]` uint16.
        offset, scale: of each channel; a value is `offset + scale * level`.
        unit: of values.
        meaning: of channels, and of 0 where it says that nothing is there.
    """

    levels: NDArray[np.uint16]
    offset: tuple[float, ...]
    scale: tuple[float, ...]
    unit: str
    meaning: str

    def values(self) -> NDArray[np.float64]:
        """`[H,W]` or `[H,W,3]` in `unit`."""
        offset, scale = (np.squeeze(np.array(each)) for each in (self.offset, self.scale))
        return np.asarray(offset + scale * self.levels, np.float64)

    def describe(self) -> dict[str, Any]:
        """What a JSON file says of it."""
        rule = "value = offset + scale * level, of each channel (red, green, blue)"
        return {
            "unit": self.unit,
            "offset": self.offset,
            "scale": self.scale,
            "rule": rule,
            "meaning": self.meaning,
        }


def face_maps(result: FaceResult) -> dict[str, FaceMap]:
    """The maps of a face, by name; those of the photograph have its size, those of the chart are 256 x 256."""
    vertices, triangles = result.vertices, result.triangles
    height, width = result.image.shape[:2]
    seen, weights, depth = rasterize(vertices, triangles, height, width)
    there = seen >= 0
    normals = vertex_normals(vertices * np.array([1, -1, 1], np.float32), triangles)
    pixels = interpolate(seen, weights, triangles, np.concatenate([normals, _mean_code()], axis=1))
    length = np.maximum(np.linalg.norm(pixels[..., :3], axis=-1, keepdims=True), 1e-6)
    tables = position_tables(len(result.position_map))
    shown = tables.from_vertices(visibility(vertices, triangles)[:, None])[..., 0]
    return {
        "depth": _coded(np.where(there, depth, 0), there, "px of the photograph", "nearness to the camera; 0: no face"),
        "normals": _coded(
            pixels[..., :3] / length, there, "1", "x to the right, y up, z to the camera; 0: no face", (-1, 1)
        ),
        "pncc": _coded(pixels[..., 3:], there, "1", "x, y, z on the mean face from 0 to 1; 0: no face", (0, 1)),
        "visibility": _coded(
            shown, np.ones(shown.shape, bool), "1", "how well the photograph shows each texel of the chart", (0, 1)
        ),
        "position": _coded(
            result.position_map,
            np.ones(result.position_map.shape[:2], bool),
            "px of the photograph",
            "u, v and nearness of each texel of the chart",
        ),
    }


def _mean_code() -> NDArray[np.float32]:
    mean = load_open_face().mean_face()
    low, high = mean.min(0), mean.max(0)
    return np.asarray((mean - low) / (high - low), np.float32)


def _coded(
    values: FloatArray,
    there: NDArray[np.bool_],
    unit: str,
    meaning: str,
    limits: tuple[float, float] | None = None,
) -> FaceMap:
    """Levels from 1 on where `there`, 0 elsewhere; between the limits, or the values' own."""
    channels = np.atleast_3d(np.asarray(values, np.float64))
    inside = channels[there]
    if limits is None:
        low, high = inside.min(0, initial=np.inf), inside.max(0, initial=-np.inf)
        low, high = (np.where(np.isfinite(each), each, 0.0) for each in (low, high))
    else:
        low, high = (np.full(channels.shape[-1], limit, np.float64) for limit in limits)
    scale = np.maximum(high - low, 1e-9) / (LEVELS - 1)
    levels = np.where(there[..., None], np.clip((channels - low) / scale, 0, LEVELS - 1) + 1, 0)
    shaped = np.asarray(np.round(levels), np.uint16).reshape(np.shape(values))
    return FaceMap(shaped, tuple((low - scale).tolist()), tuple(scale.tolist()), unit, meaning)
