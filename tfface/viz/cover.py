"""Which texels of a face show skin, and which hair, a cap or a collar that lies on it.

The face's chart is cut in two by colour and by edges (GrabCut, Rother et al. 2004): cheeks and nose are skin, what is
unlike them at the rim is not, and each texel between goes where its colour and its neighbours say. Light is divided out
first, and so is gloss, of which dark skin's colours have a larger share. Brows, eyes, lips and nostrils do not take
part, and texels that the photograph hides are taken from the mirrored side. Only what hangs together with the rim is
left out: freckles and shadows of the face stay. So does a beard: where the chin is as dark as one, nothing below the
nose is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.face.open_model import load_open_face
from tfface.geometry import ibug68

FloatArray = NDArray[np.floating]
Mask = NDArray[np.bool_]
TEXELS = 160
"""Side of the chart in which it is decided."""
SIDES, RIM, FOREHEAD = 0.48, 0.64, 0.22
"""Of the chart's half side from its middle, and of its height from above: beyond, texels are more likely no skin."""
UNLIKE = 0.4
"""Colours that differ by this share from the face's own are not skin at the rim; by half of it they may be skin."""
BEARD, BEARD_ENDS = 0.24, 0.8
"""A chin that is darker than the face by this share is bearded; so far from the middle beards reach, as `RIM`."""
PERHAPS, FEW = 0.1, 0.02
"""Colours that differ by less count as skin from the start, also at the rim; unless less than that share of the rim is
surely none: fair hair is like fair skin."""
GLOSS, MOST_GLOSS = 0.15, 0.25
"""By how much gloss brightens colours at most: in light under which they look as bright as they are, and in any light.
Dark skin is photographed darker, though more light falls on it, and what gloss reflects goes with the light."""
ROUNDS, LEAST_TEXELS = 1, 30
"""Of the cut: four changed 1 % of the texels of 48 photographs, and took three times as long. Its first colours come
from all texels: from a quarter of them it took some fair hair for skin (`benchmarks/skin_tones.py`: 1.4 -> 9.5 %)."""


def skin_share(colours: FloatArray, seen: FloatArray, light: float = 1.0) -> NDArray[np.float32]:
    """How far each texel of the face's chart shows skin, `[R,R]` in [0,1].

    Args:
        colours: `[R,R,3]` in [0,1], the photograph's with the light divided out.
        seen: `[R,R]` how well the photograph shows each texel.
        light: what the light multiplied the face's colours by on the whole.
    """
    zones, own, weight = _zones(), shrunk(colours), shrunk(seen)
    mirrored = weight[:, ::-1] * (1 - weight)
    known = (weight + mirrored) > 0.5
    both = own * weight[..., None] + own[:, ::-1] * mirrored[..., None]
    both /= np.maximum(weight + mirrored, 1e-3)[..., None]
    sure = zones.core & known
    if np.count_nonzero(sure) < 0.1 * np.count_nonzero(zones.core):  # under a mask, or in a profile
        sure = max(above_brows() & known, zones.cheeks & known, key=np.count_nonzero)
    if np.count_nonzero(sure) < LEAST_TEXELS:
        return np.ones(np.shape(seen), np.float32)
    usual = np.median(both[sure], axis=0)
    shown = np.where((known & ~zones.features)[..., None], both, usual)
    apart = _unlikeness(shown - usual, light) / (np.linalg.norm(usual) + 0.05)
    darker = float(np.median(usual.mean() - both[zones.chin & known].mean(-1))) if (zones.chin & known).any() else 0.0
    bearded = darker > BEARD * usual.mean()
    unlike = cv2.dilate((apart > UNLIKE / 2).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    cover = _cut(shown, apart, known, zones) & unlike
    if bearded:
        cover &= ~zones.beard
    return _soft(_joined(cover, zones), np.shape(seen)[0])


def shrunk(part: FloatArray) -> NDArray[np.float32]:
    """A map of the face's chart `[TEXELS,TEXELS,...]`."""
    small = cv2.resize(np.asarray(part, np.float32), (TEXELS, TEXELS), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def chart_landmarks(size: int = TEXELS) -> NDArray[np.float32]:
    """`[68,2]` column and row of the landmarks in the face's chart."""
    face = load_open_face()
    return np.asarray(face.face(2).uv[face.landmarks68] * (size - 1), np.float32)


def chart_hull(numbers: list[int] | slice, grown: int = 1, size: int = TEXELS) -> Mask:
    """`[size,size]` what lies between these landmarks, and some texels beyond."""
    mask = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(chart_landmarks(size)[numbers]).astype(np.int32)), 1)
    return np.asarray(cv2.dilate(mask, np.ones((grown, grown), np.uint8)) > 0)


def above_brows() -> Mask:
    """`[TEXELS,TEXELS]` the forehead's lower middle."""
    return np.roll(chart_hull([19, 20, 21, 22, 23, 24], 9), -9, axis=0)


