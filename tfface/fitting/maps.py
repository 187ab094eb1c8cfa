"""The coefficients of a predicted mesh: where a fit starts that a network has begun."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tfface.face.fit import CoefficientFit, open_face_fit
from tfface.face.metric import fit_in_perspective
from tfface.face.open_model import load_albedo_basis, load_open_face
from tfface.fitting.coefficients import Coefficients
from tfface.fitting.landmarks import FITTED_EXPRESSION_STD, USUAL_DISTANCE_MM

SAMPLE = 2000
NOISE_MM = 3.0
FloatArray = NDArray[np.floating]


def fit_vertices(vertices: FloatArray) -> Coefficients:
    """Coefficients and camera of a mesh of the face crop.

    A network's map does not say how far the camera stood: a usual distance is taken.

    Args:
        vertices: `[53833,3]` u, v and depth in pixels.
    """
    fit, chosen = _solver()
    found, camera = fit_in_perspective(np.asarray(vertices)[chosen], fit, USUAL_DISTANCE_MM)
    identity, expression = np.split(found, [load_open_face().num_identity])
    dark = np.zeros(len(load_albedo_basis().basis)), np.zeros(27)
    return Coefficients(identity, np.clip(expression, 0.0, 1.0), *dark, camera)


@lru_cache(maxsize=1)
def _solver() -> tuple[CoefficientFit, NDArray[np.int64]]:
    face = load_open_face()
    chosen = np.arange(0, len(face.regions), len(face.regions) // SAMPLE)
    return open_face_fit(face, chosen, FITTED_EXPRESSION_STD, NOISE_MM), chosen
