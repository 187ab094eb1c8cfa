"""Many anchors see one face: they are averaged into one candidate, which is steadier than the best of them alone
(the tie resolution of Bazarevsky et al. 2019)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.detect.blazeface.network import Candidates

LEAST_OVERLAP = 0.3


def merge(found: Candidates, least_overlap: float = LEAST_OVERLAP) -> Candidates:
    """One candidate for each face, the best score first: score of its best anchor, boxes and points averaged by score.

    Args:
        found: of one network and picture, or of several in the same coordinates.
        least_overlap: intersection over union from which two boxes are the same face.
    """
    left = np.argsort(-found.scores, kind="stable")
    scores, boxes, points = [], [], []
    while len(left):
        same = overlaps(found.boxes[left[0]], found.boxes[left]) >= least_overlap
        same[0] = True
        members = left[same]
        weights = found.scores[members] / found.scores[members].sum()
        scores.append(found.scores[members[0]])
        boxes.append(weights @ found.boxes[members])
        points.append(np.tensordot(weights, found.keypoints[members], axes=1))
        left = left[~same]
    return Candidates(
        np.array(scores), np.reshape(boxes, (-1, 4)), np.reshape(points, (-1, *found.keypoints.shape[1:]))
    )


def strongest(found: Candidates, least_overlap: float = LEAST_OVERLAP) -> Candidates:
    """The first that `merge` would give (one, or none where there is none), without the others."""
    if not len(found.scores):
        return found
    best = found.boxes[np.argmax(found.scores)]
    same = overlaps(best, found.boxes) >= least_overlap
    return merge(Candidates(*(values[same] for values in found)), 0.0)


def overlaps(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union `[N]` of a box `[4]` with boxes `[N,4]`."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    return np.asarray(shared / (np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) - shared))


def shares_inside(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shared area of a box `[4]` with boxes `[N,4]`, over the smaller of the two `[N]`: 1 where one holds the
    other."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    return np.asarray(shared / np.minimum(np.prod(box[2:] - box[:2]), np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)))
