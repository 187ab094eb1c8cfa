"""How well a model says people whom it does not know: random scanned ones, and random ones of MakeHuman's sliders.

Each person's face skin (what the model's regions hold) is laid rigidly over the model, whose likeliest coefficients
(standard normal, `NOISE_MM`) are found along with the motion. What is left, and the coefficients' length, is printed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfface.face.build.ict import ScannedPeople
from tfface.face.build.scanned import LaidOn
from tfface.face.fit import CoefficientFit
from tfface.face.open_model import MAX_LEVEL, OpenFace
from tfface.geometry.icp import move

FloatArray = NDArray[np.floating]
NOISE_MM = 0.03
"""All points together count as one that errs by this."""
EVERY = 6


@dataclass(frozen=True)
class Explained:
    """Root mean square in mm of what a model leaves of people, and the mean length of their coefficients."""

    rms_mm: float
    length: float


def skin_sample(face: OpenFace, laid: LaidOn) -> NDArray[np.int64]:
    """An even selection of the head's vertices (level 2): skin of the face with a sure place on the scan."""
    on_face = face.head_to_face(MAX_LEVEL)
    region = np.where(on_face >= 0, face.regions[np.maximum(on_face, 0)], 0)
    return np.flatnonzero((region > 0) & laid.partners.sure)[::EVERY]


def scanned_faces(people: ScannedPeople, laid: LaidOn, chosen: NDArray[np.integer], seeds: int) -> NDArray[np.float64]:
    """Random scanned people `[P,N,3]` mm at chosen vertices, straight from the scanned mesh."""
    partners = laid.partners
    mean = (laid.placed[partners.corners[chosen]] * partners.weights[chosen][..., None]).sum(1)
    modes = partners.offsets(people.modes)[:, chosen]
    drawn = np.stack([np.random.default_rng(seed).normal(size=len(modes)) for seed in range(seeds)])
    return np.asarray(mean + np.tensordot(drawn, modes, axes=1))


def explain(face: OpenFace, chosen: NDArray[np.integer], people: FloatArray) -> Explained:
    """What the model leaves of people `[P,N,3]`.

    Args:
        face: the model.
        chosen: `[N]` vertices of its head at level 2.
        people: mm, in any place.
    """
    rows = face.head(MAX_LEVEL).matrix[chosen]
    basis = np.stack([rows @ part for part in face.id_basis.astype(np.float64)])
    noise = NOISE_MM * np.sqrt(len(chosen))
    fit = CoefficientFit(rows @ face.mean, basis, np.ones(len(basis)), noise_mm=noise)
    squares, lengths = [], []
    for person in people:
        found, motion = fit(person, with_scale=False)
        squares.append(np.square(move(motion, fit.shape(found)) - person).sum(1).mean())
        lengths.append(np.linalg.norm(found))
    return Explained(float(np.sqrt(np.mean(squares))), float(np.mean(lengths)))
