"""First stage: shape, expression and camera from 68 landmarks, in NumPy.

With p_n(x) the projection of landmark n (`tfface.geometry.camera`), the unknowns x are the identity a, for each
photograph the expression b in [0,1] and the pose (three angles, centre, log scale, log distance), and

    min sum_photos sum_n |p_n - q_n|^2 / s_n^2 + |a - m|^2 + sum_photos |b|^2 / 0.3^2 + (ln(distance / 900 mm) / 0.35)^2

by trust-region least squares (scipy, "trf"); its Jacobian is written out for the coefficients, and taken by differences
for the seven numbers of the pose. m is what people have on average (`tfface.face.traits`), s_n is how exact a landmark
is. With `contour`, landmarks are dlib's, and jaw points slide along the silhouette (`tfface.fitting.contour`) between a
few rounds; without, they are fixed points of the head (`tfface.face.landmarks` has both conventions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.open_model import load_albedo_basis, load_open_face
from tfface.fitting.coefficients import Coefficients
from tfface.fitting.contour import jaw_rows, marched
from tfface.geometry.camera import Camera
from tfface.geometry.ibug68 import COUNT, NOSE_BASE, NUM_JAW
from tfface.geometry.pinhole import projected
from tfface.geometry.rotation import euler_to_matrix, matrix_to_euler

FloatArray = NDArray[np.floating]
NUM_POSE = 7
ROUNDS = 4
NOISE_PX, JAW_NOISE_PX = 2.0, 4.0  # in a crop of 224 pixels
FITTED_EXPRESSION_STD = 0.3
USUAL_DISTANCE_MM, DISTANCE_STD = 900.0, 0.35
POSE_STEP = 1e-6


@dataclass(frozen=True)
class _Candidates:
    """dlib's landmarks 17 to 67, the rows of the 17 jaw points, then the 68 points of the head.

    Attributes:
        mean: `[N,3]` millimetres about the face's centre.
        basis: `[202,N,3]` of identity and expression.
    """

    mean: NDArray[np.float64]
    basis: NDArray[np.float64]


@lru_cache(maxsize=1)
def _candidates() -> _Candidates:
    face = load_open_face()
    chosen = np.concatenate([face.landmarks68_2d[NUM_JAW:], jaw_rows().ravel(), face.landmarks68])
    mean, *basis = face.linear_at(face.face(2).matrix[chosen]).astype(np.float64)
    return _Candidates(mean, np.stack(basis))


def _chosen(jaw: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """The 68 candidates whose jaw points are these `[17]` vertices of the rows; None: the points of the head."""
    if jaw is None:
        return np.arange(-COUNT, 0)
    places = COUNT - NUM_JAW + np.arange(NUM_JAW) * jaw_rows().shape[1] + jaw
    return np.concatenate([places, np.arange(COUNT - NUM_JAW)])


def _marched_jaw(joint: FloatArray, pose: FloatArray, target: FloatArray) -> NDArray[np.int64]:
    """Which vertices `[17]` of the rows are the outline, given identity and expression `[202]`."""
    data = _candidates()
    chosen = np.concatenate([[NOSE_BASE - NUM_JAW], np.arange(COUNT - NUM_JAW, len(data.mean) - COUNT)])
    points = project(pose, data.mean[chosen] + np.tensordot(joint, data.basis[:, chosen], axes=1))
    return marched(points[1:].reshape(NUM_JAW, -1, 2), points[0], target[:NUM_JAW])


def landmark_model(
    found: Coefficients, target: FloatArray, contour: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 68 landmarks as a linear model about the face's centre, mean `[68,3]` and basis `[202,68,3]`.

    With `contour`, the jaw points are those on the outline of the face found so far.
    """
    joint = np.concatenate([found.identity, found.expression])
    jaw = _marched_jaw(joint, pose_of(found.camera), target) if contour else None
    data, chosen = _candidates(), _chosen(jaw)
    return data.mean[chosen], data.basis[:, chosen]


def exactness() -> NDArray[np.float64]:
    """`[68]` the inverse of how far each landmark may be off, in pixels of a crop of 224."""
    return 1.0 / np.concatenate([np.full(NUM_JAW, JAW_NOISE_PX), np.full(COUNT - NUM_JAW, NOISE_PX)])


