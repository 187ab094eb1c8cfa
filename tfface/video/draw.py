"""A person drawn over a frame, fast enough to watch."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tfface.face.head_mesh import head_mesh
from tfface.geometry.raster import interpolate, rasterize, vertex_normals
from tfface.video.person import Moment, Performer
from tfface.viz.overlay import LIGHTS, write_text

OPACITY = 0.55
TINTS = ((0.55, 0.82, 1.0), (1.0, 0.8, 0.5), (0.65, 1.0, 0.65), (1.0, 0.65, 0.8))


@lru_cache(maxsize=1)
def _triangles() -> NDArray[np.int32]:
    skin = head_mesh("face", 0).pieces[0]
    return skin.triangles


def draw_over(canvas: NDArray[np.uint8], performer: Performer, moment: Moment, number: int) -> None:
    """Draws the face's mesh, and its number and angles, into a frame `[H,W,3]`."""
    mesh = head_mesh("face", 0)
    points = moment.camera.project(mesh.vertices(performer.identity, moment.expression)[mesh.pieces[0].rows])
    low, high = np.floor(points[:, :2].min(0)), np.ceil(points[:, :2].max(0))
    edge = [canvas.shape[1], canvas.shape[0]]
    (left, top), (right, bottom) = (np.clip(each, 0, edge).astype(int) for each in (low, high))
    if right <= left or bottom <= top:
        return
    placed = np.asarray(points - [left, top, 0], np.float32)
    seen, weights, _ = rasterize(placed, _triangles(), bottom - top, right - left)
    normals = vertex_normals(placed * np.array([1, -1, 1], np.float32), _triangles())
    light = np.full(len(normals), 0.18)
    for direction, strength in LIGHTS:
        light += strength * np.clip(normals @ (np.array(direction) / np.linalg.norm(direction)), 0, None)
    tint = np.array(TINTS[number % len(TINTS)])
    shaded = interpolate(
        seen, weights, _triangles(), np.asarray(np.clip(light[:, None] * tint, 0, 1) * 255, np.float32)
    )
    part = canvas[top:bottom, left:right]
    part[:] = np.where(seen[..., None] >= 0, part * (1 - OPACITY) + OPACITY * shaded, part)
    yaw, pitch, roll = moment.angles_deg
    write_text(canvas, f"{number}: yaw {yaw:.0f} pitch {pitch:.0f} roll {roll:.0f}", float(left), float(top) - 6, 0.45)
