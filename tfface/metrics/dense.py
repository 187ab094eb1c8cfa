"""Dense NME: the mean distance of all vertices of one topology, in the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.metrics.landmarks import DepthRule, FloatArray, box_area_root, nme_2d, nme_3d


def dense_nme(
    predicted: FloatArray,
    truth: FloatArray,
    rule: DepthRule | None = None,
    normaliser: FloatArray | None = None,
) -> NDArray[np.float64]:
    """NME in per cent `[N]` of vertices `[N,V,3]` in pixels (u, v, depth), vertex by vertex.

    Args:
        predicted, truth: the same vertices in the same order.
        rule: None measures u and v only; otherwise how the depth is aligned (`landmarks.align_depth`).
        normaliser: `[N]` pixels; the default is `sqrt(width * height)` of the true vertices' box. AFLW2000's
        published
            dense figures divide by the box of the 68 true points instead: pass `box_area_root(points68)` for
            them.
    """
    lengths = box_area_root(truth) if normaliser is None else normaliser
    if rule is None:
        return nme_2d(predicted, truth, lengths)
    return nme_3d(predicted, truth, lengths, rule)
