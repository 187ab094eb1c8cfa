"""How somebody looks in a video: the colours of face, hair and neck, by which one who comes back is known again.

Within a video light, clothes and hair stay, so colours tell people apart where shapes do not (docs/video.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.face.head_uv import head_uv
from tfface.face.open_model import MAX_LEVEL, load_open_face
from tfface.result import FaceResult
from tfface.viz.texture import sample_photo

FloatArray = NDArray[np.floating]
CELLS, STEP = 8, 3
"""Cells along a side of the head's chart; every third vertex is looked at."""
LEAST_SEEN, LEAST_CELLS = 0.15, 4
LIGHTNESS = 0.5
"""What a difference in lightness counts beside one in hue: it changes with the way that one looks."""


@dataclass(frozen=True, eq=False)
class Look:
    """Colours `[64,3]` (CIELAB) of the head's cells, each with its mirrored one, and which are seen `[64]`."""

    colours: FloatArray
    seen: NDArray[np.bool_]

    @classmethod
    def of(cls, result: FaceResult) -> Look:
        """As a frame shows somebody."""
        face = load_open_face()
        rows = np.flatnonzero(face.head(MAX_LEVEL).vertex_part < 2)[::STEP]
        places = np.asarray(result.head_points[rows, :2], np.float32)
        height, width = result.image.shape[:2]
        inside = (places >= 0).all(1) & (places[:, 0] <= width) & (places[:, 1] <= height)
        weight = result.head_seen[rows] * inside
        colours = cv2.cvtColor(sample_photo(result.image, places[None]), cv2.COLOR_RGB2LAB)[0]
        cell = np.clip((head_uv(face)[rows] * CELLS).astype(int), 0, CELLS - 1)
        number = np.minimum(cell[:, 0], CELLS - 1 - cell[:, 0]) + CELLS * cell[:, 1]
        total = np.bincount(number, weight, CELLS**2)
        sums = np.stack([np.bincount(number, weight * colours[:, k], CELLS**2) for k in range(3)], 1)
        count = np.maximum(np.bincount(number, minlength=CELLS**2), 1)
        return cls(sums / np.maximum(total, 1e-6)[:, None], total / count > LEAST_SEEN)

    def unlike(self, other: Look) -> float:
        """The mean difference of the cells that both show; infinite where these are too few."""
        both = self.seen & other.seen
        if np.count_nonzero(both) < LEAST_CELLS:
            return float("inf")
        apart = (self.colours - other.colours)[both] * [LIGHTNESS, 1.0, 1.0]
        return float(np.linalg.norm(apart, axis=1).mean())
