"""What covers a face from the nose down: a mask or a scarf.

Nose and cheeks are compared with the skin between the eyes, or above the brows, by colour as photographed. A mask is
there where the two differ in hue, the lower one is not a hue of skin, and the upper one is: beards leave nose and
cheeks alone, light from one side changes brightness, coloured light both. A mask in a grey photograph, or of skin's
hue, is not found.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.viz.cover import TEXELS, above_brows, chart_hull, chart_landmarks, shrunk

FloatArray = NDArray[np.floating]
Mask = NDArray[np.bool_]
APART = 0.17
"""Logarithms of the three colours, their mean taken out, differ by more than this from skin to mask."""
SKIN_HUES = ((0.12, 0.75), (0.0, 0.75))
"""Logarithms of red over green and of green over blue that skin has in usual light, in sRGB."""
FAR = (0.05, 0.1)
"""So much farther from these is a mask than the skin, and so far at most may the skin be."""
LEAST_TEXELS = 30


def mask_share(colours: FloatArray, seen: FloatArray) -> NDArray[np.float32] | None:
    """How far each texel of the face's chart `[R,R]` lies under a mask, in [0,1]; None where there is none.

    Args:
        colours: `[R,R,3]` in [0,1], as photographed.
        seen: `[R,R]` how well the photograph shows each texel.
    """
    zones, own, weight = _zones(), shrunk(colours), shrunk(seen)
    logarithms = np.log(own + 0.03)
    known = [zone & (weight > 0.5) for zone in (zones.lower, zones.bridge, zones.forehead)]
    medians = [np.median(logarithms[zone], axis=0) for zone in known if np.count_nonzero(zone) >= LEAST_TEXELS]
    if len(medians) < 2 or np.count_nonzero(known[0]) < LEAST_TEXELS:
        return None
    other, skin = medians[0], min(medians[1:], key=_from_skin)
    change = other - skin
    apart = float(np.linalg.norm(change - change.mean()))
    if apart < APART or _from_skin(skin) > FAR[1] or _from_skin(other) - _from_skin(skin) < FAR[0]:
        return None
    nearer = np.linalg.norm(logarithms - other, axis=-1) < np.linalg.norm(logarithms - skin, axis=-1)
    cover = cv2.morphologyEx((nearer & zones.below).astype(np.float32), cv2.MORPH_OPEN, np.ones((3, 3)))
    cover = np.maximum.accumulate(cv2.dilate(cover, np.ones((7, 7))), axis=0)
    soft = np.clip(1.6 * cv2.GaussianBlur(cover, (0, 0), 2.0), 0, 1)
    return np.asarray(cv2.resize(soft, np.shape(seen)[::-1]), np.float32)


def _from_skin(logarithms: FloatArray) -> float:
    hues = zip(-np.diff(logarithms), SKIN_HUES, strict=True)
    return float(np.linalg.norm([max(low - hue, hue - high, 0.0) for hue, (low, high) in hues]))


@dataclass(frozen=True, eq=False)
class _Zones:
    """Masks `[TEXELS,TEXELS]`: between the eyes; above the brows; nose and cheeks; all that a mask may cover."""

    bridge: Mask
    forehead: Mask
    lower: Mask
    below: Mask


@lru_cache(maxsize=1)
def _zones() -> _Zones:
    points = chart_landmarks()
    row = np.mgrid[0:TEXELS, 0:TEXELS][0]
    cheeks = (chart_hull([31, 48, 2, 41]) | chart_hull([35, 54, 14, 46])) & (row > points[29, 1])
    edge = points[[1, 21, 22, 15]]
    top = np.interp(np.arange(TEXELS), *edge[edge[:, 0].argsort()].T)
    return _Zones(chart_hull([21, 22, 42, 39, 28]), above_brows(), chart_hull([30, 33, 31, 35]) | cheeks, row > top)
