"""Photometric error: how much a rendered face differs from its photograph where it covers it.

With colours in [0,1] and the mask M (1 where the face is rendered and skin is seen): Deep3D's measure is the mean over
M of the length of the colour difference, `sum M |I - I'|_2 / sum M`; `mae` takes the mean of its channels' absolute
values, `psnr` is `-10 log10` of the mean square. None undoes light or exposure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError

FloatArray = NDArray[np.floating]


def photometric_error(rendered: FloatArray, photograph: FloatArray, mask: FloatArray) -> dict[str, float]:
    """`l2`, `mae` and `psnr` (dB; of two equal pictures 100) of pictures `[H,W,3]` in [0,1] under a mask `[H,W]`.

    Raises:
        UserError: the shapes differ, or the mask is empty.
    """
    first, second = np.asarray(rendered, np.float64), np.asarray(photograph, np.float64)
    weight = np.asarray(mask, np.float64)
    if first.shape != second.shape or first.shape[:2] != weight.shape:
        raise UserError(f"pictures of {first.shape} and {second.shape} with a mask of {weight.shape} do not compare")
    total = weight.sum()
    if total <= 0:
        raise UserError("the mask of the photometric error is empty: the face covers nothing of the photograph")
    difference = first - second
    square = float((weight * (difference**2).mean(-1)).sum() / total)
    return {
        "l2": float((weight * np.linalg.norm(difference, axis=-1)).sum() / total),
        "mae": float((weight * np.abs(difference).mean(-1)).sum() / total),
        "psnr": float(-10.0 * np.log10(max(square, 1e-10))),
    }
