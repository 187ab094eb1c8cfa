"""Sampling square maps: which texels a point of the UV square blends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def bilinear_weights(uv: NDArray[np.floating], resolution: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The four texels round each point and their weights.

    Args:
        uv: `[N,2]` in [0,1], origin top-left; texel (row i, column j) stands for uv = (j, i) / (resolution - 1).
        resolution: texels along a side.

    Returns:
        flat texel indices `[N,4]` and weights `[N,4]` that sum to 1.
    """
    position = np.clip(np.asarray(uv, np.float64), 0.0, 1.0) * (resolution - 1)
    corner = np.minimum(np.floor(position).astype(np.int64), resolution - 2)
    right, down = (position - corner).T
    base = corner[:, 1] * resolution + corner[:, 0]
    texels = np.stack([base, base + 1, base + resolution, base + resolution + 1], axis=1)
    weights = np.stack([(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down], axis=1)
    return texels, weights.astype(np.float32)
