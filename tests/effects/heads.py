"""Photographs of a face whose shape, pose and light are known, as results."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tfface.face.head_uv import head_uv
from tfface.face.open_model import load_albedo_basis, load_open_face
from tfface.face.position_map import position_tables
from tfface.geometry.camera import Camera
from tfface.geometry.harmonics import harmonic_functions
from tfface.geometry.raster import interpolate, rasterize, vertex_normals
from tfface.geometry.rotation import euler_to_matrix
from tfface.result import FaceResult
from tfface.viz.chart_albedo import chart_albedo
from tfface.viz.posed_head import modelled_head, posed_head

PIXELS = 400
EVEN = np.array([[1.1] * 3] + [[0.0] * 3] * 8)
GROUND = (0, 200, 0)


@lru_cache(maxsize=8)
def photographed(yaw_deg: float = 0.0, smile: float = 0.0, from_right: float = 0.0, tint: float = 1.0) -> FaceResult:
    """The mean person before green, `from_right` of the light from the picture's right, red times `tint`."""
    face = load_open_face()
    expression = np.zeros(52, np.float32)
    for side in ("Left", "Right"):
        expression[face.expression_names.index(f"mouthSmile{side}")] = smile
    rotation = euler_to_matrix(np.radians(yaw_deg), 0.0, 0.0)
    camera = Camera(rotation, 1300.0, 1000.0, np.array([PIXELS / 2, PIXELS / 2]), face.centre)
    identity = np.zeros(150, np.float32)
    vertices = camera.project(face.face(2).vertices(face.cage(identity, expression)))
    points, triangles = posed_head(vertices, modelled_head(identity, expression, camera)), face.head(2).triangles
    chart = chart_albedo(load_albedo_basis(), None, 256)
    column, row = np.round(head_uv(face) * 255).astype(int).T
    albedo = chart[row, column] * [tint, 1, 1]
    light = EVEN.copy()
    light[3] = -0.45 * from_right
    normals = vertex_normals(np.asarray(points * [1, -1, 1], np.float32), triangles)
    lit = albedo * (np.stack(harmonic_functions(*normals.T), -1) @ light)
    drawn = rasterize(np.asarray(points, np.float32), triangles, PIXELS, PIXELS)
    picture = np.clip(interpolate(drawn[0], drawn[1], triangles, np.asarray(lit, np.float32)) * 255, 0, 255)
    picture[drawn[0] < 0] = GROUND
    low, high = vertices[:, :2].min(0), vertices[:, :2].max(0)
    placed = position_tables(256).from_vertices(vertices)
    return FaceResult(picture.astype(np.uint8), placed, np.concatenate([low, high]).astype(float), "known", {})


def patch(result: FaceResult, picture: np.ndarray, landmark: int, reach: int = 4) -> np.ndarray:
    """The mean colour `[3]` round a landmark."""
    u, v = result.landmarks68[landmark, :2].astype(int)
    return picture[v - reach : v + reach, u - reach : u + reach].reshape(-1, 3).mean(0)
