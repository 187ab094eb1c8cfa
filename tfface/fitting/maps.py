"""The coefficients of a predicted mesh: where a fit starts that a network has begun."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tfface.face.fit import CoefficientFit
from tfface.face.open_model import load_albedo_basis, load_open_face
from tfface.fitting.coefficients import Coefficients
from tfface.fitting.landmarks import EXPRESSION_STD, USUAL_DISTANCE_MM
from tfface.geometry.camera import Camera

SAMPLE = 2000
NOISE_MM = 3.0
ROUNDS = 3
FloatArray = NDArray[np.floating]


def fit_vertices(vertices: FloatArray) -> Coefficients:
    """Coefficients and camera of a mesh of the face crop.

    A network's map does not say how far the camera stood: a usual distance is taken.

    Args:
        vertices: `[53833,3]` u, v and depth in pixels.
    """
    fit, chosen = _solver()
    upright = np.asarray(vertices, np.float64)[chosen] * [1.0, -1.0, 1.0]
    face, flat = load_open_face(), upright
    for _ in range(ROUNDS):
        found = fit(flat)
        motion = found.motion
        centre = motion.translation + motion.scale * motion.rotation @ face.centre
        nearer = (upright[:, 2:] - centre[2]) / (motion.scale * USUAL_DISTANCE_MM)
        planar = centre[:2] + (upright[:, :2] - centre[:2]) * (1.0 - nearer)  # the perspective taken out
        flat = np.concatenate([planar, upright[:, 2:]], axis=1)
    focal = motion.scale * USUAL_DISTANCE_MM
    camera = Camera(motion.rotation, focal, USUAL_DISTANCE_MM, centre[:2] * [1.0, -1.0], face.centre)
    identity, expression = np.split(found.coefficients, [face.num_identity])
    dark = np.zeros(len(load_albedo_basis().basis)), np.zeros(27)
    return Coefficients(identity, np.clip(expression, 0.0, 1.0), *dark, camera)


@lru_cache(maxsize=1)
def _solver() -> tuple[CoefficientFit, NDArray[np.int64]]:
    face = load_open_face()
    chosen = np.arange(0, len(face.regions), len(face.regions) // SAMPLE)
    rows = face.face(2).matrix[chosen]
    basis = np.stack([rows @ part for part in (*face.id_basis, *face.exp_basis)])
    deviations = np.concatenate([np.ones(face.num_identity), np.full(len(face.exp_basis), EXPRESSION_STD)])
    return CoefficientFit(rows @ face.mean, basis, deviations, noise_mm=NOISE_MM), chosen
