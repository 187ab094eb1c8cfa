"""Pictures of a predicted face over its photograph.

All functions take arrays: vertices `[V,3]` are u, v and depth in pixels of the picture that they are drawn on (pixel
centres at +0.5, larger depth is nearer). Where meshes end, they are averaged over
twice as many points a side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfface.geometry.align import Box, crop_transform, transform_points
from tfface.geometry.ibug68 import STROKES
from tfface.geometry.raster import averaged, vertex_normals
from tfface.geometry.rotation import euler_to_matrix
from tfface.io.warp import warp_image

SUPERSAMPLE = 2
BAND_ROWS = 64
CLAY = (0.80, 0.84, 0.90)
BACKGROUND = (0.13, 0.14, 0.16)
LIGHTS = (((-0.35, 0.45, 0.82), 0.78), ((0.8, 0.1, 0.45), 0.22))
_WHITE, _GREEN, _YELLOW, _BLUE, _RED = (255, 255, 255), (120, 235, 160), (255, 214, 92), (96, 205, 255), (255, 128, 140)
OVERLAY_COLOUR = (0.55, 0.82, 1.0)
STROKE_COLOURS = (_WHITE, _GREEN, _GREEN, _YELLOW, _YELLOW, _BLUE, _BLUE, _RED, _RED)
"""Of the lines of the 68 points."""
FloatArray = NDArray[np.floating]
Image = NDArray[np.uint8]


def render_shaded(vertices: FloatArray, triangles: NDArray[np.int32], height: int, width: int) -> NDArray[np.float32]:
    """The mesh in one colour under two soft lights: `[H,W,4]` float32 RGBA in [0,1], colour premultiplied by alpha."""
    return coloured(render_channels(vertices, triangles, height, width, shading(vertices, triangles)))


def shading(vertices: FloatArray, triangles: NDArray[np.int32]) -> NDArray[np.float32]:
    """How light each vertex is under two soft lights, and 1: `[V,2]`."""
    normals = vertex_normals(np.asarray(vertices, np.float32) * np.array([1, -1, 1], np.float32), triangles)
    light = np.full(len(normals), 0.18, np.float32)
    for direction, strength in LIGHTS:
        unit = np.array(direction, np.float32) / np.linalg.norm(direction)
        light += np.float32(strength) * np.clip(normals @ unit, 0, None) ** 1.1
    return np.stack([light, np.ones_like(light)], axis=1)


def coloured(lit: NDArray[np.float32]) -> NDArray[np.float32]:
    """What `shading` looks like once drawn, `[H,W,2]`, in clay: RGBA as `render_shaded` gives it."""
    rgba = np.empty((*lit.shape[:2], 4), np.float32)
    np.multiply(lit[..., :1], np.array(CLAY, np.float32), out=rgba[..., :3])
    np.minimum(rgba[..., :3], lit[..., 1:], out=rgba[..., :3])
    rgba[..., 3] = lit[..., 1]
    return rgba


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
    return averaged(vertices, triangles, values, height, width, SUPERSAMPLE)


def blend(image: Image, rgba: FloatArray, opacity: float = 1.0) -> Image:
    """A premultiplied RGBA picture laid over `[H,W,3]` uint8."""
    above = rgba * np.float32(255 * opacity)
    mixed = image * (1 - np.float32(opacity) * rgba[..., 3:]) + above[..., :3]
    return np.asarray(np.clip(mixed, 0, 255) + np.float32(0.5), np.uint8)


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
    wide = max(round(thickness * step), 1)
    points, room = np.asarray(points)[:, :2], 3 * wide
    low = np.clip(np.floor(points.min(0)) - room, 0, image.shape[1::-1]).astype(int)
    high = np.clip(np.ceil(points.max(0)) + room, low, image.shape[1::-1]).astype(int)
    result, within = image.copy(), (slice(low[1], high[1]), slice(low[0], high[0]))
    size = high - low
    if not size.all():
        return result
    canvas = cv2.resize(image[within], tuple(int(each) for each in size * step), interpolation=cv2.INTER_CUBIC)
    fixed = np.round(((points - low) * step - 0.5) * 2**shift).astype(np.int32)
    for dark in (True, False):
        for (first, end, closed), color in zip(STROKES, STROKE_COLOURS, strict=True):
            line, ink = fixed[first:end], (20, 20, 20) if dark else color
            cv2.polylines(canvas, [line], closed, ink, wide + (2 * step if dark else 0), cv2.LINE_AA, shift)
    for (first, end, _), color in zip(STROKES, STROKE_COLOURS, strict=True):
        for point in fixed[first:end]:
            centre = (int(point[0]), int(point[1]))
            cv2.circle(canvas, centre, round(2.1 * wide) << shift, (20, 20, 20), -1, cv2.LINE_AA, shift)
            cv2.circle(canvas, centre, round(1.5 * wide) << shift, color, -1, cv2.LINE_AA, shift)
    result[within] = cv2.resize(canvas, tuple(int(each) for each in size), interpolation=cv2.INTER_AREA)
    return result


def overlay(
    image: Image, vertices: FloatArray, triangles: NDArray[np.int32], landmarks: FloatArray, opacity: float = 0.55
) -> Image:
    """The shaded mesh, half transparent, and the 68 landmarks over a picture `[H,W,3]` of the same pixels."""
    lit = render_channels(vertices, triangles, image.shape[0], image.shape[1], shading(vertices, triangles))
    return _overlaid(image, lit, landmarks, opacity)


def _overlaid(image: Image, lit: NDArray[np.float32], landmarks: FloatArray, opacity: float = 0.55) -> Image:
    return draw_landmarks(tinted(image, lit, OVERLAY_COLOUR, opacity), landmarks, max(image.shape[0] / 640, 0.75))


def tinted(image: Image, lit: NDArray[np.float32], color: Sequence[float], opacity: float) -> Image:
    """What `shading` looks like once drawn, `[H,W,2]`, in one colour over a picture: `coloured` and `blend` at once."""
    result = image.copy()
    for start in range(0, len(image), BAND_ROWS):  # what a band needs stays in the processor's cache
        rows = slice(start, start + BAND_ROWS)
        light, cover = (np.ascontiguousarray(lit[rows, :, k]) for k in (0, 1))
        if not cover.any():
            continue
        rest = 1 - np.float32(opacity) * cover
        for channel, share in enumerate(color):
            above = np.minimum(light * np.float32(share), cover)
            above *= np.float32(255 * opacity)
            above += image[rows, :, channel] * rest
            above += np.float32(0.5)
            result[rows, :, channel] = np.minimum(above, np.float32(255))
    return result


def face_window(vertices: FloatArray, margin: float = 1.25) -> NDArray[np.float64]:
    """A square window `(left, top, right, bottom)` round a mesh, to look at."""
    low, high = vertices[:, :2].min(0), vertices[:, :2].max(0)
    half = margin * float((high - low).max()) / 2
    centre = (low + high) / 2
    return np.concatenate([centre - half, centre + half])


class Window(NamedTuple):
    """Pictures of a part of a photograph: `plain`, with mesh and landmarks over it, both `[size,size,3]`, and its depth
    `[S,S,3]`."""

    plain: Image
    overlay: Image
    depth: Image


def draw_window(
    image: Image,
    vertices: FloatArray,
    triangles: NDArray[np.int32],
    landmarks: FloatArray,
    window: Box,
    size: int,
    depth_size: int,
) -> Window:
    """The part of a photograph in `window` at `size` pixels, all from one look at which triangles are seen.

    Depth is in colours (light is near), with a little relief, at `depth_size` pixels.
    """
    matrix = crop_transform(window, size)
    plain = warp_image(image, matrix, size, size)
    points = np.asarray(transform_points(matrix, vertices), np.float32)
    near = (points[:, 2:] - points[:, 2].min()) / max(float(np.ptp(points[:, 2])), 1e-6)
    values = np.concatenate([shading(points, triangles), near], axis=1)
    drawn = render_channels(points, triangles, size, size, values)
    lit, shown = np.ascontiguousarray(drawn[..., :2]), shrunk(drawn[..., 1:], depth_size)
    return Window(plain, _overlaid(plain, lit, transform_points(matrix, landmarks)), _depth(shown))


def _depth(drawn: NDArray[np.float32]) -> Image:
    """How much of a pixel the mesh takes, and nearness 0 to 1 times that `[H,W,2]`, as a picture."""
    import cv2

    cover, near = (np.ascontiguousarray(drawn[..., k]) for k in (0, 1))
    level = np.clip(235 * near / np.maximum(cover, 1e-6) + 20, 0, 255).astype(np.uint8)
    below = np.round(np.array(BACKGROUND, np.float32) * 255)
    colours = cv2.cvtColor(cv2.applyColorMap(np.arange(256, dtype=np.uint8), cv2.COLORMAP_MAGMA), cv2.COLOR_BGR2RGB)
    colours = colours.reshape(1, 256, 3)
    colours[0, 0] = below  # of no level: those begin at 20
    level[cover == 0] = 0
    picture = cv2.LUT(cv2.merge([level] * 3), colours)
    rim = np.nonzero((cover > 0) & (cover < 1))
    picture[rim] = below + (picture[rim] - below) * cover[rim][:, None] + 0.5
    return np.asarray(picture, np.uint8)


def shrunk(picture: NDArray[Any], size: int) -> NDArray[Any]:
    """A square picture at `size` pixels a side."""
    import cv2

    if picture.shape[:2] == (size, size):
        return picture
    # where each pixel counts, linear takes a third of the time
    way = cv2.INTER_LINEAR if 2 * size >= len(picture) else cv2.INTER_AREA
    return np.asarray(cv2.resize(picture, (size, size), interpolation=way))


def turned_view(vertices_mm: FloatArray, triangles: NDArray[np.int32], size: int, yaw_deg: float = 45.0) -> Image:
    """The mesh in the face frame, shaded, seen after a turn about the vertical axis."""
    turned = (vertices_mm - vertices_mm.mean(0)) @ euler_to_matrix(np.radians(yaw_deg), 0.0, 0.0).T
    points = turned * [1.0, -1.0, 1.0]
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    scale = 0.88 * size / (high - low).max()
    points = (points - [*(low + high) / 2, 0.0]) * scale + [size / 2, size / 2, 0.0]
    return blend(_plain(size), render_shaded(points, triangles, size, size))


def _plain(size: int) -> Image:
    return np.full((size, size, 3), np.round(np.array(BACKGROUND) * 255), np.uint8)
