"""Maps of a symmetric chart made whole: what is seen, then its mirror image, then what is smooth.

What is smooth is found on a small map. Large ones are worked on a band of rows at a time, which stays in the
processor's cache: that takes a third of the time, and none of the memory that whole maps of what lies between would.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.viz.texture import pull_push

FloatArray = NDArray[np.floating]
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
        own: `[T,T,C]`, T a power of two; seen: `[T,T,1]` how far it counts; trusted: `[T,T,1]`, or as small as
            `shrink` makes it, how far what is made up goes by it.
        mean_share: what the mean of all that is known counts in each texel of what is made up.
        fade: so far (of the side) from where it ends what is known grows no brighter than what is made up, but for its
            detail: gloss does not end in an edge.

    Returns:
        the whole map, and how far each texel comes from the mirrored one `[T,T,1]`.
    """
    size, channels = len(own), own.shape[-1]
    coarse, sight, trust = (shrink(each) for each in (own, seen, trusted))
    both, lent = sight * mirrored(sight), (1 - sight) * mirrored(sight)
    shift = spread(wide(both, channels) * (coarse - mirrored(coarse)), both)
    known = wide(sight, channels) * coarse + wide(lent, channels) * (mirrored(coarse) + shift)
    smooth = spread(wide(trust, channels) * known, trust * (sight + lent), mean_share)
    gloss = beside_the_end(known, sight + lent, smooth, fade) if fade else np.zeros_like(smooth)
    filled, from_mirror = np.empty(own.shape, np.float32), np.empty_like(seen)
    for rows in bands(size):
        from_mirror[rows] = (1 - seen[rows]) * mirrored(seen[rows])
        band = wide(seen[rows], channels) * own[rows]
        band += wide(from_mirror[rows], channels) * (mirrored(own[rows]) + enlarged(shift, size, rows))
        band += wide(1 - seen[rows] - from_mirror[rows], channels) * enlarged(smooth, size, rows)
        filled[rows] = band - enlarged(gloss, size, rows)
    return filled, from_mirror


def beside_the_end(known: FloatArray, share: FloatArray, smooth: FloatArray, fade: float) -> NDArray[np.float32]:
    """What is to be taken from a map so that gloss ends without an edge `[S,S,C]`: near the map's outer end, by how
    much its coarse part is more than what is `smooth`. Holes within it do not count as its end.

    Args:
        known: `[S,S,C]` the map times its `share` `[S,S,1]`; smooth: `[S,S,C]`; fade: of the side.
    """
    size, weight = len(known), share[..., 0]
    inside = np.pad((weight > 0.5).astype(np.uint8), 1)
    _, outside = cv2.connectedComponents(1 - inside)
    away = cv2.distanceTransform((outside != outside[0, 0]).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    rest = np.clip(1 - away / (fade * size), 0, 1)
    rest = weight * rest * rest * (3 - 2 * rest)
    coarse, around = (np.asarray(cv2.GaussianBlur(each, (0, 0), fade * size / 8)) for each in (known, weight))
    apart = coarse.reshape(known.shape) / wide(np.maximum(around, 1e-3), known.shape[-1]) - smooth
    return wide(rest, known.shape[-1]) * np.maximum(apart, 0)


def wide(weights: FloatArray, channels: int) -> FloatArray:
    """Weights `[R,T,1]` once a channel, `[R,T,C]`: NumPy takes six times as long to multiply where it has to spread."""
    merged = np.asarray(cv2.merge([np.asarray(weights, np.float32)] * channels), np.float32)
    return merged.reshape(*weights.shape[:2], channels)


def mirrored(band: FloatArray) -> FloatArray:
    """`[R,T,C]` from right to left, in memory too."""
    return np.asarray(cv2.flip(band, 1), np.float32).reshape(band.shape)


def spread(values: FloatArray, share: FloatArray, mean_share: float = 0.0) -> NDArray[np.float32]:
    """A smooth field `[S,S,C]` through values (times their weights) and their weights `[S,S,1]`; the mean of all counts
    `mean_share` everywhere."""
    if share.max() <= 1e-3:
        return np.zeros(values.shape, np.float32)
    if mean_share:
        mean = np.array(cv2.sumElems(values)[: values.shape[-1]]) / cv2.sumElems(share)[0]
        values, share = values + np.asarray(mean_share * mean, np.float32), share + np.float32(mean_share)
    return np.asarray(cv2.GaussianBlur(pull_push(values, share), (0, 0), 2.0), np.float32).reshape(values.shape)


def shrink(values: FloatArray) -> NDArray[np.float32]:
    """A map `[T,T,C]` of at most `SMOOTH_TEXELS` a side, averaged over areas."""
    small = min(len(values), SMOOTH_TEXELS)
    shrunk = cv2.resize(values, (small, small), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.float32).reshape(small, small, -1)


def enlarged(field: FloatArray, size: int, rows: slice) -> NDArray[np.float32]:
    """Some rows (of `bands`) of a smooth field `[S,S,C]` at `size` texels a side, `[R,T,C]`."""
    factor = size // len(field)
    top, bottom = max(rows.start // factor - 1, 0), min(rows.stop // factor + 1, len(field))  # one more on each side
    band = np.asarray(cv2.resize(field[top:bottom], (size, (bottom - top) * factor)), np.float32)
    return band.reshape(len(band), size, -1)[rows.start - top * factor : rows.stop - top * factor]


def as_bytes(values: FloatArray) -> NDArray[np.uint8]:
    """Values in [0,1] as 0 to 255."""
    return np.asarray(cv2.addWeighted(values, 255, values, 0, 0, dtype=cv2.CV_8U), np.uint8).reshape(values.shape)
