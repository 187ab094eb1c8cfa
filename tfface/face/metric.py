"""The face in millimetres behind vertices in a photograph: without the camera's perspective, and as people are.

What is nearer to a camera looks larger: at an arm's length a nose gains an eighth. A network's map (u, v, depth in
pixels) holds that, so a similarity alone makes millimetre meshes with large noses and narrow heads. How far the camera
stood one face hardly tells (the networks say one distance for all), so the usual one is taken out:

    x = (u - u0) (1 - z / D),  y = (v0 - v) (1 - z / D),

with z the depth and u0, v0 the pixel of the face's centre. What then differs from the mean face is part person and part
error; the face model's coefficients are fitted with a prior that believes the first as far as it has earned it, and
they say the shape.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tfface.face.fit import CoefficientFit, open_face_fit
from tfface.face.open_model import load_open_face
from tfface.geometry.align import Pose, fit_pose
from tfface.geometry.camera import Camera

DISTANCE_MM = 1000.0
"""From the camera to the face, as taken out."""
NUM_POINTS = 500
NOISE_MM = 6.0
"""Of one of 500 points. They err together, and count as 55 independent ones that err by 2 mm."""
METRIC_EXPRESSION_STD = 1.0
"""Of a weight that lies between 0 and 1: a prior of 0.25 is as near to the truth, and wipes smiles off."""
ROUNDS = 3
RIGID_REGIONS = (1, 2, 3)
"""Face, eyes and nose: what expressions move least."""


def metric_face(vertices: NDArray[np.floating]) -> tuple[NDArray[np.float32], Camera]:
    """The shape `[53833,3]` in millimetres, in the face frame, and the camera that takes it back to the photograph.

    The size is that of people of these proportions: a photograph does not tell it.

    Args:
        vertices: `[53833,3]` u, v and depth in pixels of the photograph.
    """
    face = load_open_face()
    identity, expression, camera = metric_coefficients(vertices)
    return face.face(2).vertices(face.cage(identity, expression)), camera


def metric_coefficients(
    vertices: NDArray[np.floating],
) -> tuple[NDArray[np.float32], NDArray[np.float32], Camera]:
    """What `metric_face` is made of: identity `[150]`, expression `[52]`, and the camera."""
    fit, chosen = _solver()
    found, camera = fit_in_perspective(np.asarray(vertices)[chosen], fit, DISTANCE_MM)
    identity, expression = np.split(found.astype(np.float32), [load_open_face().num_identity])
    return identity, expression, camera


def fit_in_perspective(
    points: NDArray[np.floating], fit: CoefficientFit, distance_mm: float
) -> tuple[NDArray[np.float64], Camera]:
    """Coefficients of the open model and the camera, so far from the face's centre, that sees its points here.

    Args:
        points: `[N,3]` u, v and depth in pixels, of the points that `fit` is about.
    """
    origin = load_open_face().centre
    flat = np.asarray(points, np.float64) * [1.0, -1.0, 1.0]
    for _ in range(ROUNDS):
        found, motion = fit(flat)
        pose = Pose(motion.rotation, motion.scale, motion.translation)
        flat = without_perspective(points, pose, distance_mm)
    centre = motion.translation + motion.scale * motion.rotation @ origin
    focal = motion.scale * distance_mm
    return found, Camera(motion.rotation, focal, distance_mm, centre[:2] * [1.0, -1.0], origin)


def without_perspective(points: NDArray[np.floating], pose: Pose, distance_mm: float) -> NDArray[np.float64]:
    """Points `[N,3]` (u, v, depth) in pixels as an infinitely far camera sees them, y up."""
    centre = pose.translation_px + pose.scale_px_per_mm * pose.rotation @ load_open_face().centre
    flat = np.asarray(points, np.float64) * [1.0, -1.0, 1.0]
    nearer = (flat[:, 2:] - centre[2]) / (pose.scale_px_per_mm * distance_mm)
    flat[:, :2] = centre[:2] + (flat[:, :2] - centre[:2]) * (1.0 - nearer)
    return flat


@lru_cache(maxsize=1)
def _solver() -> tuple[CoefficientFit, NDArray[np.int64]]:
    """Points all over the face (not the neck)."""
    face = load_open_face()
    inner = np.flatnonzero(face.regions)
    chosen = inner[np.linspace(0, len(inner) - 1, NUM_POINTS).astype(int)]
    return open_face_fit(face, chosen, METRIC_EXPRESSION_STD, NOISE_MM), chosen


def reference_pose(vertices: NDArray[np.floating]) -> Pose:
    """The similarity that takes the face of people on average to predicted vertices `[53833,3]` (u, v, depth px)."""
    rigid = _rigid()
    return fit_pose(vertices[rigid], load_open_face().mean_face()[rigid])


@lru_cache(maxsize=1)
def _rigid() -> NDArray[np.int64]:
    return np.flatnonzero(np.isin(load_open_face().regions, RIGID_REGIONS))