@dataclass(frozen=True, eq=False)
class _Zones:
    """Masks `[TEXELS,TEXELS]`: surely skin; the cheeks before the ears; brows, eyes, lips and nostrils; each brow and
    what lies above it; the chin; where a beard may grow; the rim."""

    core: Mask
    cheeks: Mask
    features: Mask
    brows: tuple[tuple[Mask, Mask], ...]
    chin: Mask
    beard: Mask
    rim: Mask


@lru_cache(maxsize=1)
def _zones() -> _Zones:
    points, hull = chart_landmarks(), chart_hull
    row, column = np.mgrid[0:TEXELS, 0:TEXELS]
    core = hull([39, 42, 31, 35, 27], 3) | hull([40, 41, 31, 48], 3) | hull([46, 47, 35, 54], 3)
    cheeks = hull([36, 48, 3, 2], 1) | hull([45, 54, 13, 14], 1)
    brows = [hull(brow, 9) for brow in (ibug68.LEFT_BROW, ibug68.RIGHT_BROW)]
    others = [hull(ibug68.LEFT_EYE, 7), hull(ibug68.RIGHT_EYE, 7), hull(ibug68.OUTER_LIPS, 7), hull(ibug68.NOSTRILS, 5)]
    above = [np.roll(brow, -7, axis=0) & ~brow for brow in brows]
    middle = 2 * np.abs(np.stack([row, column]) / (TEXELS - 1) - 0.5)
    low, wide = points[ibug68.LOWER_LIP, 1], np.ptp(points[list(ibug68.MOUTH_CORNERS), 0])
    chin = (row > low + 5) & (row < points[ibug68.CHIN, 1]) & (np.abs(column - points[ibug68.CHIN, 0]) < 0.4 * wide)
    rim = (middle[1] > SIDES) | (middle[0] > RIM) | (row < FOREHEAD * TEXELS)
    pairs = tuple(zip(brows, above, strict=True))
    bearded = (row > points[ibug68.NOSE_BASE, 1]) & (middle.max(0) < BEARD_ENDS)
    return _Zones(core, cheeks, np.any([*brows, *others], axis=0), pairs, chin, bearded, rim)


def _unlikeness(beside: FloatArray, light: float) -> FloatArray:
    """How long differences of colours `[R,R,3]` are without what gloss may have added, `[R,R]`.

    Gloss is white, so it adds to blue at least as much as to red; fair hair, which is brighter too, is yellow.
    """
    most = min(GLOSS / max(light, 0.2) ** 3, MOST_GLOSS)
    red, green, blue = np.moveaxis(beside, -1, 0)
    white = np.minimum(np.minimum(red, green), blue) - 2 * np.maximum(red - blue, 0)
    rest = beside - np.clip(white, 0, most)[..., None]
    return np.asarray(np.sqrt(np.einsum("rcx,rcx->rc", rest, rest)))


def _cut(colours: FloatArray, apart: FloatArray, known: Mask, zones: _Zones) -> Mask:
    """What is not skin, by colour and edges alone."""
    rim = zones.rim & known
    surely = rim & (apart > UNLIKE)
    few = np.count_nonzero(surely) < FEW * np.count_nonzero(rim)
    mask = np.where(rim & (few | (apart > PERHAPS)), cv2.GC_PR_BGD, cv2.GC_PR_FGD).astype(np.uint8)
    mask[surely] = cv2.GC_BGD
    mask[zones.core] = cv2.GC_FGD
    picture = np.asarray(np.clip(colours, 0, 1) * 255, np.uint8)
    if not (mask == cv2.GC_BGD).any():
        return np.zeros(mask.shape, bool)
    cv2.setRNGSeed(1)  # the same photograph, the same cut
    nowhere = (0, 0, 0, 0)  # the mask says where
    cv2.grabCut(picture, mask, nowhere, np.zeros((1, 65)), np.zeros((1, 65)), ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.asarray((mask == cv2.GC_BGD) | (mask == cv2.GC_PR_BGD))


def _joined(cover: Mask, zones: _Zones) -> Mask:
    """What hangs together with the rim, and what it cuts off from the face; a brow goes with what lies above it."""
    for brow, above in zones.brows:
        if np.count_nonzero(cover & above) > 0.6 * np.count_nonzero(above):
            cover = cover | brow
    _, labels = cv2.connectedComponents(cover.astype(np.uint8))
    at_rim = np.unique(labels[zones.rim & cover])
    _, islands = cv2.connectedComponents(1 - np.isin(labels, at_rim).astype(np.uint8))
    return np.asarray(~np.isin(islands, np.unique(islands[zones.core])))


def _soft(cover: Mask, size: int) -> NDArray[np.float32]:
    """1 on skin, fading to 0 towards what covers it: the texels beside hair are mixed with it."""
    around = cv2.dilate(cover.astype(np.float32), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
    soft = 1 - np.clip(cv2.GaussianBlur(around, (0, 0), 2.0) * 1.6, 0, 1)
    return np.asarray(cv2.resize(soft, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)
