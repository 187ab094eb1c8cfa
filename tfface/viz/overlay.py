"""Pictures of a predicted face over its photograph.

All functions take arrays: vertices `[V,3]` are u, v and depth in pixels of the picture that they are drawn on (pixel
centres at +0.5, larger depth is nearer). Meshes are rasterised at twice the size and averaged down.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tfface.geometry.align import Box, crop_transform, transform_points
from tfface.geometry.ibug68 import STROKES
from tfface.geometry.raster import interpolate, rasterize, vertex_normals
from tfface.geometry.rotation import euler_to_matrix
from tfface.io.image import warp_image

SUPERSAMPLE = 2
CLAY = (0.80, 0.84, 0.90)
BACKGROUND = (0.13, 0.14, 0.16)
LIGHTS = (((-0.35, 0.45, 0.82), 0.78), ((0.8, 0.1, 0.45), 0.22))
_WHITE, _GREEN, _YELLOW, _BLUE, _RED = (255, 255, 255), (120, 235, 160), (255, 214, 92), (96, 205, 255), (255, 128, 140)
STROKE_COLOURS = (_WHITE, _GREEN, _GREEN, _YELLOW, _YELLOW, _BLUE, _BLUE, _RED, _RED)
"""Of the lines of the 68 points."""
FloatArray = NDArray[np.floating]
Image = NDArray[np.uint8]


def render_shaded(
    vertices: FloatArray, triangles: NDArray[np.int32], height: int, width: int, color: Sequence[float] = CLAY
) -> NDArray[np.float32]:
    """The mesh in one colour under two soft lights: `[H,W,4]` float32 RGBA in [0,1], colour premultiplied by alpha."""
    points = np.asarray(vertices, np.float32)
    normals = vertex_normals(points * np.array([1, -1, 1], np.float32), triangles)
    light, alone = np.full(len(normals), 0.18, np.float32), np.array([*color, 1.0], np.float32)
    for direction, strength in LIGHTS:
        unit = np.array(direction, np.float32) / np.linalg.norm(direction)
        light += np.float32(strength) * np.clip(normals @ unit, 0, None) ** 1.1
    lit = render_channels(points, triangles, height, width, np.stack([light, np.ones_like(light)], axis=1))
    return np.minimum(lit[..., [0, 0, 0, 1]] * alone, lit[..., 1:])


def render_colored(
    vertices: FloatArray, triangles: NDArray[np.int32], height: int, width: int, colors: FloatArray
) -> NDArray[np.float32]:
    """The mesh in its vertices' colours `[V,3]` in [0,1]: `[H,W,4]` float32 RGBA, colour premultiplied by alpha."""
    rgba = np.concatenate([colors, np.ones_like(colors[:, :1])], axis=1).astype(np.float32)
    return render_channels(vertices, triangles, height, width, rgba)


def render_channels(
    vertices: FloatArray, triangles: NDArray[np.int32], height: int, width: int, values: FloatArray
) -> NDArray[np.float32]:
    """The mesh's values `[V,C]` in the picture `[H,W,C]`, times how much of each pixel the mesh takes."""
    large = np.asarray(vertices, np.float32) * SUPERSAMPLE
    drawn = rasterize(large, triangles, height * SUPERSAMPLE, width * SUPERSAMPLE)
    return _average_down(interpolate(drawn[0], drawn[1], triangles, values))


def _average_down(image: FloatArray) -> NDArray[np.float32]:
    import cv2

    smaller = (image.shape[1] // SUPERSAMPLE, image.shape[0] // SUPERSAMPLE)
    return np.asarray(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA), np.float32)


def blend(image: Image, rgba: FloatArray, opacity: float = 1.0) -> Image:
    """A premultiplied RGBA picture laid over `[H,W,3]` uint8."""
    below = image.astype(np.float32) / 255
    mixed = below * (1 - opacity * rgba[..., 3:]) + opacity * rgba[..., :3]
    return np.asarray(np.clip(mixed, 0, 1) * 255 + 0.5, np.uint8)


def write_text(canvas: Image, text: str, left: float, bottom: float, large: float) -> None:
    """Writes a line into a picture `[H,W,3]`, white with a shadow, inside its borders where it fits.

    Args:
        left, bottom: where the line begins, in pixels.
        large: of OpenCV's font; 1 is some 22 pixels high.
    """
    import cv2

    wide = max(round(1.5 * large), 1)
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, large, wide)
    x = int(np.clip(left, 2, max(canvas.shape[1] - width - 2, 2)))
    y = int(np.clip(bottom, height + 2, max(canvas.shape[0] - 4, height + 2)))
    for shift, ink in (((1, 1), (20, 20, 20)), ((-1, 1), (20, 20, 20)), ((0, 0), (255, 255, 255))):
        place = (x + shift[0] * wide, y + shift[1] * wide)
        cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, large, ink, wide, cv2.LINE_AA)


