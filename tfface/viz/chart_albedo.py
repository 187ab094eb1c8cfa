"""The face model's albedo in the chart of the whole head."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.face.head_uv import FRAME, to_face_chart
from tfface.face.open_model import AlbedoBasis
from tfface.viz.completion import enlarged, shrink, spread

FloatArray = NDArray[np.floating]
END = (0.84, 0.97)
"""Beyond that of it the photograph does not count: networks know the face's outermost ring least."""


def chart_albedo(albedo: AlbedoBasis, coefficients: FloatArray | None, size: int) -> NDArray[np.float32]:
    """`[T,T,3]` the albedo in the head's chart; beyond the face it goes on as at its rim."""
    if coefficients is None or not len(coefficients):
        return _mean_albedo(albedo, size)
    chart = albedo.mean + np.tensordot(np.asarray(coefficients, np.float32), albedo.basis[: len(coefficients)], axes=1)
    return _in_chart(chart, size)


@lru_cache(maxsize=2)
def _mean_albedo(albedo: AlbedoBasis, size: int) -> NDArray[np.float32]:
    result = _in_chart(albedo.mean, size)
    result.setflags(write=False)
    return result


def _in_chart(chart: FloatArray, size: int) -> NDArray[np.float32]:
    chart = np.clip(chart, 0, 1).astype(np.float32)
    placed = in_head(chart, size, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
    core = (chart_radius(size) < END[0]).astype(np.float32)[..., None]
    rim = enlarged(spread(shrink(core * placed), shrink(core)), size, slice(0, size))
    return np.asarray(core * placed + (1 - core) * rim, np.float32)


def in_head(chart: FloatArray, size: int, way: int, border: int = cv2.BORDER_CONSTANT) -> NDArray[np.float32]:
    """A map of the face's chart `[R,R,...]` in the head's `[T,T,...]`; `way` to interpolate, `border` as in OpenCV."""
    zoom = (1 - 2 * FRAME) * (size - 1) / (len(chart) - 1)
    moved = np.array([[zoom, 0, FRAME * (size - 1)], [0, zoom, FRAME * (size - 1)]])
    return np.asarray(cv2.warpAffine(chart, moved, (size, size), flags=way, borderMode=border), np.float32)


def chart_radius(size: int) -> NDArray[np.float32]:
    """How far each texel is from the middle of the face's chart: 1 on its border."""
    middle = np.abs(2 * to_face_chart(np.arange(size) / (size - 1)) - 1).astype(np.float32)
    return np.maximum(middle[:, None], middle[None, :])
