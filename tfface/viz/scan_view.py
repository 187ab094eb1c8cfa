"""Pictures of a scan: textured, as an orthographic camera sees it, and its errors as colours.

The view is scaled orthographic, `u = cu + s X.x`, `v = cv - s X.y`, depth `s X.z`, with `X = R (V - origin)`, so that
a prediction in pixels of the picture comes back to millimetres by `1 / s` (Lium 2020 renders its scans so). Textures
are baked light: no further light is put on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfface.geometry.raster import interpolate, rasterize, vertex_normals
from tfface.io.mesh import Mesh
from tfface.viz.overlay import SUPERSAMPLE, blend, render_shaded
from tfface.viz.texture import sample_photo

FloatArray = NDArray[np.floating]
GREY = (128, 128, 128)
UNMEASURED = (0.55, 0.55, 0.57)


@dataclass(frozen=True)
class OrthographicView:
    """A camera infinitely far away.

    Attributes:
        rotation: `[3,3]` from the scan's frame to the picture's (x right, y up, z to the camera).
        pixels_per_mm: the scale.
        centre_px: `[2]` where `origin_mm` lands.
        origin_mm: `[3]` in the scan's frame.
        size: side of the picture in pixels.
    """

    rotation: FloatArray
    pixels_per_mm: float
    centre_px: FloatArray
    origin_mm: FloatArray
    size: int

    def project(self, vertices: FloatArray) -> NDArray[np.float32]:
        """Pixels and depth `[V,3]` of points `[V,3]` of the scan's frame."""
        turned = (np.asarray(vertices, np.float64) - self.origin_mm) @ np.asarray(self.rotation).T
        placed = turned * [1.0, -1.0, 1.0] * self.pixels_per_mm
        return np.asarray(placed + [*self.centre_px, 0.0], np.float32)

    def unproject(self, points: FloatArray) -> NDArray[np.float64]:
        """The scan's frame `[V,3]` of pixels and depth `[V,3]`."""
        turned = (np.asarray(points, np.float64) - [*self.centre_px, 0.0]) * [1.0, -1.0, 1.0] / self.pixels_per_mm
        return np.asarray(turned @ np.asarray(self.rotation) + self.origin_mm)


def render_scan(mesh: Mesh, view: OrthographicView) -> NDArray[np.uint8]:
    """The scan `[S,S,3]` uint8 RGB before grey: by its texture, else its vertex colours, else shaded clay."""
    points, size = view.project(mesh.vertices), view.size
    if mesh.texture is None and mesh.colors is None:
        return blend(_ground(size), render_shaded(points, mesh.triangles, size, size))
    large = size * SUPERSAMPLE
    triangle_id, weights, _ = rasterize(points * np.float32(SUPERSAMPLE), mesh.triangles, large, large)
    seen = (triangle_id >= 0)[..., None].astype(np.float32)
    color = _texels(mesh, triangle_id, weights)
    return blend(_ground(size), _halved(np.concatenate([color * seen, seen], axis=-1)))


def _texels(mesh: Mesh, triangle_id: NDArray[np.int32], weights: FloatArray) -> NDArray[np.float32]:
    if mesh.texture is None or mesh.uv is None:
        assert mesh.colors is not None
        return interpolate(triangle_id, weights, mesh.triangles, mesh.colors.astype(np.float32) / 255)
    uv = interpolate(triangle_id, weights, mesh.triangles, mesh.uv)
    return sample_photo(mesh.texture, uv % 1.0 * np.array(mesh.texture.shape[1::-1], np.float32))


def visible_depth(mesh: Mesh, view: OrthographicView) -> NDArray[np.float32]:
    """The depth in pixels `[S,S]` of the nearest surface, -inf where the scan is not."""
    return rasterize(view.project(mesh.vertices), mesh.triangles, view.size, view.size)[2]


def heat_view(
    vertices: FloatArray,
    triangles: NDArray[np.int32],
    errors: FloatArray,
    view: OrthographicView,
    maximum: float = 5.0,
) -> NDArray[np.uint8]:
    """The mesh with its errors `[V]` from 0 (dark) to `maximum` (bright yellow) as colours; grey where NaN."""
    from matplotlib import colormaps

    points, size = view.project(vertices), view.size
    known = np.isfinite(errors)
    colors = colormaps["inferno"](np.clip(np.where(known, errors, 0.0) / maximum, 0.0, 1.0))[:, :3]
    colors = np.where(known[:, None], colors, UNMEASURED)
    normals = vertex_normals(points * np.array([1, -1, 1], np.float32), triangles)
    light = 0.55 + 0.45 * np.clip(normals[:, 2:], 0.0, 1.0)
    attributes = np.concatenate([colors * light, np.ones_like(light)], axis=1).astype(np.float32)
    large = size * SUPERSAMPLE
    triangle_id, weights, _ = rasterize(points * np.float32(SUPERSAMPLE), triangles, large, large)
    return blend(_ground(size), _halved(interpolate(triangle_id, weights, triangles, attributes)))


def _halved(image: FloatArray) -> NDArray[np.float32]:
    height, width, channels = image.shape
    step = SUPERSAMPLE
    return np.asarray(image.reshape(height // step, step, width // step, step, channels).mean((1, 3)), np.float32)


def _ground(size: int) -> NDArray[np.uint8]:
    return np.full((size, size, 3), GREY, np.uint8)