def draw_landmarks(image: Image, points: FloatArray, thickness: float = 1.6) -> Image:
    """The 68 points `[68, 2 or 3]` with the lines of jaw, brows, nose, eyes and lips on a copy of the picture."""
    import cv2

    step, shift = SUPERSAMPLE, 4
    height, width = image.shape[:2]
    canvas = cv2.resize(image, (width * step, height * step), interpolation=cv2.INTER_CUBIC)
    fixed = np.round((np.asarray(points)[:, :2] * step - 0.5) * 2**shift).astype(np.int32)
    wide = max(round(thickness * step), 1)
    for dark in (True, False):
        for (first, end, closed), color in zip(STROKES, STROKE_COLOURS, strict=True):
            line, ink = fixed[first:end], (20, 20, 20) if dark else color
            cv2.polylines(canvas, [line], closed, ink, wide + (2 * step if dark else 0), cv2.LINE_AA, shift)
    for (first, end, _), color in zip(STROKES, STROKE_COLOURS, strict=True):
        for point in fixed[first:end]:
            centre = (int(point[0]), int(point[1]))
            cv2.circle(canvas, centre, round(2.1 * wide) << shift, (20, 20, 20), -1, cv2.LINE_AA, shift)
            cv2.circle(canvas, centre, round(1.5 * wide) << shift, color, -1, cv2.LINE_AA, shift)
    return np.asarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def overlay(
    image: Image, vertices: FloatArray, triangles: NDArray[np.int32], landmarks: FloatArray, opacity: float = 0.55
) -> Image:
    """The shaded mesh, half transparent, and the 68 landmarks over a picture `[H,W,3]` of the same pixels."""
    shaded = render_shaded(vertices, triangles, image.shape[0], image.shape[1], (0.55, 0.82, 1.0))
    return draw_landmarks(blend(image, shaded, opacity), landmarks, max(image.shape[0] / 640, 0.75))


def face_window(vertices: FloatArray, margin: float = 1.25) -> NDArray[np.float64]:
    """A square window `(left, top, right, bottom)` round a mesh, to look at."""
    low, high = vertices[:, :2].min(0), vertices[:, :2].max(0)
    half = margin * float((high - low).max()) / 2
    centre = (low + high) / 2
    return np.concatenate([centre - half, centre + half])


def overlay_window(
    image: Image, vertices: FloatArray, triangles: NDArray[np.int32], landmarks: FloatArray, window: Box, size: int
) -> tuple[Image, Image]:
    """The part of a photograph in `window` at `size` pixels, plain and with the mesh and the landmarks over it."""
    matrix = crop_transform(window, size)
    plain = warp_image(image, matrix, size, size)
    drawn = overlay(plain, transform_points(matrix, vertices), triangles, transform_points(matrix, landmarks))
    return plain, drawn


def shrunk(picture: Image, size: int) -> Image:
    """A square picture at `size` pixels a side."""
    import cv2

    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def turned_view(vertices_mm: FloatArray, triangles: NDArray[np.int32], size: int, yaw_deg: float = 45.0) -> Image:
    """The mesh in the face frame, shaded, seen after a turn about the vertical axis."""
    turned = (vertices_mm - vertices_mm.mean(0)) @ euler_to_matrix(np.radians(yaw_deg), 0.0, 0.0).T
    points = turned * [1.0, -1.0, 1.0]
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    scale = 0.88 * size / (high - low).max()
    points = (points - [*(low + high) / 2, 0.0]) * scale + [size / 2, size / 2, 0.0]
    return blend(_plain(size), render_shaded(points, triangles, size, size))


def depth_view(vertices: FloatArray, triangles: NDArray[np.int32], window: Box, size: int) -> Image:
    """The depth in `window` in colours (light is near), with a little relief."""
    import cv2

    points = np.asarray(transform_points(crop_transform(window, size), vertices), np.float32)
    near = (points[:, 2] - points[:, 2].min()) / max(float(np.ptp(points[:, 2])), 1e-6)
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_MAGMA)[:, 0, ::-1] / 255.0
    colors = table[np.clip(near * 235 + 20, 0, 255).astype(int)].astype(np.float32)
    return blend(_plain(size), render_colored(points, triangles, size, size, colors))


def _plain(size: int) -> Image:
    return np.full((size, size, 3), np.round(np.array(BACKGROUND) * 255), np.uint8)