def fit_landmarks(points: Sequence[FloatArray], contour: bool = False) -> list[Coefficients]:
    """One person's coefficients from the landmarks of his or her photographs, in crops of about 224 pixels.

    Args:
        points: for each photograph `[68,2]` in pixels of its crop, iBUG order.
        contour: points as dlib's, the jaw on the silhouette; else points of the head as 300W-LP's, hidden or not.

    Returns:
        for each photograph its coefficients, its camera over the crop; albedo and light are 0.

    Raises:
        UserError: points that are not 68 finite ones or lie all in one place.
    """
    targets = [checked(part) for part in points]
    problem = _Problem(targets, contour)
    unknowns = problem.start()
    for _ in range(ROUNDS if contour else 1):
        if contour:
            problem.choose(problem.marched_jaw(unknowns))
        unknowns = problem.solve(unknowns, evaluations=8 if contour else 24)
    return problem.coefficients(unknowns)


def checked(points: FloatArray) -> NDArray[np.float64]:
    """`[68,2]` of 68 points `[68, 2 or 3]`.

    Raises:
        UserError: another shape, numbers that are not finite, or no extent.
    """
    array = np.asarray(points, np.float64)
    if array.ndim != 2 or array.shape[0] != 68 or array.shape[1] not in (2, 3):
        raise UserError(f"Landmarks are 68 points of u and v, not an array of shape {array.shape}: give [68,2].")
    if not np.isfinite(array).all() or np.ptp(array[:, :2], axis=0).min() < 1.0:
        raise UserError("The 68 landmarks are not a face: not all are finite, or they lie on one spot. Give pixels.")
    return array[:, :2]


