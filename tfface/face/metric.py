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

from tfface.face.fit import CoefficientFit
from tfface.face.open_model import load_open_face
from tfface.geometry.align import Pose, fit_pose
from tfface.geometry.camera import Camera

DISTANCE_MM = 1000.0
"""From the camera to the face, as taken out."""
NUM_POINTS = 500
NOISE_MM = 6.0
"""Of one of 500 points. They err together, and count as 55 independent ones that err by 2 mm."""
EXPRESSION_STD = 1.0
"""Of a weight that lies between 0 and 1: a prior of 0.25 is as near to the truth, and wipes smiles off."""


def metric_face(vertices: NDArray[np.floating]) -> tuple[NDArray[np.float32], Camera]:
    """The shape `[53833,3]` in millimetres, in the face frame, and the camera that takes it back to the photograph.

    The size is that of people of these proportions: a photograph does not tell it.

    Args:
        vertices: `[53833,3]` u, v and depth in pixels of the photograph.
    """
    face, (points, mean, fit) = load_open_face(), _fit()
    some = np.asarray(vertices, np.float64)[points]
    pose = fit_pose(some, mean)
    found, motion = fit(without_perspective(some, pose, DISTANCE_MM))
    identity, expression = np.split(found.astype(np.float32), [face.num_identity])
    distance = DISTANCE_MM * pose.scale_px_per_mm / motion.scale
    centre = _centre(pose) * [1.0, -1.0, 1.0]
    origin = -motion.translation @ motion.rotation / motion.scale
    camera = Camera(motion.rotation, motion.scale * distance, distance, centre[:2], origin)
    return face.face(2).vertices(face.cage(identity, expression)), camera


def without_perspective(points: NDArray[np.floating], pose: Pose, distance_mm: float) -> NDArray[np.float64]:
    """Points `[N,3]` (u, v, depth) in pixels as an infinitely far camera sees them, y up, from the face's centre."""
    out = np.asarray(points, np.float64) * [1.0, -1.0, 1.0] - _centre(pose)
    out[:, :2] *= 1.0 - out[:, 2:] / (pose.scale_px_per_mm * distance_mm)
    return out


def _centre(pose: Pose) -> NDArray[np.float64]:
    """`[3]` where the face's centre lies in the photograph, in pixels, y up."""
    return np.asarray(pose.scale_px_per_mm * pose.rotation @ load_open_face().centre + pose.translation_px)


@lru_cache(maxsize=1)
def _fit() -> tuple[NDArray[np.int64], NDArray[np.float64], CoefficientFit]:
    """Points all over the face (not the neck), their means, and the fit of all coefficients to them."""
    face = load_open_face()
    inner = np.flatnonzero(face.regions)
    points = inner[np.linspace(0, len(inner) - 1, NUM_POINTS).astype(int)]
    rows = face.face(2).matrix[points]
    basis = np.stack([rows @ each for each in (*face.id_basis, *face.exp_basis)])
    std = np.concatenate([np.ones(len(face.id_basis)), np.full(len(face.exp_basis), EXPRESSION_STD)])
    mean = np.asarray(rows @ face.mean, np.float64)
    return points, mean, CoefficientFit(mean, basis, std, noise_mm=NOISE_MM)
