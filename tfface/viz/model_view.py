"""Pictures of a model of several meshes, with its textures, from any side."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.geometry.raster import interpolate, rasterize, vertex_normals
from tfface.geometry.rotation import euler_to_matrix
from tfface.io.model import Material, Model, NamedMesh
from tfface.viz.overlay import BACKGROUND, CLAY, LIGHTS, SUPERSAMPLE
from tfface.viz.texture import sample_photo

FILL = 0.92
"""Of the picture's side, as large as the model is drawn."""


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
    low, high = joined[:, :2].min(0), joined[:, :2].max(0)
    large = size * SUPERSAMPLE
    if span_mm is None:
        middle, zoom = (low + high) / 2, FILL * large / (high - low).max()
    else:
        middle, zoom = np.zeros(2), large / span_mm
    canvas = np.tile(np.array(BACKGROUND, np.float32), (large, large, 1))
    nearest = np.full((large, large), -np.inf, np.float32)
    for number, (mesh, vertices) in enumerate(zip(model.meshes, turned, strict=True)):
        flat = (vertices - [*middle, 0.0]) * [zoom, -zoom, zoom] + [large / 2, large / 2, 0.0]
        clay = Material("clay", CLAY) if skin_as_clay and number == 0 else mesh.material
        _draw(canvas, nearest, mesh, clay, np.asarray(flat, np.float32), vertices)
    halved = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(halved, 0, 1) * 255 + 0.5, np.uint8)


def _draw(
    canvas: NDArray[np.float32],
    nearest: NDArray[np.float32],
    mesh: NamedMesh,
    material: Material,
    points: NDArray[np.float32],
    turned: NDArray[np.floating],
) -> None:
    """Draws one mesh into the picture and its depth, in the box that it takes of them."""
    low = np.clip(np.floor(points[:, :2].min(0)), 0, nearest.shape[::-1]).astype(int)
    high = np.clip(np.ceil(points[:, :2].max(0)), low, nearest.shape[::-1]).astype(int)
    canvas, nearest = (part[low[1] : high[1], low[0] : high[0]] for part in (canvas, nearest))
    points, triangles = points - np.array([*low, 0], np.float32), mesh.triangles
    if material.double_sided:
        triangles = np.concatenate([triangles, triangles[:, ::-1]])
    seen, weights, depth = rasterize(points, np.ascontiguousarray(triangles), *nearest.shape)
    over = depth > nearest
    if material.texture is not None and mesh.uv is not None:
        texels = interpolate(seen, weights, triangles, mesh.uv) * np.array(material.texture.shape[1::-1], np.float32)
        colours = sample_photo(material.texture, texels)
    else:
        normals = vertex_normals(np.asarray(turned, np.float32), mesh.triangles)
        lit = _light(normals)[:, None] * np.array(material.color, np.float32)
        colours = interpolate(seen, weights, triangles, lit.astype(np.float32))
    np.copyto(canvas, colours, where=over[..., None])
    np.copyto(nearest, depth, where=over)


def _light(normals: NDArray[np.float32]) -> NDArray[np.float64]:
    light = np.full(len(normals), 0.18)
    for direction, strength in LIGHTS:
        unit = np.array(direction) / np.linalg.norm(direction)
        light += strength * np.clip(normals @ unit, 0, None) ** 1.1
    return np.minimum(light, 1.0)
