"""Many anchors see one face: they are averaged into one candidate, which is steadier than the best of them alone
(the tie resolution of Bazarevsky et al. 2019)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.detect.blazeface.network import Candidates

LEAST_OVERLAP = 0.3
"""Intersection over union from which two boxes are the same face."""


def merge(found: Candidates) -> Candidates:
    """One candidate for each face, the best score first: score of its best anchor, boxes and points averaged by score.

    Args:
        found: of one network and picture, or of several in the same coordinates.
    """
    left = np.argsort(-found.scores, kind="stable")
    merged = []
    while len(left):
        same = overlaps(found.boxes[left[0]], found.boxes[left]) >= LEAST_OVERLAP
        same[0] = True
        merged.append(_averaged(found, left[same], left[0]))
        left = left[~same]
    return Candidates(*(np.concatenate(parts) for parts in zip(*merged, strict=True))) if merged else found


def strongest(found: Candidates) -> Candidates:
    """The first that `merge` would give (one, or none where there is none), without the others."""
    if not len(found.scores):
        return found
    best = int(np.argmax(found.scores))
    same = overlaps(found.boxes[best], found.boxes) >= LEAST_OVERLAP
    same[best] = True
    return _averaged(found, np.flatnonzero(same), best)


def _averaged(found: Candidates, members: NDArray[np.int64], best: int) -> Candidates:
    """One candidate out of those with numbers `members`."""
    weights = found.scores[members] / found.scores[members].sum()
    points = weights @ found.keypoints[members].reshape(len(members), -1)
    box = weights @ found.boxes[members]
    return Candidates(found.scores[[best]], box[None], points.reshape(1, *found.keypoints.shape[1:]))


def overlaps(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union `[N]` of a box `[4]` with boxes `[N,4]`."""
    shared, own, others = _areas(box, boxes)
    return np.asarray(shared / (own + others - shared))


def shares_inside(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shared area of a box `[4]` with boxes `[N,4]`, over the smaller of the two `[N]`: 1 where one holds the
    other."""
    shared, own, others = _areas(box, boxes)
    return np.asarray(shared / np.minimum(own, others))


def _areas(
    box: NDArray[np.float64], boxes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
    """What a box `[4]` shares with each of others `[N,4]`, its own area, and theirs."""
    left, top, right, bottom = box.tolist()
    lefts, tops, rights, bottoms = boxes.T
    wide = np.minimum(right, rights) - np.maximum(left, lefts)
    high = np.minimum(bottom, bottoms) - np.maximum(top, tops)
    shared = np.maximum(wide, 0.0) * np.maximum(high, 0.0)
    return shared, (right - left) * (bottom - top), (rights - lefts) * (bottoms - tops)
