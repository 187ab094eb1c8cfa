"""Deep3D's 257 coefficients by name, and coefficients of one face model in terms of another.

Deep3DFaceReconstruction lays out 80 identity, 64 expression, 80 albedo, 3 angles, 27 light (three colours of nine
harmonics each) and 3 translation numbers. Its light is offset: 0.8 is added to the constant harmonic of each colour
(as `tfface.render.shade` does too). Its angles and translation are `tfface.geometry.conventions`'.

Between models, the source's mesh is carried to our vertices by a `FaceCorrespondence`, or ours to the source's; then
the target's coefficients are fitted to it by regularised least squares (`tfface.face.fit`), a rigid motion free, since
models have frames of their own. What the target cannot say is lost: `rms_mm` tells how much.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.correspondence import correspond
from tfface.face.fit import CoefficientFit, open_face_fit
from tfface.face.linear_face import LinearFace
from tfface.face.open_model import OpenFace
from tfface.geometry.align import Similarity
from tfface.geometry.camera import Camera
from tfface.geometry.conventions import camera_from_deep3d, camera_to_deep3d
from tfface.geometry.harmonics import AMBIENT
from tfface.geometry.icp import move

FloatArray = NDArray[np.floating]
LAYOUT = {"identity": 80, "expression": 64, "albedo": 80, "angles_rad": 3, "gamma": 27, "translation_dm": 3}
NUM_COEFFICIENTS = sum(LAYOUT.values())
CARRIED_EXPRESSION_STD = 0.5
NOISE_MM = 3.0
SAMPLE = 4000


@dataclass(frozen=True)
class Deep3DCoefficients:
    """One face, or a batch with leading axes.

    Attributes:
        identity: `[...,80]`, expression: `[...,64]`, albedo: `[...,80]` in standard deviations.
        angles_rad: `[...,3]` about x, y, z.
        gamma: `[...,3,9]` harmonics of red, green and blue, without the ambient 0.8.
        translation_dm: `[...,3]`.
    """

    identity: FloatArray
    expression: FloatArray
    albedo: FloatArray
    angles_rad: FloatArray
    gamma: FloatArray
    translation_dm: FloatArray

    @property
    def light(self) -> NDArray[np.float64]:
        """`[...,3,9]` the harmonics that multiply the basis, the ambient 0.8 included."""
        light = np.array(self.gamma, np.float64)
        light[..., 0] += AMBIENT
        return light

    @property
    def camera(self) -> Camera:
        """The camera of one face over the 224-pixel crop, for vertices in millimetres in the model's frame."""
        return camera_from_deep3d(self.angles_rad, self.translation_dm)

    def joined(self) -> NDArray[np.float64]:
        """`[...,257]` as the network gives them."""
        leading = np.asarray(self.identity).shape[:-1]
        parts = [np.reshape(getattr(self, name), (*leading, size)) for name, size in LAYOUT.items()]
        return np.concatenate(parts, axis=-1).astype(np.float64)


def split(coefficients: FloatArray) -> Deep3DCoefficients:
    """`[...,257]` by name.

    Raises:
        UserError: there are not 257.
    """
    array = np.asarray(coefficients)
    if array.shape[-1:] != (NUM_COEFFICIENTS,):
        raise UserError(
            f"Deep3D's coefficients are {NUM_COEFFICIENTS} numbers; an array of shape {array.shape} is not."
        )
    ends = np.cumsum(list(LAYOUT.values()))[:-1]
    parts = dict(zip(LAYOUT, np.split(array, ends, axis=-1), strict=True))
    parts["gamma"] = parts["gamma"].reshape(*array.shape[:-1], 3, 9)
    return Deep3DCoefficients(**parts)


class Converted(NamedTuple):
    """Coefficients of the target, where its frame lies in the source's (`source ~ motion(target)`), and the rest."""

    identity: NDArray[np.float64]
    expression: NDArray[np.float64]
    motion: Similarity
    rms_mm: float


class ModelBridge:
    """Shapes of another model in terms of our open face, and back.

    Args:
        face: ours.
        other: a model of `tfface.face.readers`.
    """

    def __init__(self, face: OpenFace, other: LinearFace) -> None:
        self.face, self.other = face, other
        self.correspondence = correspond(face, other)  # seconds
        sure = np.flatnonzero(self.correspondence.sure)
        self._ours = sure[:: max(1, len(sure) // SAMPLE)]

    def to_ours(self, identity: FloatArray, expression: FloatArray) -> Converted:
        """Our identity `[150]` and expression `[52]` of the other's coefficients of one face.

        Expression weights are not held to [0,1]: a negative one is the opposite movement.
        """
        target = self.correspondence(self.other.vertices(identity, expression))[self._ours]
        return self._solved(self._fit_ours, target, self.face.num_identity)

    def to_other(self, identity: FloatArray, expression: FloatArray) -> Converted:
        """The other's coefficients of our identity `[150]` and expression `[52]` of one face."""
        rows = self.face.face(2).matrix[self._ours]
        return self._solved(self._fit_other, rows @ self.face.cage(identity, expression), len(self.other.id_basis))

    def camera_to_ours(self, coefficients: Deep3DCoefficients, converted: Converted) -> Camera:
        """Deep3D's camera of one face, for our vertices of `to_ours`: same pixels of the 224-pixel crop."""
        return _carried(coefficients.camera, converted.motion)

    def camera_to_deep3d(self, camera: Camera, converted: Converted) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Deep3D's angles and translation of our camera, for the vertices of `to_other`."""
        return camera_to_deep3d(_carried(camera, converted.motion))

    def _solved(self, fit: CoefficientFit, target: FloatArray, num_identity: int) -> Converted:
        found, motion = fit(target, with_scale=False, iterations=12)
        difference = target - move(motion, fit.shape(found))
        rms = float(np.sqrt((difference**2).sum(-1).mean()))
        return Converted(found[:num_identity], found[num_identity:], motion, rms)

    @cached_property
    def _fit_ours(self) -> CoefficientFit:
        return open_face_fit(self.face, self._ours, CARRIED_EXPRESSION_STD, NOISE_MM)

    @cached_property
    def _fit_other(self) -> CoefficientFit:
        corners, weights = self.correspondence.corners[self._ours], self.correspondence.weights[self._ours]
        parts = (self.other.mean[None], self.other.id_basis, self.other.exp_basis)
        mean, *basis = ((part[corners] * weights[..., None]).sum(1) for group in parts for part in group)
        deviations = np.concatenate([self.other.id_std, self.other.exp_std])
        return CoefficientFit(mean, np.stack(basis), deviations, noise_mm=NOISE_MM)


def _carried(camera: Camera, motion: Similarity) -> Camera:
    """The camera that sees V where `camera` sees `motion(V)`.

    `R (s Q V + t - o) = s R Q (V - Q^T (o - t) / s)`, and a face s times as large looks the same s times as far away.
    """
    origin = motion.rotation.T @ (camera.origin_mm - motion.translation) / motion.scale
    rotation = camera.rotation @ motion.rotation
    return Camera(rotation, camera.focal_px, camera.distance_mm / motion.scale, camera.centre_px, origin)
