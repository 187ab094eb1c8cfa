"""Two bands of teeth behind the lips: the upper fixed to the skull, the lower moving with the jaw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.mesh import TEETH, Piece, grid_triangles, plain_attributes

_COLUMNS = 17


def _band(centre: NDArray[np.floating], half_width: float, top: float, bottom: float) -> Piece:
    """An arch of half width `half_width` mm round `centre`, its foremost point, from `top` to `bottom` mm above it."""
    along = np.linspace(-1.0, 1.0, _COLUMNS)
    arch = np.stack([along * half_width, np.zeros(_COLUMNS), -0.75 * half_width * along**2], -1)
    rows = [centre + arch + [0.0, height, 0.0] for height in (top, (top + bottom) / 2, bottom)]
    attributes = plain_attributes(3 * _COLUMNS)
    attributes[:, 1] = np.tile(1.0 - 0.65 * np.abs(along) ** 1.5, 3)
    triangles = grid_triangles(3, _COLUMNS, closed=False)
    return Piece(np.concatenate(rows).astype(np.float32), triangles, TEETH, attributes)


def teeth(landmarks: NDArray[np.floating], neutral: NDArray[np.floating], rng: np.random.Generator) -> list[Piece]:
    """Bands for 68 landmarks `[68,3]` in millimetres, with and without expression; none when the lips are closed."""
    if landmarks[62, 1] - landmarks[66, 1] < 1.0:
        return []
    half = 0.5 * float(np.ptp(neutral[48:55, 0])) * 0.9
    seam = (neutral[62] + neutral[66]) / 2 + [0.0, 0.0, -5.0]
    seam[2] = min(seam[2], min(landmarks[62, 2], landmarks[66, 2]) - 4.0)
    jaw = landmarks[8] - neutral[8]
    show = rng.uniform(-1.0, 1.5)
    lower = seam + jaw + [0.0, 0.0, -2.0]
    return [_band(seam, half, 9.0, -1.5 + show), _band(lower, half * 0.85, -2.0 + show, -9.0)]