class _Problem:
    """The least-squares problem of one person's photographs; unknowns are one vector."""

    def __init__(self, targets: list[NDArray[np.float64]], contour: bool) -> None:
        self.targets = targets
        self.data = _candidates()
        self.choose([np.zeros(NUM_JAW, np.int64) if contour else None] * len(targets))
        face = load_open_face()
        self.num_identity, self.num_expression = face.num_identity, len(face.expression_names)
        self.weights = exactness()

    def choose(self, jaw: Sequence[NDArray[np.int64] | None]) -> None:
        """Takes, for each photograph, these vertices `[17]` of the rows as its jaw points; None: points of the head."""
        chosen = [_chosen(places) for places in jaw]
        self.means = [self.data.mean[part] for part in chosen]
        self.bases = [np.ascontiguousarray(self.data.basis[:, part]) for part in chosen]

    def start(self) -> NDArray[np.float64]:
        """The mean face, expressionless, in the pose of a scaled orthographic camera."""
        photos = [
            np.concatenate([np.full(self.num_expression, 0.02), first_pose(mean, target)])
            for mean, target in zip(self.means, self.targets, strict=True)
        ]
        return np.concatenate([np.zeros(self.num_identity), *photos])

    def solve(self, unknowns: NDArray[np.float64], evaluations: int) -> NDArray[np.float64]:
        from scipy.optimize import least_squares

        low, high = np.full(len(unknowns), -np.inf), np.full(len(unknowns), np.inf)
        for index in range(len(self.targets)):
            part = self._expression(index)
            low[part], high[part] = 0.0, 1.0
            unknowns[part] = np.clip(unknowns[part], 1e-3, 1 - 1e-3)
        found = least_squares(
            self.residuals, unknowns, self.jacobian, (low, high), x_scale="jac", max_nfev=evaluations, ftol=1e-5
        )
        return np.asarray(found.x)

    def residuals(self, unknowns: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = [unknowns[: self.num_identity]]
        for index, target in enumerate(self.targets):
            shape, pose = self._shape(unknowns, index), unknowns[self._pose(index)]
            parts.append(((project(pose, shape) - target) * self.weights[:, None]).ravel())
            parts.append(unknowns[self._expression(index)] / FITTED_EXPRESSION_STD)
            parts.append((pose[6:] - np.log(USUAL_DISTANCE_MM)) / DISTANCE_STD)
        return np.concatenate(parts)

    def jacobian(self, unknowns: NDArray[np.float64]) -> NDArray[np.float64]:
        blocks = [np.eye(self.num_identity, len(unknowns))]
        for index in range(len(self.targets)):
            expression, place = self._expression(index), self._pose(index)
            shape, pose = self._shape(unknowns, index), unknowns[place]
            block = np.zeros((136 + self.num_expression + 1, len(unknowns)))
            weights = np.repeat(self.weights, 2)[:, None]
            linear = project_derivative(pose, shape, self.bases[index]).reshape(-1, 136).T * weights
            block[:136, : self.num_identity] = linear[:, : self.num_identity]
            block[:136, expression] = linear[:, self.num_identity :]
            block[:136, place] = _pose_derivative(pose, shape) * weights
            block[136:-1, expression] = np.eye(self.num_expression) / FITTED_EXPRESSION_STD
            block[-1, place.stop - 1] = 1.0 / DISTANCE_STD
            blocks.append(block)
        return np.concatenate(blocks)

    def marched_jaw(self, unknowns: NDArray[np.float64]) -> list[NDArray[np.int64]]:
        """For each photograph the vertices `[17]` of the rows that are its outline."""
        return [
            _marched_jaw(self._joint(unknowns, index), unknowns[self._pose(index)], target)
            for index, target in enumerate(self.targets)
        ]

    def coefficients(self, unknowns: NDArray[np.float64]) -> list[Coefficients]:
        dark = np.zeros(len(load_albedo_basis().basis)), np.zeros(27)
        identity = unknowns[: self.num_identity].copy()
        return [
            Coefficients(identity, unknowns[self._expression(i)].copy(), *dark, camera_of(unknowns[self._pose(i)]))
            for i in range(len(self.targets))
        ]

    def _expression(self, index: int) -> slice:
        start = self.num_identity + index * (self.num_expression + NUM_POSE)
        return slice(start, start + self.num_expression)

    def _pose(self, index: int) -> slice:
        start = self._expression(index).stop
        return slice(start, start + NUM_POSE)

    def _joint(self, unknowns: NDArray[np.float64], index: int) -> NDArray[np.float64]:
        return np.concatenate([unknowns[: self.num_identity], unknowns[self._expression(index)]])

    def _shape(self, unknowns: NDArray[np.float64], index: int) -> NDArray[np.float64]:
        return self.means[index] + np.tensordot(self._joint(unknowns, index), self.bases[index], axes=1)


def first_pose(shape: FloatArray, points: FloatArray) -> NDArray[np.float64]:
    """The seven numbers of a pose from points of the mean face `[N,3]` and where they are seen `[N,2]`.

    The scaled orthographic camera of least squares, its two rows made orthogonal and equally long; the distance is a
    usual one.
    """
    system = np.concatenate([shape, np.ones((len(shape), 1))], axis=1)
    solution = np.linalg.lstsq(system, points * [1.0, -1.0], rcond=None)[0]
    left, lengths, right = np.linalg.svd(solution[:3].T, full_matrices=False)
    rows = left @ right
    yaw, pitch, roll = matrix_to_euler(np.concatenate([rows, np.cross(rows[0], rows[1])[None]]))
    centre = solution[3] * [1.0, -1.0]
    return np.array([yaw, pitch, roll, *centre, np.log(lengths.mean()), np.log(USUAL_DISTANCE_MM)])


def camera_of(pose: FloatArray) -> Camera:
    """The camera of the seven numbers: yaw, pitch, roll, centre (2), log pixels a millimetre, log distance."""
    distance = float(np.exp(pose[6]))
    focal = float(np.exp(pose[5])) * distance
    return Camera(euler_to_matrix(*pose[:3]), focal, distance, np.array(pose[3:5]), load_open_face().centre)


def pose_of(camera: Camera) -> NDArray[np.float64]:
    """The seven numbers of a camera."""
    sizes = np.log([camera.pixels_per_mm, camera.distance_mm])
    return np.concatenate([matrix_to_euler(camera.rotation), camera.centre_px, sizes])


def project(pose: FloatArray, shape: FloatArray) -> NDArray[np.float64]:
    """Pixels `[N,2]` of points `[N,3]` about the face's centre."""
    turned, distance = shape @ euler_to_matrix(*pose[:3]).T, np.exp(pose[6])
    x, y, z = turned.T
    u, v, _ = projected(x, y, z, np.exp(pose[5]) * distance, distance, (pose[3], pose[4]))
    return np.stack([u, v], axis=-1)


def project_derivative(pose: FloatArray, shape: FloatArray, basis: FloatArray) -> NDArray[np.float64]:
    """How the pixels move with each coefficient, `[K,N,2]`, for the basis `[K,N,3]`."""
    rotation = euler_to_matrix(*pose[:3])
    turned, moved = shape @ rotation.T, basis @ rotation.T
    k = np.exp(pose[5]) / (1.0 - turned[:, 2] * np.exp(-pose[6]))
    stretch = k**2 * np.exp(-pose[6] - pose[5])
    planar = k[:, None] * moved[..., :2] + (stretch * moved[..., 2])[..., None] * turned[:, :2]
    return np.asarray(planar * [1.0, -1.0])


def _pose_derivative(pose: FloatArray, shape: FloatArray) -> NDArray[np.float64]:
    """`[2N,7]` by central differences."""
    steps = np.eye(NUM_POSE) * POSE_STEP
    columns = [(project(pose + step, shape) - project(pose - step, shape)).ravel() for step in steps]
    return np.stack(columns, axis=1) / (2 * POSE_STEP)
