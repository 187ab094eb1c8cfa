"""Maps of a symmetric chart made whole: what is seen, then its mirror image, then what is smooth.

Large maps are worked on a band of rows at a time, which stays in the processor's cache: that takes a third of the time,
and none of the memory that whole maps of what lies between would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.viz.texture import pull_push

FloatArray = NDArray[np.floating]
Part = Callable[[slice], tuple[FloatArray, FloatArray]]
SMOOTH_TEXELS = 256
BAND_TEXELS = 1 << 16


def bands(size: int) -> Iterator[slice]:
    """Rows of a map of `size` texels a side (a power of two), some at a time."""
    rows = max(BAND_TEXELS // size, size // SMOOTH_TEXELS, 1)
    return (slice(start, min(start + rows, size)) for start in range(0, size, rows))


def completed(
    own: FloatArray, seen: FloatArray, trusted: FloatArray, mean_share: float = 0.0, fade: float = 0.0
) -> tuple[NDArray[np.float32], FloatArray]:
    """A map of a symmetric chart made whole: what is seen, then its mirror image, then what is smooth.

    Args:
        own: `[T,T,C]`, T a power of two; seen: `[T,T,1]` how far it counts; trusted: `[T,T,1]` how far what is made up
            goes by it.
        mean_share: what the mean of all that is known counts in each texel of what is made up.
        fade: so far (of the side) from where it ends what is known grows no brighter than what is made up, but for its
            detail: gloss does not end in an edge.

    Returns:
        the whole map, and how far each texel comes from the mirrored one `[T,T,1]`.
    """
    filled, from_mirror = np.empty(own.shape, np.float32), np.empty_like(seen)
    channels = own.shape[-1]

    def apart(rows: slice) -> tuple[FloatArray, FloatArray]:
        both = seen[rows] * seen[rows, ::-1]
        return wide(both, channels) * (own[rows] - mirrored(own[rows])), both

    shift = spread(apart, len(own))

    def known(rows: slice) -> tuple[FloatArray, FloatArray]:
        from_mirror[rows] = (1 - seen[rows]) * seen[rows, ::-1]
        filled[rows] = wide(seen[rows], channels) * own[rows]
        filled[rows] += wide(from_mirror[rows], channels) * (mirrored(own[rows]) + shift[rows])
        return wide(trusted[rows], channels) * filled[rows], trusted[rows] * (seen[rows] + from_mirror[rows])

    smooth = spread(known, len(own), mean_share)
    if fade:
        filled -= beside_the_end(filled, seen + from_mirror, smooth, fade)
    for rows in bands(len(own)):
        filled[rows] += wide(1 - (seen[rows] + from_mirror[rows]), channels) * smooth[rows]
    return filled, from_mirror


def beside_the_end(known: FloatArray, share: FloatArray, smooth: FloatArray, fade: float) -> NDArray[np.float32]:
    """What is to be taken from a map so that gloss ends without an edge `[T,T,C]`: near the map's outer end, by how
    much its coarse part is more than what is `smooth`. Holes within it do not count as its end.

    Args:
        known: `[T,T,C]` the map times its `share` `[T,T,1]`; smooth: `[T,T,C]`; fade: of the side.
    """
    size = min(len(known), SMOOTH_TEXELS)
    values, weight, far = (shrink(np.asarray(each, np.float32), size) for each in (known, share, smooth))
    inside = np.pad((weight > 0.5).astype(np.uint8), 1)
    _, outside = cv2.connectedComponents(1 - inside)
    away = cv2.distanceTransform((outside != outside[0, 0]).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    rest = np.clip(1 - away / (fade * size), 0, 1)
    rest = weight * rest * rest * (3 - 2 * rest)
    coarse, around = (np.asarray(cv2.GaussianBlur(each, (0, 0), fade * size / 8)) for each in (values, weight))
    apart = coarse / np.maximum(around, 1e-3)[..., None] - far
    return np.asarray(cv2.resize(rest[..., None] * np.maximum(apart, 0), (len(known),) * 2), np.float32)


def wide(weights: FloatArray, channels: int) -> FloatArray:
    """Weights `[R,T,1]` once a channel, `[R,T,C]`: NumPy takes six times as long to multiply where it has to spread."""
    return np.asarray(cv2.merge([weights] * channels), np.float32).reshape(*weights.shape[:2], channels)


def mirrored(band: FloatArray) -> FloatArray:
    """`[R,T,C]` from right to left, in memory too."""
    return np.asarray(cv2.flip(band, 1), np.float32).reshape(band.shape)


def spread(part: Part, size: int, mean_share: float = 0.0) -> NDArray[np.float32]:
    """A smooth field `[T,T,C]`, of low resolution, through values: `part` gives some rows' (times their weights) and
    their weights; the mean of all counts `mean_share` everywhere."""
    small = min(size, SMOOTH_TEXELS)
    shrunk = [[shrink(each, small) for each in part(rows)] for rows in bands(size)]
    values, share = (np.concatenate(each) for each in zip(*shrunk, strict=True))
    if share.max() <= 1e-3:
        return np.zeros((size, size, values.shape[-1]), np.float32)
    if mean_share:
        values += np.float32(mean_share) * values.sum((0, 1)) / share.sum()
        share += np.float32(mean_share)
    field = pull_push(values, share[..., None])
    return np.asarray(cv2.resize(cv2.GaussianBlur(field, (0, 0), 2.0), (size, size)), np.float32)


def shrink(band: FloatArray, small: int) -> NDArray[np.floating]:
    """A band of rows `[R,T,C]` as wide as `small` texels, averaged over areas."""
    size = small, len(band) * small // band.shape[1]
    return np.asarray(cv2.resize(band, size, interpolation=cv2.INTER_AREA), np.float32)


def as_bytes(values: FloatArray) -> NDArray[np.uint8]:
    """Values in [0,1] as 0 to 255, a band at a time."""
    result = np.empty(values.shape, np.uint8)
    for rows in bands(len(values)):
        result[rows] = np.clip(values[rows], 0, 1) * np.float32(255) + np.float32(0.5)
    return result
