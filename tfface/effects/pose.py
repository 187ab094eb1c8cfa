"""The head's pose drawn over a photograph: a box round the head, and its own axes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.face.head_mesh import head_mesh
from tfface.face.open_model import load_open_face
from tfface.geometry.ibug68 import NOSE_TIP
from tfface.result import FaceResult
from tfface.viz.overlay import write_text

FRONT, BACK = (255, 214, 92), (96, 150, 200)
AXES = ((255, 110, 110), (120, 235, 140), (110, 170, 255))
"""To the head's left (the picture's right for a face that looks at us), up, and out of the face."""
AXIS_MM = 90.0


def head_box_mm(result: FaceResult) -> NDArray[np.float64]:
    """The corners `[8,3]` of a box round the head from chin to crown, in the face frame: the front's four first, in
    order, then those behind them."""
    face = load_open_face()
    skin = head_mesh("head", 0).vertices(result.shape[0], np.zeros(1))
    points = result.vertices_mm[face.landmarks68]
    skin = np.concatenate([points, skin[skin[:, 1] >= points[:, 1].min()]])
    (left, low, back), (right, high, front) = skin.min(0), skin.max(0)
    around = ((left, low), (right, low), (right, high), (left, high))
    return np.array([(*corner, z) for z in (front, back) for corner in around], np.float64)


def pose_drawn(image: NDArray[np.uint8], results: Sequence[FaceResult]) -> NDArray[np.uint8]:
    """The photograph `[H,W,3]` with a box, axes and angles for each of its faces."""
    canvas = np.ascontiguousarray(image).copy()
    for result in results:
        _draw_one(canvas, result)
    return canvas


def _draw_one(canvas: NDArray[np.uint8], result: FaceResult) -> None:
    corners = result.camera.project(head_box_mm(result))[:, :2]
    side = float(np.ptp(corners, axis=0).max())
    thick = max(round(side / 140), 1)
    for index in range(4):
        after = (index + 1) % 4
        _line(canvas, corners[4 + index], corners[4 + after], BACK, thick)
        _line(canvas, corners[index], corners[4 + index], BACK, thick)
    for index in range(4):
        _line(canvas, corners[index], corners[(index + 1) % 4], FRONT, 2 * thick)
    nose = result.vertices_mm[load_open_face().landmarks68[NOSE_TIP]]
    ends = result.camera.project(np.concatenate([nose[None], nose + AXIS_MM * np.eye(3)]))[:, :2]
    for end, colour in zip(ends[1:], AXES, strict=True):
        _line(canvas, ends[0], end, colour, 2 * thick)
    yaw, pitch, roll = result.pose.degrees
    large = max(min(side, canvas.shape[1]) / 420, 0.4)
    left, bottom = corners[:, 0].mean() - 140 * large, corners[:, 1].max() + 40 * large
    write_text(canvas, f"yaw {yaw:.0f}  pitch {pitch:.0f}  roll {roll:.0f}", left, bottom, large)


def _line(
    canvas: NDArray[np.uint8],
    start: NDArray[np.floating],
    end: NDArray[np.floating],
    colour: tuple[int, int, int],
    thick: int,
) -> None:
    first, last = (np.round((point - 0.5) * 16).astype(int).tolist() for point in (start, end))
    for ink, wide in (((20, 20, 20), thick + 2), (colour, thick)):
        cv2.line(canvas, first, last, ink, wide, cv2.LINE_AA, 4)
